//! Configuration and logs together: the findings of both, and the causes behind the lines.

use std::collections::BTreeMap;

use super::Read;
use crate::correlate::{self, Cause, Locator, Traffic};
use crate::diagnose::{Edge, Finding};

/// What several answers are made from.
#[derive(Debug)]
pub struct Joined {
    /// The findings, worst first.
    pub findings: Vec<Finding>,
    /// The causes of what failed, most lines first.
    pub causes: Vec<Cause>,
    /// The causes that only counters tell.
    pub counted: Vec<Cause>,
    /// How many failing lines each edge of a finding has.
    pub seen: BTreeMap<Edge, u64>,
    /// Lines by pair.
    pub traffic: Traffic,
}

impl Joined {
    /// Joins what was read.
    pub fn new(read: &Read) -> Self {
        let locator = Locator::new(&read.mesh);
        let mut causes = correlate::causes(&locator, &read.logs);
        let counted = correlate::counted::causes(&locator, &read.counters);
        let counted = correlate::counted::absorb(&mut causes, counted);
        let traffic = correlate::merge::traffic(&locator, &read.logs);
        let mut found = read.diagnosis.findings.clone();
        found.extend(correlate::incomplete::findings(&read.logs));
        found.extend(correlate::incomplete::counters(&read.counters));
        let (mut findings, seen) = correlate::findings(&locator, found, &causes);
        correlate::counted::findings(&locator, &mut findings, &counted);
        correlate::contradiction::apply(&locator, &read.logs, &mut findings);
        Self { findings, causes, counted, seen, traffic }
    }
}
