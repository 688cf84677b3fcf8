//! One list of a rule as Envoy evaluates it: what it looks at, and what it takes (sections 5 to 7 of the rules).

use std::net::IpAddr;

use serde_json::Value;

use super::address::{self, Block};
use super::claims::RequestPrincipal;
use super::identity::{self, Account};
use super::pattern::{Glob, Pattern, Star};
use super::request::{HeaderValue, Peer, Seen};
use super::template::{self, Read, Template};
use super::truth::Truth;
use crate::model::Text;

/// What a value of `paths` asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPattern {
    /// A text (P1).
    Text(Pattern),
    /// A template (H3).
    Template(Template),
    /// A template that Envoy refuses: what the proxy does then is not known (H10).
    Refused,
}

/// What a list takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// The peer's identity (I2).
    Principal(Vec<Pattern>),
    /// The namespace in it (I3).
    Namespace(Vec<Glob>),
    /// The account in it (I4).
    ServiceAccount(Vec<Account>),
    /// The namespace of an identity, as ztunnel reads it (I3).
    NamespaceName(Vec<Pattern>),
    /// The account of an identity, as ztunnel reads it (I4).
    AccountName(Vec<Account>),
    /// Its trust domain (I5).
    TrustDomain(Vec<Pattern>),
    /// The connection's other end (I7).
    SourceIp(Vec<Block>),
    /// The client (I8).
    RemoteIp(Vec<Block>),
    /// The proxy's end.
    DestinationIp(Vec<Block>),
    /// The proxy's port.
    Port(Vec<u16>),
    /// The server name.
    Sni(Vec<Pattern>),
    /// The host, in lower case (H1).
    Host(Vec<Pattern>),
    /// The method.
    Method(Vec<Pattern>),
    /// The path (H2 to H7).
    Path(Vec<PathPattern>),
    /// A header, by its name in lower case (H8, H9).
    Header(String, Vec<Pattern>),
    /// Issuer and subject of the token (J1).
    RequestPrincipal(Vec<RequestPrincipal>),
    /// A claim of the token (J2).
    Claim(Vec<String>, Vec<Pattern>),
    /// What filters of Envoy left.
    Metadata,
    /// Nothing: a key of claims without brackets (C6).
    Never,
}

/// A list of a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    /// Where it stands, as `to.operation.paths` or `when[0].values`.
    pub field: String,
    /// Its values as they are written.
    pub wanted: Vec<Text>,
    /// What it takes.
    pub test: Test,
    /// Whether it is the negative form.
    pub is_not: bool,
}

/// What a list becomes.
#[derive(Debug, Clone, PartialEq)]
pub enum Compiled {
    /// What it takes.
    Test(Test),
    /// None of its values can be read, so it is as good as absent where the rule stays (C6).
    Nothing,
    /// Nobody knows its key: the rule goes, whatever its action (C6).
    UnknownKey,
}

/// What is needed to compile the lists of a policy.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The policy's namespace, which an account without one is of.
    pub namespace: &'a str,
    /// The mesh's trust domain and its aliases.
    pub trust_domains: &'a [String],
}

/// What stands for fields that no key of conditions means.
const HOSTS: &str = "operation hosts";
const METHODS: &str = "operation methods";
const PATHS: &str = "operation paths";

/// The key of conditions that means a field of a source or an operation, or what stands for one.
pub fn key_of(field: &str) -> &str {
    match field {
        "principals" => "source.principal",
        "namespaces" => "source.namespace",
        "serviceAccounts" => "source.serviceAccount",
        "trustDomains" => "source.trustDomain",
        "ipBlocks" => "source.ip",
        "remoteIpBlocks" => "remote.ip",
        "requestPrincipals" => "request.auth.principal",
        "ports" => "destination.port",
        "hosts" => HOSTS,
        "methods" => METHODS,
        "paths" => PATHS,
        // Nothing else is a field, and no key is either.
        _ => "",
    }
}

/// Whether a key of [`key_of`] is one of HTTP alone (section 8).
pub fn is_of_http(key: &str) -> bool {
    [HOSTS, METHODS, PATHS].contains(&key) || key.starts_with("request.")
}

/// What stands behind a key in brackets: `[a][b]` is `a`, `b`.
fn brackets(rest: &str) -> Option<Vec<String>> {
    let inner = rest.strip_prefix('[')?.strip_suffix(']')?;
    let names: Vec<String> = inner.split("][").map(str::to_owned).collect();
    let is_plain = |name: &String| !name.is_empty() && !name.contains(['[', ']']);
    names.iter().all(is_plain).then_some(names)
}

/// Compiles a list, and says whether all its values could be read: where they could not, an ALLOW rule goes (C6).
pub fn compile(key: &str, values: &[Text], around: Surroundings<'_>) -> (Compiled, bool) {
    let patterns = || values.iter().map(|value| Pattern::new(value)).collect::<Vec<_>>();
    let filled = || values.iter().filter(|v| !v.is_empty()).map(|value| Pattern::new(value)).collect();
    let whole = |test| (Compiled::Test(test), true);
    let blocks = |test: fn(Vec<Block>) -> Test| {
        let read: Vec<_> = values.iter().filter_map(|value| Block::parse(value)).collect();
        partly(read, values.len(), test)
    };
    match key {
        "source.principal" => whole(Test::Principal(identity::principals(values, around.trust_domains))),
        "source.namespace" => whole(Test::Namespace(identity::namespaces(values))),
        "source.serviceAccount" => {
            let accounts = values.iter().map(|value| Account::new(value, around.namespace));
            whole(Test::ServiceAccount(accounts.collect()))
        }
        "source.trustDomain" => {
            whole(Test::TrustDomain(identity::trust_domains(values, around.trust_domains)))
        }
        "source.ip" => blocks(Test::SourceIp),
        "remote.ip" => blocks(Test::RemoteIp),
        "destination.ip" => blocks(Test::DestinationIp),
        "destination.port" => {
            partly(values.iter().filter_map(|value| address::port(value)).collect(), values.len(), Test::Port)
        }
        "connection.sni" => whole(Test::Sni(filled())),
        HOSTS => {
            let lower = values.iter().map(|value| Pattern::new(&value.to_lowercase()));
            whole(Test::Host(lower.collect()))
        }
        METHODS => whole(Test::Method(patterns())),
        PATHS => paths(values),
        "request.auth.principal" => {
            let read = values.iter().filter(|value| !value.is_empty());
            whole(Test::RequestPrincipal(read.map(|value| RequestPrincipal::new(value)).collect()))
        }
        "request.auth.audiences" => whole(Test::Claim(vec!["aud".to_owned()], filled())),
        "request.auth.presenter" => whole(Test::Claim(vec!["azp".to_owned()], filled())),
        key => {
            if let Some(rest) = key.strip_prefix("request.headers") {
                // Brackets inside are of the name.
                return match rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                    Some(name) => whole(Test::Header(name.to_lowercase(), patterns())),
                    None => (Compiled::Nothing, false),
                };
            }
            if let Some(rest) = key.strip_prefix("request.auth.claims") {
                return whole(brackets(rest).map_or(Test::Never, |path| Test::Claim(path, filled())));
            }
            if key.starts_with("experimental.envoy.filters.") {
                return whole(Test::Metadata);
            }
            (Compiled::UnknownKey, false)
        }
    }
}

fn partly<T>(read: Vec<T>, of: usize, test: fn(Vec<T>) -> Test) -> (Compiled, bool) {
    let all = read.len() == of;
    if read.is_empty() { (Compiled::Nothing, all) } else { (Compiled::Test(test(read)), all) }
}

fn paths(values: &[Text]) -> (Compiled, bool) {
    let read = values.iter().filter_map(|value| {
        if !template::is_template(value) {
            return Some(PathPattern::Text(Pattern::new(value)));
        }
        match Template::read(value) {
            Read::Template(template) => Some(PathPattern::Template(template)),
            Read::Refused => Some(PathPattern::Refused),
            Read::Invalid => None,
        }
    });
    partly(read.collect(), values.len(), Test::Path)
}

impl Clause {
    /// Whether it holds. A pattern on what is absent is false, and its negation true (P4).
    pub fn holds(&self, seen: &Seen<'_>) -> Truth {
        let fits = self.test.fits(seen);
        if self.is_not { fits.negated() } else { fits }
    }
}

impl Test {
    /// Whether a request fits any of the values.
    pub fn fits(&self, seen: &Seen<'_>) -> Truth {
        let request = seen.request;
        let known = |value: Option<bool>| value.map_or(Truth::Unknown, Truth::from);
        let address = |blocks: &[Block], address: Option<IpAddr>| {
            known(address.map(|address| blocks.iter().any(|block| block.contains(address))))
        };
        match self {
            Self::Principal(patterns) => {
                of_peer(&request.peer, patterns.contains(&Pattern::Any), &|identity| {
                    identity::is_principal(patterns, identity)
                })
            }
            Self::Namespace(globs) => {
                of_peer(&request.peer, false, &|identity| globs.iter().any(|glob| glob.fits(identity)))
            }
            Self::ServiceAccount(accounts) => of_peer(&request.peer, false, &|identity| {
                accounts.iter().any(|account| account.fits(identity))
            }),
            Self::NamespaceName(patterns) => {
                of_peer(&request.peer, patterns.contains(&Pattern::Any), &|one| {
                    identity::parts(one)
                        .is_some_and(|(namespace, _)| Pattern::any_fits(patterns, namespace, Star::SomeText))
                })
            }
            Self::AccountName(accounts) => of_peer(&request.peer, false, &|one| {
                identity::parts(one).is_some_and(|(namespace, name)| {
                    accounts.iter().any(|account| account.is(namespace, name))
                })
            }),
            Self::TrustDomain(patterns) => {
                of_peer(&request.peer, patterns.contains(&Pattern::Any), &|identity| {
                    identity::is_of_trust_domain(patterns, identity)
                })
            }
            Self::SourceIp(blocks) => address(blocks, request.source_ip),
            Self::RemoteIp(blocks) => address(blocks, seen.remote_ip),
            Self::DestinationIp(blocks) => address(blocks, request.destination_ip),
            Self::Port(ports) => known(request.port.map(|port| ports.contains(&port))),
            Self::Sni(patterns) => {
                known(seen.sni.as_deref().map(|sni| Pattern::any_fits(patterns, sni, Star::SomeText)))
            }
            Self::Host(patterns) => known(
                request
                    .host
                    .as_deref()
                    .map(|host| Pattern::any_fits(patterns, &host.to_lowercase(), Star::Presence)),
            ),
            // There is no request without a method.
            Self::Method(patterns) if patterns.contains(&Pattern::Any) => Truth::Yes,
            Self::Method(patterns) => known(
                request.method.as_deref().map(|method| Pattern::any_fits(patterns, method, Star::Presence)),
            ),
            Self::Path(patterns) => path_fits(patterns, seen.path()),
            Self::Header(name, patterns) => seen.header(name).fits(patterns),
            Self::RequestPrincipal(wanted) => match &seen.claims {
                Err(()) => Truth::Unknown,
                Ok(claims) => {
                    let fits = |claims: &Value| wanted.iter().any(|one| one.fits(claims));
                    claims.as_ref().is_some_and(|claims| fits(&claims.payload)).into()
                }
            },
            Self::Claim(path, patterns) => match &seen.claims {
                Err(()) => Truth::Unknown,
                Ok(claims) => claims.as_ref().is_some_and(|claims| claims.fit(path, patterns)).into(),
            },
            Self::Metadata if request.has_no_metadata => Truth::No,
            Self::Metadata => Truth::Unknown,
            Self::Never => Truth::No,
        }
    }

    /// The attribute of a request that it looks at, by the name that a request has it under.
    pub fn looks_at(&self) -> String {
        match self {
            Self::Principal(_)
            | Self::Namespace(_)
            | Self::ServiceAccount(_)
            | Self::NamespaceName(_)
            | Self::AccountName(_)
            | Self::TrustDomain(_) => "principal".to_owned(),
            Self::SourceIp(_) => "source_ip".to_owned(),
            Self::RemoteIp(_) => "remote_ip".to_owned(),
            Self::DestinationIp(_) => "dest_ip".to_owned(),
            Self::Port(_) => "port".to_owned(),
            Self::Sni(_) => "sni".to_owned(),
            Self::Host(_) => "host".to_owned(),
            Self::Method(_) => "method".to_owned(),
            Self::Path(patterns) if patterns.contains(&PathPattern::Refused) => {
                "a path template that Envoy takes".to_owned()
            }
            Self::Path(_) => "path".to_owned(),
            Self::Header(name, _) => match name.as_str() {
                ":authority" | "host" => "host".to_owned(),
                ":method" => "method".to_owned(),
                ":path" => "path".to_owned(),
                "authorization" => "token".to_owned(),
                name => format!("headers[{name}]"),
            },
            Self::RequestPrincipal(_) | Self::Claim(..) => "jwt".to_owned(),
            Self::Metadata => "dynamic metadata of Envoy's filters".to_owned(),
            Self::Never => String::new(),
        }
    }

    /// What the request has there, as far as it is known and there.
    pub fn got(&self, seen: &Seen<'_>) -> Option<Value> {
        let request = seen.request;
        let text = |text: Option<&str>| text.map(Value::from);
        let address = |address: Option<IpAddr>| address.map(|address| Value::from(address.to_string()));
        match self {
            Self::Principal(_)
            | Self::Namespace(_)
            | Self::ServiceAccount(_)
            | Self::NamespaceName(_)
            | Self::AccountName(_)
            | Self::TrustDomain(_) => match &request.peer {
                Peer::Identity(identity) => Some(Value::from(identity.as_str())),
                Peer::Unknown | Peer::Somebody | Peer::Plaintext => None,
            },
            Self::SourceIp(_) => address(request.source_ip),
            Self::RemoteIp(_) => address(seen.remote_ip),
            Self::DestinationIp(_) => address(request.destination_ip),
            Self::Port(_) => request.port.map(Value::from),
            Self::Sni(_) => text(request.sni.as_deref()),
            Self::Host(_) => text(request.host.as_deref()),
            Self::Method(_) => text(request.method.as_deref()),
            Self::Path(_) => text(seen.path()),
            Self::Header(name, _) => match seen.header(name) {
                HeaderValue::Unknown | HeaderValue::Begins(_) => None,
                HeaderValue::Lines(lines) => match &*lines {
                    [] => None,
                    [line] => text(Some(line)),
                    lines => Some(lines.iter().map(|line| Value::from(*line)).collect()),
                },
            },
            Self::RequestPrincipal(_) => {
                let payload = &seen.claims.as_ref().ok()?.as_ref()?.payload;
                let of = |key: &str| payload.get(key).and_then(Value::as_str).unwrap_or_default();
                Some(Value::from(format!("{}/{}", of("iss"), of("sub"))))
            }
            Self::Claim(path, _) => seen.claims.as_ref().ok()?.as_ref()?.get(path).cloned(),
            Self::Metadata | Self::Never => None,
        }
    }
}

impl Clause {
    /// One that never holds.
    pub fn never(field: String) -> Self {
        Self { field, wanted: Vec::new(), test: Test::Never, is_not: false }
    }
}

fn of_peer(peer: &Peer, is_any: bool, fits: &dyn Fn(&str) -> bool) -> Truth {
    match peer {
        Peer::Somebody if is_any => Truth::Yes,
        Peer::Unknown | Peer::Somebody => Truth::Unknown,
        Peer::Plaintext => Truth::No,
        Peer::Identity(identity) => fits(identity).into(),
    }
}

/// Whether a path, as policies see it and without its query, fits any of some patterns.
pub fn path_fits(patterns: &[PathPattern], path: Option<&str>) -> Truth {
    Truth::any(patterns.iter().map(|pattern| match (pattern, path) {
        // Every request has a path that is not empty.
        (PathPattern::Text(Pattern::Any), _) => Truth::Yes,
        (PathPattern::Refused, _) | (PathPattern::Text(_) | PathPattern::Template(_), None) => Truth::Unknown,
        (PathPattern::Text(pattern), Some(path)) => pattern.fits(path, Star::SomeText).into(),
        (PathPattern::Template(template), Some(path)) => template.fits(path).into(),
    }))
}
