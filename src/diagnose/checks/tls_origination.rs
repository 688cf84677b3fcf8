//! MS0115: plain HTTP reaches a TLS port outside the mesh (MT-4.5, MT-4.11).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Edges, Finding};
use crate::diagnose::judge::Judged;
use crate::model::service::PortProtocol;
use crate::model::{Object, ObjectId};
use crate::resolve::client_tls::Sent;
use crate::resolve::{PairTls, Service, Status};

/// Ports found so far, by the `ServiceEntry` and the place in it.
#[derive(Debug, Default)]
pub struct Plain {
    found: BTreeMap<Place, Found>,
}

/// A `ServiceEntry` and the index of a port in it.
type Place = (ObjectId, usize);

/// The object, the pairs, and the port outside.
type Found = (Arc<Object>, Edges, u16);

impl Plain {
    /// Looks at a pair.
    pub fn add(&mut self, judged: &Judged<'_>) {
        let service = judged.service;
        let Some((at, target)) = plain_at_tls_port(service, judged.tls) else { return };
        let key = (service.object.id.clone(), at);
        let found =
            self.found.entry(key).or_insert_with(|| (Arc::clone(&service.object), Edges::default(), target));
        found.1.add(&judged.clients(), &service.host, judged.tls.port, judged.tls.subset.as_ref());
    }

    /// Takes over what was found of later hosts.
    pub fn absorb(&mut self, later: Self) {
        for (key, later) in later.found {
            match self.found.entry(key) {
                Entry::Vacant(place) => drop(place.insert(later)),
                Entry::Occupied(mut known) => known.get_mut().1.absorb(later.1),
            }
        }
    }

    /// The findings, one a port of a `ServiceEntry`.
    pub fn findings(self) -> Vec<Finding> {
        let finding = |((_, at), (object, edges, target)): (Place, Found)| {
            let first = edges.targets().next().map(|(host, port, _, _)| format!("{host}:{port}"));
            let first = first.unwrap_or_default();
            let message = format!(
                "{} declares {first} as HTTP, and its endpoints take it at the TLS port {target}: no rule originates \
                 TLS, so that clients send plain HTTP there",
                object.id
            );
            let field = format!("spec.ports[{at}]");
            let counted = "HTTP, at a port for TLS";
            let mut finding =
                Finding::of_field(Code::MissingTlsOrigination, &object, &field, counted, message);
            finding.edges = edges;
            finding
        };
        self.found.into_iter().map(finding).collect()
    }
}

/// The place in the `ServiceEntry` of the port that a pair calls, and the port outside, where plain HTTP is sent to one
/// for TLS.
pub fn plain_at_tls_port(service: &Service, tls: &PairTls) -> Option<(usize, u16)> {
    let plain = tls.status != Status::Unknown && tls.effective == Some(Sent::Plaintext);
    let at = service.ports().iter().position(|port| port.number == tls.port)?;
    let target = tls_port(service, at).filter(|_| service.is_external && plain)?;
    Some((at, target))
}

/// The port outside that a port declared as HTTP leads to, where it is one for TLS by number or name.
fn tls_port(service: &Service, at: usize) -> Option<u16> {
    let port = service.ports().get(at).filter(|port| port.protocol() == PortProtocol::Http)?;
    let name = port.name.split('-').next().unwrap_or_default();
    let endpoints = service.endpoints(port.number);
    let mut targets: Vec<_> = endpoints.iter().map(|endpoint| endpoint.port).collect();
    if targets.is_empty() {
        targets.push(port.number);
    }
    let named = matches!(name, "https" | "tls");
    targets.into_iter().find(|target| *target == 443 || named)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::checks::examples::{check, finding, object, rule, shop};

    fn entry(port: &str, more: &str) -> String {
        let spec = format!("{{hosts: [api.example.com], resolution: DNS, ports: [{port}]{more}}}");
        shop() + &object("ServiceEntry", "web", "api", 1, &spec)
    }

    fn told(yaml: &str) -> bool {
        check(yaml).iter().any(|line| line.starts_with("MS0115"))
    }

    const TO_443: &str = "{name: http, number: 80, protocol: HTTP, targetPort: 443}";

    #[test]
    fn plain_http_to_a_tls_port_is_told() {
        let plain = finding(&entry(TO_443, ""), "MS0115");
        assert_eq!((plain.root.1.as_str(), plain.edges.len()), ("spec.ports[0]", 2));
        assert!(told(&entry("{name: http, number: 443, protocol: HTTP}", "")));
        assert!(told(&entry("{name: https-api, number: 8443, protocol: HTTP}", "")));
    }

    #[test]
    fn tls_that_somebody_originates_is_not_told() {
        let simple = "{host: api.example.com, trafficPolicy: {tls: {mode: SIMPLE}}}";
        assert!(!told(
            &(entry(TO_443, "") + &rule("web", "api", 1, simple) + &rule("shop", "api", 1, simple))
        ));
        for port in [
            "{name: http, number: 80, protocol: HTTP}",
            "{name: tls, number: 443, protocol: TLS}",
            "{name: https, number: 443, protocol: HTTPS}",
        ] {
            assert!(!told(&entry(port, "")), "{port}");
        }
        assert!(!told(&entry(TO_443, ", location: MESH_INTERNAL")));
    }

    #[test]
    fn a_rule_that_only_some_clients_have_leaves_the_others() {
        let simple = "{host: api.example.com, exportTo: [\".\"], trafficPolicy: {tls: {mode: SIMPLE}}}";
        let other = finding(&(entry(TO_443, "") + &rule("shop", "api", 1, simple)), "MS0115");
        assert_eq!(other.edges.len(), 1);
    }
}
