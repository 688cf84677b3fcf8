//! Counters of a client's outbound cluster.

use super::{Asked, Told, answers, expected};
use crate::correlate::cause::Label;
use crate::counters::{Metric, Sheet};
use crate::diagnose::Confidence::{Certain, Likely, Possible};
use crate::resolve::PairTls;
use crate::resolve::client_tls::Sent;

/// A handshake that failed in either direction, before the client's side of it was done.
const HANDSHAKE: [&str; 6] = [
    "mtls-to-plaintext",
    "tls-version-mismatch",
    "no-client-cert",
    "client-cert-untrusted",
    "client-cert-expired",
    "non-istio-tls-to-permissive",
];
/// TLS 1.3 lets the client finish its handshake before the server looks at the certificate (data fact 3).
const REFUSED_CERTIFICATE: [&str; 3] = ["no-client-cert", "client-cert-untrusted", "client-cert-expired"];
/// A connection that was not made, or that the server closed on the greeting, leave the same.
const NOT_CONNECTED: [&str; 4] =
    ["pod-unreachable", "mtls-to-plaintext", "non-istio-tls-to-permissive", "sidecar-killed"];
/// What ends a plaintext connection while a request waits (data fact 2).
const CLOSED: [&str; 4] = ["plaintext-to-strict", "app-closed", "stale-connection", "sidecar-killed"];

/// What the counters of a cluster tell. Each connection that failed is told once: those with a reason first.
pub(super) fn told(asked: &Asked<'_>, sheet: &Sheet, pair: Option<&PairTls>) -> Vec<Told> {
    let count = |metric| sheet.count(metric);
    let expected = pair.and_then(expected);
    let mut told = Vec::new();
    let mut add = |one: Told| {
        if one.count > 0 {
            told.push(one.expected(expected));
        }
    };
    let new =
        |label, confidence, count, metric, says| Told::new(label, confidence, count, sheet, metric, says);

    let san = count(Metric::FailVerifySan);
    let says = "the server's certificate was of another identity than the client expects";
    add(new(Label::ServerSanMismatch, Certain, san, Metric::FailVerifySan, says));
    let verify = count(Metric::FailVerifyError);
    let says = "the client did not accept the server's certificate";
    let one = new(Label::ServerCertUntrusted, Possible, verify, Metric::FailVerifyError, says);
    add(one.or(&["server-cert-expired"]));

    let connect = count(Metric::CxConnectFail);
    let errors = count(Metric::ConnectionError);
    let early = errors.min(connect.saturating_sub(san + verify));
    let late = errors - early;
    let closed = count(Metric::CxDestroyRemoteWithActiveRq);
    let says = "TLS handshakes failed before they were done";
    add(new(Label::MtlsToPlaintext, Possible, early, Metric::ConnectionError, says).or(&HANDSHAKE));
    // Behind a handshake that the client had done, and then the connection was closed with a request on it.
    let is_refused = count(Metric::Handshake) >= late && closed >= late;
    if is_refused {
        let says = "the server broke the connection off behind the handshake, as over a refused certificate";
        let one = new(Label::NoClientCert, Possible, late, Metric::ConnectionError, says);
        add(one.or(&REFUSED_CERTIFICATE));
    } else {
        let says = "TLS connections failed";
        add(new(Label::MtlsToPlaintext, Possible, late, Metric::ConnectionError, says).or(&HANDSHAKE));
    }

    let unmade = connect.saturating_sub(san + verify + early);
    if !asked.is_rare(unmade, count(Metric::CxTotal)) {
        let plaintext = pair.is_some_and(|pair| pair.effective == Some(Sent::Plaintext));
        let says = "connections were not made";
        let confidence = if plaintext { Likely } else { Possible };
        let one = new(Label::PodUnreachable, confidence, unmade, Metric::CxConnectFail, says);
        add(if plaintext { one.or(&["sidecar-killed"]) } else { one.or(&NOT_CONNECTED) });
    }
    add(broken_off(asked, sheet, if is_refused { late } else { 0 }, expected));

    let none = count(Metric::CxNoneHealthy);
    if !asked.is_rare(none, count(Metric::RqTotal) + none) {
        let bare = pair.is_some_and(|pair| pair.reachable().next().is_none());
        let says = "the cluster had no endpoint to connect to";
        if count(Metric::EjectionsEnforced) > 0 {
            let says = "the cluster had no endpoint to connect to, and outlier detection had ejected some";
            add(new(Label::OutlierEjected, Likely, none, Metric::CxNoneHealthy, says).or(&["no-endpoints"]));
        } else {
            let confidence = if bare { Likely } else { Possible };
            let one = new(Label::NoEndpoints, confidence, none, Metric::CxNoneHealthy, says);
            add(one.or(&["outlier-ejected"]));
        }
    }
    let says = "a circuit breaker refused requests";
    let overflow = count(Metric::RqPendingOverflow);
    add(new(Label::Overflow, Certain, overflow, Metric::RqPendingOverflow, says));
    let says = "the answers were no HTTP";
    let garbage = count(Metric::CxProtocolError);
    add(new(Label::AppProtocolError, Possible, garbage, Metric::CxProtocolError, says)
        .or(&["mtls-to-plaintext"]));
    for metric in [Metric::RqTimeout, Metric::RqPerTryTimeout] {
        add(new(Label::Timeout, Certain, count(metric), metric, "requests took longer than they may"));
    }
    if told.is_empty() { answers::of_cluster(asked, sheet) } else { told }
}

/// Connections to hosts that nobody knows, where nothing unknown may leave: the cluster for them never has an endpoint.
pub(super) fn unknown_hosts(sheet: &Sheet) -> Vec<Told> {
    let metric = Metric::CxNoneHealthy;
    let says = "the hosts that were called are not known, and nothing unknown may leave";
    let told = Told::new(Label::UnknownHost, Certain, sheet.count(metric), sheet, metric, says);
    Some(told).filter(|told| told.count > 0).into_iter().collect()
}

/// Connections that ended with a request on them, past those that `refused` certificates explain. Connections of TCP end
/// so when the server is done, so there it takes the configuration to call it a failure.
fn broken_off(asked: &Asked<'_>, sheet: &Sheet, refused: u64, expected: Option<Label>) -> Told {
    let metric = Metric::CxDestroyRemoteWithActiveRq;
    let all = sheet.count(metric).saturating_sub(refused);
    let failed = all.min(sheet.count(Metric::Rq503).saturating_sub(refused));
    let without_tls = sheet.count(Metric::Handshake) == 0;
    let is_expected = expected == Some(Label::PlaintextToStrict) && without_tls;
    let count = if is_expected { all } else { failed };
    let count = if asked.is_rare(count, sheet.count(Metric::CxTotal)) { 0 } else { count };
    if !without_tls {
        let says = "the server closed connections of TLS with requests on them";
        let one = Told::new(Label::Unknown, Possible, count, sheet, metric, says);
        return one.or(&["sidecar-killed", "stale-connection", "app-closed"]);
    }
    let says = "the server closed connections with requests on them";
    let one = Told::new(Label::PlaintextToStrict, Possible, count, sheet, metric, says);
    if asked.proxy.shows_tls() {
        one.or(&CLOSED)
    } else {
        one.or(&[CLOSED.as_slice(), &REFUSED_CERTIFICATE].concat())
    }
}
