//! Which services a client's proxy knows, and which definition of a host it uses (DR-7).

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::config::{Ages, Config};
use super::flags::Flag;
use super::registry::{Registry, Service, exported};
use super::routes::{Gateways, Placed, Route};
use super::workload::Workload;
use crate::model::pod::ProxyKind;
use crate::model::service::PortProtocol;
use crate::model::sidecar::{EgressListener, Sidecar};
use crate::model::virtual_service::Destination;
use crate::model::{Kind, Labels, Object, Snapshot, Text};

/// Ports of a service that a client's proxy has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// All.
    All,
    /// These only.
    Only(BTreeSet<u16>),
}

impl Ports {
    /// Whether it has a port.
    pub fn has(&self, port: u16) -> bool {
        match self {
            Self::All => true,
            Self::Only(ports) => ports.contains(&port),
        }
    }

    fn unite(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::All, _) => {}
            (_, Self::All) => *self = Self::All,
            (Self::Only(ports), Self::Only(more)) => ports.extend(more),
        }
    }
}

/// A service in a client's scope.
#[derive(Debug, Clone)]
pub struct Scoped<'a> {
    /// The definition of the host that the client uses.
    pub service: &'a Service,
    /// The ports of it that it has.
    pub ports: Ports,
}

/// Sidecars and routes, indexed.
#[derive(Debug, Default)]
pub struct Scopes {
    /// In the order of DR-7.2.
    sidecars: FxHashMap<Text, Vec<Arc<Object>>>,
    /// The root namespace's, for namespaces without one that matches.
    root: Option<Arc<Object>>,
    /// Whether any of them has listeners of its own for what comes in.
    any_ingress: bool,
    routes: Vec<Route>,
    by_destination: FxHashMap<Text, Vec<usize>>,
    gateways: Gateways,
    rules: ScopeRules,
}

/// What version and flags decide about scopes.
#[derive(Debug, Clone, Copy, Default)]
struct ScopeRules {
    /// Whether `~ns/host` takes out (from 1.31); before, it names a namespace that there is not.
    excludes: bool,
    /// Whether the best of several definitions is imported, and not that of the first namespace (DR-7.5).
    picks_best: bool,
    /// The same for what routes bring in.
    picks_best_of_routes: bool,
}

/// An entry `NAMESPACE/HOST` of an egress listener.
struct Pattern<'a> {
    excludes: bool,
    namespace: &'a str,
    host: &'a str,
}

impl<'a> Pattern<'a> {
    /// `.` is the namespace of the proxy; `~` in front takes out (DR-7.3, DR-7.12).
    fn new(text: &'a str, own: &'a str, rules: ScopeRules) -> Self {
        let (namespace, host) = text.split_once('/').unwrap_or(("*", text));
        let taken_out = namespace.strip_prefix('~').filter(|_| rules.excludes);
        let (excludes, namespace) = taken_out.map_or((false, namespace), |rest| (true, rest));
        Self { excludes, namespace: if namespace == "." { own } else { namespace }, host }
    }

    /// `~/…`, with nothing behind the `~`, is the entry with an empty namespace.
    fn is_everything(&self) -> bool {
        self.excludes && self.namespace.is_empty()
    }

    fn is_of(&self, namespace: &str) -> bool {
        self.namespace == "*" || self.namespace == namespace || self.is_everything()
    }

    fn imports(&self, service: &Service) -> bool {
        self.is_of(&service.namespace) && (self.is_everything() || is_subset(&service.host, self.host))
    }
}

/// DR-7.12: equal, or the pattern is a wildcard whose rest ends the host.
fn is_subset(host: &str, pattern: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(rest) => host.strip_prefix('*').unwrap_or(host).ends_with(rest),
        None => host == pattern,
    }
}

impl Scopes {
    /// The sidecars and routes of a snapshot.
    pub fn new(snapshot: &Snapshot, config: &Config, ages: Ages) -> Self {
        let rules = ScopeRules {
            excludes: config.version.at_least(1, 31),
            picks_best: config.flags.is_on(Flag::UnifiedSidecarScope),
            picks_best_of_routes: config.flags.is_on(Flag::BestServiceNamespace),
        };
        let mut scopes = Self { rules, ..Self::default() };
        for object in snapshot.of_kind(&Kind::Sidecar) {
            if let Some(sidecar) = object.body.sidecar() {
                scopes.any_ingress |= !sidecar.ingress.is_empty();
                scopes.sidecars.entry(Arc::clone(&object.id.namespace)).or_default().push(Arc::clone(object));
            }
        }
        for list in scopes.sidecars.values_mut() {
            list.sort_by_cached_key(|object| {
                let general = object.body.sidecar().is_some_and(|sidecar| sidecar.selector.is_none());
                (general, ages.place(object))
            });
        }
        let root = scopes.sidecars.get(config.root_namespace.as_str());
        scopes.root = root
            .and_then(|list| {
                list.iter()
                    .find(|object| object.body.sidecar().is_some_and(|sidecar| sidecar.selector.is_none()))
            })
            .cloned();
        scopes.gateways = Gateways::new(snapshot);
        for object in snapshot.of_kind(&Kind::VirtualService) {
            if let Some(route) = Route::new(snapshot, object, config) {
                scopes.add_route(route);
            }
        }
        scopes
    }

    fn add_route(&mut self, route: Route) {
        let at = self.routes.len();
        for host in route.destinations.keys() {
            self.by_destination.entry(Arc::clone(host)).or_default().push(at);
        }
        self.routes.push(route);
    }

    /// The `Sidecar` of a workload (DR-7.2); gateways and waypoints have none.
    pub fn sidecar_of(&self, client: &Workload) -> Option<&Arc<Object>> {
        if client.proxy != ProxyKind::Sidecar {
            return None;
        }
        let selects = |object: &&Arc<Object>| {
            let selector = object.body.sidecar().and_then(|sidecar| sidecar.selector.as_ref());
            selector.is_none_or(|selector| selector.is_subset_of(&client.labels))
        };
        let own = self.sidecars.get(&client.namespace).and_then(|list| list.iter().find(selects));
        own.or(self.root.as_ref())
    }

    /// The protocol of a server's port by the `ingress` of its `Sidecar`, which takes the place of what services declare: a
    /// port that is not listed there has none. `None` where there is no such list.
    pub fn ingress_protocol(&self, server: &Workload, port: u16) -> Option<PortProtocol> {
        if !self.any_ingress {
            return None;
        }
        let listeners = &self.sidecar_of(server)?.body.sidecar()?.ingress;
        let own = listeners.iter().find(|one| one.port == port);
        (!listeners.is_empty()).then(|| own.map_or(PortProtocol::Auto, |one| one.protocol))
    }

    /// Whether a sidecar refuses what is not in its scope: its `Sidecar` says so, else the mesh configuration (MT-4.2).
    pub fn refuses_others(&self, client: &Workload, config: &Config) -> bool {
        let own = self.sidecar_of(client).and_then(|object| object.body.sidecar());
        let mode = own.and_then(|sidecar| sidecar.outbound_traffic_policy.as_deref());
        mode.map_or(config.registry_only, |mode| mode == "REGISTRY_ONLY")
    }

    /// Namespaces that have sidecars or routes of their own, or are named by one.
    pub fn spoken_of(&self) -> impl Iterator<Item = &str> {
        let routes = self.routes.iter().flat_map(|route| {
            let callers = route.destinations.values().flatten().flat_map(Placed::namespaces);
            std::iter::once(&route.namespace).chain(&route.exports).chain(callers)
        });
        self.sidecars.keys().chain(routes).map(|namespace| &**namespace)
    }

    /// Namespaces that routes to a host are in, are exported to, or ask for.
    pub fn named_for(&self, host: &str) -> impl Iterator<Item = &str> {
        let routes =
            self.by_destination.get(host).into_iter().flatten().filter_map(|at| self.routes.get(*at));
        routes.flat_map(|route| {
            let callers = route.destinations.values().flatten().flat_map(Placed::namespaces);
            std::iter::once(&route.namespace)
                .chain(&route.exports)
                .chain(callers)
                .map(|namespace| &**namespace)
        })
    }

    /// The service that a client uses for a host, where it is in its scope.
    pub fn find<'a>(&self, registry: &'a Registry, client: &Workload, host: &str) -> Option<Scoped<'a>> {
        if client.proxy != ProxyKind::Sidecar {
            // DR-7.15: gateways see everything that is exported to them, and have no preference for their own.
            let visible = || registry.definitions(host).filter(|one| one.is_visible_to(&client.namespace));
            let service = visible().find(|one| one.is_kubernetes).or_else(|| visible().next())?;
            return Some(Scoped { service, ports: Ports::All });
        }
        let sidecar = self.sidecar_of(client).and_then(|object| object.body.sidecar());
        if sidecar.is_none() && !self.by_destination.contains_key(host) && self.rules.picks_best {
            // Most pairs: everything that is exported to the client is in its scope, and no route adds to that.
            let visible = || registry.definitions(host).filter(|one| one.is_visible_to(&client.namespace));
            return preferred(visible, &client.namespace)
                .map(|service| Scoped { service, ports: Ports::All });
        }
        let everything = [EgressListener { hosts: vec!["*/*".into()], port: None }];
        let listeners =
            sidecar.map(|sidecar: &Sidecar| sidecar.egress.as_slice()).filter(|egress| !egress.is_empty());
        let listeners = listeners.unwrap_or(&everything);
        let mut found: Option<Scoped<'a>> = None;
        for listener in listeners {
            append(&mut found, imported(registry, client, host, listener, self.rules));
        }
        // What routes bring in never takes the place of what a listener asked for (DR-7.4).
        for listener in listeners {
            for at in self.by_destination.get(host).into_iter().flatten() {
                let route = self.routes.get(*at).filter(|route| counts(route, client, listener, self.rules));
                append(
                    &mut found,
                    route.and_then(|route| brought_in(registry, client, host, (listener, self.rules), route)),
                );
            }
        }
        found
    }

    /// Whether a definition of a host and port, were it in this namespace and exported, would be imported by a sidecar's
    /// own listeners or brought in by a route.
    pub fn would_import(&self, client: &Workload, (host, port): (&str, u16), namespace: &str) -> bool {
        let everything = [EgressListener { hosts: vec!["*/*".into()], port: None }];
        let sidecar = self.sidecar_of(client).and_then(|object| object.body.sidecar());
        let listeners = sidecar.map(|sidecar| sidecar.egress.as_slice()).filter(|egress| !egress.is_empty());
        let own = &*client.namespace;
        let listeners = listeners.unwrap_or(&everything).iter();
        listeners.filter(|listener| listener.port.is_none_or(|one| one == port)).any(|listener| {
            let patterns: Vec<_> =
                listener.hosts.iter().map(|text| Pattern::new(text, own, self.rules)).collect();
            let covers = |one: &Pattern<'_>| {
                one.is_of(namespace) && (one.is_everything() || is_subset(host, one.host))
            };
            let imports = patterns.iter().any(|one| !one.excludes && covers(one))
                && !patterns.iter().any(|one| one.excludes && covers(one));
            let routes = self.by_destination.get(host).into_iter().flatten();
            let brought = || {
                routes
                    .filter_map(|at| self.routes.get(*at))
                    .any(|route| counts(route, client, listener, self.rules))
            };
            imports || brought()
        })
    }

    /// The namespaces that a sidecar's listeners name, besides its own.
    pub fn imported_namespaces<'a>(&'a self, client: &'a Workload) -> impl Iterator<Item = &'a str> {
        let sidecar = self.sidecar_of(client).and_then(|object| object.body.sidecar());
        let hosts =
            sidecar.into_iter().flat_map(|sidecar| &sidecar.egress).flat_map(|listener| &listener.hosts);
        hosts
            .map(|text| Pattern::new(text, &client.namespace, self.rules))
            .filter(|one| !one.excludes)
            .map(|one| one.namespace)
    }

    /// Whether a sidecar's own listeners import a host with all its ports, so that no route can add anything.
    pub fn imports_whole(&self, registry: &Registry, client: &Workload, host: &str) -> bool {
        let everything = [EgressListener { hosts: vec!["*/*".into()], port: None }];
        let sidecar = self.sidecar_of(client).and_then(|object| object.body.sidecar());
        let listeners = sidecar.map(|sidecar| sidecar.egress.as_slice()).filter(|egress| !egress.is_empty());
        let mut found = None;
        for listener in listeners.unwrap_or(&everything) {
            append(&mut found, imported(registry, client, host, listener, self.rules));
        }
        found.is_some_and(|scoped| scoped.ports == Ports::All)
    }

    /// Subsets that routes in force for a client name for a host.
    pub fn subsets_called<'a>(&'a self, client: &Workload, host: &str) -> BTreeSet<&'a Text> {
        self.called(client, host).into_iter().filter_map(|one| one.destination.subset.as_ref()).collect()
    }

    /// Destinations of a host in the routes in force for a client: for a sidecar those of the mesh that its listeners
    /// import, for a gateway those of a `Gateway` that selects it.
    pub fn called<'a>(&'a self, client: &Workload, host: &str) -> Vec<&'a Placed> {
        let Some(routes) = self.by_destination.get(host) else { return Vec::new() };
        let sidecar = self.sidecar_of(client).and_then(|object| object.body.sidecar());
        let listeners = sidecar.map(|sidecar| sidecar.egress.as_slice()).unwrap_or_default();
        let is_in_force = |route: &&Route| {
            let is_seen = || exported(&route.exports, &route.namespace, &client.namespace);
            match client.proxy {
                ProxyKind::Gateway => is_seen() && self.gateways.bind(route, client),
                ProxyKind::Sidecar if !listeners.is_empty() => {
                    listeners.iter().any(|listener| counts(route, client, listener, self.rules))
                }
                ProxyKind::Sidecar | ProxyKind::Waypoint => route.is_for_mesh && is_seen(),
                ProxyKind::None | ProxyKind::Ztunnel => false,
            }
        };
        let mut found = Vec::new();
        for route in routes.iter().filter_map(|at| self.routes.get(*at)).filter(is_in_force) {
            let placed = route.destinations.get(host).into_iter().flatten();
            found.extend(placed.filter(|one| self.gateways.is_from(route, one, client)));
        }
        found
    }

    /// Labels by which routes to subsets tell clients apart, for each whether it is about gateways only.
    pub fn told_apart(&self) -> BTreeSet<(bool, &Labels)> {
        let to_subsets = self.routes.iter().filter(|route| route.names_subsets());
        to_subsets.flat_map(|route| self.gateways.of(route).chain(route.source_labels())).collect()
    }
}

/// Adds what another listener or route brings: the first choice of namespace stays, a Kubernetes Service takes the
/// place of a `ServiceEntry`, ports of the same service are united (DR-7.13).
fn append<'a>(found: &mut Option<Scoped<'a>>, more: Option<Scoped<'a>>) {
    let Some(more) = more else { return };
    match found {
        None => *found = Some(more),
        Some(known) if std::ptr::eq(known.service, more.service) => known.ports.unite(more.ports),
        Some(known) if !known.service.is_kubernetes && more.service.is_kubernetes => *found = Some(more),
        Some(_) => {}
    }
}

/// Of the definitions of a host that a client may use: that of its own namespace, else that of Kubernetes, else the
/// first (DR-7.13).
fn preferred<'a, I: Iterator<Item = &'a Service>>(
    candidates: impl Fn() -> I,
    own: &str,
) -> Option<&'a Service> {
    candidates()
        .find(|one| &*one.namespace == own)
        .or_else(|| candidates().find(|one| one.is_kubernetes))
        .or_else(|| candidates().next())
}

/// What a listener imports itself (DR-7.12, DR-7.13).
fn imported<'a>(
    registry: &'a Registry,
    client: &Workload,
    host: &str,
    listener: &EgressListener,
    rules: ScopeRules,
) -> Option<Scoped<'a>> {
    let own = &*client.namespace;
    let patterns: Vec<_> = listener.hosts.iter().map(|text| Pattern::new(text, own, rules)).collect();
    let is_imported = |service: &&Service| {
        service.is_visible_to(own)
            && listener.port.is_none_or(|port| service.port(port).is_some())
            && patterns.iter().any(|pattern| !pattern.excludes && pattern.imports(service))
            && !patterns.iter().any(|pattern| pattern.excludes && pattern.imports(service))
    };
    let candidates = || registry.definitions(host).filter(is_imported);
    let service = if rules.picks_best {
        preferred(candidates, own)?
    } else {
        candidates().min_by_key(|one| &one.namespace)?
    };
    let ports = listener.port.map_or(Ports::All, |port| Ports::Only([port].into()));
    Some(Scoped { service, ports })
}

/// Whether a route counts for a listener (DR-7.14).
fn counts(route: &Route, client: &Workload, listener: &EgressListener, rules: ScopeRules) -> bool {
    if !route.is_for_mesh || !exported(&route.exports, &route.namespace, &client.namespace) {
        return false;
    }
    let own = &*client.namespace;
    let patterns: Vec<_> = listener.hosts.iter().map(|text| Pattern::new(text, own, rules)).collect();
    let overlaps =
        |host: &Text, pattern: &Pattern<'_>| is_subset(host, pattern.host) || is_subset(pattern.host, host);
    let applies = |pattern: &&Pattern<'_>| pattern.is_of(&route.namespace);
    route.hosts.iter().any(|host| {
        patterns.iter().filter(applies).any(|one| !one.excludes && overlaps(host, one))
            && !patterns
                .iter()
                .filter(applies)
                .any(|one| one.excludes && (one.is_everything() || is_subset(host, one.host)))
    })
}

fn is_from(destination: &Destination, namespace: &str) -> bool {
    destination.only_from.is_empty() || destination.only_from.iter().any(|one| &**one == namespace)
}

/// The service that a route's destination brings into scope (DR-7.14).
fn brought_in<'a>(
    registry: &'a Registry,
    client: &Workload,
    host: &str,
    (listener, rules): (&EgressListener, ScopeRules),
    route: &Route,
) -> Option<Scoped<'a>> {
    let own = &*client.namespace;
    let destinations: Vec<_> = route
        .destinations
        .get(host)?
        .iter()
        .map(|one| &one.destination)
        .filter(|one| is_from(one, own))
        .collect();
    if destinations.is_empty() {
        return None;
    }
    let visible = || registry.definitions(host).filter(|one| one.is_visible_to(own));
    let service = if rules.picks_best_of_routes {
        registry
            .definitions(host)
            .find(|one| &*one.namespace == own)
            .or_else(|| visible().find(|one| one.is_kubernetes))
            .or_else(|| visible().next())?
    } else {
        visible().min_by_key(|one| &one.namespace)?
    };
    let named: Option<BTreeSet<u16>> = destinations.iter().map(|one| one.port).collect();
    let ports = match (listener.port, named) {
        (Some(port), _) => Some(BTreeSet::from([port])),
        (None, named) => named,
    };
    match ports {
        None => Some(Scoped { service, ports: Ports::All }),
        Some(ports) => {
            let there: BTreeSet<_> = ports.into_iter().filter(|port| service.port(*port).is_some()).collect();
            (!there.is_empty()).then_some(Scoped { service, ports: Ports::Only(there) })
        }
    }
}
