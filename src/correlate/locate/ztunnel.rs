//! The place of ztunnel's lines. They name both ends themselves, so much is known even without objects.

use std::sync::Arc;

use super::{Located, Locator};
use crate::logs::{End, PodName, Reporter, Through, ZtunnelKey};
use crate::resolve::Workload;

impl Locator<'_> {
    /// The place of a group of ztunnel's lines.
    pub fn locate_ztunnel(&self, key: &ZtunnelKey) -> Located {
        let (client, server) = (self.source(&key.source), self.end(&key.destination));
        let at_server = key.reporter == Reporter::Server;
        let mut located = Located { client, ..Located::default() };
        // The waypoint is where a connection goes to, and not the server of the service.
        located.server = server.filter(|_| key.through.is_none());
        located.reporter = if at_server { server } else { client };
        let behind = located.server.zip(key.port).and_then(|at| self.behind.get(&at));
        let behind = behind.map(Vec::as_slice).unwrap_or_default();
        // The client says which service it called. The server guesses where nothing in a plaintext connection tells.
        let is_guess = at_server && key.mtls != Some(true);
        if let Some(host) = key.service.as_deref().filter(|_| !is_guess) {
            located.host = Some(host.into());
            let by_pod = behind.iter().find(|(service, _)| &*service.host == host).map(|(_, port)| *port);
            located.port = by_pod.or(key.port.filter(|_| key.through == Some(Through::Waypoint)));
        } else if let (Some((service, port)), true) = (only(behind), is_guess) {
            located.host = Some(Arc::clone(&service.host));
            located.port = Some(*port);
        }
        self.called_by_address(key, &mut located);
        let address = self.workload(located.server).and_then(Workload::address);
        if at_server {
            located.refused_at = address.zip(key.port).map(|(address, port)| (address.into(), port));
        }
        located.client_pod = name_of(&key.source).filter(|_| client.is_none());
        let names_server = located.host.is_none() && located.server.is_none() && key.through.is_none();
        located.server_pod = name_of(&key.destination).filter(|_| names_server);
        located
    }

    /// What was called, where no service is named: one of the services by its address, or a pod.
    fn called_by_address(&self, key: &ZtunnelKey, located: &mut Located) {
        if located.host.is_some() || key.reporter != Reporter::Client {
            return;
        }
        let service = key.destination.address.as_deref().and_then(|called| self.by_cluster_ip.get(called));
        if let Some(service) = service {
            located.host = Some(Arc::clone(&service.host));
            located.port = key.port;
        } else if let (Some(server), Some(port)) = (self.workload(located.server), key.port) {
            located.direct = server.address().map(|address| (address.into(), port));
        }
    }

    fn source(&self, end: &End) -> Option<usize> {
        if end.workload.is_some() { self.end(end) } else { self.caller(end.address.as_deref()?) }
    }

    fn end(&self, end: &End) -> Option<usize> {
        match name_of(end) {
            Some(pod) => self.mesh.workloads.by_pod(&pod.namespace, &pod.name),
            None => self.mesh.workloads.by_address(end.address.as_deref()?),
        }
    }
}

fn only<T>(all: &[T]) -> Option<&T> {
    match all {
        [one] => Some(one),
        _ => None,
    }
}

fn name_of(end: &End) -> Option<PodName> {
    let (namespace, name) = end.workload.as_deref()?.split_once('/')?;
    Some(PodName { namespace: namespace.into(), name: name.into() })
}
