//! From a group of log lines to the workload that wrote it and the pair it belongs to.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;

use crate::logs::{Aggregate, Direction, Group, PodName, PodOf, Reporter, Sample, UpstreamCluster};
use crate::model::pod::ProxyKind;
use crate::model::{Object, Origin, Text};
use crate::resolve::config::Config;
use crate::resolve::{Mesh, Service, Workload};

mod ztunnel;

/// The workload of the pod whose line it is, by its index.
pub fn workload_of(mesh: &Mesh, pod: &PodOf) -> Option<usize> {
    match pod {
        PodOf::Named(pod) => mesh.workloads.by_pod(&pod.namespace, &pod.name),
        PodOf::Address(address) => mesh.workloads.by_address(address),
        PodOf::Unknown => None,
    }
}

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
    /// The address and port of the server's pod, where the client called them and no service.
    pub direct: Option<(Text, u16)>,
    /// The address and port at which the server refused the connection.
    pub refused_at: Option<(Text, u16)>,
    /// The client's pod as the lines name it, where it is not among the objects.
    pub client_pod: Option<PodName>,
    /// The same for the server's, where no service is known either.
    pub server_pod: Option<PodName>,
    /// The file that the lines are about, where they are about no pod that is known.
    pub log: Option<Text>,
}

/// The only service of a server, and its port where that has only one.
type OnlyService<'a> = Option<(&'a Service, Option<u16>)>;

/// Finds the place of groups.
#[derive(Debug)]
pub struct Locator<'a> {
    mesh: &'a Mesh,
    /// Services by the pod and port that they lead to.
    behind: FxHashMap<(usize, u16), Vec<(&'a Service, u16)>>,
    /// Services by the addresses that the cluster gives them.
    by_cluster_ip: FxHashMap<&'a str, &'a Service>,
    /// The service of each server that has one only.
    only_services: FxHashMap<usize, OnlyService<'a>>,
    /// The mesh's configurations by revision, from when they are first asked for.
    configurations: OnceLock<FxHashMap<Text, Arc<Object>>>,
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
        let mut only_services: FxHashMap<usize, OnlyService<'a>> = FxHashMap::default();
        for ((at, _), (service, port)) in
            behind.iter().flat_map(|(key, all)| all.iter().map(move |one| (key, one)))
        {
            let again = |(one, _): (&'a Service, _)| std::ptr::eq(one, *service).then_some((one, None));
            let known = only_services.entry(*at);
            known.and_modify(|known| *known = known.and_then(again)).or_insert(Some((service, Some(*port))));
        }
        let mut by_cluster_ip = FxHashMap::default();
        for service in mesh.registry.services() {
            let addresses = service.object.body.service().into_iter().flat_map(|body| &body.cluster_ips);
            by_cluster_ip.extend(addresses.map(|address| (&**address, service)));
        }
        Self { mesh, behind, by_cluster_ip, only_services, configurations: OnceLock::new() }
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
            Some((Direction::Passthrough, _)) => {
                located.client = reporter;
                self.passed_through(group.peer.as_deref(), &mut located);
            }
            // A waypoint hands on to the pods of a service, and is none of them.
            Some((Direction::InboundVip, cluster)) => {
                located.host = text(cluster.host);
                located.port = cluster.port;
            }
            Some(_) => located.client = reporter.filter(|_| group.reporter == Reporter::Client),
            None => {
                located.client = group.peer.as_deref().and_then(|peer| self.caller(peer));
                let leaves = reporter.is_some() && located.client == reporter;
                located.server = reporter.filter(|_| group.reporter == Reporter::Server && !leaves);
                if let Some(service) = self.called_service(group) {
                    located.host = Some(Arc::clone(&service.host));
                    located.port = group.own_port;
                }
                self.refused(group.own_port, &mut located);
            }
        }
        located
    }

    /// The pod that an address of a caller is of. Pods on the host's network share it with the node, whose kubelet calls
    /// from there as well, so it names none of them.
    pub(super) fn caller(&self, address: &str) -> Option<usize> {
        let at = self.mesh.workloads.by_address(address)?;
        let pod = self.mesh.workloads.get(at)?.object.body.pod();
        pod.is_none_or(|pod| !pod.host_network).then_some(at)
    }

    /// The service whose own address was called, of connections that no filter chain wanted.
    fn called_service(&self, group: &Group) -> Option<&'a Service> {
        let (PodOf::Address(address), Some(_)) = (&group.pod, group.own_port) else { return None };
        self.by_cluster_ip.get(&**address).copied()
    }

    /// Whether it can be for its mode that a proxy had no filter chain for a connection (data facts 4 and 5): the
    /// listeners of gateways, and those for what leaves a pod, have no PeerAuthentication. What leaves comes from the
    /// pod's own address, and goes to that of a service.
    pub(super) fn refuses_by_mode(&self, group: &Group) -> bool {
        let place = self.locate(group);
        let leaves = place.client.is_some() && place.client == place.reporter;
        let server = self.workload(place.server);
        let has_mode = server.is_none_or(|server| server.proxy == ProxyKind::Sidecar);
        has_mode && !leaves && self.called_service(group).is_none()
    }

    /// The place of a port of a server's own, where its proxy counted; the port is not always told.
    pub(super) fn at_server(&self, server: usize, own_port: Option<u16>) -> Located {
        let mut located = Located { reporter: Some(server), server: Some(server), ..Located::default() };
        self.refused(own_port, &mut located);
        located
    }

    /// The place of an upstream cluster of a proxy.
    pub(super) fn at_cluster(&self, reporter: Option<usize>, cluster: UpstreamCluster<'_>) -> Located {
        let text = |bytes: Option<&[u8]>| bytes.map(|bytes| Text::from(String::from_utf8_lossy(bytes)));
        let (host, port, subset) = (text(cluster.host), cluster.port, text(cluster.subset));
        let mut located = Located { reporter, host, port, ..Located::default() };
        if cluster.direction == Direction::Outbound {
            located.client = reporter;
            located.subset = subset;
        } else {
            located.server = reporter;
            if let Some((service, port)) = self.service_of(reporter, &located) {
                located.host = Some(Arc::clone(&service.host));
                located.port = Some(port);
            }
        }
        located
    }

    /// A connection that the server refused: the service behind its port, or the only one that it has.
    fn refused(&self, own_port: Option<u16>, located: &mut Located) {
        let Some(server) = located.server else { return };
        let address = self.mesh.workloads.get(server).and_then(Workload::address);
        located.refused_at = address.zip(own_port).map(|(address, port)| (address.into(), port));
        let behind = own_port.and_then(|port| self.behind.get(&(server, port))).map(Vec::as_slice);
        if let Some([(service, port)]) = behind {
            located.host = Some(Arc::clone(&service.host));
            located.port = Some(*port);
        } else {
            let only = self.only_service(server);
            located.host = only.map(|(service, _)| Arc::clone(&service.host));
            located.port = only.and_then(|(_, port)| port);
        }
    }

    /// What was called past every service: a pod, or the address of a service that the client's proxy does not know.
    fn passed_through(&self, called: Option<&str>, located: &mut Located) {
        let Some((address, port)) = called.and_then(|called| called.rsplit_once(':')) else { return };
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let Ok(port) = port.parse() else { return };
        if let Some(server) = self.mesh.workloads.by_address(address) {
            located.server = Some(server);
            located.direct = Some((address.into(), port));
        } else if let Some(service) = self.by_cluster_ip.get(address) {
            located.host = Some(Arc::clone(&service.host));
            located.port = Some(port);
        }
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
    fn only_service(&self, server: usize) -> OnlyService<'a> {
        *self.only_services.get(&server)?
    }

    fn reporter(&self, group: &Group) -> Option<usize> {
        self.workload_of(&group.pod)
    }

    /// The workload of a pod, by its index.
    pub fn workload_of(&self, pod: &PodOf) -> Option<usize> {
        workload_of(self.mesh, pod)
    }

    /// `namespace/name` of the pod that wrote a group, where it is known.
    pub fn pod_path(&self, group: &Group) -> Option<String> {
        self.path_of(&group.pod)
    }

    /// `namespace/name` of a pod, where it is known.
    pub fn path_of(&self, pod: &PodOf) -> Option<String> {
        match pod {
            PodOf::Named(pod) => Some(format!("{}/{}", pod.namespace, pod.name)),
            PodOf::Address(_) | PodOf::Unknown => {
                let workload = self.mesh.workloads.get(self.workload_of(pod)?)?;
                Some(format!("{}/{}", workload.namespace, workload.pod.as_ref()?))
            }
        }
    }

    /// The workload at an index.
    pub fn workload(&self, at: Option<usize>) -> Option<&'a Workload> {
        self.mesh.workloads.get(at?)
    }

    /// The `ConfigMap` with the mesh's configuration for proxies of a revision.
    pub(super) fn configured_by(&self, revision: &Text) -> Option<Arc<Object>> {
        let all = || {
            let workloads = self.mesh.workloads.all();
            let revisions: BTreeSet<&Text> = workloads.iter().map(|one| &one.revision).collect();
            let configured = revisions.into_iter().filter_map(|revision| {
                let object = Config::configured_by(&self.mesh.snapshot, revision)?;
                Some((Arc::clone(revision), Arc::clone(object)))
            });
            configured.collect()
        };
        self.configurations.get_or_init(all).get(revision).cloned()
    }

    /// The mesh.
    pub fn mesh(&self) -> &'a Mesh {
        self.mesh
    }
}

/// Where lines stand that are kept as samples.
pub(super) fn origins(logs: &Aggregate, samples: &[Sample]) -> Vec<Origin> {
    let known = samples.iter().filter_map(|sample| Some((logs.source(sample.source)?, sample.line)));
    known.map(|(source, line)| Origin { file: source.file.clone(), line }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{UC, client, mesh, read, refusal, server};
    use super::*;
    use crate::bundle::{self, Path, Request};
    use crate::resolve::Options;

    /// `client > host:port subset > server` of each group.
    fn places(bundle: &bundle::Bundle) -> Vec<String> {
        let mesh = Mesh::new(&bundle.snapshot, &Options::default());
        let locator = Locator::new(&mesh);
        let name =
            |at: Option<usize>| locator.workload(at).map_or("?", |workload| &*workload.name).to_owned();
        let place = |group: Group| {
            let Located { client, server, host, port, subset, .. } = locator.locate(&group);
            let port = port.map_or_else(|| "?".to_owned(), |port| port.to_string());
            let (host, subset) = (host.as_deref().unwrap_or("?"), subset.as_deref().unwrap_or("-"));
            format!("{} > {host}:{port} {subset} > {}", name(client), name(server))
        };
        bundle.logs.groups().map(place).collect()
    }

    #[test]
    fn a_group_is_placed_by_its_writer_and_its_cluster() {
        let sound = mesh("", "STRICT", &[true]);
        let of = |clients: &str, servers: &str| places(&read(&sound, clients, servers));
        let host = "cart.shop.svc.cluster.local";
        assert_eq!(of(&client(1, UC, "-"), ""), [format!("client > {host}:80 - > ?")]);
        let subset = client(1, UC, "-").replace("outbound|80||", "outbound|80|v1|");
        assert_eq!(of(&subset, ""), [format!("client > {host}:80 v1 > ?")]);
        // The inbound cluster names the pod's port; the service's is the one that leads there.
        assert_eq!(of("", &server(1, UC)), [format!("? > {host}:80 - > cart-0")]);
        let former = server(1, UC).replace("inbound|9080||", "inbound|80|http|cart.shop.svc.cluster.local");
        assert_eq!(of("", &former), [format!("? > {host}:80 - > cart-0")]);
        assert_eq!(of("", &refusal(1, "-", "10.8.1.8")), [format!("client > {host}:80 - > cart-0")]);
        assert_eq!(of("", &refusal(1, "-", "10.8.9.9")), [format!("? > {host}:80 - > cart-0")]);
        let passed = client(1, UC, "-").replace(&format!("outbound|80||{host}"), "PassthroughCluster");
        assert_eq!(of(&passed, ""), ["client > ?:? - > cart-0"]);
        let unknown = client(1, UC, "-").replace(host, "api.example.com");
        assert_eq!(of(&unknown, ""), ["client > api.example.com:80 - > ?"]);
    }

    #[test]
    fn the_writer_is_known_by_path_or_by_address() {
        let sound = mesh("", "STRICT", &[true]);
        let read_at = |path: &str, text: &str| {
            let folder = tempfile::tempdir().unwrap();
            let log = folder.path().join(path);
            std::fs::create_dir_all(log.parent().unwrap()).unwrap();
            std::fs::write(folder.path().join("mesh.yaml"), &sound).unwrap();
            std::fs::write(log, text).unwrap();
            let paths = vec![Path::File(folder.path().to_owned())];
            places(&bundle::read(&Request { paths, logs: Vec::new() }).unwrap())
        };
        let host = "cart.shop.svc.cluster.local";
        let strange = client(1, UC, "-").replace("10.8.1.8", "10.8.7.7");
        for path in
            ["web/client.log", "client.web.log", "web/client/istio-proxy.log", "client_web_istio-proxy-1.log"]
        {
            assert_eq!(read_at(path, &strange), [format!("client > {host}:80 - > ?")], "{path}");
        }
        assert_eq!(read_at("access.log", &client(1, UC, "-")), [format!("client > {host}:80 - > ?")]);
        assert_eq!(read_at("access.log", &server(1, UC)), [format!("? > {host}:80 - > cart-0")]);
        assert_eq!(read_at("access.log", &strange), [format!("? > {host}:80 - > ?")]);
    }
}
