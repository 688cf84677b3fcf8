//! The endpoints that failed lines name, where they are not all of the service: one without proxy among others, say, is
//! judged by itself.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Asked, called, part_of};
use crate::correlate::age;
use crate::correlate::locate::Located;
use crate::logs::{Group, Reporter};
use crate::resolve::{EndpointTls, PairTls, Status, overall};

/// What the lines of an endpoint are judged by.
type Judged<'a> = (Status, crate::resolve::client_tls::Sent, &'a crate::resolve::conflict::Server);

impl Asked<'_> {
    /// The answer for the pair of a group, of the endpoints that its lines name if each of them names one.
    pub(super) fn pair(&self, group: &Group, place: &Located) -> Option<PairTls> {
        let mut pair = self.whole_pair(place)?;
        let Some(named) = self.named(group, &pair) else { return Some(pair) };
        let is_all = named.len() == pair.endpoints.len() && named.iter().all(|(endpoint, _)| endpoint.ready);
        if !is_all {
            // Lines went there, so it was ready then.
            let then = |endpoint: &EndpointTls| EndpointTls { ready: true, ..endpoint.clone() };
            let endpoints: Arc<[_]> = named.into_iter().map(|(endpoint, _)| then(endpoint)).collect();
            if matches!(pair.status, Status::Ok | Status::Warn | Status::Conflict) {
                (pair.status, pair.symptom) = overall(&endpoints);
            }
            let first = endpoints.first().map(|endpoint| endpoint.sent);
            pair.effective = first.filter(|sent| endpoints.iter().all(|endpoint| endpoint.sent == *sent));
            pair.endpoints = endpoints;
        }
        Some(pair)
    }

    /// Whether lines of the same proxy and cluster that went well can have gone to endpoints that a group does not name.
    pub(super) fn others_take(&self, group: &Group) -> bool {
        let Some(pair) = self.whole_pair(&self.locator.locate(group)) else { return false };
        let Some(named) = self.named(group, &pair) else { return false };
        let is_named = |endpoint: &EndpointTls| named.iter().any(|(one, _)| one.address == endpoint.address);
        pair.reachable().any(|endpoint| endpoint.result != Status::Conflict && !is_named(endpoint))
    }

    /// A group in as many parts as its endpoints are judged differently.
    pub(super) fn by_endpoints(&self, group: &Group) -> Vec<Group> {
        let pair = self.whole_pair(&self.locator.locate(group));
        let Some(named) = pair.as_ref().and_then(|pair| self.named(group, pair)) else {
            return vec![group.clone()];
        };
        let mut parts: Vec<(Judged<'_>, Vec<(SocketAddr, u64)>)> = Vec::new();
        for (endpoint, host) in &named {
            let judged = (endpoint.result, endpoint.sent, &endpoint.server);
            match parts.iter_mut().find(|(known, _)| *known == judged) {
                Some((_, hosts)) => hosts.push(*host),
                None => parts.push((judged, vec![*host])),
            }
        }
        let part = |hosts: Vec<(SocketAddr, u64)>| {
            let mut part = part_of(group, hosts.iter().map(|(_, count)| count).sum());
            part.evidence.hosts = hosts;
            part
        };
        parts.into_iter().map(|(_, hosts)| part(hosts)).collect()
    }

    /// The endpoints of a client's lines, with what names them. `None` where some line names none, or one that the service
    /// does not have, or had not when the lines were written.
    fn named<'p>(
        &self,
        group: &Group,
        pair: &'p PairTls,
    ) -> Option<Vec<(&'p EndpointTls, (SocketAddr, u64))>> {
        let hosts = &group.evidence.hosts;
        let count: u64 = hosts.iter().map(|(_, count)| count).sum();
        if group.reporter != Reporter::Client || hosts.is_empty() || count != group.count {
            return None;
        }
        hosts.iter().map(|host| Some((self.endpoint(pair, host.0, group.first)?, *host))).collect()
    }

    /// Whether lines of a group name an endpoint that the pair does not have, or had not when they were written. Where pods
    /// are not read, and where names stand for addresses, nothing tells.
    pub(super) fn names_others(&self, pair: &PairTls, group: &Group) -> bool {
        let hosts = &group.evidence.hosts;
        let has_address = |endpoint: &EndpointTls| endpoint.address.parse::<SocketAddr>().is_ok();
        called(group).is_none()
            && pair.endpoints.iter().all(has_address)
            && hosts.iter().any(|(host, _)| self.endpoint(pair, *host, group.first).is_none())
    }

    /// The endpoint of a pair at an address, if it was there when the lines were written.
    pub(super) fn endpoint<'p>(
        &self,
        pair: &'p PairTls,
        host: SocketAddr,
        first: Option<i64>,
    ) -> Option<&'p EndpointTls> {
        let endpoint = at(pair, host)?;
        let pod = self.locator.workload(endpoint.workload);
        (!pod.is_some_and(|pod| age::is_newer(&pod.object, first))).then_some(endpoint)
    }
}

/// The endpoint at an address and port.
pub(super) fn at(pair: &PairTls, host: SocketAddr) -> Option<&EndpointTls> {
    let host = host.to_string();
    pair.endpoints.iter().find(|endpoint| *endpoint.address == *host)
}

#[cfg(test)]
mod tests {
    use crate::correlate::cause::{Label, causes};
    use crate::correlate::locate::Locator;
    use crate::correlate::tests::{UC, client, mesh, read};
    use crate::diagnose::Confidence::{Certain, Likely, Possible};
    use crate::resolve::{Mesh, Options};

    /// A strict pod, and one without proxy behind the same service; lines to the one and to the other.
    fn said(rule: &str, lines: &[(u32, &str, usize)]) -> Vec<(Label, crate::diagnose::Confidence, u64)> {
        let line = |(second, what, at): &(u32, &str, usize)| {
            client(*second, what, "-").replace("10.8.2.0:9080", &format!("10.8.2.{at}:9080"))
        };
        let bundle =
            read(&mesh(rule, "STRICT", &[true, false]), &lines.iter().map(line).collect::<String>(), "");
        let mesh = Mesh::new(&bundle.snapshot, &Options::default());
        let causes = causes(&Locator::new(&mesh), &bundle.logs);
        causes.iter().map(|cause| (cause.label, cause.confidence, cause.count)).collect()
    }

    const OK: &str = "200 - via_upstream";

    #[test]
    fn each_endpoint_is_judged_by_itself() {
        let plaintext = (Label::PlaintextToStrict, Certain);
        assert_eq!(said("DISABLE", &[(1, UC, 0), (2, UC, 0)]), [(plaintext.0, plaintext.1, 2)]);
        // What goes well went to the other one.
        let among = [(1, UC, 0), (2, OK, 1), (3, UC, 0), (4, OK, 1)];
        assert_eq!(said("DISABLE", &among), [(plaintext.0, plaintext.1, 2)]);
        // The one without proxy takes plaintext, so it is not what failed there.
        assert_eq!(said("DISABLE", &[(1, UC, 1), (2, UC, 1)]), [(Label::AppClosed, Likely, 2)]);
        let both = [(1, UC, 0), (2, UC, 0), (3, UC, 1)];
        let wanted = [(plaintext.0, plaintext.1, 2), (Label::AppClosed, Likely, 1)];
        assert_eq!(said("DISABLE", &both), wanted);
    }

    #[test]
    fn endpoints_that_are_not_known_narrow_nothing() {
        let gone = said("DISABLE", &[(1, UC, 7), (2, UC, 0)]);
        assert!(gone.iter().all(|(_, confidence, _)| matches!(confidence, Likely | Possible)), "{gone:?}");
    }
}
