//! Connections on which nothing came back. ztunnel writes of them as of any other (data fact 12): an application that
//! closes or resets leaves that, a sidecar that accepts mutual TLS only, and a caller that does not wait. The objects may
//! tell which; the lines alone never do, and one that is answered among them says that nothing refuses them.

use super::{Asked, Cause};
use crate::correlate::age;
use crate::correlate::cause::Label;
use crate::correlate::passthrough::demand;
use crate::diagnose::Confidence;
use crate::logs::{Reporter, ZtunnelGroup};
use crate::model::peer_authentication::MtlsMode;
use crate::model::pod::ProxyKind;
use crate::resolve::server_mtls::Demand;

/// Whether something was sent on all connections of a group, nothing came back, and nobody says why.
pub(super) fn is_unanswered(group: &ZtunnelGroup) -> bool {
    group.key.error.is_none() && group.unanswered >= group.count
}

impl Asked<'_> {
    /// The cause of a group without an error, where nothing came back.
    pub(super) fn unanswered(&self, group: &ZtunnelGroup) -> Option<Cause> {
        let key = &group.key;
        if !is_unanswered(group) {
            return None;
        }
        match key.reporter {
            Reporter::Client if key.mtls == Some(false) => self.plaintext_unanswered(group),
            // The client's ztunnel tells it of the same connections.
            Reporter::Server if self.is_told_by_client(group) => None,
            Reporter::Client | Reporter::Server => Some(self.open(group, &[Label::CallerGaveUp])),
            Reporter::Unknown => None,
        }
    }

    fn is_told_by_client(&self, group: &ZtunnelGroup) -> bool {
        let ends = (&group.key.source, &group.key.destination);
        self.beside.unanswered.contains(&(ends.0, ends.1, group.key.port))
    }

    /// To a pod whose sidecar accepts mutual TLS only nothing ever comes back (MT-6.4).
    fn plaintext_unanswered(&self, group: &ZtunnelGroup) -> Option<Cause> {
        let place = self.locator.locate_ztunnel(&group.key);
        let Some(server) = self.locator.workload(place.server) else {
            // What the client's ztunnel does not know may be captured, and its own ztunnel not know it either.
            let unknown = Some(Label::WorkloadUnknown).filter(|_| group.key.destination.workload.is_none());
            let others = [Label::PlaintextToStrict, Label::CallerGaveUp].into_iter().chain(unknown);
            return Some(self.open(group, &others.collect::<Vec<_>>()));
        };
        let demand = demand(self.locator.mesh(), server, group.key.port?);
        let demand = demand.filter(|_| server.proxy == ProxyKind::Sidecar);
        let strict = |demand: &Demand| demand.mode == MtlsMode::Strict;
        let Some(demand) = demand.as_ref().filter(|demand| strict(demand)) else {
            // Without any policy for it, nothing that was read says what the sidecar accepts but Istio's default.
            let default = demand.filter(|demand| demand.policy.is_none()).map(|_| Label::PlaintextToStrict);
            let others: Vec<_> = default.into_iter().chain([Label::CallerGaveUp]).collect();
            return Some(self.open(group, &others));
        };
        let says = "plaintext, to a sidecar that accepts mutual TLS only, and nothing came back";
        let mut cause = self.base(group, Label::PlaintextToStrict, Confidence::Certain, says);
        let deciding = demand.policy.iter().chain([&server.object]);
        if deciding.into_iter().any(|object| age::is_newer(object, group.first)) {
            // It may have accepted anything, and an application need not answer.
            cause.confidence = Confidence::Possible;
            cause.alternatives = vec![Label::AppClosed.word()];
        }
        Some(cause)
    }

    fn open(&self, group: &ZtunnelGroup, others: &[Label]) -> Cause {
        let says = "nobody says why nothing came back";
        let mut cause = self.base(group, Label::AppClosed, Confidence::Possible, says);
        cause.alternatives = others.iter().map(|label| label.word()).collect();
        cause.proof.tells_no_failure = true;
        cause
    }
}
