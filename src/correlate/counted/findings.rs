//! Counters become findings: joined to the one that explains them, to one that lines made, or one of their own.

use std::collections::BTreeMap;

use crate::correlate::cause::Cause;
use crate::correlate::locate::Locator;
use crate::correlate::merge::{Alone, add_lines, explained};
use crate::diagnose::Finding;
use crate::diagnose::finding::Evidence;

/// Joins causes to the findings. No edge counts as seen by them: a counter is no line.
pub fn findings(locator: &Locator<'_>, found: &mut Vec<Finding>, causes: &[Cause]) {
    let mut seen = BTreeMap::new();
    let mut alone = Alone::default();
    for cause in causes {
        // A host that nobody knows is on no edge.
        let host = cause.place.host.as_ref();
        let is_known = host.is_some_and(|host| locator.mesh().registry.by_host(host).is_some());
        if cause.label.is_mtls() && is_known && explained(locator, found, cause, &mut seen) {
            continue;
        }
        alone.add(locator, cause);
    }
    let known: BTreeMap<_, usize> =
        found.iter().enumerate().map(|(at, known)| ((known.code, known.root.clone()), at)).collect();
    for mut finding in alone.findings(locator, &mut seen) {
        let at = known.get(&(finding.code, finding.root.clone()));
        if let Some(known) = at.and_then(|at| found.get_mut(*at)) {
            known.confidence = known.confidence.max(finding.confidence);
            known.edges.absorb(finding.edges);
            for one in &finding.evidence {
                if let Evidence::Log(lines) = one {
                    add_lines(known, lines);
                }
            }
        } else {
            "counters".clone_into(&mut finding.root.1);
            found.push(finding);
        }
    }
    found.sort_by(Finding::order);
}
