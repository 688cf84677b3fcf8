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
use crate::model::{Kind, Object, ObjectId, Text};
use crate::resolve::{EndpointTls, PairTls, Status};

mod ztunnel;

/// What a client's lines of one pair say.
#[derive(Debug, Default)]
struct Flow {
    place: Located,
    well: LogEvidence,
    /// The last line that may have gone well.
    last_well: Option<i64>,
    /// A time from which on one went well for sure: of TCP connections alike only some may have been answered.
    surely_well: Option<i64>,
    failed: bool,
    last_failed: Option<i64>,
}

impl Flow {
    /// Whether the pair went well at last. Lines without time tell no order.
    fn goes_well(&self) -> bool {
        let is_last = self.surely_well.zip(self.last_failed).is_some_and(|(well, failed)| well > failed);
        self.well.count > 0 && (!self.failed || is_last)
    }

    /// How the lines that went well stand to objects.
    fn age(&self, objects: &[Arc<Object>]) -> Age {
        match age::of(objects, self.last_well) {
            before @ Age::LinesBefore(..) => before,
            Age::LinesAfter(..) | Age::Unknown => match age::of(objects, self.surely_well) {
                after @ Age::LinesAfter(..) => after,
                Age::LinesBefore(..) | Age::Unknown => Age::Unknown,
            },
        }
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
        let age = flow.age(&age::deciding(locator, flow.place.client, &pair));
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
            let is_all = group.answered >= group.count;
            flow.last_well = flow.last_well.max(group.last);
            flow.surely_well = flow.surely_well.max(if is_all { group.last } else { group.first });
            flow.well.absorb(&LogEvidence {
                by: Recorded::Lines,
                count: group.answered,
                first: group.first.filter(|_| is_all).map(format_time),
                last: group.last.filter(|_| is_all).map(format_time),
                text: String::new(),
                samples: origins(logs, &group.samples),
            });
        }
        if is_failure(&group) && !(is_answered(&group) && group.answered >= group.count) {
            flow.failed = true;
            flow.last_failed = flow.last_failed.max(group.last);
        }
    }
    ztunnel::add(locator, logs, hosts, &mut flows);
    flows
}

/// Whether the other side answered any of it. A TCP connection on which nothing came back may have been refused (data
/// fact 24), or was nothing but a look at the port, so it proves nothing either way; an error of the application is an
/// answer.
fn is_answered(group: &Group) -> bool {
    group.answered > 0 && (group.flags.is_empty() || !is_failure(group))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::tests::{HOST, mesh, read};
    use crate::diagnose::diagnose;
    use crate::resolve::{Mesh, Options};

    /// A TCP line of the client with what came back.
    fn outbound(second: u32, back: u32) -> String {
        format!(
            "[2026-03-02T09:00:{second:02}.000Z] \"- - -\" 0 - - - \"-\" 11 {back} 1 - \"-\" \"-\" \"-\" \"-\" \
             \"10.8.2.0:9080\" outbound|80||{HOST} 10.8.1.8:{} 10.9.0.1:80 10.8.1.8:5000 - -\n",
            40000 + second
        )
    }

    /// Codes and confidence; of MS0302 the number of lines and what is said of their age.
    fn found(mesh: &str, clients: &str, servers: &str) -> Vec<String> {
        let bundle = read(mesh, clients, servers);
        let mesh = Mesh::new(&bundle.snapshot, &Options::default());
        let mut found = diagnose(&mesh, &[]).findings;
        apply(&Locator::new(&mesh), &bundle.logs, &mut found);
        let said = |one: &Finding| {
            let count = one.message.split(", and ").nth(1).and_then(|rest| rest.split(' ').next());
            let age = ["what was before", "before them", "which is older is not known"];
            let age = age.iter().find(|age| one.message.contains(**age));
            let said = format!("{} {}", one.code, one.confidence.word());
            [said.as_str()].into_iter().chain(count).chain(age.copied()).collect::<Vec<_>>().join(" ")
        };
        found.iter().map(said).collect()
    }

    #[test]
    fn connections_that_are_answered_tell_of_traffic_among_others_that_are_not() {
        let at = |time: &str| {
            let made = |mesh: String, name: &str| {
                let wanted = format!("name: {name}, namespace: shop");
                mesh.replace(&wanted, &format!("{wanted}, creationTimestamp: '2026-03-02T{time}Z'"))
            };
            let all = made(made(mesh("DISABLE", "STRICT", &[true]), "default"), "cart-0");
            made(all, "r").replace("name: http,", "name: tcp,")
        };
        let some = outbound(1, 0) + &outbound(20, 50) + &outbound(30, 0);
        assert_eq!(found(&at("08:00:00"), &some, ""), ["MS0101 likely", "MS0302 certain 1 before them"]);
        assert_eq!(found(&at("09:00:40"), &some, ""), ["MS0101 certain", "MS0302 certain 1 what was before"]);
        // Which of them was answered is not kept.
        let unknown = ["MS0101 likely", "MS0302 certain 1 which is older is not known"];
        assert_eq!(found(&at("09:00:25"), &some, ""), unknown);
        assert_eq!(found(&at("08:00:00"), &outbound(1, 0), ""), ["MS0101 certain"]);
        // What is refused at last goes well no more.
        let refused = "[2026-03-02T09:00:30.001Z] \"- - -\" 0 NR filter_chain_not_found - \"-\" 0 0 0 - \"-\" \"-\" \"-\" \
                       \"-\" \"-\" - - 10.8.2.0:9080 10.8.1.8:40030 - -\n";
        assert_eq!(found(&at("08:00:00"), &some, refused), ["MS0101 certain"]);
    }
}
