//! Whoever wants to see lines while they are folded: to select some, to write them out, to group them anew.

use std::fmt;
use std::sync::Arc;

use super::table::Key;
use super::{Aggregate, GroupIndex, Limits, PodOf, SourceId, SourceName, view};
use crate::logs::access_line::AccessLine;
use crate::logs::fields::AnyLine;

/// Looks at every line of an [`super::Aggregate`]. For each, [`Watch::line`] comes first and then one of the others.
/// It holds its own state, and nothing that it does changes what is counted.
pub trait Watch: fmt::Debug + Send + Sync {
    /// The line that is read now.
    fn line(&self, source: &SourceName, number: u64, bytes: &[u8]);

    /// Whether it takes a line of a group of which it knows all that the group tells, whose line it is among that. What it
    /// takes is not handed to [`Watch::access`]. By default it takes none.
    fn takes(&self, _line: &AccessLine<'_>, _group: GroupIndex) -> bool {
        false
    }

    /// It is one of an access log: what it says, whose it is, and the group in which it was counted.
    fn access(&self, line: AnyLine<'_>, pod: &PodOf, group: Option<GroupIndex>);

    /// It is none of an access log.
    fn other(&self);

    /// Asked before more input is waited for: whether more lines are wanted.
    fn goes_on(&self) -> bool;
}

impl Aggregate {
    /// Has every line of now on looked at, or none any more.
    pub fn set_watch(&mut self, watch: Option<Arc<dyn Watch>>) {
        self.watch = watch;
    }

    /// Another one that reads lines as this one does, and has read none.
    #[must_use]
    pub fn empty_like(&self, limits: Limits) -> Self {
        Self { custom: Arc::clone(&self.custom), pods: self.pods.clone(), ..Self::with_limits(limits) }
    }

    #[cold]
    pub(super) fn show_line(&self, source: SourceId, line_no: u64, bytes: &[u8]) {
        if let (Some(watch), Some(name)) = (&self.watch, self.source(source)) {
            watch.line(name, line_no, bytes);
        }
    }
}

#[cold]
pub(super) fn show_access(watch: &dyn Watch, line: &AccessLine<'_>, key: &Key<'_>, index: Option<u32>) {
    if index.is_some_and(|index| watch.takes(line, GroupIndex(index))) {
        return;
    }
    let [pod, ..] = key.parts;
    watch.access(AnyLine::Envoy(line), &view::pod_of(key.fixed.pod, pod), index.map(GroupIndex));
}
