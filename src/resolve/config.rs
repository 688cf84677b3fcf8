//! The settings of the mesh that decide answers: mesh configuration, istiod's version and flags.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::flags::{Flag, Flags};
use super::unread::Unread;
use crate::model::mesh::MeshConfig;
use crate::model::networks::MeshNetworks;
use crate::model::workload::Istiod;
use crate::model::{Kind, Object, Snapshot, Text};

/// The newest minor release whose rules are known, taken where nothing tells the version.
const NEWEST: &str = "1.32";

/// How objects without a creation time are ordered among others. With a time there is only one order; without, an
/// answer that is not the same in both is not decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ages {
    /// They count as the oldest, by name, as the control plane has it.
    MissingIsOldest,
    /// They count as the newest, by name backwards.
    MissingIsNewest,
}

impl Ages {
    /// The place of an object in the order of creation time and name.
    pub fn place(self, object: &Object) -> (i64, Place) {
        self.place_of(object.meta.created, &object.id.name)
    }

    /// The same for a creation time and a name.
    pub fn place_of(self, created: Option<i64>, name: &str) -> (i64, Place) {
        let name = name.to_owned();
        match (created, self) {
            (Some(created), _) => (created, Place::ByName(name)),
            (None, Self::MissingIsOldest) => (i64::MIN, Place::ByName(name)),
            (None, Self::MissingIsNewest) => (i64::MAX, Place::Backwards(std::cmp::Reverse(name))),
        }
    }
}

/// The place of a name among those of the same age.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Alphabetically.
    ByName(String),
    /// The other way round.
    Backwards(std::cmp::Reverse<String>),
}

/// What the user fixed, whatever the objects say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// `--istio-namespace`.
    pub root_namespace: Option<String>,
    /// `--istio-version`.
    pub istio_version: Option<String>,
    /// Flags of istiod, from the program's configuration; the last one of a flag counts.
    pub flags: Vec<(Flag, bool)>,
    /// Kinds that could not be read.
    pub unread: Unread,
}

/// A version of Istio and where it was taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IstioVersion {
    /// As written, such as `1.30.2`.
    pub value: String,
    /// `flag`, `istiod` or `default`.
    pub from: &'static str,
}

impl IstioVersion {
    /// Whether a text says which minor release it is, as `1.30`, `1.24.2-distroless` and `1.27-alpha.abc` do.
    pub fn is_version(text: &str) -> bool {
        let mut parts = text.strip_prefix('v').unwrap_or(text).split('.');
        let major = parts.next().is_some_and(|part| part == "1");
        let minor = parts.next().map(|part| part.split(['-', '_', '+']).next().unwrap_or_default());
        major && minor.is_some_and(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// Whether it is the minor release `major.minor` or a later one.
    pub fn at_least(&self, major: u32, minor: u32) -> bool {
        let number = |part: &str| {
            let digits = part.bytes().take_while(u8::is_ascii_digit).count();
            part.get(..digits).and_then(|digits| digits.parse::<u32>().ok()).unwrap_or(0)
        };
        let mut parts = self.value.trim_start_matches('v').split('.').map(number);
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (major, minor)
    }
}

/// The settings in force.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the mesh's own switches, each by its name")]
pub struct Config {
    /// The root namespace.
    pub root_namespace: String,
    /// The namespace that istiod runs in, whose label names the network of its cluster (MT-4.13).
    pub system_namespace: String,
    /// The name of istiod's cluster, by which `fromRegistry` of `meshNetworks` means it; `None` where istiod was not
    /// read.
    pub cluster: Option<String>,
    /// `meshNetworks` (MT-4.13).
    pub networks: MeshNetworks,
    /// The trust domain (MT-4.17).
    pub trust_domain: String,
    /// Its aliases (I6).
    pub trust_domain_aliases: Vec<String>,
    /// `pathNormalization.normalization` (H6), empty where it is not set.
    pub path_normalization: String,
    /// The external authorizers that are known, and whether they speak HTTP (O9, T4).
    pub authorizers: Vec<(String, bool)>,
    /// How many hops before them gateways trust (I8).
    pub trusted_proxies: usize,
    /// `enableAutoMtls` (MT-4.5).
    pub auto_mtls: bool,
    /// Whether `defaultDestinationRuleExportTo` contains `.` (DR-4.7).
    pub rules_private_by_default: bool,
    /// `defaultServiceExportTo` (DR-7.11).
    pub default_service_export_to: Option<Vec<String>>,
    /// `defaultVirtualServiceExportTo` (DR-7.14).
    pub default_virtual_service_export_to: Option<Vec<String>>,
    /// `defaultTrafficPolicy` (DR-8.4).
    pub default_traffic_policy: Option<serde_json::Value>,
    /// Whether hosts outside the mesh's knowledge are refused (`REGISTRY_ONLY`, MT-4.2).
    pub registry_only: bool,
    /// istiod's flags.
    pub flags: Flags,
    /// Flags whose value istiod takes from elsewhere, so that it is not known.
    pub unread_flags: Vec<Flag>,
    /// Whether sidecars and gateways send through tunnels (MT-6.2); `None` where istiod was not read.
    pub sends_hbone: Option<bool>,
    /// `PILOT_PREFER_SENDING_HBONE`: also to endpoints that speak Istio's mutual TLS (MT-6.3).
    pub prefers_hbone: bool,
    /// The version and where it is from.
    pub version: IstioVersion,
}

impl Config {
    /// The settings that the objects and the user's options give, of the control plane without a revision; where
    /// there is none, of one of the others.
    pub fn new(snapshot: &Snapshot, options: &Options) -> Self {
        Self::of_revision(snapshot, options, "")
    }

    /// The settings of each revision that has a control plane or a mesh configuration of its own.
    pub fn of_revisions(snapshot: &Snapshot, options: &Options) -> Vec<(Text, Self)> {
        let configurations =
            snapshot.of_kind(&Kind::ConfigMap).filter(|object| object.body.mesh_config().is_some());
        let configured = configurations.filter_map(|object| object.id.name.strip_prefix("istio-"));
        let running = control_planes(snapshot).map(|one| one.revision);
        let names: BTreeSet<&str> =
            configured.chain(running).filter(|name| !matches!(*name, "" | "default")).collect();
        let of_each =
            names.iter().map(|name| (Text::from(*name), Self::of_revision(snapshot, options, name)));
        let besides = names.iter().chain([&""]).flat_map(|name| {
            let planes = beside(snapshot, name).into_iter();
            planes.map(|(key, plane)| (key, Self::of_plane(snapshot, options, name, Some(&plane))))
        });
        of_each.chain(besides).collect()
    }

    /// The revisions of which a control plane or a mesh configuration was read, empty for the one without a name; and of
    /// those that run in several versions at a time, the key of each besides the first.
    pub(super) fn revisions(snapshot: &Snapshot) -> Vec<(Text, Option<Text>)> {
        let configurations =
            snapshot.of_kind(&Kind::ConfigMap).filter(|object| object.body.mesh_config().is_some());
        let configured = configurations.filter_map(|object| match &*object.id.name {
            "istio" => Some(""),
            name => name.strip_prefix("istio-"),
        });
        let names = configured.chain(control_planes(snapshot).map(|one| one.revision));
        let names: BTreeSet<&str> = names.map(|name| if name == "default" { "" } else { name }).collect();
        let beside = |name: &&str| beside(snapshot, name).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        let both = names.iter().flat_map(|name| {
            let keys = beside(name).into_iter().map(Some);
            std::iter::once(None).chain(keys).map(|key| (Text::from(*name), key))
        });
        both.collect()
    }

    /// How many control planes the objects tell of, with and without a revision.
    pub fn control_planes(snapshot: &Snapshot) -> usize {
        let configurations =
            snapshot.of_kind(&Kind::ConfigMap).filter(|object| object.body.mesh_config().is_some());
        let configured = configurations.filter_map(|object| match &*object.id.name {
            "istio" => Some(""),
            name => name.strip_prefix("istio-"),
        });
        let running = control_planes(snapshot).map(|one| one.revision);
        let name = |name| if name == "default" { "" } else { name };
        configured.chain(running).map(name).collect::<BTreeSet<&str>>().len()
    }

    /// The `ConfigMap` with the mesh configuration of a revision.
    pub fn configured_by<'a>(snapshot: &'a Snapshot, revision: &str) -> Option<&'a Arc<Object>> {
        mesh_config(snapshot, revision, control_plane(snapshot, revision).as_ref()).map(|(object, _)| object)
    }

    fn of_revision(snapshot: &Snapshot, options: &Options, revision: &str) -> Self {
        Self::of_plane(snapshot, options, revision, control_plane(snapshot, revision).as_ref())
    }

    fn of_plane(
        snapshot: &Snapshot,
        options: &Options,
        revision: &str,
        plane: Option<&ControlPlane<'_>>,
    ) -> Self {
        let istiod = plane.map(|plane| plane.istiod);
        let version = version(istiod, options);
        let found = mesh_config(snapshot, revision, plane);
        let own_namespace = plane.map(|plane| plane.namespace);
        let own_namespace = own_namespace.or_else(|| found.map(|(object, _)| &*object.id.namespace));
        let mesh = found.map(|(_, config)| config.clone()).unwrap_or_default();
        let environment = istiod.map(|istiod| istiod.environment.as_slice()).unwrap_or_default();
        let flags = Flags::new(&version, &options.flags, environment);
        let unread_flags = unread_flags(istiod, options, &version);
        let fixed = options.flags.iter().any(|(flag, _)| *flag == Flag::Ambient);
        let sends_hbone = flags.is_on(Flag::Ambient) && flags.is_on(Flag::SendingHbone);
        let root = options.root_namespace.clone().or_else(|| mesh.root_namespace.clone());
        let root = root.unwrap_or_else(|| "istio-system".to_owned());
        let exports = mesh.default_destination_rule_export_to.as_ref();
        Self {
            system_namespace: own_namespace.unwrap_or(&root).to_owned(),
            cluster: istiod.and_then(cluster),
            networks: mesh.networks,
            root_namespace: root,
            trust_domain: mesh.trust_domain.unwrap_or_else(|| "cluster.local".to_owned()),
            trust_domain_aliases: mesh.trust_domain_aliases,
            path_normalization: mesh.path_normalization.unwrap_or_default(),
            authorizers: mesh.authorizers,
            trusted_proxies: mesh.trusted_proxies.unwrap_or_default(),
            // Before 1.4 there was none, and the field is not known (MT-9.4).
            auto_mtls: version.at_least(1, 4)
                && mesh.enable_auto_mtls.unwrap_or_else(|| version.at_least(1, 6)),
            rules_private_by_default: exports.is_some_and(|list| list.iter().any(|entry| entry == ".")),
            default_service_export_to: mesh.default_service_export_to,
            default_virtual_service_export_to: mesh.default_virtual_service_export_to,
            default_traffic_policy: mesh.default_traffic_policy.filter(|_| version.at_least(1, 31)),
            registry_only: mesh.outbound_traffic_policy.is_some_and(|mode| mode == "REGISTRY_ONLY"),
            sends_hbone: (istiod.is_some() || fixed).then_some(sends_hbone),
            prefers_hbone: flags.is_on(Flag::PreferSendingHbone),
            flags,
            unread_flags,
            version,
        }
    }
}

/// The flags whose value istiod takes from elsewhere, where the user did not fix them.
fn unread_flags(istiod: Option<&Istiod>, options: &Options, version: &IstioVersion) -> Vec<Flag> {
    let elsewhere = istiod.into_iter().flat_map(|istiod| &istiod.elsewhere);
    let open =
        |flag: &Flag| flag.is_known_to(version) && !options.flags.iter().any(|(fixed, _)| fixed == flag);
    elsewhere.filter_map(|name| Flag::named(name)).filter(open).collect()
}

/// istiod as an object shows it.
struct ControlPlane<'a> {
    /// Empty for the one without a name.
    revision: &'a str,
    namespace: &'a str,
    /// Whether it is one that runs, and not one that will.
    runs: bool,
    istiod: &'a Istiod,
}

fn control_planes(snapshot: &Snapshot) -> impl Iterator<Item = ControlPlane<'_>> {
    let objects = snapshot.of_kind(&Kind::Pod).chain(snapshot.of_kind(&Kind::Deployment));
    objects.filter_map(move |object| {
        let (runs, istiod) = shows_istiod(object)?;
        let revision = object.meta.labels.get("istio.io/rev").filter(|revision| *revision != "default");
        let (revision, namespace) = (revision.unwrap_or_default(), &*object.id.namespace);
        Some(ControlPlane { revision, namespace, runs, istiod })
    })
}

fn shows_istiod(object: &Object) -> Option<(bool, &Istiod)> {
    match object.body.pod() {
        Some(pod) => Some((true, pod.istiod.as_deref().filter(|_| !pod.ended)?)),
        None => Some((false, object.body.workload()?.istiod.as_ref()?)),
    }
}

/// The control plane of a revision, else the one without a revision, else any: as its pods run it, before what its
/// Deployment will make. Of several that are alike in this, the newest is the one that new proxies talk to.
fn control_plane<'a>(snapshot: &'a Snapshot, revision: &str) -> Option<ControlPlane<'a>> {
    let rank = |one: &ControlPlane<'_>| {
        let version = one.istiod.version.as_deref().map(parts);
        (one.revision == revision, one.revision.is_empty(), one.runs, version)
    };
    control_planes(snapshot).max_by_key(rank)
}

/// What runs of a revision besides the control plane that stands for it, each with a key of its own: while a new version
/// takes the place of an old one, proxies talk to either.
fn beside<'a>(snapshot: &'a Snapshot, revision: &str) -> Vec<(Text, ControlPlane<'a>)> {
    let Some(first) = control_plane(snapshot, revision).filter(|plane| plane.revision == revision) else {
        return Vec::new();
    };
    let others = control_planes(snapshot)
        .filter(|one| one.revision == revision && one.runs == first.runs && one.istiod != first.istiod);
    // No name of a revision has a slash in it.
    others.enumerate().map(|(at, plane)| (format!("{revision}/{at}").into(), plane)).collect()
}

/// The name of its cluster, where its environment tells or leaves it at the default. A value that stands elsewhere is
/// read as empty.
fn cluster(istiod: &Istiod) -> Option<String> {
    let set = istiod.environment.iter().rev().find(|(name, _)| name == "CLUSTER_ID");
    let name = set.map_or("Kubernetes", |(_, value)| value);
    (!name.is_empty()).then(|| name.to_owned())
}

fn parts(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

fn version(istiod: Option<&Istiod>, options: &Options) -> IstioVersion {
    if let Some(value) = &options.istio_version {
        return IstioVersion { value: value.clone(), from: "flag" };
    }
    match istiod.and_then(|istiod| istiod.version.clone()) {
        Some(value) => IstioVersion { value, from: "istiod" },
        None => IstioVersion { value: NEWEST.to_owned(), from: "default" },
    }
}

/// The mesh configuration of a revision's `ConfigMap`, else of the one called `istio`, else of the first revision's.
///
/// Of several of one name, that in the control plane's own namespace is the one it reads.
fn mesh_config<'a>(
    snapshot: &'a Snapshot,
    revision: &str,
    plane: Option<&ControlPlane<'_>>,
) -> Option<(&'a Arc<Object>, &'a MeshConfig)> {
    let own = format!("istio-{revision}");
    let found =
        snapshot.of_kind(&Kind::ConfigMap).filter_map(|object| Some((object, object.body.mesh_config()?)));
    found.min_by_key(|(object, _)| {
        let id = &object.id;
        let elsewhere = plane.is_some_and(|plane| *plane.namespace != *id.namespace);
        (*id.name != *own, &*id.name != "istio", &id.name, elsewhere, &id.namespace)
    })
}
