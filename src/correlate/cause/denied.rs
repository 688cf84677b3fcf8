//! Requests and connections that an authorization policy denied (Envoy's RBAC filters), which policy that was, and whether
//! plaintext is why (data facts 9 to 11).

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::proof::Proved;
use super::{Asked, Cause, Label, at_side};
use crate::correlate::age;
use crate::correlate::passthrough::is_strict;
use crate::diagnose::Confidence;
use crate::diagnose::finding::Role;
use crate::logs::{Direction, Group, JoinKind, Reporter, UpstreamCluster};
use crate::model::authorization_policy::{Action, AsksIdentity};
use crate::model::{Kind, Object, ObjectId, Text};
use crate::resolve::Workload;
use crate::resolve::authorization::{self, Allowing, Asks};

const MATCHED: &str = "rbac_access_denied_matched_policy[";

/// The label of pods that take tunnels: what comes out of one has no server name, and an identity all the same.
const TUNNEL: &str = "networking.istio.io/tunnel";

/// At most so many policies are named where none of them allowed it.
const NAMED: usize = 10;

/// The rule that denied: `ns[NAMESPACE]-policy[NAME]-rule[NUMBER]`, as istiod names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Denial {
    /// The policy's namespace.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
    /// The number of its rule, where that is told.
    pub rule: Option<usize>,
}

/// The ALLOW policies of workloads, from when they are first asked for.
#[derive(Debug, Default)]
pub(super) struct Known(RefCell<FxHashMap<usize, Arc<Allowing>>>);

/// What stands between the brackets of a denial. HTTP says it in the details, TCP where the connection ended.
fn matched(group: &Group) -> Option<&str> {
    let details = [&group.response_code_details, &group.connection_termination_details];
    let text = details.into_iter().flatten().find_map(|text| text.split_once(MATCHED))?.1;
    text.strip_suffix(']')
}

/// Whether an authorization policy denied it. The code does not tell: gRPC has 200, and TCP none.
pub(super) fn is_denial(group: &Group) -> bool {
    matched(group).is_some()
}

impl Denial {
    /// The rule of a name (L1). One of an external authorizer has its provider before it, and words behind it where
    /// nobody could ask the authorizer.
    pub fn named(text: &str) -> Option<Self> {
        let (before, rest) = text.split_once("ns[")?;
        if !before.is_empty() && !before.starts_with("istio-ext-authz-") {
            return None;
        }
        let (namespace, rest) = rest.split_once("]-policy[")?;
        let (name, rest) = rest.split_once("]-rule[")?;
        let (number, _) = rest.split_once(']')?;
        Some(Self { namespace: namespace.into(), name: name.into(), rule: Some(number.parse().ok()?) })
    }
}

/// The rule that the details of a line name, or ztunnel's error, which numbers no rule; `Err` where they say that no rule of
/// an ALLOW policy matched (L1, Z).
pub fn denial_of(text: &str) -> Option<Result<Denial, NoneMatched>> {
    if let Some((_, matched)) = text.split_once(MATCHED) {
        return if matched.starts_with("none]") {
            Some(Err(NoneMatched))
        } else {
            Denial::named(matched).map(Ok)
        };
    }
    let (_, refused) = text.split_once("policy rejection: ")?;
    if refused.starts_with("allow policies exist") {
        return Some(Err(NoneMatched));
    }
    let (namespace, name) = refused.strip_prefix("explicitly denied by: ")?.split_once('/')?;
    Some(Ok(Denial { namespace: namespace.into(), name: name.into(), rule: None }))
}

/// No rule of an ALLOW policy matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoneMatched;

impl Asked<'_> {
    /// The cause of a denial.
    pub(super) fn denied(&self, group: &Group) -> Option<Cause> {
        let matched = matched(group)?;
        if let Some(denial) = Denial::named(matched) {
            return Some(self.denied_by(group, denial));
        }
        if matched != "none" {
            let text = format!("{}: denied", at_side(group));
            return Some(self.base(group, Label::RbacDenied, Confidence::Certain, &text));
        }
        Some(self.not_allowed(group))
    }

    /// A rule matched that denies. What was read of its policy may be newer than the line, and then says so.
    fn denied_by(&self, group: &Group, denial: Denial) -> Cause {
        let Denial { namespace, name, rule } = &denial;
        let which = rule.map_or_else(String::new, |rule| format!(", rule {rule},"));
        let text = format!("{}: AuthorizationPolicy {namespace}/{name}{which} denies it", at_side(group));
        let mut cause = self.base(group, Label::RbacDenied, Confidence::Certain, &text);
        let id = ObjectId::new(Kind::AuthorizationPolicy, Arc::clone(namespace), Arc::clone(name));
        if let (Some(object), Some(rule)) = (self.locator.mesh().snapshot.get(&id), rule) {
            cause.proof.objects.push(matched_rule(object, *rule));
        }
        cause.denial = Some(denial);
        cause
    }

    /// There are ALLOW policies, and none of their rules matched. Plaintext has no identity that a rule could match, so
    /// what they ask for tells whether it is why.
    fn not_allowed(&self, group: &Group) -> Cause {
        let place = self.locator.locate(group);
        let allowing = place.reporter.map(|at| self.allowing(at));
        let asks =
            allowing.as_ref().map_or(Asks::Unknown, |known| known.asks(group.response_code != Some(0)));
        let any_newer = allowing
            .iter()
            .flat_map(|known| &known.policies)
            .any(|policy| age::is_newer(policy, group.first));
        // A line that does not have the field says nothing of TLS.
        let had_tls = group.sni_istio + group.sni_other >= group.count;
        let (label, confidence) =
            if matches!(asks, Asks::NoIdentity | Asks::LetsNobodyIn) && !any_newer || had_tls {
                (Label::RbacDenied, Confidence::Certain)
            } else if group.sni_none < group.count || matches!(asks, Asks::NoIdentity | Asks::LetsNobodyIn) {
                (Label::RbacDenied, Confidence::Likely)
            } else {
                self.for_want_of_identity(group, place.reporter, asks)
            };
        let more = if group.sni_none >= group.count { ", without TLS" } else { "" };
        let text = format!("{}: no AuthorizationPolicy allows it{more}", at_side(group));
        let mut cause = self.base(group, label, confidence, &text);
        if confidence != Confidence::Certain {
            let is_denied = label == Label::RbacDenied;
            let other = if is_denied { Label::RbacDeniedBecausePlaintext } else { Label::RbacDenied };
            cause.alternatives.push(other.word());
        }
        if let (Some(allowing), Some(server)) = (allowing, self.locator.workload(place.reporter)) {
            let policies = allowing.policies.iter().take(NAMED);
            cause.proof.objects.extend(policies.map(|policy| allows_others(policy, server)));
        }
        cause
    }

    pub(super) fn allowing(&self, at: usize) -> Arc<Allowing> {
        let mut known = self.allowing.0.borrow_mut();
        match known.entry(at) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(place) => {
                let found = self.locator.workload(Some(at));
                let found = found.map(|server| authorization::allowing(self.locator.mesh(), server));
                Arc::clone(place.insert(Arc::new(found.unwrap_or_default())))
            }
        }
    }

    /// Whether plaintext is why, and how sure it is. It is proved where no rule can be met without an identity, whatever the
    /// request; not where plaintext went through all the same, nor where no plaintext can have come so far.
    fn for_want_of_identity(&self, group: &Group, server: Option<usize>, asks: Asks) -> (Label, Confidence) {
        const OPEN: (Label, Confidence) = (Label::RbacDeniedBecausePlaintext, Confidence::Possible);
        let mesh = self.locator.mesh();
        let Some(at) = server else { return OPEN };
        let Some(server) = self.locator.workload(server) else { return OPEN };
        let tunnels = server.labels.get(TUNNEL).is_some();
        let strict = own_port(group).is_some_and(|port| is_strict(mesh, server, port));
        if tunnels || strict || self.lets_plaintext_in(group) {
            return OPEN;
        }
        let newer = self.allowing(at).policies.iter().any(|policy| age::is_newer(policy, group.first));
        want_of_identity(asks, self.knows_callers(&self.allowing(at), group), newer)
    }

    /// Whether the identities of all callers alone would have let them in.
    fn knows_callers(&self, allowing: &Allowing, group: &Group) -> Option<bool> {
        let mesh = self.locator.mesh();
        let knows =
            |group: &Group| allowing.knows(mesh, self.locator.workload(self.locator.locate(group).client));
        if group.reporter == Reporter::Client {
            return knows(group);
        }
        let links: Vec<_> = group.evidence.of(JoinKind::ServerFailure).collect();
        let joined: u64 = links.iter().map(|link| link.joined.count).sum();
        let each = links.iter().map(|link| knows(self.by_index.get(&link.other)?));
        // Lines without a caller's line are of anybody.
        let rest = (joined < group.count).then(|| allowing.knows(mesh, None));
        each.chain(rest).reduce(|one, other| one.filter(|_| one == other)).flatten()
    }
}

/// Whether the want of an identity is why, and how sure it is, by what the policies ask, whether they would let the caller
/// in by its identity alone, and whether any is newer than the lines. One whom they do not let in with it either is
/// denied, whatever it sends.
pub(super) fn want_of_identity(asks: Asks, knows: Option<bool>, newer: bool) -> (Label, Confidence) {
    let confidence = match asks {
        Asks::AlwaysIdentity | Asks::SometimesIdentity if knows == Some(false) => {
            return (Label::RbacDenied, if newer { Confidence::Possible } else { Confidence::Likely });
        }
        Asks::AlwaysIdentity if knows == Some(true) && !newer => Confidence::Certain,
        Asks::AlwaysIdentity | Asks::SometimesIdentity => Confidence::Likely,
        Asks::LetsNobodyIn | Asks::NoIdentity | Asks::Unknown => Confidence::Possible,
    };
    (Label::RbacDeniedBecausePlaintext, confidence)
}

/// The port at the workload, where the cluster names it: the old names have the service's.
fn own_port(group: &Group) -> Option<u16> {
    let cluster = UpstreamCluster::parse(group.upstream_cluster.as_deref()?.as_bytes());
    cluster.port.filter(|_| cluster.direction == Direction::Inbound && cluster.host.is_none())
}

/// The rule that a denial names, in the policy as it was read.
pub(super) fn matched_rule(policy: &Arc<Object>, rule: usize) -> Proved {
    let body = policy.body.authorization_policy();
    if body.is_none() {
        let counted = "named by the line that it denied, and cannot be read".to_owned();
        return Proved { object: Arc::clone(policy), role: Role::Cause, field: "spec".to_owned(), counted };
    }
    let found = body.filter(|body| rule < body.rules.len());
    let (field, counted) = match found.map(|body| &body.action) {
        Some(Action::Deny) => (format!("spec.rules[{rule}]"), "the rule that denied it".to_owned()),
        Some(Action::Custom) => {
            (format!("spec.rules[{rule}]"), "the rule that asks an external authorizer".to_owned())
        }
        Some(Action::Allow | Action::Audit | Action::Other(_)) => (
            "spec.action".to_owned(),
            "does not deny as it was read: it was another when it denied".to_owned(),
        ),
        None => (
            "spec.rules".to_owned(),
            format!("has no rule {rule} as it was read: it was another when it denied"),
        ),
    };
    Proved { object: Arc::clone(policy), role: Role::Cause, field, counted }
}

/// An ALLOW policy none of whose rules matched.
pub(super) fn allows_others(policy: &Arc<Object>, server: &Workload) -> Proved {
    let mut wanting = authorization::rules(policy).filter(|(_, rule)| rule.identity != AsksIdentity::Never);
    let server = server.path();
    let (field, counted) = if let Some((at, _)) = wanting.next() {
        let counted = format!("in force for {server}: wants an identity, which plaintext does not have");
        (format!("spec.rules[{at}]"), counted)
    } else if authorization::rules(policy).next().is_none() {
        (
            "spec.rules".to_owned(),
            format!("in force for {server}: an ALLOW policy without rules lets nobody in"),
        )
    } else {
        ("spec.rules".to_owned(), format!("in force for {server}: no rule of it matched"))
    };
    Proved { object: Arc::clone(policy), role: Role::Cause, field, counted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_read_out_of_the_names_that_istiod_gives() {
        let of = |text: &str| {
            Denial::named(text).and_then(|one| Some(format!("{}/{} {}", one.namespace, one.name, one.rule?)))
        };
        assert_eq!(of("ns[a]-policy[b]-rule[10]").as_deref(), Some("a/b 10"));
        let custom = "istio-ext-authz-opa-ns[a]-policy[b]-rule[0]-deny-due-to-bad-CUSTOM-action";
        assert_eq!(of(custom).as_deref(), Some("a/b 0"));
        for other in ["none", "", "ns[a]-policy[b]", "ns[a]-policy[b]-rule[x]", "x-ns[a]-policy[b]-rule[0]"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
