//! Counters of a waypoint's clusters for the services behind it (`inbound-vip|PORT|http|HOST`). Behind a waypoint there is a
//! tunnel to the ztunnel of the pod, and no application yet: whatever ends the tunnel counts alike.

use super::{Asked, Told};
use crate::correlate::cause::Label;
use crate::counters::{Metric, Sheet};
use crate::diagnose::Confidence::{Certain, Possible};

/// What the counters of such a cluster tell.
pub(super) fn told(asked: &Asked<'_>, sheet: &Sheet) -> Vec<Told> {
    let count = |metric| sheet.count(metric);
    let metric = Metric::CxConnectFail;
    let says = "the waypoint reached no pod of the service";
    let unmade = Told::new(Label::HboneUnreachable, Possible, count(metric), sheet, metric, says);
    let unmade = unmade.or(&["app-down", "rbac-denied", "pod-removed"]);
    let metric = Metric::CxDestroyRemoteWithActiveRq;
    let closed = count(metric).min(count(Metric::Rq503));
    let says = "connections behind the waypoint were closed with requests on them";
    let closed = Told::new(Label::Unknown, Possible, closed, sheet, metric, says);
    let closed = closed.or(&["app-closed", "hbone-unreachable", "rbac-denied", "ztunnel-stopped"]);
    let metric = Metric::RqPendingOverflow;
    let says = "a circuit breaker of the waypoint refused requests";
    let overflow = Told::new(Label::Overflow, Certain, count(metric), sheet, metric, says);
    let all = count(Metric::CxTotal).max(count(Metric::RqTotal));
    let told = [unmade, closed].into_iter().filter(|told| !asked.is_rare(told.count, all));
    told.chain([overflow]).filter(|told| told.count > 0).collect()
}
