//! Groups by fields (`--group-by`), counted by the group that a line is in.
//!
//! All lines of a group have the same values in the fields that its key is made of, so these are looked at once a
//! group, and from then on a line is counted where its group is. Each line is looked at where the key does not tell
//! (paths, the order of several flags, the host of what came in), and where there was no room for its group. The
//! outcome is that of [`ByFields::add`] for each of the lines.

use std::fmt;
use std::sync::Arc;

use super::table::Key;
use super::{Aggregate, ByFields, Facts, GroupIndex, PodOf, Sample, Source, view, ztunnel_groups};
use crate::logs::access_line::{AccessLine, Format, value};
use crate::logs::fields::{AnyLine, Field, Seen};
use crate::logs::upstream_cluster::UpstreamCluster;
use crate::logs::ztunnel::ZtunnelLine;

/// Names a pod, as far as it is known: `namespace/name`.
pub type NamesPods = Arc<dyn Fn(&PodOf) -> Option<String> + Send + Sync>;

/// Groups by fields, and which of them the lines of each group belong to.
#[derive(Clone)]
pub(super) struct ByGroups {
    by: ByFields,
    names_pods: NamesPods,
    asks_pod: bool,
    asks_flags: bool,
    envoy: Places,
    ztunnel: Places,
}

impl fmt::Debug for ByGroups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByGroups").field("by", &self.by).finish_non_exhaustive()
    }
}

/// For each group the place of its lines, where it is known.
#[derive(Debug, Clone, Default)]
struct Places(Vec<u32>);

/// No group by fields has this place: there are not as many.
const NOT_KNOWN: u32 = u32::MAX;

impl Places {
    #[inline]
    fn get(&self, group: Option<u32>) -> Option<u32> {
        self.0.get(group? as usize).copied().filter(|place| *place != NOT_KNOWN)
    }

    fn set(&mut self, group: u32, place: u32) {
        let group = group as usize;
        if self.0.len() <= group {
            self.0.resize(group + 1, NOT_KNOWN);
        }
        if let Some(known) = self.0.get_mut(group) {
            *known = place;
        }
    }
}

impl ByGroups {
    fn new(by: ByFields, names_pods: NamesPods) -> Self {
        let asks = |field| by.fields().contains(&field);
        Self {
            asks_pod: asks(Field::Pod),
            asks_flags: asks(Field::ResponseFlags),
            by,
            names_pods,
            envoy: Places::default(),
            ztunnel: Places::default(),
        }
    }

    /// Counts a line of Envoy's. `line` hands it on where it must be looked at.
    #[inline]
    pub(super) fn count(
        &mut self,
        (sources, sample): (&[Source], Sample),
        (key, facts): (&Key<'_>, &Facts),
        group: Option<u32>,
        line: impl FnOnce(&mut dyn FnMut(&AccessLine<'_>)),
    ) {
        // Only a format of one's own can have the flags in long.
        let is_told = !self.asks_flags || facts.format != Format::Custom || key.fixed.flags.is_empty();
        match self.envoy.get(group).filter(|_| is_told) {
            Some(place) => self.by.add_at(place, facts.time, facts.duration),
            None => line(&mut |line| self.look((sources, sample), key, group.filter(|_| is_told), line)),
        }
    }

    #[inline(never)]
    fn look(&mut self, at: (&[Source], Sample), key: &Key<'_>, group: Option<u32>, line: &AccessLine<'_>) {
        let [pod, ..] = key.parts;
        let pod = if self.asks_pod { (self.names_pods)(&view::pod_of(key.fixed.pod, pod)) } else { None };
        let place = self.by.add(&seen(at, AnyLine::Envoy(line), pod.as_deref()));
        if let Some((group, place)) = group.zip(place)
            && self.by.fields().iter().all(|field| is_told_of_envoy(*field, line))
        {
            self.envoy.set(group, place);
        }
    }

    /// Counts a line of ztunnel's.
    pub(super) fn count_ztunnel(
        &mut self,
        at: (&[Source], Sample),
        line: &ZtunnelLine<'_>,
        time: Option<i64>,
        group: Option<GroupIndex>,
    ) {
        let group = group.map(GroupIndex::place_of_ztunnel);
        if let Some(place) = self.ztunnel.get(group) {
            return self.by.add_at(place, time, line.duration_ms);
        }
        let pod = if self.asks_pod { (self.names_pods)(&ztunnel_groups::pod_of(line)) } else { None };
        let place = self.by.add(&seen(at, AnyLine::Ztunnel(line), pod.as_deref()));
        if let Some((group, place)) = group.zip(place)
            && self.by.fields().iter().all(|field| is_told_of_ztunnel(*field, line))
        {
            self.ztunnel.set(group, place);
        }
    }
}

fn seen<'a>((sources, sample): (&'a [Source], Sample), line: AnyLine<'a>, pod: Option<&'a str>) -> Seen<'a> {
    let file = sources.get(sample.source.0 as usize).map_or("", |source| &*source.name.file);
    Seen { line, pod, file, number: sample.line }
}

/// Whether all lines of a group of Envoy's have the same value there as this line of it.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other field is in the key")]
fn is_told_of_envoy(field: Field, line: &AccessLine<'_>) -> bool {
    match field {
        Field::ResponseCode
        | Field::ResponseCodeDetails
        | Field::ConnectionTerminationDetails
        | Field::UpstreamTransportFailureReason
        | Field::UpstreamCluster
        | Field::Port
        | Field::Subset
        | Field::Reporter
        | Field::Pod => true,
        // The key does not tell the order of several, nor the names of those that are not known.
        Field::ResponseFlags => {
            line.flags.unknown() == 0 && !line.response_flags.is_some_and(|flags| flags.contains(&b','))
        }
        // Where the cluster names none it is the authority.
        Field::Host => {
            value(line.upstream_cluster).is_some_and(|cluster| UpstreamCluster::parse(cluster).host.is_some())
        }
        // No line of Envoy's has them.
        Field::Message
        | Field::SrcWorkload
        | Field::SrcNamespace
        | Field::SrcIdentity
        | Field::SrcCluster
        | Field::SrcAddr
        | Field::DstAddr
        | Field::DstHboneAddr
        | Field::DstService
        | Field::DstWorkload
        | Field::DstNamespace
        | Field::DstIdentity
        | Field::DstCluster
        | Field::Direction
        | Field::Error
        | Field::Level
        | Field::Mtls => true,
        _ => false,
    }
}

/// The same of ztunnel's groups.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other field is in the key")]
fn is_told_of_ztunnel(field: Field, line: &ZtunnelLine<'_>) -> bool {
    // The key has both in one word, and neither where one of them is missing.
    let workload = |namespace: &Option<_>, name: &Option<_>| {
        let has_slash = |text: &std::borrow::Cow<'_, str>| text.contains('/');
        namespace
            .as_ref()
            .zip(name.as_ref())
            .is_some_and(|(namespace, name)| !has_slash(namespace) && !has_slash(name))
    };
    match field {
        Field::Message
        | Field::SrcIdentity
        | Field::DstIdentity
        | Field::DstService
        | Field::Direction
        | Field::Reporter
        | Field::Mtls
        | Field::Format
        | Field::Pod => true,
        // Without a service it is the address.
        Field::Host => line.dst_service.is_some(),
        Field::Error => line.error.as_deref().is_none_or(ztunnel_groups::has_no_times),
        Field::SrcWorkload | Field::SrcNamespace => workload(&line.src_namespace, &line.src_workload),
        Field::DstWorkload | Field::DstNamespace => workload(&line.dst_namespace, &line.dst_workload),
        // No line of ztunnel's has them.
        Field::ResponseCode
        | Field::ResponseFlags
        | Field::ResponseCodeDetails
        | Field::ConnectionTerminationDetails
        | Field::UpstreamTransportFailureReason
        | Field::UpstreamCluster
        | Field::Port
        | Field::Subset
        | Field::Method
        | Field::Path
        | Field::Protocol => true,
        _ => false,
    }
}

impl Aggregate {
    /// Counts every line of now on by these fields, too.
    pub fn count_by(&mut self, fields: Vec<Field>, names_pods: NamesPods) {
        self.by_groups = Some(Box::new(ByGroups::new(ByFields::new(fields, self.limits), names_pods)));
    }

    /// What was counted by fields; no further line is.
    pub fn take_counted_by(&mut self) -> Option<ByFields> {
        self.by_groups.take().map(|groups| groups.by)
    }

    /// How many lines each group has, in no order.
    pub fn lines_of_groups(&self) -> impl Iterator<Item = (GroupIndex, u64)> {
        let envoy = (0..).map(GroupIndex).zip(self.counts.groups.groups().iter().map(|group| group.count));
        envoy.chain(self.ztunnel.lines_of_groups())
    }
}

#[cfg(test)]
mod tests;
