//! Pods, and the controllers that make them, as they stand in JSON.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::Deserializer;

use super::strict::{Port, PortOrName, Strict};
use super::wire::{Decoded, MetadataWire, Parts, Skipped, from_value, nullable};
use crate::model::interner::Interner;
use crate::model::object::{Body, Note};
use crate::model::pod::{Pod, Probe, ProxyKind};
use crate::model::workload::{Istiod, PodTemplate, Workload};

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
    port: PortOrName,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerPortWire {
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    container_port: Port,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EnvironmentWire {
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[serde(deserialize_with = "nullable")]
    value: String,
    #[serde(deserialize_with = "nullable")]
    value_from: Option<Skipped>,
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
            let rewritten =
                handler.port == PortOrName::Number(15020) && handler.path.starts_with("/app-health/");
            if container.name == "istio-proxy" || !handler.host.is_empty() || rewritten {
                continue;
            }
            found.push(Probe {
                field: interner.text(&format!("{list}[{at}].{name}")),
                port: match &handler.port {
                    PortOrName::Number(number) => Ok(*number),
                    PortOrName::Name(name) => Err(interner.text(name)),
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
            .map(|port| (interner.text(&port.name), port.container_port.0))
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
pub(super) struct InjectionWire {
    #[serde(deserialize_with = "nullable")]
    revision: String,
}

/// The annotation `sidecar.istio.io/status`; `None` where it is none.
pub(super) fn injection(text: &str) -> Option<InjectionWire> {
    InjectionWire::deserialize(Strict(&mut serde_json::Deserializer::from_str(text))).ok()
}

/// What the container `discovery` tells, where the labels say that this is istiod.
fn istiod_of(labels: &BTreeMap<String, String>, spec: &PodSpecWire) -> Option<Istiod> {
    labels.get("app").filter(|app| *app == "istiod")?;
    let container = spec.containers.iter().find(|one| one.name == "discovery")?;
    let literal = container.env.iter().filter(|one| one.value_from.is_none());
    Some(Istiod {
        version: version_of_image(&container.image),
        environment: literal.map(|one| (one.name.clone(), one.value.clone())).collect(),
        elsewhere: container
            .env
            .iter()
            .filter(|one| one.value_from.is_some())
            .map(|one| one.name.clone())
            .collect(),
    })
}

/// A pod.
pub(super) fn pod<'de, D: Deserializer<'de>>(d: D, interner: &mut Interner) -> Result<Decoded, D::Error> {
    let wire = Parts::<PodSpecWire, PodStatusWire>::deserialize(Strict(d))?;
    let mut pod = pod_of(&wire.spec, Some(&wire.status), interner);
    pod.controller = wire.metadata.controller(interner);
    let injection = wire.metadata.annotations.get("sidecar.istio.io/status").and_then(|text| injection(text));
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
    Ok(workload_of(Parts::<WorkloadSpecWire, Skipped>::deserialize(Strict(d))?, interner))
}

/// The same out of JSON. The note names the field.
pub(super) fn of_value(value: &serde_json::Value, interner: &mut Interner) -> Result<Decoded, Note> {
    Ok(workload_of(from_value(value)?, interner))
}

fn workload_of(wire: Parts<WorkloadSpecWire, Skipped>, interner: &mut Interner) -> Decoded {
    let controller = wire.metadata.controller(interner);
    let template = wire.spec.template.or_else(|| wire.spec.job_template.and_then(|job| job.spec.template));
    let istiod = template.as_ref().and_then(|template| istiod_of(&wire.metadata.labels, &template.spec));
    let template = template.map(|template| {
        let pod = pod_of(&template.spec, None, interner);
        let meta = template.metadata.into_metadata(interner);
        PodTemplate { labels: meta.labels, annotations: meta.annotations, pod }
    });
    (wire.metadata, Body::Workload(Box::new(Workload { controller, template, istiod })))
}

/// `1.30.2` of `docker.io/istio/pilot:1.30.2-distroless`; `None` where the tag is no version.
fn version_of_image(image: &str) -> Option<String> {
    let (_, tag) = image.split_once('@').map_or(image, |(name, _)| name).rsplit_once(':')?;
    let version = tag.split(['-', '_']).next()?;
    // A tag such as 20240501.3 is a date; every release of Istio so far is a 1.x.
    let minor = version.strip_prefix("1.").and_then(|rest| rest.split('.').next());
    minor.is_some_and(|minor| minor.parse::<u32>().is_ok()).then(|| version.to_owned())
}
