//! TCP connections on which nothing came back at some endpoints of a service, while others of it answered: what refuses
//! refuses all connections to an endpoint, and not those to another one. They are told where the objects decide about those
//! endpoints; silence at one pod alone may be anything.

use std::net::SocketAddr;

use super::unanswered::{is_outbound, is_plain_end};
use super::{Asked, Cause, part_of};
use crate::diagnose::Confidence;
use crate::logs::{Group, Reporter};

/// Whether every line of a group names an endpoint that is kept.
pub(super) fn names_all(group: &Group) -> bool {
    let count: u64 = group.evidence.hosts.iter().map(|(_, count)| count).sum();
    count == group.count
}

impl Asked<'_> {
    /// The lines of a group whose endpoints never answered, where others did: one group has both, or two of the same proxy
    /// and cluster.
    pub(super) fn silent_part(&self, group: &Group) -> Option<Group> {
        let may_be = is_plain_end(group) && !group.ambiguous && group.reporter == Reporter::Client;
        if !may_be || !is_outbound(group) || !names_all(group) {
            return None;
        }
        let (others_answer, all_named) = self.others_answer(group);
        if group.answered == 0 && !others_answer || others_answer && !all_named {
            return None;
        }
        let mut part = group.clone();
        part.evidence.hosts = self.answering_no_other(group);
        part.evidence
            .hosts
            .retain(|(host, _)| !group.evidence.answered.iter().any(|(known, _)| known == host));
        part.count = part.evidence.hosts.iter().map(|(_, count)| count).sum();
        part.answered = 0;
        part.evidence.answered.clear();
        (part.count > 0).then_some(part)
    }

    /// Whether nothing came back on any of a group's connections, nor on others to the same endpoints.
    pub(super) fn is_silent(&self, group: &Group) -> bool {
        self.is_unanswered(group) || self.silent_part(group).is_some_and(|part| part.count == group.count)
    }

    /// Their causes, as far as the objects tell. Where they tell the same of an endpoint that answered, they are not what was
    /// in force.
    pub(super) fn at_silent_endpoints(&self, group: &Group) -> Vec<Cause> {
        let pair = self.whole_pair(&self.locator.locate(group));
        let Some((part, pair)) = self.silent_part(group).zip(pair) else { return Vec::new() };
        let is_known = |(host, _): &(SocketAddr, u64)| self.endpoint(&pair, *host, group.first).is_some();
        let told = |hosts: Vec<(SocketAddr, u64)>| -> Vec<Cause> {
            let mut of = part_of(&part, hosts.iter().map(|(_, count)| count).sum());
            of.evidence.hosts = hosts;
            let parts = if of.count > 0 { self.by_endpoints(&of) } else { Vec::new() };
            let causes = parts.iter().map(|part| self.unanswered(part));
            causes.filter(|cause| cause.confidence > Confidence::Possible).collect()
        };
        // Of more than the pair has, some are not known.
        let answered = self.answering_endpoints(group, pair.endpoints.len());
        let Some(answered) = answered.filter(|answered| answered.iter().all(is_known)) else {
            return Vec::new();
        };
        if !told(answered).is_empty() {
            return Vec::new();
        }
        told(part.evidence.hosts.iter().copied().filter(is_known).collect())
    }
}
