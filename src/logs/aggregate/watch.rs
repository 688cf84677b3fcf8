//! Whoever wants to see lines while they are folded: to select some, to write them out, to group them anew.

use std::fmt;

use super::{GroupIndex, PodOf, SourceName};
use crate::logs::fields::AnyLine;

/// Looks at every line of an [`super::Aggregate`]. For each, [`Watch::line`] comes first and then one of the others.
/// It holds its own state, and nothing that it does changes what is counted.
pub trait Watch: fmt::Debug + Send + Sync {
    /// The line that is read now.
    fn line(&self, source: &SourceName, number: u64, bytes: &[u8]);

    /// It is one of an access log: what it says, whose it is, and the group in which it was counted.
    fn access(&self, line: AnyLine<'_>, pod: &PodOf, group: Option<GroupIndex>);

    /// It is none of an access log.
    fn other(&self);

    /// Asked before more input is waited for: whether more lines are wanted.
    fn goes_on(&self) -> bool;
}
