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
        if cause.label.is_mtls() && explained(locator, found, cause, &mut seen) {
            continue;
        }
        alone.add(locator, cause);
    }
    for mut finding in alone.findings(locator, &mut seen) {
        let known = found.iter_mut().find(|known| known.code == finding.code && known.root == finding.root);
        match known {
            Some(known) => {
                known.confidence = known.confidence.max(finding.confidence);
                known.edges.absorb(finding.edges);
                for one in &finding.evidence {
                    if let Evidence::Log(lines) = one {
                        add_lines(known, lines);
                    }
                }
            }
            None => {
                finding.root.1 = "counters".to_owned();
                found.push(finding);
            }
        }
    }
    found.sort_by(Finding::order);
}
