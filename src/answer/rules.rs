//! The table of `DestinationRules`: for how many clients each wins.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Read;
use super::common::{API_VERSION, ObjectRef};
use crate::model::destination_rule::TlsMode;
use crate::model::{ObjectId, Origin};
use crate::resolve::clients::{self, Classes};
use crate::resolve::rules::{Rule, matches};
use crate::resolve::{Group, Mesh};

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleTable {
    /// [`super::common::API_VERSION`].
    pub api_version: &'static str,
    /// `RuleTable`.
    pub kind: &'static str,
    /// One row a rule.
    pub rows: Vec<RuleRow>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleRow {
    /// The rule.
    pub rule: ObjectRef,
    /// Its host as written.
    pub host: String,
    /// `tls.mode` of its traffic policy, `-` without one.
    pub tls: String,
    /// Pairs of client namespace and service for which it is in force.
    pub wins: u64,
    /// Those whose host it matches and for which it is not.
    pub lost: u64,
    /// What is remarkable about it, in one sentence.
    pub note: Option<String>,
    /// Where it was read.
    pub origin: Origin,
}

/// The table of what was read.
pub fn table(read: &Read) -> RuleTable {
    let mesh = &read.mesh;
    let mut scores: BTreeMap<ObjectId, Score> = BTreeMap::new();
    let classes = Classes::new(mesh, clients::classes(mesh, |_| true));
    for host in mesh.registry.hosts() {
        let matching = mesh.rules.matching(host);
        if matching.is_empty() {
            continue;
        }
        for group in classes.groups(mesh, host) {
            let Some(client) = group.representative(mesh) else { continue };
            let Some(target) = mesh.target(client, host) else { continue };
            let choice = mesh.choice(client, &target);
            let namespaces = namespaces(mesh, &group);
            for id in &matching {
                let Some(rule) = mesh.rules.get(*id) else { continue };
                let used =
                    choice.iter().flat_map(|choice| choice.contributors.iter()).any(|one| one.rule == *id);
                let score = scores.entry(rule.object.id.clone()).or_default();
                *(if used { &mut score.wins } else { &mut score.lost }) += namespaces;
            }
        }
    }
    let rows = mesh.rules.all().filter_map(|(_, rule)| row(mesh, rule, &scores));
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by(|a, b| a.rule.cmp(&b.rule));
    RuleTable { api_version: API_VERSION, kind: "RuleTable", rows }
}

/// How many namespaces the clients of a group are in.
fn namespaces(mesh: &Mesh, group: &Group<'_>) -> u64 {
    let mut names: Vec<_> = group
        .classes
        .iter()
        .flat_map(|class| &class.pods)
        .filter_map(|at| mesh.workloads.get(*at))
        .map(|pod| &pod.namespace)
        .collect();
    names.dedup();
    names.sort();
    names.dedup();
    names.len() as u64
}

#[derive(Default, Clone, Copy)]
struct Score {
    wins: u64,
    lost: u64,
}

fn row(mesh: &Mesh, rule: &Rule, scores: &BTreeMap<ObjectId, Score>) -> Option<RuleRow> {
    let body = rule.body()?;
    let tls = body.traffic_policy.as_ref().and_then(|policy| policy.blocks.get("tls"));
    let score = scores.get(&rule.object.id).copied().unwrap_or_default();
    Some(RuleRow {
        rule: ObjectRef::of(&rule.object.id),
        host: body.host.to_string(),
        tls: tls.map_or_else(|| "-".to_owned(), |block| TlsMode::of_block(block).word().to_owned()),
        wins: score.wins,
        lost: score.lost,
        note: note(mesh, rule, score),
        origin: rule.object.origin.clone(),
    })
}

/// What is remarkable: a host that no service has, with what it may have meant; a rule that is never used.
fn note(mesh: &Mesh, rule: &Rule, score: Score) -> Option<String> {
    let host = &rule.body()?.host;
    let known = mesh.registry.services().any(|service| matches(&rule.host, &service.host));
    if !known {
        let means = if **host == *rule.host {
            format!("host {host}: no such service")
        } else {
            format!(
                "host {host:?} in namespace {} means {}: no such service",
                rule.object.id.namespace, rule.host
            )
        };
        let like = mesh.registry.services().find(|service| *service.object.id.name == **host);
        let like = like.map(|service| format!(". Did you mean {}?", service.host)).unwrap_or_default();
        return Some(format!("{means}{like}"));
    }
    (score.wins == 0)
        .then(|| "in force for no client of any service: enter on a pair's why page says why".to_owned())
}
