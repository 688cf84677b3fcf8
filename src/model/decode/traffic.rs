//! Istio's kinds that decide which services a proxy knows, read out of their JSON.

use serde_json::Value;

use super::policy::{labels, list, text};
use crate::model::Text;
use crate::model::interner::Interner;
use crate::model::object::Body;
use crate::model::service::{PortProtocol, ServicePort, TargetPort};
use crate::model::service_entry::{Resolution, ServiceEntry, WorkloadEntry};
use crate::model::sidecar::{EgressListener, IngressListener, Sidecar};
use crate::model::virtual_service::{self, Delegation, VirtualService};

fn texts(value: &Value, key: &str, interner: &mut Interner) -> Vec<Text> {
    list(value, key).iter().filter_map(Value::as_str).map(|one| interner.text(one)).collect()
}

fn number(value: Option<&Value>) -> Option<u16> {
    value.and_then(Value::as_u64).and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0)
}

/// A `Sidecar`.
pub(super) fn sidecar(spec: &Value, interner: &mut Interner) -> Body {
    let selector = spec.get("workloadSelector").filter(|selector| !selector.is_null());
    let listeners = list(spec, "egress").iter().map(|listener| {
        let port = listener.get("port");
        let proxies = port.is_some_and(|port| text(port, "protocol").eq_ignore_ascii_case("HTTP_PROXY"));
        EgressListener {
            hosts: texts(listener, "hosts", interner),
            port: number(port.and_then(|port| port.get("number"))).filter(|_| !proxies),
        }
    });
    let egress = listeners.collect();
    let ingress = list(spec, "ingress").iter().filter_map(|listener| {
        let port = listener.get("port")?;
        Some(IngressListener {
            port: number(port.get("number"))?,
            protocol: match text(port, "protocol").to_ascii_uppercase().as_str() {
                "HTTP" | "HTTP2" | "GRPC" | "GRPC-WEB" | "HTTP_PROXY" => PortProtocol::Http,
                "TCP" | "TLS" | "HTTPS" | "MONGO" | "REDIS" | "MYSQL" => PortProtocol::Tcp,
                _ => PortProtocol::Auto,
            },
            tls: listener.get("tls").is_some_and(|tls| !tls.is_null()),
        })
    });
    let ingress = ingress.collect();
    let mode = spec.pointer("/outboundTrafficPolicy").map(|policy| text(policy, "mode"));
    Body::Sidecar(Box::new(Sidecar {
        selector: selector.map(|selector| labels(selector.get("labels"), interner)),
        egress,
        ingress,
        // The enum's zero value is REGISTRY_ONLY: a policy without mode is one.
        outbound_traffic_policy: mode
            .map(|mode| interner.text(if mode.is_empty() { "REGISTRY_ONLY" } else { mode })),
    }))
}

/// A `VirtualService`.
pub(super) fn virtual_service(spec: &Value, interner: &mut Interner) -> Body {
    let (mut destinations, mut delegations) = (Vec::new(), Vec::new());
    for kind in ["http", "tls", "tcp"] {
        for (at, route) in list(spec, kind).iter().enumerate() {
            let delegate = route.get("delegate").filter(|delegate| kind == "http" && !delegate.is_null());
            if let Some(delegate) = delegate {
                delegations.push(Delegation {
                    at,
                    namespace: Some(text(delegate, "namespace"))
                        .filter(|namespace| !namespace.is_empty())
                        .map(|namespace| interner.text(namespace)),
                    name: interner.text(text(delegate, "name")),
                });
            } else {
                let found = virtual_service::destinations(kind, at, route, &mut |text| interner.text(text));
                destinations.extend(found);
            }
        }
    }
    Body::VirtualService(Box::new(VirtualService {
        hosts: texts(spec, "hosts", interner),
        gateways: texts(spec, "gateways", interner),
        export_to: texts(spec, "exportTo", interner),
        destinations,
        delegations,
    }))
}

/// A `ServiceEntry`.
pub(super) fn service_entry(spec: &Value, interner: &mut Interner) -> Body {
    let mut ports = Vec::new();
    for port in list(spec, "ports") {
        let Some(own) = number(port.get("number")) else { continue };
        ports.push(ServicePort {
            number: own,
            name: interner.text(text(port, "name")),
            app_protocol: interner.text(text(port, "protocol")),
            target: TargetPort::Number(number(port.get("targetPort")).unwrap_or(own)),
            tcp: !text(port, "protocol").eq_ignore_ascii_case("UDP"),
        });
    }
    let endpoints = list(spec, "endpoints").iter().map(|one| entry(one, interner)).collect();
    let selector = spec.get("workloadSelector").filter(|selector| !selector.is_null());
    let selector = selector.map(|selector| labels(selector.get("labels"), interner));
    Body::ServiceEntry(Box::new(ServiceEntry {
        hosts: texts(spec, "hosts", interner),
        ports,
        internal: text(spec, "location") == "MESH_INTERNAL",
        resolution: match text(spec, "resolution") {
            "" | "NONE" => Resolution::None,
            "STATIC" => Resolution::Static,
            "DNS" | "DNS_ROUND_ROBIN" | "DYNAMIC_DNS" => Resolution::Dns,
            other => Resolution::Other(other.to_owned()),
        },
        endpoints,
        selector,
        export_to: texts(spec, "exportTo", interner),
        subject_alt_names: texts(spec, "subjectAltNames", interner),
    }))
}

/// A `WorkloadEntry`.
pub(super) fn workload_entry(spec: &Value, interner: &mut Interner) -> Body {
    Body::WorkloadEntry(Box::new(entry(spec, interner)))
}

fn entry(spec: &Value, interner: &mut Interner) -> WorkloadEntry {
    let ports = spec.get("ports").and_then(Value::as_object).into_iter().flatten();
    WorkloadEntry {
        address: interner.text(text(spec, "address")),
        labels: labels(spec.get("labels"), interner),
        ports: ports.filter_map(|(name, port)| Some((interner.text(name), number(Some(port))?))).collect(),
        network: Some(text(spec, "network")).filter(|name| !name.is_empty()).map(|name| interner.text(name)),
        service_account: Some(text(spec, "serviceAccount"))
            .filter(|account| !account.is_empty())
            .map(|account| interner.text(account)),
    }
}
