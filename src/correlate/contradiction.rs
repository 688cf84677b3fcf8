//! MS0302: the configuration says that a pair cannot work, and its lines went well. The proxies have something else than
//! what was read, or the lines are older than the objects. The conflict stays beside it, and is proved no more where
//! nothing says that the lines are the older ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::age::{self, Age};
use super::cause::is_failure;
use super::locate::{Located, Locator, origins};
use super::merge::add_lines;
use crate::diagnose::finding::{Edge, Evidence, Finding, LogEvidence, Recorded};
use crate::diagnose::{Code, Confidence};
use crate::logs::{Aggregate, Group, Reporter, format_time};
use crate::model::{Kind, ObjectId, Text};
use crate::resolve::{EndpointTls, PairTls, Status};

mod ztunnel;

/// What a client's lines of one pair say.
#[derive(Debug, Default)]
struct Flow {
    place: Located,
    well: LogEvidence,
    last_well: Option<i64>,
    failed: bool,
    last_failed: Option<i64>,
}

impl Flow {
    /// Whether the pair went well at last. Lines without time tell no order.
    fn goes_well(&self) -> bool {
        let is_last = self.last_well.zip(self.last_failed).is_some_and(|(well, failed)| well > failed);
        self.well.count > 0 && (!self.failed || is_last)
    }
}

/// A flow against a finding: what is said of the two.
struct Against {
    edges: Vec<Edge>,
    lines: LogEvidence,
    /// The pair whose lines are the latest, with their age.
    latest: (Option<i64>, Edge, Age),
    /// Whether lines of any pair may be newer than its objects.
    contradicts: bool,
}

/// Adds the findings, and lowers the certainty of the conflicts that the lines contradict.
pub fn apply(locator: &Locator<'_>, logs: &Aggregate, found: &mut Vec<Finding>) {
    let mut by_host: FxHashMap<Text, Vec<usize>> = FxHashMap::default();
    for (at, finding) in found.iter().enumerate().filter(|(_, finding)| finding.code.is_conflict()) {
        for (host, ..) in finding.edges.targets() {
            let known = by_host.entry(Arc::clone(host)).or_default();
            if known.last() != Some(&at) {
                known.push(at);
            }
        }
    }
    if by_host.is_empty() {
        return;
    }
    let mut against: BTreeMap<usize, Against> = BTreeMap::new();
    for (edge, flow) in flows(locator, logs, &by_host) {
        let Some(pair) = age::pair_of(locator, &flow.place).filter(|_| flow.goes_well()) else { continue };
        if !must_fail(&pair) {
            continue;
        }
        let age = age::of(&age::deciding(locator, flow.place.client, &pair), flow.last_well);
        for at in by_host.get(&edge.host).into_iter().flatten() {
            if found.get(*at).is_some_and(|finding| finding.edges.contains(&edge)) {
                let known = against.entry(*at).or_insert_with(|| Against::new(&edge));
                known.add(&edge, &flow, &age);
            }
        }
    }
    let mut told = Vec::new();
    for (at, against) in against {
        let Some(conflict) = found.get_mut(at) else { continue };
        told.push(against.finding(conflict));
        if against.contradicts {
            conflict.confidence = conflict.confidence.min(Confidence::Likely);
        }
        add_lines(conflict, &against.lines());
    }
    found.extend(told);
    found.sort_by(Finding::order);
}

/// The lines of clients by pair, for hosts of conflicts.
fn flows(
    locator: &Locator<'_>,
    logs: &Aggregate,
    hosts: &FxHashMap<Text, Vec<usize>>,
) -> BTreeMap<Edge, Flow> {
    let mut flows: BTreeMap<Edge, Flow> = BTreeMap::new();
    let told = logs.groups().filter(|group| group.reporter == Reporter::Client && !group.ambiguous);
    for group in told {
        let place = locator.locate(&group);
        let client = locator.workload(place.client);
        let (Some(client), Some(host), Some(port)) = (client, place.host.clone(), place.port) else {
            continue;
        };
        if !hosts.contains_key(&host) {
            continue;
        }
        let client = (Arc::clone(&client.namespace), Arc::clone(&client.name), Arc::clone(&client.kind));
        let edge = Edge { client, host, port, subset: place.subset.clone() };
        let flow = flows.entry(edge).or_default();
        if is_answered(&group) {
            flow.place = place;
            flow.last_well = flow.last_well.max(group.last);
            flow.well.absorb(&LogEvidence {
                by: Recorded::Lines,
                count: group.count,
                first: group.first.map(format_time),
                last: group.last.map(format_time),
                text: String::new(),
                samples: origins(logs, &group.samples),
            });
        } else if is_failure(&group) {
            flow.failed = true;
            flow.last_failed = flow.last_failed.max(group.last);
        }
    }
    ztunnel::add(locator, logs, hosts, &mut flows);
    flows
}

/// Whether the other side answered all of it. A TCP connection on which nothing came back may have been refused (data
/// fact 24), so it proves nothing; an error of the application is an answer.
fn is_answered(group: &Group) -> bool {
    group.answered >= group.count && (group.flags.is_empty() || !is_failure(group))
}

/// Whether no endpoint takes what is sent. Where one does, lines that went well may be of that one.
fn must_fail(pair: &PairTls) -> bool {
    let fails = |endpoint: &EndpointTls| endpoint.result == Status::Conflict;
    pair.status == Status::Conflict && pair.reachable().next().is_some() && pair.reachable().all(fails)
}

impl Against {
    fn new(edge: &Edge) -> Self {
        Self {
            edges: Vec::new(),
            lines: LogEvidence::default(),
            latest: (None, edge.clone(), Age::Unknown),
            contradicts: false,
        }
    }

    fn add(&mut self, edge: &Edge, flow: &Flow, age: &Age) {
        let first = self.edges.is_empty();
        self.edges.push(edge.clone());
        self.lines.absorb(&flow.well);
        self.contradicts |= !matches!(age, Age::LinesBefore(..));
        if first || flow.last_well > self.latest.0 {
            self.latest = (flow.last_well, edge.clone(), age.clone());
        }
    }

    /// The lines as evidence of the conflict.
    fn lines(&self) -> LogEvidence {
        let text = match &self.latest.2 {
            Age::LinesBefore(object, time) => {
                format!("went well before {object} {}", age::said(object, *time))
            }
            Age::LinesAfter(..) | Age::Unknown => {
                "succeeded after the last failure: the proxies do not have these objects (yet)".to_owned()
            }
        };
        LogEvidence { text, ..self.lines.clone() }
    }

    fn finding(&self, conflict: &Finding) -> Finding {
        let (id, field) = &conflict.root;
        let (_, edge, age) = &self.latest;
        let (namespace, name, _) = &edge.client;
        let others = self.edges.len().saturating_sub(1);
        let others = if others > 0 { format!(" and {others} more pairs") } else { String::new() };
        let last = self.lines.last.as_ref().map(|last| format!(", the last at {last}")).unwrap_or_default();
        let message = format!(
            "{} says of {id} ({field}) that {namespace}/{name} cannot reach {}:{}{others}, and {} requests went well\
             {last}: {}",
            conflict.code,
            edge.host,
            edge.port,
            self.lines.count,
            in_words(age)
        );
        Finding {
            code: Code::ConflictTrafficFlows,
            severity: Code::ConflictTrafficFlows.severity(),
            confidence: Confidence::Certain,
            root: conflict.root.clone(),
            message,
            because: Vec::new(),
            objects: conflict.objects.clone(),
            edges: self.edges.iter().cloned().collect(),
            evidence: vec![Evidence::Log(LogEvidence {
                text: "went well, where the configuration says that it cannot".to_owned(),
                ..self.lines.clone()
            })],
        }
    }
}

fn in_words(age: &Age) -> String {
    let newest = |object: &ObjectId, time: &i64| {
        format!("{object}, the newest of the objects that decide, {}", age::said(object, *time))
    };
    match age {
        Age::LinesBefore(object, time) => {
            format!("{}, after them, so that the lines tell of what was before", newest(object, time))
        }
        Age::LinesAfter(object, time) => format!(
            "{}, before them: the proxies do not have {}, or something that decides was not read",
            newest(object, time),
            if object.kind == Kind::Pod { "these objects" } else { "it" }
        ),
        Age::Unknown => {
            "which is older is not known: the proxies do not have these objects yet or not any more, or \
                         something that decides was not read"
                .to_owned()
        }
    }
}
