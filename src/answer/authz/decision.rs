//! One decision about one request.

use serde::Serialize;
use serde_json::Value;

use crate::answer::common::{API_VERSION, MissingRef, ObjectRef};
use crate::model::Text;
use crate::resolve::authorize::attach::Engine;
use crate::resolve::authorize::decision::{Decision, DryRun, NearestMiss, Outcome, Step};
use crate::resolve::authorize::rule::FieldResult;
use crate::resolve::authorize::truth::Truth;

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthzDecision {
    /// [`API_VERSION`].
    pub api_version: &'static str,
    /// `AuthzDecision`.
    pub kind: &'static str,
    /// The request's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `ALLOW`, `DENY`, `UNKNOWN`.
    pub decision: &'static str,
    /// The HTTP status of a refusal, 0 on TCP; `null` where the application answers.
    pub status: Option<u16>,
    /// `sidecar`, `gateway`, `waypoint`, `ztunnel`, `none`, or `unknown`.
    pub engine: &'static str,
    /// What decides, in the proxy's own words; `null` where no policy applies.
    pub decided_by: Option<String>,
    /// What policies that are only tried say, of the stages that were reached.
    pub dry_run: Vec<Tried>,
    /// The rules that were held against the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<StepRef>>,
    /// The rule that would have let it in with the smallest change.
    pub nearest_miss: Option<NearestRule>,
    /// What was taken for granted.
    pub assumed: Vec<String>,
    /// What is not known and decides.
    pub missing: Vec<MissingRef>,
}

/// Several decisions.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthzDecisions {
    /// [`API_VERSION`].
    pub api_version: &'static str,
    /// `AuthzDecisions`.
    pub kind: &'static str,
    /// One a request, in their order.
    pub decisions: Vec<AuthzDecision>,
}

impl AuthzDecisions {
    /// The answer to several requests.
    pub fn new(decisions: Vec<AuthzDecision>) -> Self {
        Self { api_version: API_VERSION, kind: "AuthzDecisions", decisions }
    }
}

/// What a policy that is only tried would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// `DENY` or `ALLOW`.
    pub action: String,
    /// `allowed`, `denied`, or `unknown`.
    pub result: &'static str,
    /// The rule that fits.
    pub rule: Option<String>,
}

/// A rule that was held against a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRef {
    /// What its policy does.
    pub action: String,
    /// Its policy.
    pub policy: ObjectRef,
    /// Its number.
    pub rule: usize,
    /// Whether it is only tried.
    pub dry_run: bool,
    /// Whether the request fits; `null` where that is not known.
    pub matched: Option<bool>,
    /// Its lists.
    pub fields: Vec<FieldRef>,
}

/// A list of a rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldRef {
    /// Where it stands in its rule.
    pub field: String,
    /// Its values.
    pub wanted: Vec<Text>,
    /// What the request has there; `null` where that is absent or not known.
    pub got: Option<Value>,
    /// Whether the list holds; `null` where that is not known.
    pub matched: Option<bool>,
}

/// The rule that a refused request came nearest to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NearestRule {
    /// Its policy.
    pub policy: ObjectRef,
    /// Its number.
    pub rule: usize,
    /// The first list that does not hold.
    pub field: String,
    /// Its values.
    pub wanted: Vec<Text>,
    /// What the request has there.
    pub got: Option<Value>,
    /// The smallest change of the policy that would let the request in, in words.
    pub change: String,
    /// The other lists that do not hold.
    pub also_missed: Vec<FieldRef>,
}

fn known(truth: Truth) -> Option<bool> {
    match truth {
        Truth::Yes => Some(true),
        Truth::No => Some(false),
        Truth::Unknown => None,
    }
}

impl AuthzDecision {
    /// The answer for a decision; with its steps, where they are asked for.
    pub fn new(decision: &Decision, engine: Engine, with_steps: bool) -> Self {
        let missing = |need: &String| MissingRef {
            kind: "Request".to_owned(),
            state: "not-collected".to_owned(),
            need: need.clone(),
        };
        Self {
            api_version: API_VERSION,
            kind: "AuthzDecision",
            id: None,
            decision: word(decision.outcome),
            status: decision.status,
            engine: engine.word(),
            decided_by: decision.decided_by.clone(),
            dry_run: decision.dry_run.iter().map(Tried::from).collect(),
            steps: with_steps.then(|| decision.steps.iter().map(StepRef::from).collect()),
            nearest_miss: decision.nearest.as_ref().and_then(NearestRule::of),
            assumed: Vec::new(),
            missing: decision.missing.iter().map(missing).collect(),
        }
    }
}

/// `ALLOW`, `DENY`, `UNKNOWN`.
pub fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "ALLOW",
        Outcome::Deny => "DENY",
        Outcome::Unknown => "UNKNOWN",
    }
}

impl From<&DryRun> for Tried {
    fn from(tried: &DryRun) -> Self {
        let result = match tried.allows {
            Some(true) => "allowed",
            Some(false) => "denied",
            None => "unknown",
        };
        Self { action: tried.action.word().to_owned(), result, rule: tried.rule.clone() }
    }
}

impl From<&Step> for StepRef {
    fn from(step: &Step) -> Self {
        Self {
            action: step.action.word().to_owned(),
            policy: ObjectRef::from(&*step.policy),
            rule: step.rule,
            dry_run: step.is_dry_run,
            matched: known(step.fits),
            fields: step.fields.iter().map(FieldRef::from).collect(),
        }
    }
}

impl From<&FieldResult> for FieldRef {
    fn from(field: &FieldResult) -> Self {
        Self {
            field: field.field.clone(),
            wanted: field.wanted.clone(),
            got: field.got.clone(),
            matched: known(field.holds),
        }
    }
}

impl NearestRule {
    fn of(miss: &NearestMiss) -> Option<Self> {
        let (first, others) = miss.missed.split_first()?;
        let place = format!("spec.rules[{}].{}", miss.rule, first.field);
        Some(Self {
            policy: ObjectRef::from(&*miss.policy),
            rule: miss.rule,
            field: first.field.clone(),
            wanted: first.wanted.clone(),
            got: first.got.clone(),
            change: change(first, &miss.policy.id.path(), &place),
            also_missed: others.iter().map(FieldRef::from).collect(),
        })
    }
}

/// The smallest change that makes a list hold.
fn change(field: &FieldResult, policy: &str, place: &str) -> String {
    let value = field.got.as_ref().map(|got| got.as_str().map_or_else(|| got.to_string(), str::to_owned));
    match (field.is_not, value) {
        _ if field.holds == Truth::Unknown => {
            format!("{place} of {policy} decides by {}, which is not known", field.looks_at)
        }
        (false, Some(value)) if !value.is_empty() => format!("add {value:?} to {place} of {policy}"),
        (false, _) if field.looks_at == "principal" => {
            format!("call with mutual TLS, as one that {place} of {policy} names")
        }
        (false, _) => format!("the request needs {} as {place} of {policy} names it", field.looks_at),
        (true, Some(value)) => {
            format!("take what matches {value:?} out of {place} of {policy}")
        }
        (true, None) => format!("take what matches out of {place} of {policy}"),
    }
}
