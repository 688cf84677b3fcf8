//! What to look at next for a pair, where something is open: what the causes that are left would show elsewhere, the most
//! likely first.

use super::Page;
use crate::correlate::{Cause, Label};
use crate::diagnose::finding::Recorded;
use crate::resolve::{PairTls, Status, Workload};

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

/// Of what is nobody's so many causes are told.
const MOST_OF_NOBODY: usize = 3;

impl Page<'_> {
    /// What to look at, where something is open. `has_lines`: whether lines of the pair were read.
    pub(super) fn next(
        &self,
        client: &Workload,
        tls: &PairTls,
        cause: Option<&Cause>,
        has_lines: bool,
    ) -> Vec<String> {
        let mut next: Vec<String> =
            tls.missing.iter().map(|missing| format!("needed: {} {}", missing.kind, missing.need)).collect();
        let nobodys: Vec<_> = self.nobodys(tls.port).collect();
        let no_line = if nobodys.iter().any(|cause| !is_counted(cause)) {
            "no log line that names this pair was read"
        } else {
            "no log line of this pair was read"
        };
        match (tls.status, cause.map(|cause| cause.label)) {
            (Status::Conflict, None) if has_lines => next.push(
                "the lines of this pair show no such failure, while the configuration that was read proves it: they may be \
                 older than its objects, or the proxies do not have these"
                    .to_owned(),
            ),
            (Status::Conflict, None) => {
                next.push(format!("{no_line}: the configuration alone proves that its requests fail"));
            }
            (_, Some(Label::Unknown)) => next.push(format!(
                "the log of the server's proxy: a line NR filter_chain_not_found means plaintext, 503 UC on the \
                 inbound cluster means the application of {}",
                self.service.host
            )),
            (_, Some(Label::AppClosed)) if cause.is_some_and(|cause| cause.alternatives.is_empty()) => {
                next.push("the application's own log, and its keep-alive timeout against that of its callers".to_owned());
            }
            (Status::Ok | Status::Warn | Status::Cond | Status::Unknown, None)
                if !has_lines && !self.is_seen(client) =>
            {
                next.push(no_line.to_owned());
            }
            _ => {}
        }
        next.extend(cause.map(|cause| left(cause, tls)).unwrap_or_default());
        // Of counters the pair's own cause has its part already.
        let others = nobodys.into_iter().filter(|one| cause.is_none() || !is_counted(one));
        next.extend(others.filter_map(of_nobody).take(MOST_OF_NOBODY));
        next
    }
}

fn is_counted(cause: &Cause) -> bool {
    cause.evidence.iter().any(|one| one.by == Recorded::Counter)
}

/// What is known to have failed, and not of whom; nothing where the application alone is concerned.
fn of_nobody(cause: &Cause) -> Option<String> {
    let lines = cause.evidence.first()?;
    cause.label.family().code()?;
    let whose = if is_counted(cause) {
        "whose they are the counter does not say"
    } else {
        "failures of the service, not known of which client"
    };
    Some(format!("{whose}: {} × {}: {}", cause.count, lines.text, cause.label.word()))
}
