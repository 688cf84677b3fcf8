//! Kubernetes' own kinds as they stand in JSON, skipping every field that no answer needs.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};

use super::MeshTexts;
use crate::model::interner::Interner;
use crate::model::object::{Body, Metadata};
use crate::model::pod::{Controller, Pod, Probe, ProxyKind};
use crate::model::time;
use crate::model::workload::{Istiod, PodTemplate, Workload};

/// Annotations that can change an answer.
const ANNOTATIONS: [&str; 13] = [
    "inject.istio.io/templates",
    "sidecar.istio.io/inject",
    "sidecar.istio.io/rewriteAppHTTPProbers",
    "sidecar.istio.io/status",
    "ambient.istio.io/redirection",
    "networking.istio.io/exportTo",
    "sidecar.istio.io/interceptionMode",
    "traffic.sidecar.istio.io/excludeInboundPorts",
    "traffic.sidecar.istio.io/excludeOutboundIPRanges",
    "traffic.sidecar.istio.io/excludeOutboundPorts",
    "traffic.sidecar.istio.io/includeOutboundIPRanges",
    "traffic.sidecar.istio.io/includeInboundPorts",
    "traffic.istio.io/nodeSelector",
];

/// A field that may be null reads as its default: Kubernetes writes both for "nothing".
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A scalar whose type does not matter: `resourceVersion` is a string, and a number where someone forgot the quotes.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Scalar(pub(super) String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a string")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
                Ok(Scalar::default())
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// `metadata`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct MetadataWire {
    #[serde(deserialize_with = "nullable")]
    pub(super) name: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) namespace: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    creation_timestamp: String,
    #[serde(deserialize_with = "nullable")]
    resource_version: Scalar,
    #[serde(deserialize_with = "nullable")]
    owner_references: Vec<OwnerWire>,
    #[serde(skip)]
    pub(super) changed: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OwnerWire {
    #[serde(deserialize_with = "nullable")]
    kind: String,
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[serde(deserialize_with = "nullable")]
    controller: bool,
}

impl MetadataWire {
    pub(super) fn into_metadata(self, interner: &mut Interner) -> Metadata {
        let kept = self.annotations.iter().filter(|(key, _)| ANNOTATIONS.contains(&key.as_str()));
        Metadata {
            annotations: interner.labels(kept.map(|(k, v)| (k.as_str(), v.as_str()))),
            labels: interner.labels(self.labels.iter().map(|(k, v)| (k.as_str(), v.as_str()))),
            created: time::parse(&self.creation_timestamp),
            changed: self.changed,
            resource_version: self.resource_version.0.parse().ok(),
        }
    }

    fn controller(&self, interner: &mut Interner) -> Option<Controller> {
        let owner = self.owner_references.iter().find(|owner| owner.controller)?;
        Some(Controller { kind: interner.text(&owner.kind), name: interner.text(&owner.name) })
    }
}

pub(super) type Decoded = (MetadataWire, Body);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Parts<S, T> {
    #[serde(deserialize_with = "nullable")]
    pub(super) metadata: MetadataWire,
    #[serde(deserialize_with = "nullable", bound(deserialize = "S: Deserialize<'de> + Default"))]
    pub(super) spec: S,
    #[serde(deserialize_with = "nullable", bound(deserialize = "T: Deserialize<'de> + Default"))]
    pub(super) status: T,
}

/// A part that is not looked at.
#[derive(Debug, Default)]
pub(super) struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// The metadata of an object, whatever else it has.
pub(super) fn metadata_only<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MetadataWire, D::Error> {
    Ok(Parts::<Skipped, Skipped>::deserialize(deserializer)?.metadata)
}

/// The metadata of a parsed object; the error names the field.
pub(super) fn metadata(value: &serde_json::Value) -> Result<MetadataWire, String> {
    serde_path_to_error::deserialize::<_, Parts<Skipped, Skipped>>(value)
        .map(|parts| parts.metadata)
        .map_err(|error| error.to_string())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodSpecWire {
    #[serde(deserialize_with = "nullable")]
    service_account_name: String,
    #[serde(deserialize_with = "nullable")]
    host_network: bool,
    #[serde(deserialize_with = "nullable")]
    containers: Vec<ContainerWire>,
    #[serde(deserialize_with = "nullable")]
    init_containers: Vec<ContainerWire>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerWire {
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[serde(deserialize_with = "nullable")]
    image: String,
    #[serde(deserialize_with = "nullable")]
    args: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    restart_policy: String,
    #[serde(deserialize_with = "nullable")]
    ports: Vec<ContainerPortWire>,
    #[serde(deserialize_with = "nullable")]
    env: Vec<EnvironmentWire>,
    #[serde(deserialize_with = "nullable")]
    liveness_probe: Option<ProbeWire>,
    #[serde(deserialize_with = "nullable")]
    readiness_probe: Option<ProbeWire>,
    #[serde(deserialize_with = "nullable")]
    startup_probe: Option<ProbeWire>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ProbeWire {
    #[serde(deserialize_with = "nullable")]
    http_get: Option<HandlerWire>,
    #[serde(deserialize_with = "nullable")]
    tcp_socket: Option<HandlerWire>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HandlerWire {
    #[serde(deserialize_with = "nullable")]
    host: String,
    #[serde(deserialize_with = "nullable")]
    path: String,
    #[serde(deserialize_with = "nullable")]
    port: Scalar,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerPortWire {
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[serde(deserialize_with = "nullable")]
    container_port: u16,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EnvironmentWire {
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[serde(deserialize_with = "nullable")]
    value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodStatusWire {
    #[serde(deserialize_with = "nullable")]
    phase: String,
    #[serde(rename = "podIP", deserialize_with = "nullable")]
    pod_ip: String,
    #[serde(rename = "podIPs", deserialize_with = "nullable")]
    pod_ips: Vec<PodIpWire>,
    #[serde(deserialize_with = "nullable")]
    conditions: Vec<ConditionWire>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PodIpWire {
    #[serde(deserialize_with = "nullable")]
    ip: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ConditionWire {
    #[serde(rename = "type", deserialize_with = "nullable")]
    kind: String,
    #[serde(deserialize_with = "nullable")]
    status: String,
}

/// The container of the proxy, also where it is one that starts first and stays.
fn proxy_container(spec: &PodSpecWire) -> Option<&ContainerWire> {
    let native = spec.init_containers.iter().filter(|container| container.restart_policy == "Always");
    spec.containers.iter().chain(native).find(|container| container.name == "istio-proxy")
}

/// The proxy kind that the containers show.
fn proxy_kind(proxy: Option<&ContainerWire>) -> ProxyKind {
    match proxy {
        None => ProxyKind::None,
        Some(proxy) if proxy.args.iter().any(|arg| arg == "router") => ProxyKind::Gateway,
        Some(proxy) if proxy.args.iter().any(|arg| arg == "waypoint") => ProxyKind::Waypoint,
        Some(_) => ProxyKind::Sidecar,
    }
}

/// The probes that go to ports of the pod itself. Injection turns them to port 15020 of the proxy, below
/// `/app-health/`.
fn probes(spec: &PodSpecWire, interner: &mut Interner) -> Vec<Probe> {
    let lists = [("containers", &spec.containers), ("initContainers", &spec.init_containers)];
    let mut found = Vec::new();
    for (list, at, container) in
        lists.iter().flat_map(|(name, list)| list.iter().enumerate().map(move |(at, one)| (*name, at, one)))
    {
        let probes = [
            ("livenessProbe", &container.liveness_probe),
            ("readinessProbe", &container.readiness_probe),
            ("startupProbe", &container.startup_probe),
        ];
        for (name, probe) in probes.iter().filter_map(|(name, probe)| Some((name, probe.as_ref()?))) {
            let Some(handler) = probe.http_get.as_ref().or(probe.tcp_socket.as_ref()) else { continue };
            let rewritten = handler.port.0 == "15020" && handler.path.starts_with("/app-health/");
            if container.name == "istio-proxy" || !handler.host.is_empty() || rewritten {
                continue;
            }
            found.push(Probe {
                field: interner.text(&format!("{list}[{at}].{name}")),
                port: match handler.port.0.parse() {
                    Ok(number) => Ok(number),
                    Err(_) => Err(interner.text(&handler.port.0)),
                },
                path: probe.http_get.as_ref().map(|handler| interner.text(&handler.path)),
            });
        }
    }
    found
}

/// A pod, or with no status the one that a template will make.
fn pod_of(spec: &PodSpecWire, status: Option<&PodStatusWire>, interner: &mut Interner) -> Pod {
    let is_template = status.is_none();
    let none = PodStatusWire::default();
    let status = status.unwrap_or(&none);
    let mut addresses: Vec<_> =
        status.pod_ips.iter().filter(|ip| !ip.ip.is_empty()).map(|ip| interner.text(&ip.ip)).collect();
    if addresses.is_empty() && !status.pod_ip.is_empty() {
        addresses.push(interner.text(&status.pod_ip));
    }
    let ports = spec.containers.iter().chain(&spec.init_containers).flat_map(|container| &container.ports);
    let account = if spec.service_account_name.is_empty() { "default" } else { &spec.service_account_name };
    let proxy = proxy_container(spec);
    // Proxy metadata comes as environment with this prefix.
    let is_off = |one: &EnvironmentWire| one.name == "ISTIO_META_DISABLE_HBONE_SEND" && one.value == "true";
    let is_proxyless = |one: &EnvironmentWire| one.name == "ISTIO_META_GENERATOR" && one.value == "grpc";
    // Who has no sidecar has nothing that could refuse a probe; a template will be given one.
    let probes = if is_template || proxy_kind(proxy) == ProxyKind::Sidecar {
        probes(spec, interner)
    } else {
        Vec::new()
    };
    Pod {
        probes,
        addresses,
        service_account: interner.text(account),
        proxy: proxy_kind(proxy),
        network: proxy
            .and_then(|proxy| proxy.env.iter().find(|one| one.name == "ISTIO_META_NETWORK"))
            .map(|one| interner.text(&one.value)),
        hbone_send_off: proxy.is_some_and(|proxy| proxy.env.iter().any(is_off)),
        host_network: spec.host_network,
        ready: status.conditions.iter().any(|one| one.kind == "Ready" && one.status == "True"),
        ended: matches!(status.phase.as_str(), "Succeeded" | "Failed"),
        ports: ports
            .filter(|port| !port.name.is_empty())
            .map(|port| (interner.text(&port.name), port.container_port))
            .collect(),
        controller: None,
        own_certificates: proxy.is_some_and(|proxy| {
            proxy.env.iter().any(|variable| variable.name.starts_with("ISTIO_META_TLS_CLIENT_"))
        }),
        proxyless: proxy.is_some_and(|proxy| proxy.env.iter().any(is_proxyless)),
        istiod: None,
        injected_by: None,
    }
}

/// What injection writes down about itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InjectionWire {
    #[serde(deserialize_with = "nullable")]
    revision: String,
}

/// What the container `discovery` tells, where the labels say that this is istiod.
fn istiod_of(labels: &BTreeMap<String, String>, spec: &PodSpecWire) -> Option<Istiod> {
    labels.get("app").filter(|app| *app == "istiod")?;
    let container = spec.containers.iter().find(|one| one.name == "discovery")?;
    Some(Istiod {
        version: version_of_image(&container.image),
        environment: container.env.iter().map(|one| (one.name.clone(), one.value.clone())).collect(),
    })
}

/// A pod.
pub(super) fn pod<'de, D: Deserializer<'de>>(d: D, interner: &mut Interner) -> Result<Decoded, D::Error> {
    let wire = Parts::<PodSpecWire, PodStatusWire>::deserialize(d)?;
    let mut pod = pod_of(&wire.spec, Some(&wire.status), interner);
    pod.controller = wire.metadata.controller(interner);
    let injection = wire.metadata.annotations.get("sidecar.istio.io/status");
    let injection = injection.and_then(|text| serde_json::from_str::<InjectionWire>(text).ok());
    let revision = injection.map(|injection| injection.revision).filter(|revision| !revision.is_empty());
    pod.injected_by = revision.map(|revision| interner.text(&revision));
    pod.istiod = istiod_of(&wire.metadata.labels, &wire.spec).map(Box::new);
    Ok((wire.metadata, Body::Pod(Box::new(pod))))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WorkloadSpecWire {
    #[serde(deserialize_with = "nullable")]
    template: Option<TemplateWire>,
    #[serde(deserialize_with = "nullable")]
    job_template: Option<Box<JobTemplateWire>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JobTemplateWire {
    #[serde(deserialize_with = "nullable")]
    spec: WorkloadSpecWire,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TemplateWire {
    #[serde(deserialize_with = "nullable")]
    metadata: MetadataWire,
    #[serde(deserialize_with = "nullable")]
    spec: PodSpecWire,
}

/// A controller of pods.
pub(super) fn workload<'de, D: Deserializer<'de>>(
    d: D,
    interner: &mut Interner,
) -> Result<Decoded, D::Error> {
    let wire = Parts::<WorkloadSpecWire, Skipped>::deserialize(d)?;
    let controller = wire.metadata.controller(interner);
    let template = wire.spec.template.or_else(|| wire.spec.job_template.and_then(|job| job.spec.template));
    let istiod = template.as_ref().and_then(|template| istiod_of(&wire.metadata.labels, &template.spec));
    let template = template.map(|template| {
        let pod = pod_of(&template.spec, None, interner);
        let meta = template.metadata.into_metadata(interner);
        PodTemplate { labels: meta.labels, annotations: meta.annotations, pod }
    });
    Ok((wire.metadata, Body::Workload(Box::new(Workload { controller, template, istiod }))))
}

/// `1.30.2` of `docker.io/istio/pilot:1.30.2-distroless`; `None` where the tag is no version.
fn version_of_image(image: &str) -> Option<String> {
    let (_, tag) = image.split_once('@').map_or(image, |(name, _)| name).rsplit_once(':')?;
    let version = tag.split(['-', '_']).next()?;
    // A tag such as 20240501.3 is a date; every release of Istio so far is a 1.x.
    let minor = version.strip_prefix("1.").and_then(|rest| rest.split('.').next());
    minor.is_some_and(|minor| minor.parse::<u32>().is_ok()).then(|| version.to_owned())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ConfigMapWire {
    #[serde(deserialize_with = "nullable")]
    metadata: MetadataWire,
    #[serde(deserialize_with = "nullable")]
    data: DataWire,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DataWire {
    mesh: Option<String>,
    #[serde(rename = "meshNetworks")]
    networks: Option<String>,
}

/// The metadata of a `ConfigMap`, and of the ones called `istio` or `istio-…` the texts of the mesh configuration. All
/// others are not looked into.
pub(super) fn config_map<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<(MetadataWire, Option<MeshTexts>), D::Error> {
    let ConfigMapWire { metadata, data } = ConfigMapWire::deserialize(d)?;
    let is_mesh = metadata.name == "istio" || metadata.name.starts_with("istio-");
    let texts = data.mesh.map(|mesh| MeshTexts { mesh, networks: data.networks });
    Ok((metadata, texts.filter(|_| is_mesh)))
}
