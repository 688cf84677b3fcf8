//! Groups by fields (`--group-by`), counted by the group that a line is in.
//!
//! All lines of a group have the same values in the fields that its key is made of, so these are looked at once a
//! group, and from then on a line is counted where its group is. Each line is looked at where the key does not tell
//! (paths, the order of several flags, the host of what came in), and where there was no room for its group. The
//! outcome is that of [`ByFields::add`] for each of the lines, but for a flag that somebody wrote twice in one line:
//! Envoy does not, and it counts as written once.

use std::borrow::Cow;
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

/// For each group, what is known of its lines.
#[derive(Debug, Clone, Default)]
struct Places(Vec<u32>);

/// Groups by fields have smaller places: there are not as many.
pub(super) const EACH: u32 = u32::MAX - 1;
const NOT_KNOWN: u32 = u32::MAX;

/// What is known of the lines of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// All are in this group by fields.
    At(u32),
    /// Each must be looked at.
    Each,
    /// None was looked at.
    NotKnown,
}

impl Places {
    #[inline]
    fn get(&self, group: Option<u32>) -> Place {
        match group.and_then(|group| self.0.get(group as usize)) {
            None | Some(&NOT_KNOWN) => Place::NotKnown,
            Some(&EACH) => Place::Each,
            Some(&place) => Place::At(place),
        }
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
        let group = group.filter(|_| is_told);
        let place = self.envoy.get(group);
        if let Place::At(place) = place {
            return self.by.add_at(place, facts.time, facts.duration);
        }
        let mut is_looked_at = false;
        line(&mut |line| {
            is_looked_at = true;
            let [pod, ..] = key.parts;
            let pod = if self.asks_pod { (self.names_pods)(&view::pod_of(key.fixed.pod, pod)) } else { None };
            let seen = seen((sources, sample), AnyLine::Envoy(line), pod.as_deref());
            let group = group.filter(|_| place == Place::NotKnown).map(|group| (&mut self.envoy, group));
            look(&mut self.by, &seen, (facts.time, facts.duration), group);
        });
        // Both readings take the same lines; were they not to, the line is not lost.
        if !is_looked_at {
            self.by.leave_out();
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
        let place = self.ztunnel.get(group);
        if let Place::At(place) = place {
            return self.by.add_at(place, time, line.duration_ms);
        }
        let pod = if self.asks_pod { (self.names_pods)(&ztunnel_groups::pod_of(line)) } else { None };
        let seen = seen(at, AnyLine::Ztunnel(line), pod.as_deref());
        let group = group.filter(|_| place == Place::NotKnown).map(|group| (&mut self.ztunnel, group));
        look(&mut self.by, &seen, (time, line.duration_ms), group);
    }
}

/// Counts a line by its values, and notes what they tell of its group where that is still to be known.
#[inline(never)]
fn look(
    by: &mut ByFields,
    seen: &Seen<'_>,
    (time, duration): (Option<i64>, Option<u64>),
    group: Option<(&mut Places, u32)>,
) {
    let place = by.add_with(seen, time, duration);
    if let Some((places, group)) = group {
        let is_told = by.fields().iter().all(|field| match seen.line {
            AnyLine::Envoy(line) => is_told_of_envoy(*field, line),
            AnyLine::Ztunnel(line) => is_told_of_ztunnel(*field, line),
        });
        places.set(group, place.filter(|_| is_told).unwrap_or(EACH));
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
        // The key does not tell the order of several, nor the names of those that are not known.
        Field::ResponseFlags => {
            line.flags.unknown() == 0 && !line.response_flags.is_some_and(|flags| flags.contains(&b','))
        }
        // Where the cluster names none it is the authority.
        Field::Host => {
            value(line.upstream_cluster).is_some_and(|cluster| UpstreamCluster::parse(cluster).host.is_some())
        }
        Field::ResponseCode
        | Field::ResponseCodeDetails
        | Field::ConnectionTerminationDetails
        | Field::UpstreamTransportFailureReason
        | Field::UpstreamCluster
        | Field::Port
        | Field::Subset
        | Field::Reporter
        | Field::Pod
        // No line of Envoy's has these.
        | Field::Message
        | Field::SrcWorkload
        | Field::SrcNamespace
        | Field::SrcIdentity
        | Field::DstService
        | Field::DstWorkload
        | Field::DstNamespace
        | Field::DstIdentity
        | Field::Direction
        | Field::Error
        | Field::Mtls => true,
        _ => false,
    }
}

/// The same of ztunnel's groups.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other field is in the key")]
fn is_told_of_ztunnel(field: Field, line: &ZtunnelLine<'_>) -> bool {
    // The key has both in one word, and neither where one of them is missing.
    let is_pod = |namespace: &Option<Cow<'_, str>>, name: &Option<Cow<'_, str>>| {
        let both = namespace.as_deref().zip(name.as_deref());
        both.is_some_and(|(namespace, name)| !namespace.contains('/') && !name.contains('/'))
    };
    match field {
        // Without a service it is the address.
        Field::Host => line.dst_service.is_some(),
        Field::Error => line.error.as_deref().is_none_or(ztunnel_groups::has_no_times),
        Field::SrcWorkload | Field::SrcNamespace => is_pod(&line.src_namespace, &line.src_workload),
        Field::DstWorkload | Field::DstNamespace => is_pod(&line.dst_namespace, &line.dst_workload),
        Field::Message
        | Field::SrcIdentity
        | Field::DstIdentity
        | Field::DstService
        | Field::Direction
        | Field::Reporter
        | Field::Mtls
        | Field::Format
        | Field::Pod
        // No line of ztunnel's has these.
        | Field::ResponseCode
        | Field::ResponseFlags
        | Field::ResponseCodeDetails
        | Field::ConnectionTerminationDetails
        | Field::UpstreamTransportFailureReason
        | Field::UpstreamCluster
        | Field::Port
        | Field::Subset => true,
        _ => false,
    }
}

impl Aggregate {
    /// Counts every line of now on by these fields, too.
    pub fn count_by(&mut self, fields: Vec<Field>, names_pods: NamesPods) {
        self.by_groups = Some(Box::new(ByGroups::new(ByFields::new(fields, self.limits), names_pods)));
    }

    /// Whether most lines must be looked at, so that they are best read one by one: a field is asked for that no key
    /// tells, or often does not.
    pub fn looks_at_lines(&self) -> bool {
        let nothing = AccessLine::empty(Format::IstioText19);
        let fields = self.by_groups.iter().flat_map(|groups| groups.by.fields());
        fields.into_iter().any(|field| !is_told_of_envoy(*field, &nothing))
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
