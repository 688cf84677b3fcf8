//! What a rule's entry gives to the clients of a service and another does not.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Visit;
use super::lost::What;
use crate::model::Text;
use crate::model::destination_rule::TrafficPolicy;
use crate::resolve::client_tls::says_what_automatic_does;
use crate::resolve::rules::Contributor;
use crate::resolve::traffic_policy::effective;
use crate::resolve::{Choice, Level, Mesh, RuleId, Service};

/// Equal numbers for rules with equal policies; rules without are not in it.
pub(super) type Policies = FxHashMap<RuleId, usize>;

/// Compares entries. Rules say the same again and again, so a comparison is made once for policies that are equal and
/// services that have the same ports.
#[derive(Debug)]
pub(super) struct Comparisons<'a> {
    policies: &'a Policies,
    /// Equal numbers for services with the same TCP ports.
    ports: FxHashMap<Vec<u16>, usize>,
    made: FxHashMap<Key, Arc<What>>,
}

/// The policy of each entry, the ports, and whether automatic mTLS sends what a block for it says.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    losing: usize,
    chosen: Option<usize>,
    ports: usize,
    automatic: bool,
}

/// What comparisons look at of a service, however many there are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Side {
    ports: usize,
    automatic: bool,
}

/// The numbers of the policies of all rules.
pub(super) fn policies(mesh: &Mesh) -> Policies {
    let mut numbers: FxHashMap<String, usize> = FxHashMap::default();
    let mut policies = Policies::default();
    for (id, rule) in mesh.rules.all() {
        if let Some(policy) = rule.body().and_then(|body| body.traffic_policy.as_ref()) {
            let next = numbers.len();
            policies.insert(id, *numbers.entry(text(policy)).or_insert(next));
        }
    }
    policies
}

impl<'a> Comparisons<'a> {
    pub(super) fn new(policies: &'a Policies) -> Self {
        Self { policies, ports: FxHashMap::default(), made: FxHashMap::default() }
    }

    /// Whether a rule has a traffic policy of its own.
    pub(super) fn has_policy(&self, rule: RuleId) -> bool {
        self.policies.contains_key(&rule)
    }

    pub(super) fn side(&mut self, mesh: &Mesh, service: &Service) -> Side {
        let ports = service.ports().iter().filter(|port| port.tcp).map(|port| port.number).collect();
        let next = self.ports.len();
        let ports = *self.ports.entry(ports).or_insert(next);
        Side { ports, automatic: mesh.config.auto_mtls && !service.is_external }
    }

    /// What the rule `loser` gives in the entry `losing`, and `chosen` does not; `None` where that is nothing.
    pub(super) fn what(
        &mut self,
        visit: &Visit<'_>,
        side: Side,
        (loser, losing): (RuleId, &[Contributor]),
        chosen: &[Contributor],
    ) -> Option<Arc<What>> {
        let own = losing.iter().find(|one| one.rule == loser)?;
        let blocks = self.blocks(visit, side, own, (losing, chosen)).filter(|what| !what.is_nothing());
        let given = |name: &&Text| chosen.iter().any(|one| one.subsets.contains(name));
        let mut subsets = own.subsets.iter().filter(|name| !given(name)).peekable();
        if subsets.peek().is_none() {
            return blocks.map(Arc::clone);
        }
        let mut what = blocks.map(|blocks| (**blocks).clone()).unwrap_or_default();
        what.subsets = subsets.cloned().collect();
        Some(Arc::new(what))
    }

    /// The blocks that a rule of the entry `losing` gives to it.
    fn blocks(
        &mut self,
        visit: &Visit<'_>,
        side: Side,
        own: &Contributor,
        (losing, chosen): (&[Contributor], &[Contributor]),
    ) -> Option<&Arc<What>> {
        let policies = self.policies;
        let number = |one: &Contributor| policies.get(&one.rule).copied();
        let losing_policy = number(own).filter(|_| own.gives_policy)?;
        let chosen_policy = chosen.iter().find(|one| one.gives_policy).and_then(number);
        let Side { ports, automatic } = side;
        let key = Key { losing: losing_policy, chosen: chosen_policy, ports, automatic };
        let made = self.made.entry(key);
        Some(made.or_insert_with(|| Arc::new(compare(visit, automatic, losing, chosen))))
    }
}

/// The same text for equal policies.
fn text(policy: &TrafficPolicy) -> String {
    let ports = policy.ports.iter().map(|(port, blocks)| (*port, blocks.iter().collect::<Vec<_>>()));
    format!("{:?} {:?}", policy.blocks.iter().collect::<Vec<_>>(), ports.collect::<Vec<_>>())
}

/// The blocks of one entry that the other does not have, or not so.
fn compare(visit: &Visit<'_>, automatic: bool, losing: &[Contributor], chosen: &[Contributor]) -> What {
    let (mesh, service) = (visit.mesh, visit.target.service);
    let mut what = What::default();
    let choice = |contributors: &[Contributor]| {
        let primary = contributors.first()?.rule;
        Some(Choice { primary, contributors: Arc::new(contributors.to_vec()), level: Level::Client })
    };
    let (before, after) = (choice(losing), choice(chosen));
    for port in service.ports().iter().filter(|port| port.tcp) {
        let blocks =
            |choice: Option<&Choice>| effective(&mesh.rules, choice, port.number, None, &mesh.config).blocks;
        let (before, after) = (blocks(before.as_ref()), blocks(after.as_ref()));
        for (name, block) in before {
            match after.get(&name) {
                None if name == "tls" && automatic && says_what_automatic_does(&block) => {}
                None => {
                    what.blocks.insert(name);
                }
                Some(other) if *other != block => {
                    what.otherwise.insert(name);
                }
                Some(_) => {}
            }
        }
    }
    what
}
