//! A rule of an `AuthorizationPolicy`, compiled for Envoy (C1 to C6, T1 to T3).

use std::sync::Arc;

use serde_json::Value;

use super::clause::{self, Clause, Compiled, Surroundings};
use super::request::Seen;
use super::truth::Truth;
use crate::model::authorization_policy::{Action, Values, Written};
use crate::model::{Object, ObjectId, Text};

/// What a list of a rule makes of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldResult {
    /// Where the list stands in its rule.
    pub field: String,
    /// Its values.
    pub wanted: Vec<Text>,
    /// What the request has there; `None` where that is absent or not known.
    pub got: Option<Value>,
    /// The attribute of the request that it looks at.
    pub looks_at: String,
    /// Whether it is the negative form.
    pub is_not: bool,
    /// Whether it holds.
    pub holds: Truth,
}

/// A compiled rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The policy that it is of.
    pub policy: Arc<Object>,
    /// Its number in the policy.
    pub index: usize,
    /// The name that Envoy logs it under (L1).
    pub name: String,
    /// What each source asks; none asks nothing.
    from: Vec<Vec<Clause>>,
    /// What each operation asks; none asks nothing.
    to: Vec<Vec<Clause>>,
    /// What the conditions ask.
    when: Vec<Clause>,
    /// Whether it fits, where that is known from elsewhere: from what a proxy did.
    pub(super) settled: Option<Truth>,
}

/// How rules are compiled: whose they are, and what reads them.
#[derive(Debug, Clone, Copy)]
pub struct Compiler<'a> {
    /// The mesh's trust domain and its aliases.
    pub trust_domains: &'a [String],
    /// Whether the port is one on which Envoy reads no HTTP.
    pub is_tcp: bool,
}

/// The name that Envoy knows a rule by (L1).
pub fn name(policy: &Object, index: usize) -> String {
    format!("ns[{}]-policy[{}]-rule[{index}]", policy.id.namespace, policy.id.name)
}

/// Why a list, and perhaps its rule, is not enforced.
enum Lost {
    List,
    Rule,
}

impl Compiler<'_> {
    /// Compiles a rule; `None` where nothing of it is enforced (C6, T1).
    pub fn rule(
        self,
        policy: &Arc<Object>,
        index: usize,
        written: &Written,
        action: &Action,
    ) -> Option<Rule> {
        let around = Surroundings { namespace: &policy.id.namespace, trust_domains: self.trust_domains };
        let is_allow = *action == Action::Allow;
        let parts = |all: &[Vec<Values>], prefix: &str| -> Option<Vec<Vec<Clause>>> {
            let one = |(at, values): (usize, &Vec<Values>)| {
                let place = if all.len() > 1 {
                    prefix.replacen('.', &format!("[{at}]."), 1)
                } else {
                    prefix.to_owned()
                };
                let clauses = values.iter().map(|list| {
                    let positive = list.field.strip_prefix("not").map(uncapitalized);
                    let key = clause::key_of(positive.as_deref().unwrap_or(&list.field)).to_owned();
                    self.list(
                        format!("{place}.{}", list.field),
                        &key,
                        &list.values,
                        positive.is_some(),
                        around,
                        is_allow,
                    )
                });
                kept(clauses)
            };
            all.iter().enumerate().map(one).collect()
        };
        let from = parts(&written.from, "from.source")?;
        let to = parts(&written.to, "to.operation")?;
        let conditions = written.when.iter().enumerate().flat_map(|(at, condition)| {
            let lists = [("values", &condition.values, false), ("notValues", &condition.not_values, true)];
            lists.into_iter().filter(|(_, values, _)| !values.is_empty()).map(
                move |(list, values, is_not)| {
                    let field = format!("when[{at}].{}.{list}", condition.key);
                    self.list(field, &condition.key, values, is_not, around, is_allow)
                },
            )
        });
        // Without values nothing is asked, but a key that nobody knows is one even so.
        let unknown = |key: &str| clause::compile(key, &[], around).0 == Compiled::UnknownKey;
        if written.when.iter().any(|condition| unknown(&condition.key)) {
            return None;
        }
        let when = kept(conditions)?;
        Some(Rule::new(policy, index, name(policy, index), from, to, when))
    }

    fn list(
        self,
        field: String,
        key: &str,
        values: &[Text],
        is_not: bool,
        around: Surroundings<'_>,
        is_allow: bool,
    ) -> Result<Clause, Lost> {
        let lost = || if is_allow { Lost::Rule } else { Lost::List };
        if self.is_tcp && clause::is_of_http(key) {
            return Err(lost());
        }
        match clause::compile(key, values, around) {
            (Compiled::UnknownKey, _) => Err(Lost::Rule),
            (Compiled::Nothing, _) => Err(lost()),
            (Compiled::Test(_), false) if is_allow => Err(Lost::Rule),
            (Compiled::Test(test), _) => Ok(Clause { field, wanted: values.to_vec(), test, is_not }),
        }
    }
}

/// The lists that are left; `None` where the rule is lost with one of them.
fn kept(lists: impl Iterator<Item = Result<Clause, Lost>>) -> Option<Vec<Clause>> {
    let mut kept = Vec::new();
    for list in lists {
        match list {
            Ok(clause) => kept.push(clause),
            Err(Lost::List) => {}
            Err(Lost::Rule) => return None,
        }
    }
    Some(kept)
}

/// `Paths` as `paths`.
pub fn uncapitalized(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

impl Rule {
    /// A rule out of its parts: what each source and each operation asks, none asking nothing, and the conditions.
    pub fn new(
        policy: &Arc<Object>,
        index: usize,
        name: String,
        from: Vec<Vec<Clause>>,
        to: Vec<Vec<Clause>>,
        when: Vec<Clause>,
    ) -> Self {
        Self { policy: Arc::clone(policy), index, name, from, to, when, settled: None }
    }

    /// Whether a request fits (C1, C2).
    pub fn fits(&self, seen: &Seen<'_>) -> Truth {
        if let Some(settled) = self.settled {
            return settled;
        }
        let all = |clauses: &[Clause]| Truth::all(clauses.iter().map(|clause| clause.holds(seen)));
        let any = |parts: &[Vec<Clause>]| match parts {
            [] => Truth::Yes,
            parts => Truth::any(parts.iter().map(|part| all(part))),
        };
        Truth::all([any(&self.from), any(&self.to), all(&self.when)])
    }

    /// Whether it is the rule of that number of a policy.
    pub fn is(&self, policy: &ObjectId, index: usize) -> bool {
        self.policy.id == *policy && self.index == index
    }

    /// The rule as it is written.
    fn written(&self) -> Option<&Written> {
        self.policy.body.authorization_policy()?.rules.get(self.index).map(|rule| &rule.written)
    }

    /// Whether another rule asks the same: as it is written, in a policy of the same namespace.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        self.policy.id.namespace == other.policy.id.namespace && self.written() == other.written()
    }

    /// What each of its lists makes of a request.
    pub fn fields(&self, seen: &Seen<'_>) -> Vec<FieldResult> {
        self.clauses().map(|clause| result(clause, seen)).collect()
    }

    /// All its lists.
    pub fn clauses(&self) -> impl Iterator<Item = &Clause> {
        self.from.iter().chain(&self.to).flatten().chain(&self.when)
    }

    /// The lists that keep a request from fitting, of the alternatives that are nearest: the fewest that do not hold
    /// of a source, those of an operation, and those of the conditions.
    pub fn missed(&self, seen: &Seen<'_>) -> Vec<FieldResult> {
        let failed = |clauses: &[Clause]| -> Vec<FieldResult> {
            let results = clauses.iter().filter(|clause| clause.holds(seen) != Truth::Yes);
            results.map(|clause| result(clause, seen)).collect()
        };
        let nearest = |parts: &[Vec<Clause>]| parts.iter().map(|part| failed(part)).min_by_key(Vec::len);
        let mut missed = nearest(&self.from).unwrap_or_default();
        missed.extend(nearest(&self.to).unwrap_or_default());
        missed.extend(failed(&self.when));
        missed
    }
}

fn result(clause: &Clause, seen: &Seen<'_>) -> FieldResult {
    FieldResult {
        field: clause.field.clone(),
        wanted: clause.wanted.clone(),
        got: clause.test.got(seen),
        looks_at: clause.test.looks_at(),
        is_not: clause.is_not,
        holds: clause.holds(seen),
    }
}
