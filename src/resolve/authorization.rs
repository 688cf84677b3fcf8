//! Which `AuthorizationPolicies` a workload's proxy enforces, and what those that allow ask of everybody. Their rules are
//! not evaluated against requests.

use std::sync::Arc;

use super::mesh::Mesh;
use super::workload::Workload;
use crate::model::authorization_policy::{AccessRule, Action};
use crate::model::object::Body;
use crate::model::pod::ProxyKind;
use crate::model::{Kind, Object};

/// The label of pods that stand for a gateway of the Gateway API, waypoints among them.
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// The ALLOW policies that a proxy enforces, and whether any DENY policy leaves them nothing to say.
#[derive(Debug, Clone, Default)]
pub struct Allowing {
    /// The policies, by namespace and name.
    pub policies: Vec<Arc<Object>>,
    /// A DENY policy with a rule that matches everything, and the rule's number.
    pub denies_all: Option<(Arc<Object>, usize)>,
    /// Whether something else may refuse with the same code before they do: an external authorizer, tokens, patches.
    pub others_refuse: bool,
    /// Whether there may be others: what cannot be read, and what is bound to gateways and services by name.
    pub may_be_more: bool,
}

/// What a proxy's ALLOW policies ask of everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Every rule that counts wants an identity: plaintext meets none, whatever the request.
    AlwaysIdentity,
    /// Some want one, and others none.
    SometimesIdentity,
    /// There is no rule at all: nobody is let in.
    LetsNobodyIn,
    /// None does: an identity would change nothing.
    NoIdentity,
    /// No policy was read, or there may be others.
    Unknown,
}

/// The enforced ALLOW policies of a workload with an Envoy (S1 to S5, O8).
pub fn allowing(mesh: &Mesh, workload: &Workload) -> Allowing {
    let by_name = workload.labels.get(GATEWAY_NAME).is_some();
    let is_envoy = matches!(workload.proxy, ProxyKind::Sidecar | ProxyKind::Gateway);
    let mut found = Allowing { may_be_more: by_name || !is_envoy, ..Allowing::default() };
    if !is_envoy {
        return found;
    }
    let root = Some(mesh.of_client(workload).config.root_namespace.as_str());
    let root = root.filter(|root| *root != &*workload.namespace);
    let of = |namespace: &str| mesh.snapshot.in_namespace(&Kind::AuthorizationPolicy, namespace);
    for kind in [Kind::EnvoyFilter, Kind::OtherMesh("RequestAuthentication".into())] {
        let mut all = root.into_iter().chain([&*workload.namespace]);
        found.others_refuse |=
            all.any(|namespace| mesh.snapshot.in_namespace(&kind, namespace).next().is_some());
    }
    for object in root.into_iter().flat_map(of).chain(of(&workload.namespace)) {
        let Some(policy) = object.body.authorization_policy() else {
            found.may_be_more |= object.body == Body::Unreadable;
            continue;
        };
        let selects = !policy.has_targets && policy.selector.is_subset_of(&workload.labels);
        match policy.action {
            Action::Allow if selects && !policy.is_dry_run => found.policies.push(Arc::clone(object)),
            Action::Deny if selects && !policy.is_dry_run => {
                let all = policy.rules.iter().position(|rule| rule.is_for_all);
                found.denies_all = found.denies_all.or_else(|| Some((Arc::clone(object), all?)));
            }
            Action::Custom if selects => found.others_refuse = true,
            Action::Other(_) if selects => found.may_be_more = true,
            Action::Allow | Action::Deny | Action::Audit | Action::Custom | Action::Other(_) => {}
        }
    }
    found
}

/// The rules of a policy, each with its number.
pub fn rules(policy: &Object) -> impl Iterator<Item = (usize, &AccessRule)> {
    policy.body.authorization_policy().into_iter().flat_map(|policy| policy.rules.iter().enumerate())
}

impl Allowing {
    /// What they ask of requests, or of connections where the proxy reads no HTTP: there a rule with HTTP in it is
    /// dropped (T1).
    pub fn asks(&self, is_http: bool) -> Asks {
        let counts = |rule: &&AccessRule| is_http || !rule.is_for_http;
        let rules =
            || self.policies.iter().flat_map(|policy| rules(policy)).map(|(_, rule)| rule).filter(counts);
        if self.policies.is_empty() || self.may_be_more {
            Asks::Unknown
        } else if rules().next().is_none() {
            Asks::LetsNobodyIn
        } else if !rules().any(|rule| rule.wants_identity) {
            Asks::NoIdentity
        } else if rules().all(|rule| rule.wants_identity) {
            Asks::AlwaysIdentity
        } else {
            Asks::SometimesIdentity
        }
    }
}
