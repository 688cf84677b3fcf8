//! Whether lines are older than the objects that decide about their pair, by the time of the last change, where the objects
//! tell it (`creationTimestamp`, `managedFields`).

use std::sync::Arc;

use super::locate::{Located, Locator};
use crate::model::{Object, ObjectId};
use crate::resolve::PairTls;

/// How lines stand to the objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Age {
    /// That object was changed at that second, after the lines.
    LinesBefore(ObjectId, i64),
    /// The newest of the objects was changed at that second, before the lines.
    LinesAfter(ObjectId, i64),
    /// The lines, or one of the objects, have no time.
    Unknown,
}

/// When an object was last changed, in seconds since the epoch.
pub(super) fn changed(object: &Object) -> Option<i64> {
    object.meta.changed.max(object.meta.created)
}

/// Whether an object was changed after that microsecond, as far as both are known.
pub(super) fn is_newer(object: &Object, micros: Option<i64>) -> bool {
    let changed = changed(object).zip(micros);
    changed.is_some_and(|(changed, micros)| changed.saturating_mul(1_000_000) > micros)
}

/// The objects that decide about a pair: the rules that were merged, and the policies of the endpoints.
pub(super) fn deciding(locator: &Locator<'_>, pair: &PairTls) -> Vec<Arc<Object>> {
    let rules = pair.choice.iter().flat_map(|choice| choice.contributors.iter());
    let rules = rules.filter_map(|one| Some(Arc::clone(&locator.mesh().rules.get(one.rule)?.object)));
    let policies = pair.endpoints.iter().filter_map(|endpoint| endpoint.demand.as_ref()?.policy.clone());
    let mut found: Vec<_> = rules.chain(policies).collect();
    found.sort_by(|one, other| one.id.cmp(&other.id));
    found.dedup_by(|one, other| one.id == other.id);
    found
}

/// The answer for the pair of lines whose client and service are known.
pub(super) fn pair_of(locator: &Locator<'_>, place: &Located) -> Option<PairTls> {
    let client = locator.workload(place.client)?;
    locator.mesh().pair(client, place.host.as_deref()?, place.port?, place.subset.as_deref())
}

/// How lines, of which the last was at that microsecond, stand to objects.
pub(super) fn of(objects: &[Arc<Object>], last: Option<i64>) -> Age {
    let Some(last) = last.map(|micros| micros.div_euclid(1_000_000)) else { return Age::Unknown };
    let times = objects.iter().filter_map(|object| Some((changed(object)?, object)));
    match times.max_by_key(|(time, _)| *time) {
        Some((time, object)) if time > last => Age::LinesBefore(object.id.clone(), time),
        Some((time, object)) if objects.iter().all(|object| changed(object).is_some()) => {
            Age::LinesAfter(object.id.clone(), time)
        }
        Some(_) | None => Age::Unknown,
    }
}
