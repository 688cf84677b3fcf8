//! What the rules of a proxy look at, and with it which lines are alike to them. Of a path it counts only what it is
//! compared with, so that the number of different lines does not grow with the number of paths.

use crate::logs::{AccessLine, Sni};
use crate::resolve::authorize::clause::{PathPattern, Test, path_fits};
use crate::resolve::authorize::evaluator::{Evaluator, Protocol};
use crate::resolve::authorize::path::without_query;

/// An attribute of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
enum Attribute {
    Method = 1 << 0,
    WholePath = 1 << 1,
    Host = 1 << 2,
    Who = 1 << 3,
    Source = 1 << 4,
    Remote = 1 << 5,
    Destination = 1 << 6,
    Sni = 1 << 7,
    UserAgent = 1 << 8,
    RequestId = 1 << 9,
    ForwardedFor = 1 << 10,
}

/// What the rules of a proxy look at.
#[derive(Debug, Clone, Default)]
pub(super) struct LooksAt {
    /// The attributes, a bit each.
    asked: u16,
    /// The lists that paths are compared with.
    paths: Vec<Vec<PathPattern>>,
}

impl LooksAt {
    /// Adds what the rules of an evaluator look at.
    pub(super) fn add(&mut self, evaluator: &Evaluator) {
        for protocol in [Protocol::Http, Protocol::Tcp] {
            for (_, _, rule) in evaluator.rules(protocol) {
                for clause in rule.clauses() {
                    self.add_test(&clause.test);
                }
            }
        }
    }

    fn add_test(&mut self, test: &Test) {
        let attribute = match test {
            Test::Principal(_)
            | Test::Namespace(_)
            | Test::ServiceAccount(_)
            | Test::NamespaceName(_)
            | Test::AccountName(_)
            | Test::TrustDomain(_) => Attribute::Who,
            Test::SourceIp(_) => Attribute::Source,
            Test::RemoteIp(_) => Attribute::Remote,
            Test::DestinationIp(_) => Attribute::Destination,
            Test::Sni(_) => Attribute::Sni,
            Test::Host(_) => Attribute::Host,
            Test::Method(_) => Attribute::Method,
            Test::Path(patterns) => {
                if !self.paths.contains(patterns) {
                    self.paths.push(patterns.clone());
                }
                return;
            }
            Test::Header(name, _) => match name.as_str() {
                ":method" => Attribute::Method,
                ":path" => Attribute::WholePath,
                ":authority" | "host" => Attribute::Host,
                "user-agent" => Attribute::UserAgent,
                "x-request-id" => Attribute::RequestId,
                "x-forwarded-for" => Attribute::ForwardedFor,
                // Whether the connection is one of TLS decides about them, or no line tells them.
                _ => Attribute::Who,
            },
            // The port is always looked at; no line tells the others.
            Test::Port(_) | Test::RequestPrincipal(_) | Test::Claim(..) | Test::Metadata | Test::Never => {
                return;
            }
        };
        self.asked |= attribute as u16;
    }

    fn has(&self, attribute: Attribute) -> bool {
        self.asked & attribute as u16 != 0
    }

    /// Writes what tells a line from others into a key.
    pub(super) fn write(&self, line: &AccessLine<'_>, key: &mut Vec<u8>) {
        let sni = line.sni();
        key.push(match sni {
            None => 0,
            Some(Sni::None) => 1,
            Some(Sni::Istio) => 2,
            Some(Sni::Other) => 3,
        });
        let remote = line.downstream_remote_address.unwrap_or_default();
        // Behind X-Forwarded-For the port is 0, and the address is not the connection's.
        let is_forwarded = port_of(remote) == b"0";
        key.push(u8::from(is_forwarded) | u8::from(line.ambiguous) << 1);
        let parts = [
            (Attribute::Method, line.method),
            (Attribute::WholePath, line.path),
            (Attribute::Host, line.authority),
            (Attribute::UserAgent, line.user_agent),
            (Attribute::RequestId, line.request_id),
            (Attribute::ForwardedFor, line.x_forwarded_for),
            (Attribute::Sni, line.requested_server_name),
        ];
        if self.asked != 0 {
            for (attribute, field) in parts {
                if self.has(attribute) {
                    push(key, field.unwrap_or_default());
                }
            }
        }
        if !self.paths.is_empty() {
            let path = line.path.and_then(|path| std::str::from_utf8(path).ok()).map(without_query);
            key.extend(self.paths.iter().map(|patterns| path_fits(patterns, path) as u8));
        }
        let local = line.downstream_local_address.unwrap_or_default();
        push(key, port_of(local));
        if self.has(Attribute::Destination) {
            push(key, host_of(local));
        }
        let is_caller = !is_forwarded
            && (self.has(Attribute::Source) || self.has(Attribute::Who) && sni == Some(Sni::Istio));
        if is_caller || self.has(Attribute::Remote) {
            push(key, host_of(remote));
        }
    }
}

/// Writes a part of a key, and before it how long it is: whatever callers write, no key reads in two ways.
pub(super) fn push(key: &mut Vec<u8>, part: &[u8]) {
    // No line is as long as these bytes can count.
    key.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
    key.extend_from_slice(part);
}

fn port_of(address: &[u8]) -> &[u8] {
    memchr::memrchr(b':', address).and_then(|at| address.get(at + 1..)).unwrap_or_default()
}

/// The address without its port.
pub(super) fn host_of(address: &[u8]) -> &[u8] {
    memchr::memrchr(b':', address).and_then(|at| address.get(..at)).unwrap_or(address)
}
