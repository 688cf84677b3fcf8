//! Ports that the proxy of a pod does not see, because annotations keep them out of interception (MT-2.4). What comes
//! to such a port reaches the application, and what leaves for one is the application's own; istiod takes no notice of
//! either, so automatic mTLS goes on as if the proxy saw it.

use super::workload::Workload;

/// An annotation of a pod, or of the template that stands for it.
pub fn annotation<'a>(pod: &'a Workload, key: &str) -> Option<&'a str> {
    let template = || pod.object.body.workload()?.template.as_ref()?.annotations.get(key);
    if pod.pod.is_some() { pod.object.meta.annotations.get(key) } else { template() }
}

/// Whether a list of ports names a port; `*` names all.
fn names(list: &str, port: u16) -> bool {
    list.split(',').map(str::trim).any(|one| one == "*" || one.parse() == Ok(port))
}

fn listed(pod: &Workload, key: &str, port: u16) -> Option<bool> {
    annotation(pod, key).map(|list| names(list, port))
}

/// Whether a connection to a port of the pod goes straight to the application.
pub fn is_inbound_excluded(pod: &Workload, port: u16) -> bool {
    inbound_excluded_by(pod, port).is_some()
}

/// The annotation by which it does.
pub fn inbound_excluded_by(pod: &Workload, port: u16) -> Option<&'static str> {
    const EXCLUDED: &str = "traffic.sidecar.istio.io/excludeInboundPorts";
    const INCLUDED: &str = "traffic.sidecar.istio.io/includeInboundPorts";
    if is_off(pod) {
        Some("sidecar.istio.io/interceptionMode")
    } else if listed(pod, EXCLUDED, port) == Some(true) {
        Some(EXCLUDED)
    } else {
        (listed(pod, INCLUDED, port) == Some(false)).then_some(INCLUDED)
    }
}

/// Whether a connection of the pod to a port goes past its proxy.
pub fn is_outbound_excluded(pod: &Workload, port: u16) -> bool {
    is_off(pod) || listed(pod, "traffic.sidecar.istio.io/excludeOutboundPorts", port) == Some(true)
}

/// Whether addresses are kept out of interception, so that it depends on the address what the proxy sees.
pub fn excludes_addresses(pod: &Workload) -> bool {
    let given = |key: &str| annotation(pod, key).map(str::trim);
    given("traffic.sidecar.istio.io/excludeOutboundIPRanges").is_some_and(|ranges| !ranges.is_empty())
        || given("traffic.sidecar.istio.io/includeOutboundIPRanges").is_some_and(|ranges| ranges != "*")
}

/// What of a client's own connections its annotations keep from the proxy, as they stand; all `None` for most pods.
pub(super) fn of_client(pod: &Workload) -> [Option<&str>; 4] {
    let keys = [
        "sidecar.istio.io/interceptionMode",
        "traffic.sidecar.istio.io/excludeOutboundPorts",
        "traffic.sidecar.istio.io/excludeOutboundIPRanges",
        "traffic.sidecar.istio.io/includeOutboundIPRanges",
    ];
    keys.map(|key| annotation(pod, key).filter(|value| !value.trim().is_empty() && *value != "REDIRECT"))
}

/// Whether nothing is redirected to the proxy: the application has to call it by itself.
fn is_off(pod: &Workload) -> bool {
    annotation(pod, "sidecar.istio.io/interceptionMode") == Some("NONE")
}
