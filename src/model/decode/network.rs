//! Services and endpoints as they stand in JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::strict::{Port, PortOrName, Strict, target_port};
use super::wire::{Decoded, MetadataWire, Parts, Skipped, from_value, nullable};
use crate::model::Text;
use crate::model::endpoints::{EndpointAddress, EndpointGroup, EndpointSlice};
use crate::model::interner::Interner;
use crate::model::object::{Body, Note};
use crate::model::service::{Service, ServicePort, TargetPort};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ServiceSpecWire {
    #[serde(rename = "type", deserialize_with = "nullable")]
    kind: String,
    #[serde(deserialize_with = "nullable")]
    external_name: String,
    #[serde(rename = "clusterIP", deserialize_with = "nullable")]
    cluster_ip: String,
    #[serde(rename = "clusterIPs", deserialize_with = "nullable")]
    cluster_ips: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    selector: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    ports: Vec<ServicePortWire>,
    #[serde(rename = "externalIPs", deserialize_with = "nullable")]
    external_ips: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ServiceStatusWire {
    #[serde(deserialize_with = "nullable")]
    load_balancer: LoadBalancerWire,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LoadBalancerWire {
    #[serde(deserialize_with = "nullable")]
    ingress: Vec<Skipped>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServicePortWire {
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    port: Port,
    #[serde(default, deserialize_with = "nullable")]
    protocol: String,
    #[serde(default, deserialize_with = "nullable")]
    app_protocol: String,
    #[serde(default, deserialize_with = "target_port")]
    target_port: PortOrName,
}

/// A service. The note names the field.
pub(super) fn service(value: &serde_json::Value, interner: &mut Interner) -> Result<Decoded, Note> {
    let wire: Parts<ServiceSpecWire, ServiceStatusWire> = from_value(value)?;
    let spec = wire.spec;
    let ports = spec.ports.iter().map(|port| ServicePort {
        number: port.port.0,
        name: interner.text(&port.name),
        app_protocol: interner.text(&port.app_protocol),
        target: match &port.target_port {
            PortOrName::Number(0) => TargetPort::Number(port.port.0),
            PortOrName::Number(number) => TargetPort::Number(*number),
            PortOrName::Name(name) if name.is_empty() => TargetPort::Number(port.port.0),
            PortOrName::Name(name) => TargetPort::Name(interner.text(name)),
        },
        tcp: matches!(port.protocol.as_str(), "" | "TCP"),
    });
    let ports = ports.collect();
    let mut addresses = spec.cluster_ips;
    if addresses.is_empty() && !spec.cluster_ip.is_empty() {
        addresses.push(spec.cluster_ip);
    }
    let service = Service {
        external_name: (spec.kind == "ExternalName").then(|| interner.text(&spec.external_name)),
        headless: addresses.iter().any(|address| address == "None"),
        cluster_ips: addresses.iter().filter(|ip| *ip != "None").map(|ip| interner.text(ip)).collect(),
        selector: (!spec.selector.is_empty())
            .then(|| interner.labels(spec.selector.iter().map(|(k, v)| (k.as_str(), v.as_str())))),
        ports,
        is_reachable_from_outside: !spec.external_ips.is_empty()
            || !wire.status.load_balancer.ingress.is_empty(),
    };
    Ok((wire.metadata, Body::Service(Box::new(service))))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SliceWire {
    #[serde(deserialize_with = "nullable")]
    metadata: MetadataWire,
    #[serde(deserialize_with = "nullable")]
    ports: Vec<PortWire>,
    #[serde(deserialize_with = "nullable")]
    endpoints: Vec<EndpointWire>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PortWire {
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[serde(deserialize_with = "nullable")]
    port: Port,
    #[serde(deserialize_with = "nullable")]
    protocol: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EndpointWire {
    #[serde(deserialize_with = "nullable")]
    addresses: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    conditions: EndpointConditionsWire,
    #[serde(deserialize_with = "nullable")]
    target_ref: Option<TargetWire>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EndpointConditionsWire {
    ready: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TargetWire {
    #[serde(deserialize_with = "nullable")]
    kind: String,
    #[serde(deserialize_with = "nullable")]
    name: String,
}

fn ports_of(ports: &[PortWire], interner: &mut Interner) -> Vec<(Text, u16)> {
    let tcp = ports.iter().filter(|port| matches!(port.protocol.as_str(), "" | "TCP"));
    tcp.map(|port| (interner.text(&port.name), port.port.0)).collect()
}

fn pod_name(target: Option<&TargetWire>, interner: &mut Interner) -> Option<Text> {
    target.filter(|target| target.kind == "Pod").map(|target| interner.text(&target.name))
}

/// An endpoint slice.
pub(super) fn endpoint_slice<'de, D: Deserializer<'de>>(
    d: D,
    interner: &mut Interner,
) -> Result<Decoded, D::Error> {
    let wire = SliceWire::deserialize(Strict(d))?;
    let mut addresses = Vec::new();
    for endpoint in &wire.endpoints {
        let pod = pod_name(endpoint.target_ref.as_ref(), interner);
        let ready = endpoint.conditions.ready.unwrap_or(true);
        for address in &endpoint.addresses {
            addresses.push(EndpointAddress { address: interner.text(address), pod: pod.clone(), ready });
        }
    }
    let service =
        wire.metadata.labels.get("kubernetes.io/service-name").map(String::as_str).unwrap_or_default();
    let slice = EndpointSlice {
        service: interner.text(service),
        groups: vec![EndpointGroup { ports: ports_of(&wire.ports, interner), addresses }],
    };
    Ok((wire.metadata, Body::EndpointSlice(Box::new(slice))))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EndpointsWire {
    #[serde(deserialize_with = "nullable")]
    metadata: MetadataWire,
    #[serde(deserialize_with = "nullable")]
    subsets: Vec<EndpointSubsetWire>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EndpointSubsetWire {
    #[serde(deserialize_with = "nullable")]
    addresses: Vec<AddressWire>,
    #[serde(deserialize_with = "nullable")]
    not_ready_addresses: Vec<AddressWire>,
    #[serde(deserialize_with = "nullable")]
    ports: Vec<PortWire>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AddressWire {
    #[serde(deserialize_with = "nullable")]
    ip: String,
    #[serde(deserialize_with = "nullable")]
    target_ref: Option<TargetWire>,
}

/// An `Endpoints` object, read as the slices that Kubernetes makes of it.
pub(super) fn endpoints<'de, D: Deserializer<'de>>(
    d: D,
    interner: &mut Interner,
) -> Result<Decoded, D::Error> {
    let wire = EndpointsWire::deserialize(Strict(d))?;
    let mut groups = Vec::new();
    for subset in &wire.subsets {
        let mut addresses = Vec::new();
        for (list, ready) in [(&subset.addresses, true), (&subset.not_ready_addresses, false)] {
            for one in list {
                let pod = pod_name(one.target_ref.as_ref(), interner);
                addresses.push(EndpointAddress { address: interner.text(&one.ip), pod, ready });
            }
        }
        groups.push(EndpointGroup { ports: ports_of(&subset.ports, interner), addresses });
    }
    let service = interner.text(&wire.metadata.name);
    Ok((wire.metadata, Body::EndpointSlice(Box::new(EndpointSlice { service, groups }))))
}
