//! What to look at next for a pair, where something is open: what the causes that are left would show elsewhere, the most
//! likely first.

use crate::correlate::{Cause, Label};
use crate::resolve::{PairTls, Status};

/// At most so many of the causes that are left are told.
const MOST: usize = 4;

/// Where a cause that lines leave open shows.
fn place(label: &str) -> Option<&'static str> {
    Some(match label {
        "client-cert-untrusted" => {
            "the counters ssl.fail_verify_error and ssl.fail_verify_san of the server's listener, and the root \
             certificates of both proxies (istioctl proxy-config secret)"
        }
        "client-cert-expired" => {
            "until when the client's certificate is valid (istioctl proxy-config secret)"
        }
        "no-client-cert" => "the counter ssl.fail_verify_no_cert of the server's listener",
        "sidecar-killed" => {
            "restarts and the last state of istio-proxy in the server's pods, at the time of these lines"
        }
        "stale-connection" => {
            "idle timeouts on the way: who closes first has to be the client's proxy \
             (connectionPool.http.idleTimeout)"
        }
        "app-closed" => "the application's own log, and its keep-alive timeout against that of its callers",
        "plaintext-to-strict" => "the server's log at these times: 0 NR filter_chain_not_found with SNI -",
        "missing-tls-origination" => {
            "whether the port outside wants TLS (openssl s_client), and no DestinationRule originates it"
        }
        "mtls-to-plaintext" => "whether the server's pods have a proxy, and what their policy demands",
        "pod-unreachable" | "app-down" => "whether anything listens at the pod's address and port",
        "outlier-ejected" => "the counter outlier_detection.ejections_active of the client's cluster",
        "no-endpoints" => "the EndpointSlices of the service at that time",
        "rbac-denied" | "rbac-denied-because-plaintext" | "ext-authz-denied" => {
            "the server's log: rbac_access_denied_matched_policy names the policy, UAEX an external authorizer"
        }
        _ => return None,
    })
}

/// What is left of a cause that is not sure, each with where it shows.
pub(super) fn left(cause: &Cause, tls: &PairTls) -> Vec<String> {
    let mut next = Vec::new();
    let is_open = cause.label == Label::Unknown;
    let excluded = !cause.alternatives.contains(&Label::PlaintextToStrict.word());
    if is_open && excluded && matches!(tls.status, Status::Ok | Status::Warn) {
        next.push(
            "plaintext-to-strict is excluded by the configuration that was read: the server takes what is sent"
                .to_owned(),
        );
    }
    let own = Some(cause.label.word()).filter(|_| !is_open && !cause.alternatives.is_empty());
    let labels = own.into_iter().chain(cause.alternatives.iter().copied());
    let mut told: Vec<&str> = Vec::new();
    for (label, place) in labels.filter_map(|label| Some((label, place(label)?))) {
        // Causes that show at the same place are told once.
        if told.len() < MOST && !told.contains(&place) {
            told.push(place);
            next.push(format!("{label}: {place}"));
        }
    }
    next
}
