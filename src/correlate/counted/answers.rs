//! Counters of answers by their code, and of what a proxy does to requests by itself.
//!
//! A code does not say who answered so: an answer of the server's proxy and one of its application count alike at the
//! client. So a code is told only where no counter of the same cluster says more, as *possible*, with all who answer so.

use super::{Asked, Told};
use crate::correlate::cause::{Cause, Label};
use crate::counters::{Metric, Sheet, Subject};
use crate::diagnose::Confidence::{Certain, Possible};

/// What answers an outbound cluster gave.
pub(super) fn of_cluster(asked: &Asked<'_>, sheet: &Sheet) -> Vec<Told> {
    let new = |label, metric, says| Told::new(label, Possible, sheet.count(metric), sheet, metric, says);
    let says = "answers with an error, which the server's proxy or its application gave";
    let errors = new(Label::AppError, Metric::Rq5xx, says);
    let errors =
        errors.or(&["app-closed", "app-down", "app-protocol-error", "timeout", "overflow", "no-endpoints"]);
    let says = "answers that deny, which the server's proxy or its application gave";
    let denials = new(Label::AppError, Metric::Rq403, says);
    let denials = denials.or(&["rbac-denied", "ext-authz-denied", "rbac-denied-because-plaintext"]);
    let says = "answers that there were too many, which the server's proxy or its application gave";
    let limits = new(Label::AppError, Metric::Rq429, says).or(&["rate-limited"]);
    left(asked, sheet, [errors, denials, limits])
}

/// What answers the cluster of the application behind a server's proxy gave. An external authorizer's denials count there
/// as well; those of policies do not.
pub(super) fn of_application(asked: &Asked<'_>, sheet: &Sheet) -> Vec<Told> {
    let new = |metric, says| {
        let told = Told::new(Label::AppError, Possible, sheet.count(metric), sheet, metric, says);
        Told { by_server: true, ..told }
    };
    let errors = new(Metric::Rq5xx, "answers of the application with an error");
    // Such answers are what outlier detection ejects for, of which the server counts nothing.
    let errors = errors.or(&["outlier-ejected"]);
    let denials = new(Metric::Rq403, "answers of the application that deny").or(&["ext-authz-denied"]);
    let authorized = asked.proxy.sheets().any(|(subject, sheet)| {
        matches!(subject, Subject::Http(_)) && sheet.count(Metric::ExtAuthzDenied) > 0
    });
    let denials = Some(denials).filter(|_| !authorized);
    left(asked, sheet, std::iter::once(errors).chain(denials))
}

fn left(asked: &Asked<'_>, sheet: &Sheet, told: impl IntoIterator<Item = Told>) -> Vec<Told> {
    let all = sheet.count(Metric::RqTotal);
    told.into_iter().filter(|told| told.count > 0 && !asked.is_rare(told.count, all)).collect()
}

impl Asked<'_> {
    /// What the HTTP filters do to requests of either direction by themselves.
    pub(super) fn by_filters(&self, prefix: &str, sheet: &Sheet, causes: &mut Vec<Cause>) {
        let is_inbound = prefix.starts_with("inbound");
        if !is_inbound && !prefix.starts_with("outbound") {
            return;
        }
        let new = |label, metric, says| Told::new(label, Certain, sheet.count(metric), sheet, metric, says);
        let mut told = vec![
            new(Label::FaultInjected, Metric::FaultAborts, "requests were aborted, as was asked for"),
            new(Label::FaultInjected, Metric::FaultDelays, "requests were delayed, as was asked for"),
            new(Label::Timeout, Metric::DownstreamRqIdleTimeout, "requests were idle longer than they may"),
        ];
        let metric = Metric::DownstreamCxDestroyRemoteActiveRq;
        let says = "callers closed connections with requests on them";
        // So ends a WebSocket as well, and a client's proxy closes so when its own time is over.
        let left = Told { confidence: Possible, ..new(Label::CallerGaveUp, metric, says) };
        told.push(if is_inbound { left.or(&["timeout"]) } else { left });
        if !is_inbound {
            told.push(new(Label::NoRoute, Metric::NoRoute, "no route was for the requests"));
            let says = "the route led to a cluster that is not there";
            told.push(new(Label::NoCluster, Metric::NoCluster, says));
        }
        let all = sheet.count(Metric::DownstreamCxTotal);
        let told = told.into_iter().filter(|told| told.count > 0 && !self.is_rare(told.count, all));
        let place = if is_inbound { self.inbound_place(prefix) } else { self.caller() };
        causes.extend(told.map(|told| self.cause(Told { by_server: is_inbound, ..told }, place.clone())));
    }
}
