//! The demo: a small broken mesh that the program carries, and traffic that fails as its configuration says.

use crate::bundle::Path;
use crate::logs::{PodName, format_time};
use crate::model::Text;
use crate::resolve::client_tls::Sent;
use crate::resolve::{Mesh, Service, Status, Workload};

/// The inputs that the program carries itself: the mesh, and the log of one of its clients.
pub fn paths() -> Vec<Path> {
    vec![
        Path::Embedded("mesh.yaml", include_str!("../fixtures/mtls/bookinfo-2019/mesh.yaml")),
        Path::Embedded(
            "logs/bookinfo/traffic-generator-productpage-6b88d69f-xxfkn.log",
            include_str!(
                "../fixtures/mtls/bookinfo-2019/logs/bookinfo/traffic-generator-productpage-6b88d69f-xxfkn.log"
            ),
        ),
    ]
}

/// A line that a client's proxy writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoLine {
    /// The client.
    pub pod: PodName,
    /// The line, in the text format of Istio 1.3.
    pub text: String,
}

/// A client that calls a service again and again.
#[derive(Debug, Clone)]
struct Caller {
    pod: PodName,
    address: Text,
    authority: String,
    host: Text,
    port: u16,
    endpoint: Text,
    outcome: Outcome,
}

/// What becomes of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Answered,
    Reset,
    WrongVersion,
    NoEndpoint,
}

/// Traffic of a mesh: seeded, so that it is the same in every run but for the time.
#[derive(Debug, Clone)]
pub struct Traffic {
    callers: Vec<Caller>,
    random: u64,
    port: u16,
}

impl Traffic {
    /// The traffic of every client with a proxy to every service but its own.
    pub fn new(mesh: &Mesh, seed: u64) -> Self {
        let mut callers = Vec::new();
        for client in mesh.workloads.all() {
            for host in mesh.registry.hosts() {
                let Some(service) = mesh.registry.by_host(host) else { continue };
                callers.extend(
                    service.ports().iter().filter_map(|port| caller(mesh, client, service, port.number)),
                );
            }
        }
        Self { callers, random: seed | 1, port: 33_850 }
    }

    /// The lines written at a time (milliseconds since the epoch): about half of the callers call.
    pub fn lines(&mut self, now: i64) -> Vec<DemoLine> {
        let mut lines = Vec::new();
        for caller in self.callers.clone() {
            if self.next().is_multiple_of(2) {
                lines.push(self.line(&caller, now));
            }
        }
        lines
    }

    fn line(&mut self, caller: &Caller, now: i64) -> DemoLine {
        let delay = i64::try_from(self.next() % 400).unwrap_or(0);
        let time = format_time((now - delay) * 1000);
        self.port = if self.port > 60_000 { 33_850 } else { self.port + 2 };
        let (result, upstream) = match caller.outcome {
            Outcome::Answered => ("200 - \"-\" \"-\" 0 5179 18 17", &*caller.endpoint),
            Outcome::Reset => ("503 UC \"-\" \"-\" 0 95 1 -", &*caller.endpoint),
            Outcome::WrongVersion => (
                "503 UF,URX \"-\" \"TLS error: 268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER\" 0 91 47 -",
                &*caller.endpoint,
            ),
            Outcome::NoEndpoint => ("503 UH \"-\" \"-\" 0 19 0 -", "-"),
        };
        let (a, b) = (self.next(), self.next());
        let id = format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            (b >> 48) & 0xfff,
            b & 0xffff_ffff_ffff
        );
        let text = format!(
            "[{time}] \"GET /{} HTTP/1.1\" {result} \"-\" \"curl/7.35.0\" \"{id}\" \"{}\" \"{upstream}\" outbound|{}||{} - {} {}:{} -",
            caller.authority.split(':').next().unwrap_or_default(),
            caller.authority,
            caller.port,
            caller.host,
            caller.endpoint,
            caller.address,
            self.port,
        );
        DemoLine { pod: caller.pod.clone(), text }
    }

    /// The next number of a xorshift sequence.
    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

fn caller(mesh: &Mesh, client: &Workload, service: &Service, port: u16) -> Option<Caller> {
    let own = service.all_endpoints().any(|endpoint| {
        let server = endpoint.workload.and_then(|at| mesh.workloads.get(at));
        server.is_some_and(|server| server.pod == client.pod && server.namespace == client.namespace)
    });
    if own || client.proxy == crate::model::pod::ProxyKind::None {
        return None;
    }
    let tls = mesh.pair(client, &service.host, port, None)?;
    let first = tls.endpoints.iter().find(|endpoint| endpoint.ready);
    let outcome = match (first, tls.status) {
        (None, _) => Outcome::NoEndpoint,
        (Some(endpoint), _) if endpoint.result != Status::Conflict => Outcome::Answered,
        (Some(endpoint), _) if endpoint.sent == Sent::Plaintext => Outcome::Reset,
        (Some(_), _) => Outcome::WrongVersion,
    };
    Some(Caller {
        pod: PodName { namespace: client.namespace.clone(), name: client.pod.clone()? },
        address: client.body()?.addresses.first()?.clone(),
        authority: format!("{}:{port}", service.object.id.name),
        host: service.host.clone(),
        port,
        endpoint: first.map_or_else(|| "-".into(), |endpoint| endpoint.address.clone()),
        outcome,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{self, Request};
    use crate::logs::{Aggregate, Format, SourceName};
    use crate::resolve::Options;

    #[test]
    fn the_traffic_fails_as_the_configuration_says_and_reads_back() {
        let read = bundle::read(&Request { paths: paths(), logs: Vec::new() }).unwrap();
        let mesh = Mesh::new(&read.snapshot, &Options::default());
        let mut traffic = Traffic::new(&mesh, 7);
        let lines: Vec<_> = (0..20).flat_map(|tick| traffic.lines(1_570_485_277_000 + tick * 500)).collect();
        assert!(lines.len() > 20);
        let mut logs = Aggregate::new();
        let source = logs.add_source(SourceName { file: "demo".into(), pod: None });
        for (number, line) in (1..).zip(&lines) {
            logs.add_line(source, number, line.text.as_bytes());
        }
        assert_eq!(logs.lines().parsed, lines.len() as u64);
        assert!(
            logs.formats().filter(|(_, count)| *count > 0).all(|(format, _)| format == Format::IstioText13)
        );
        assert!(logs.groups().all(|group| group.flags.has("UC") && group.response_code == Some(503)));
    }
}
