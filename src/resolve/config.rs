//! The settings of the mesh that decide answers: mesh configuration, istiod's version and flags.

use crate::model::mesh::MeshConfig;
use crate::model::workload::Istiod;
use crate::model::{Kind, Object, Snapshot};

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
        let name = object.id.name.to_string();
        match (object.meta.created, self) {
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
    /// The trust domain (MT-4.17).
    pub trust_domain: String,
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
    /// `ENABLE_ENHANCED_DESTINATIONRULE_MERGE` (DR-6.3).
    pub enhanced_merge: bool,
    /// Whether sidecars and gateways send through tunnels (MT-6.2); `None` where istiod was not read.
    pub sends_hbone: Option<bool>,
    /// `PILOT_PREFER_SENDING_HBONE`: also to endpoints that speak Istio's mutual TLS (MT-6.3).
    pub prefers_hbone: bool,
    /// The version and where it is from.
    pub version: IstioVersion,
}

impl Config {
    /// The settings that the objects and the user's options give.
    pub fn new(snapshot: &Snapshot, options: &Options) -> Self {
        let istiod = istiod(snapshot);
        let version = version(istiod.as_ref(), options);
        let mesh = mesh_config(snapshot).unwrap_or_default();
        let flag = |name: &str, default: bool| {
            let set = istiod.iter().flat_map(|istiod| &istiod.environment).find(|(key, _)| key == name);
            match set.map(|(_, value)| value.to_ascii_lowercase()).as_deref() {
                Some("true" | "1" | "t") => true,
                Some("false" | "0" | "f") => false,
                Some(_) | None => default,
            }
        };
        let root = options.root_namespace.clone().or_else(|| mesh.root_namespace.clone());
        let exports = mesh.default_destination_rule_export_to.as_ref();
        Self {
            root_namespace: root.unwrap_or_else(|| "istio-system".to_owned()),
            trust_domain: mesh.trust_domain.unwrap_or_else(|| "cluster.local".to_owned()),
            auto_mtls: mesh.enable_auto_mtls.unwrap_or_else(|| version.at_least(1, 6)),
            rules_private_by_default: exports.is_some_and(|list| list.iter().any(|entry| entry == ".")),
            default_service_export_to: mesh.default_service_export_to,
            default_virtual_service_export_to: mesh.default_virtual_service_export_to,
            default_traffic_policy: mesh.default_traffic_policy.filter(|_| version.at_least(1, 31)),
            registry_only: mesh.outbound_traffic_policy.is_some_and(|mode| mode == "REGISTRY_ONLY"),
            sends_hbone: istiod
                .is_some()
                .then(|| flag("PILOT_ENABLE_AMBIENT", false) && flag("PILOT_ENABLE_SENDING_HBONE", true)),
            prefers_hbone: flag("PILOT_PREFER_SENDING_HBONE", false),
            enhanced_merge: version.at_least(1, 24) && flag("ENABLE_ENHANCED_DESTINATIONRULE_MERGE", true),
            version,
        }
    }
}

fn istiod(snapshot: &Snapshot) -> Option<Istiod> {
    let found =
        snapshot.of_kind(&Kind::Deployment).filter_map(|object| object.body.workload()?.istiod.clone());
    // Of several control planes, the newest is the one that new proxies talk to.
    found.max_by_key(|istiod| istiod.version.as_deref().map(parts))
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

/// The mesh configuration of the `ConfigMap` called `istio`, else of the first revision's.
fn mesh_config(snapshot: &Snapshot) -> Option<MeshConfig> {
    let mut found: Vec<_> = snapshot
        .of_kind(&Kind::ConfigMap)
        .filter_map(|object| Some((&object.id, object.body.mesh_config()?)))
        .collect();
    found.sort_by_key(|(id, _)| (&*id.name != "istio", &id.name, &id.namespace));
    found.first().map(|(_, config)| (*config).clone())
}
