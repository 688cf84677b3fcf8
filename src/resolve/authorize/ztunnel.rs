//! The policies of a captured workload as its node's ztunnel has them: what istiod converts, and what that decides (Z1
//! to Z6). It knows connections only.

use std::sync::Arc;

use super::address::{self, Block};
use super::attach::By;
use super::clause::{Clause, Test};
use super::decision::{self, Decision, Found, Outcome, Passing, surely};
use super::envoy::Settled;
use super::identity::Account;
use super::path::Normalization;
use super::pattern::Pattern;
use super::request::{Peer, Request, Seen};
use super::rule::{Rule, uncapitalized};
use crate::model::authorization_policy::{Action, Values, Written};
use crate::model::{Object, Text};

/// What ztunnel says where no ALLOW policy lets a connection in.
pub const NONE_ALLOWED: &str = "allow policies exist, but none allowed";

/// The converted policies of a workload.
#[derive(Debug, Clone)]
pub struct Ztunnel {
    deny: Vec<Rule>,
    allow: Vec<Rule>,
    has_allow: bool,
}

/// What becomes of a part of a rule.
enum Part {
    /// What is left of it; without any list it never holds (Z1).
    Kept(Vec<Clause>),
    /// It has something of HTTP in an ALLOW rule (Z3).
    Dropped,
}

impl Ztunnel {
    /// Converts the policies that are for a workload, each with why it is. Those that are only tried are not
    /// enforced (O8).
    pub fn new(policies: &[(Arc<Object>, By)]) -> Self {
        let mut ordered: Vec<&(Arc<Object>, By)> = policies.iter().collect();
        // Those without a selector come first, those of the namespace before the others.
        let rank = |by: &By| match by {
            By::Namespace => 0,
            By::Mesh => 1,
            By::Selector | By::Target(_) => 2,
        };
        ordered.sort_by(|(one, by_one), (other, by_other)| {
            (rank(by_one), &one.id).cmp(&(rank(by_other), &other.id))
        });
        let mut all = Self { deny: Vec::new(), allow: Vec::new(), has_allow: false };
        for (object, _) in ordered {
            let Some(policy) = object.body.authorization_policy().filter(|policy| !policy.is_dry_run) else {
                continue;
            };
            let is_allow = policy.action == Action::Allow;
            let rules = policy.rules.iter().enumerate();
            let converted = rules.filter_map(|(index, rule)| convert(object, index, &rule.written, is_allow));
            match policy.action {
                Action::Allow => {
                    all.has_allow = true;
                    all.allow.extend(converted);
                }
                Action::Deny => all.deny.extend(converted),
                // They are not sent (Z6).
                Action::Audit | Action::Custom | Action::Other(_) => {}
            }
        }
        all
    }

    /// Takes over what is known of rules from what ztunnel did.
    pub(super) fn settle(&mut self, settled: Settled<'_>) {
        for (rules, action) in [(&mut self.deny, Action::Deny), (&mut self.allow, Action::Allow)] {
            for rule in rules {
                rule.settled = settled(&action, rule);
            }
        }
    }

    /// All rules in the order of evaluation.
    pub fn rules(&self) -> impl Iterator<Item = (Action, bool, &Rule)> {
        let deny = self.deny.iter().map(|rule| (Action::Deny, false, rule));
        deny.chain(self.allow.iter().map(|rule| (Action::Allow, false, rule)))
    }

    /// What let a connection in of which it is known that it was.
    pub fn passing(&self, request: &Request) -> Passing<'_> {
        let seen = Seen::new(request, Normalization::None, request.source_ip);
        Passing::of(surely(&self.deny, &seen), &self.allow, self.has_allow, Vec::new(), &seen)
    }

    /// What becomes of a connection. `strict` is the name of the policy that a strict PeerAuthentication became, where
    /// the port is strict (MT-6.6).
    pub fn decide(&self, request: &Request, strict: Option<&str>) -> Decision {
        let seen = Seen::new(request, Normalization::None, request.source_ip);
        let mut decision = Decision::open();
        let mut is_open = false;
        decision.steps.extend(decision::steps(&self.deny, &Action::Deny, false, &seen));
        match decision::first(&self.deny, &seen) {
            Found::Rule(rule) => {
                refuse(&mut decision, format!("explicitly denied by: {}", rule.name));
                decision.rule = Some((Arc::clone(&rule.policy), rule.index));
                return decision;
            }
            Found::Unknown => {
                decision.missing.extend(decision::missing(&self.deny, &seen));
                is_open = true;
            }
            Found::None => {}
        }
        match (strict, &request.peer) {
            (Some(name), Peer::Plaintext) => {
                refuse(&mut decision, format!("explicitly denied by: {name}"));
                return decision;
            }
            (Some(_), Peer::Unknown) => {
                decision.missing.insert("principal".to_owned());
                is_open = true;
            }
            (Some(_), Peer::Somebody | Peer::Identity(_)) | (None, _) => {}
        }
        if self.has_allow {
            decision.steps.extend(decision::steps(&self.allow, &Action::Allow, false, &seen));
            match decision::first(&self.allow, &seen) {
                Found::Rule(rule) => {
                    decision.decided_by = Some(rule.name.clone());
                    decision.rule = Some((Arc::clone(&rule.policy), rule.index));
                }
                Found::Unknown => {
                    decision.missing.extend(decision::missing(&self.allow, &seen));
                    decision.nearest = decision::nearest(&self.allow, &seen);
                    is_open = true;
                }
                Found::None => {
                    refuse(&mut decision, NONE_ALLOWED.to_owned());
                    decision.nearest = decision::nearest(&self.allow, &seen);
                    return decision;
                }
            }
        }
        if is_open {
            (decision.decided_by, decision.rule) = (None, None);
        } else {
            decision.missing.clear();
            (decision.outcome, decision.status) = (Outcome::Allow, Some(0));
        }
        decision
    }
}

fn refuse(decision: &mut Decision, by: String) {
    (decision.outcome, decision.decided_by, decision.status) = (Outcome::Deny, Some(by), Some(0));
}

/// A rule as istiod converts it; `None` where it is not sent (Z3).
fn convert(policy: &Arc<Object>, index: usize, written: &Written, is_allow: bool) -> Option<Rule> {
    let namespace = &*policy.id.namespace;
    let parts = |all: &[Vec<Values>], prefix: &str| -> Option<Vec<Vec<Clause>>> {
        let one = |(at, values): (usize, &Vec<Values>)| {
            let place =
                if all.len() > 1 { prefix.replacen('.', &format!("[{at}]."), 1) } else { prefix.to_owned() };
            match part(values, &place, namespace, is_allow) {
                Part::Dropped => None,
                Part::Kept(clauses) if clauses.is_empty() => Some(vec![Clause::never(place)]),
                Part::Kept(clauses) => Some(clauses),
            }
        };
        all.iter().enumerate().map(one).collect()
    };
    let from = parts(&written.from, "from.source")?;
    let to = parts(&written.to, "to.operation")?;
    let mut when = Vec::new();
    for (at, condition) in written.when.iter().enumerate() {
        let field = |list: &str| format!("when[{at}].{}.{list}", condition.key);
        if !CONDITIONS.contains(&condition.key.as_str()) {
            if is_allow {
                return None;
            }
            when.push(Clause::never(format!("when[{at}].{}", condition.key)));
            continue;
        }
        let lists = [("values", &condition.values, false), ("notValues", &condition.not_values, true)];
        let read = |(list, values, is_not): (&str, &Vec<Text>, bool)| {
            test(&condition.key, values, namespace).map(|test| Clause {
                field: field(list),
                wanted: values.clone(),
                test,
                is_not,
            })
        };
        let clauses: Vec<_> = lists.into_iter().filter_map(read).collect();
        if clauses.is_empty() {
            when.push(Clause::never(format!("when[{at}].{}", condition.key)));
        }
        when.extend(clauses);
    }
    let name = format!("{namespace}/{}", policy.id.name);
    Some(Rule::new(policy, index, name, from, to, when))
}

/// The keys of conditions that are not of HTTP here (Z2).
const CONDITIONS: [&str; 5] =
    ["source.ip", "source.namespace", "source.principal", "destination.ip", "destination.port"];

fn part(values: &[Values], place: &str, namespace: &str, is_allow: bool) -> Part {
    let mut kept = Vec::new();
    for list in values {
        let positive = list.field.strip_prefix("not").map(uncapitalized);
        let key = match positive.as_deref().unwrap_or(&list.field) {
            "principals" => "source.principal",
            "namespaces" => "source.namespace",
            "serviceAccounts" => "source.serviceAccount",
            "ipBlocks" => "source.ip",
            "ports" => "destination.port",
            // Neither converted nor reported (Z5).
            "trustDomains" => continue,
            _ if is_allow => return Part::Dropped,
            _ => continue,
        };
        if let Some(test) = test(key, &list.values, namespace) {
            let field = format!("{place}.{}", list.field);
            kept.push(Clause { field, wanted: list.values.clone(), test, is_not: positive.is_some() });
        }
    }
    Part::Kept(kept)
}

/// What a list takes; `None` where nothing of it is left (Z6).
fn test(key: &str, values: &[Text], namespace: &str) -> Option<Test> {
    let patterns = || values.iter().map(|value| Pattern::new(value)).collect::<Vec<_>>();
    let blocks = || values.iter().filter_map(|value| Block::parse(value)).collect::<Vec<_>>();
    let filled = |test: Test, count: usize| (count > 0).then_some(test);
    match key {
        "source.principal" => filled(Test::Principal(patterns()), values.len()),
        "source.namespace" => filled(Test::NamespaceName(patterns()), values.len()),
        "source.serviceAccount" => {
            let accounts = values.iter().map(|value| Account::new(value, namespace));
            filled(Test::AccountName(accounts.collect()), values.len())
        }
        "source.ip" => filled(Test::SourceIp(blocks()), blocks().len()),
        "destination.ip" => filled(Test::DestinationIp(blocks()), blocks().len()),
        _ => {
            let ports: Vec<u16> = values.iter().filter_map(|value| address::port(value)).collect();
            filled(Test::Port(ports.clone()), ports.len())
        }
    }
}
