//! From a group of log lines to the workload that wrote it and the pair it belongs to.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::logs::{Direction, Group, PodOf, Reporter, UpstreamCluster};
use crate::model::Text;
use crate::resolve::{Mesh, Service, Workload};

/// What is known of a group's place in the mesh.
#[derive(Debug, Clone, Default)]
pub struct Located {
    /// The workload that wrote the lines, by its index.
    pub reporter: Option<usize>,
    /// The client of the pair.
    pub client: Option<usize>,
    /// The server of the pair.
    pub server: Option<usize>,
    /// The host called.
    pub host: Option<Text>,
    /// The service port.
    pub port: Option<u16>,
    /// The subset.
    pub subset: Option<Text>,
}

/// Finds the place of groups.
#[derive(Debug)]
pub struct Locator<'a> {
    mesh: &'a Mesh,
    /// Services by the pod and port that they lead to.
    behind: FxHashMap<(usize, u16), Vec<(&'a Service, u16)>>,
}

impl<'a> Locator<'a> {
    /// A locator for a mesh.
    pub fn new(mesh: &'a Mesh) -> Self {
        let mut behind: FxHashMap<_, Vec<_>> = FxHashMap::default();
        for service in mesh.registry.services() {
            for port in service.ports() {
                for endpoint in service.endpoints(port.number) {
                    if let Some(at) = endpoint.workload {
                        behind.entry((at, endpoint.port)).or_default().push((service, port.number));
                    }
                }
            }
        }
        Self { mesh, behind }
    }

    /// The place of a group.
    pub fn locate(&self, group: &Group) -> Located {
        let reporter = self.reporter(group);
        let cluster = group.upstream_cluster.as_deref().map(|name| UpstreamCluster::parse(name.as_bytes()));
        let text = |bytes: Option<&[u8]>| bytes.map(|bytes| Text::from(String::from_utf8_lossy(bytes)));
        let mut located = Located { reporter, ..Located::default() };
        match cluster.map(|cluster| (cluster.direction, cluster)) {
            Some((Direction::Outbound, cluster)) => {
                located.client = reporter;
                located.host = text(cluster.host);
                located.port = cluster.port;
                located.subset = text(cluster.subset);
            }
            Some((Direction::Inbound, cluster)) => {
                located.server = reporter;
                located.host = text(cluster.host);
                located.port = cluster.port;
                if let Some((service, port)) = self.service_of(reporter, &located) {
                    located.host = Some(Arc::clone(&service.host));
                    located.port = Some(port);
                }
            }
            Some(_) => located.client = reporter.filter(|_| group.reporter == Reporter::Client),
            None => {
                located.server = reporter.filter(|_| group.reporter == Reporter::Server);
                located.client = group.peer.as_deref().and_then(|peer| self.mesh.workloads.by_address(peer));
                let only = located.server.and_then(|server| self.only_service(server));
                located.host = only.map(|(service, _)| Arc::clone(&service.host));
                located.port = only.and_then(|(_, port)| port);
            }
        }
        located
    }

    /// The service that an inbound cluster serves: the one the old name gives, else the one that leads to the port.
    fn service_of(&self, reporter: Option<usize>, located: &Located) -> Option<(&'a Service, u16)> {
        if let (Some(host), Some(port)) = (&located.host, located.port) {
            return Some((self.mesh.registry.by_host(host)?, port));
        }
        match self.behind.get(&(reporter?, located.port?)).map(Vec::as_slice) {
            Some([one]) => Some(*one),
            Some(_) | None => None,
        }
    }

    /// The service of a server where it has only one, and its port where that has only one.
    fn only_service(&self, server: usize) -> Option<(&'a Service, Option<u16>)> {
        let mut found: Option<(&Service, Option<u16>)> = None;
        for ((at, _), services) in &self.behind {
            if *at != server {
                continue;
            }
            for (service, port) in services {
                match found {
                    None => found = Some((service, Some(*port))),
                    Some((known, _)) if std::ptr::eq(known, *service) => found = Some((known, None)),
                    Some(_) => return None,
                }
            }
        }
        found
    }

    fn reporter(&self, group: &Group) -> Option<usize> {
        match &group.pod {
            PodOf::Named(pod) => self.mesh.workloads.by_pod(&pod.namespace, &pod.name),
            PodOf::Address(address) => self.mesh.workloads.by_address(address),
            PodOf::Unknown => None,
        }
    }

    /// `namespace/name` of the pod that wrote a group, where it is known.
    pub fn pod_path(&self, group: &Group) -> Option<String> {
        match &group.pod {
            PodOf::Named(pod) => Some(format!("{}/{}", pod.namespace, pod.name)),
            PodOf::Address(_) | PodOf::Unknown => {
                let workload = self.mesh.workloads.get(self.reporter(group)?)?;
                Some(format!("{}/{}", workload.namespace, workload.pod.as_ref()?))
            }
        }
    }

    /// The workload at an index.
    pub fn workload(&self, at: Option<usize>) -> Option<&'a Workload> {
        self.mesh.workloads.get(at?)
    }

    /// The mesh.
    pub fn mesh(&self) -> &'a Mesh {
        self.mesh
    }
}
