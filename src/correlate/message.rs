//! The sentence of a finding that logs make.

use std::sync::Arc;

use super::cause::{Cause, Family, Label};
use super::locate::Locator;
use crate::diagnose::Code;
use crate::model::{Object, ObjectId};
use crate::resolve::{Service, Workload};

/// What a finding says of the causes behind it. `was_read`: the object that it names is among those that were read.
pub(super) fn message(
    locator: &Locator<'_>,
    code: Code,
    name: &ObjectId,
    was_read: bool,
    causes: &[&Cause],
) -> String {
    let count = lines_of(causes);
    // What a proxy says of itself is no connection that failed.
    if causes.iter().all(|cause| cause.groups.is_empty()) {
        format!("{name}: {count} messages of the proxy: {}", what(causes))
    } else if code == Code::UpstreamClosesConnections {
        closed(name, causes)
    } else if code == Code::ClientWithoutProxyToStrict {
        let server = causes.iter().find_map(|cause| locator.workload(cause.place.server));
        let server = server.map(Workload::path).unwrap_or_default();
        format!(
            "{name} has no proxy and sends plaintext, and {server} accepts mutual TLS only: its proxy refused {count} \
             connections"
        )
    } else if code == Code::MtlsFailureInTraffic && of_certificates(causes) {
        format!(
            "{name}: {count} connections failed in the TLS handshake, over a certificate or the version and not over \
             the modes: {}",
            what(causes)
        )
    } else if code == Code::MtlsFailureInTraffic {
        format!(
            "{name}: the server's proxy refused {count} connections over TLS, which the configuration that was read \
             does not explain: the proxies have something else, or other clients call it"
        )
    } else if code == Code::UpstreamUnreachable {
        format!("{name}: {count} requests reached nothing: {}", what(causes))
    } else if code == Code::OverflowOrLimit {
        format!("{name}: a limit refused {count} requests: {}", what(causes))
    } else if code == Code::RequestsDenied {
        format!("{name}: {count} requests were denied: {}", what(causes))
    } else {
        let texts = causes.iter().flat_map(|cause| &cause.evidence).map(|lines| lines.text.as_str());
        let what = texts.take(1).collect::<String>();
        let age = if was_read { age(locator, causes) } else { "no such object was read".to_owned() };
        format!("{name}: {count} × {what} cannot be explained by what was read; {age}")
    }
}

fn of_certificates(causes: &[&Cause]) -> bool {
    causes.iter().all(|cause| cause.label.family() == Family::Certificate)
}

/// The most telling line of the cause with most lines: that of the side which says what went wrong.
fn what(causes: &[&Cause]) -> String {
    let main = causes.iter().max_by_key(|cause| cause.count);
    let lines = main.and_then(|main| main.evidence.last());
    lines.map(|lines| lines.text.clone()).unwrap_or_default()
}

/// The other end closed connections, or did not speak HTTP: which of them depends on the cause with most lines.
fn closed(name: &ObjectId, causes: &[&Cause]) -> String {
    let count = lines_of(causes);
    let main = causes.iter().max_by_key(|cause| cause.count).map(|cause| cause.label);
    let by_proxy = causes.iter().any(|cause| cause.server_proof);
    let not_mtls = if by_proxy {
        "not mTLS: TLS had ended at the server's own proxy, which had taken the request and handed it on"
    } else {
        "not mTLS: the server has no proxy, and the client sends it plaintext"
    };
    match main {
        Some(Label::SidecarKilled) => format!(
            "{name}: {count} requests broke off together, and the address refused those after them: the server's \
             proxy or its pod went away"
        ),
        Some(Label::AppProtocolError) if by_proxy => {
            format!(
                "{name}: the application answered {count} requests with something that is no HTTP; {not_mtls}"
            )
        }
        Some(Label::AppProtocolError) => {
            format!("{name}: {count} requests were answered with something that is no HTTP: {}", what(causes))
        }
        Some(Label::AppClosed) => {
            format!("{name}: the application closed {count} connections before it answered; {not_mtls}")
        }
        _ => format!("{name}: {count} connections were closed before an answer: {}", what(causes)),
    }
}

pub(super) fn lines_of(causes: &[&Cause]) -> u64 {
    let clients: u64 =
        causes.iter().filter(|cause| cause.place.client.is_some()).map(|cause| cause.count).sum();
    if clients > 0 { clients } else { causes.iter().map(|cause| cause.count).sum() }
}

/// Whether the lines may be older than the objects: by the time of the last change, where the objects tell it.
fn age(locator: &Locator<'_>, causes: &[&Cause]) -> String {
    let unknown = "the lines may be older than the objects, whose last change is not known".to_owned();
    let Some(cause) = causes.iter().find(|cause| cause.place.client.is_some()) else { return unknown };
    let last = cause.last.map(|micros| micros.div_euclid(1_000_000));
    let service = cause.place.host.as_ref().and_then(|host| locator.mesh().registry.by_host(host));
    let (Some(last), Some(service), Some(client)) = (last, service, locator.workload(cause.place.client))
    else {
        return unknown;
    };
    let objects = deciding(locator, client, service, cause);
    let changed =
        objects.iter().filter_map(|object| Some((object.meta.changed.or(object.meta.created)?, object)));
    match changed.max_by_key(|(time, _)| *time) {
        Some((time, object)) if time > last => {
            format!(
                "the lines are older than {}, which was last changed at {}",
                object.id,
                crate::model::time::format(time)
            )
        }
        Some(_) => "the server's own log would tell".to_owned(),
        None => unknown,
    }
}

/// The objects that decide about a pair.
fn deciding(locator: &Locator<'_>, client: &Workload, service: &Service, cause: &Cause) -> Vec<Arc<Object>> {
    let Some(port) = cause.place.port else { return Vec::new() };
    let mesh = locator.mesh();
    let Some(pair) = mesh.pair(client, &service.host, port, cause.place.subset.as_deref()) else {
        return Vec::new();
    };
    let rules = pair.choice.iter().flat_map(|choice| choice.contributors.iter());
    let rules = rules.filter_map(|one| Some(Arc::clone(&mesh.rules.get(one.rule)?.object)));
    let policies = pair.endpoints.iter().filter_map(|endpoint| endpoint.demand.as_ref()?.policy.clone());
    rules.chain(policies).collect()
}
