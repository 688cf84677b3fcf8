//! What becomes of a request: the decision, and the steps to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::request::Seen;
use super::rule::{FieldResult, Rule};
use super::truth::Truth;
use crate::model::Object;
use crate::model::authorization_policy::Action;

/// Whether a request gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It does.
    Allow,
    /// It does not.
    Deny,
    /// Something that is not known decides.
    Unknown,
}

/// A rule that was held against a request.
#[derive(Debug, Clone)]
pub struct Step {
    /// What its policy does.
    pub action: Action,
    /// Its policy.
    pub policy: Arc<Object>,
    /// Its number.
    pub rule: usize,
    /// Whether it is only tried (O8).
    pub is_dry_run: bool,
    /// Whether the request fits.
    pub fits: Truth,
    /// Each of its lists.
    pub fields: Vec<FieldResult>,
}

/// What policies that are only tried would have done (section 10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DryRun {
    /// DENY or ALLOW.
    pub action: Action,
    /// Whether the request would have got past them; `None` where that is not known.
    pub allows: Option<bool>,
    /// The rule that fits.
    pub rule: Option<String>,
}

/// The rule of an ALLOW policy that a refused request came nearest to.
#[derive(Debug, Clone)]
pub struct NearestMiss {
    /// Its policy.
    pub policy: Arc<Object>,
    /// Its number.
    pub rule: usize,
    /// The lists that do not hold.
    pub missed: Vec<FieldResult>,
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Whether it gets through.
    pub outcome: Outcome,
    /// The HTTP status of a refusal, 0 where there is no HTTP; `None` where the application answers.
    pub status: Option<u16>,
    /// What decides, in the proxy's own words; `None` where no ALLOW policy applies.
    pub decided_by: Option<String>,
    /// The policy and the number of the rule that decides.
    pub rule: Option<(Arc<Object>, usize)>,
    /// What policies that are only tried say, of the stages that were reached.
    pub dry_run: Vec<DryRun>,
    /// The attributes that are not known and decide.
    pub missing: BTreeSet<String>,
    /// The rules that were held against it, in the order in which that happened.
    pub steps: Vec<Step>,
    /// Of a refusal because no rule allows it: the rule that is nearest.
    pub nearest: Option<NearestMiss>,
}

impl Decision {
    /// One that nothing has been decided of.
    pub fn open() -> Self {
        Self {
            outcome: Outcome::Unknown,
            status: None,
            decided_by: None,
            rule: None,
            dry_run: Vec::new(),
            missing: BTreeSet::new(),
            steps: Vec::new(),
            nearest: None,
        }
    }
}

/// What rules of one stage come to.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// None fits.
    None,
    /// Whether one does is not known.
    Unknown,
    /// The first that fits. Whether one before it does may not be known.
    Rule(&'a Rule),
}

/// Holds rules against a request, in their order.
pub fn first<'a>(rules: &'a [Rule], seen: &Seen<'_>) -> Found<'a> {
    let mut found = Found::None;
    for rule in rules {
        match rule.fits(seen) {
            Truth::Yes => return Found::Rule(rule),
            Truth::Unknown => found = Found::Unknown,
            Truth::No => {}
        }
    }
    found
}

/// The first rule that surely fits.
pub fn surely<'a>(rules: &'a [Rule], seen: &Seen<'_>) -> Option<&'a Rule> {
    rules.iter().find(|rule| rule.fits(seen) == Truth::Yes)
}

/// What let a request in, of which it is known that it got in.
#[derive(Debug, Clone)]
pub enum Passing<'a> {
    /// No ALLOW policy applies, so nothing had to.
    NoPolicy {
        /// The rules that fit besides, and refuse nothing: those that mark, ask an authorizer, or are only tried.
        besides: Vec<&'a Rule>,
    },
    /// This rule: no other one can have.
    Rule {
        /// The rule.
        rule: &'a Rule,
        /// Whether it fits by what is known; else it is only the last that is left.
        is_sure: bool,
        /// As before.
        besides: Vec<&'a Rule>,
    },
    /// One of several.
    OneOf {
        /// These.
        candidates: Vec<&'a Rule>,
        /// What would tell which.
        missing: BTreeSet<String>,
    },
    /// It cannot have got in: this rule refuses it.
    RefusedBy(&'a Rule),
    /// It cannot have got in: no rule allows it.
    AllowedByNone,
}

impl<'a> Passing<'a> {
    /// What is left when a request is known to have got past everything that refuses.
    pub(super) fn of(
        refusing: Option<&'a Rule>,
        allow: &'a [Rule],
        has_allow: bool,
        besides: Vec<&'a Rule>,
        seen: &Seen<'_>,
    ) -> Self {
        if let Some(rule) = refusing {
            return Self::RefusedBy(rule);
        }
        if !has_allow {
            return Self::NoPolicy { besides };
        }
        let mut candidates = Vec::new();
        for rule in allow {
            let fits = rule.fits(seen);
            if fits != Truth::No {
                candidates.push(rule);
            }
            if fits == Truth::Yes {
                break;
            }
        }
        match *candidates {
            [] => Self::AllowedByNone,
            [rule] => Self::Rule { rule, is_sure: rule.fits(seen) == Truth::Yes, besides },
            [_, _, ..] => Self::OneOf { missing: missing(allow, seen), candidates },
        }
    }
}

/// What is not known of a request and keeps rules from being decided.
pub fn missing(rules: &[Rule], seen: &Seen<'_>) -> BTreeSet<String> {
    let open = rules.iter().filter(|rule| rule.fits(seen) == Truth::Unknown);
    let clauses = open.flat_map(Rule::clauses).filter(|clause| clause.holds(seen) == Truth::Unknown);
    clauses.map(|clause| clause.test.looks_at()).collect()
}

/// The rules as steps, up to the first that fits.
pub fn steps<'a>(
    rules: &'a [Rule],
    action: &'a Action,
    is_dry_run: bool,
    seen: &'a Seen<'_>,
) -> impl Iterator<Item = Step> + 'a {
    let mut is_over = false;
    rules.iter().map_while(move |rule| {
        if is_over {
            return None;
        }
        let fits = rule.fits(seen);
        is_over = fits == Truth::Yes;
        let fields = rule.fields(seen);
        let policy = Arc::clone(&rule.policy);
        Some(Step { action: action.clone(), policy, rule: rule.index, is_dry_run, fits, fields })
    })
}

/// The rule with the fewest lists that do not hold, the first of several.
pub fn nearest(rules: &[Rule], seen: &Seen<'_>) -> Option<NearestMiss> {
    let all = rules.iter().map(|rule| (rule, rule.missed(seen)));
    let (rule, missed) =
        all.filter(|(_, missed)| !missed.is_empty()).min_by_key(|(_, missed)| missed.len())?;
    Some(NearestMiss { policy: Arc::clone(&rule.policy), rule: rule.index, missed })
}
