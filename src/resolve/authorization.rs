//! Which `AuthorizationPolicies` a workload's proxy enforces, and what those that allow ask of everybody. Their rules are
//! not evaluated against requests.

use std::sync::Arc;

use super::authorize::attach::GATEWAY_NAME;
use super::authorize::identity::Account;
use super::authorize::pattern::{Pattern, Star};
use super::mesh::Mesh;
use super::workload::Workload;
use crate::model::authorization_policy::{AccessRule, Action, AsksIdentity, AuthorizationPolicy, Peer};
use crate::model::object::Body;
use crate::model::pod::ProxyKind;
use crate::model::{Kind, Object};

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

/// The enforced ALLOW policies of a workload with an Envoy of its own, or a ztunnel (S1 to S5, O8).
pub fn allowing(mesh: &Mesh, workload: &Workload) -> Allowing {
    let by_name = workload.labels.get(GATEWAY_NAME).is_some();
    let asks = matches!(workload.proxy, ProxyKind::Sidecar | ProxyKind::Gateway | ProxyKind::Ztunnel);
    let mut found = Allowing { may_be_more: by_name || !asks, ..Allowing::default() };
    if !asks {
        return found;
    }
    let root = Some(root(mesh, workload)).filter(|root| *root != &*workload.namespace);
    let of = |namespace: &str| mesh.snapshot.in_namespace(&Kind::AuthorizationPolicy, namespace);
    for kind in [Kind::EnvoyFilter, Kind::RequestAuthentication] {
        let mut all = root.into_iter().chain([&*workload.namespace]);
        found.others_refuse |=
            all.any(|namespace| mesh.snapshot.in_namespace(&kind, namespace).next().is_some());
    }
    for object in root.into_iter().flat_map(of).chain(of(&workload.namespace)) {
        let Some(policy) = object.body.authorization_policy() else {
            found.may_be_more |= object.body == Body::Unreadable;
            continue;
        };
        let selects = selects(policy, workload);
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

fn root<'a>(mesh: &'a Mesh, workload: &Workload) -> &'a str {
    &mesh.of_client(workload).config.root_namespace
}

fn selects(policy: &AuthorizationPolicy, workload: &Workload) -> bool {
    policy.targets.is_empty() && policy.selector.is_subset_of(&workload.labels)
}

/// Whether a policy is one that a workload's proxy enforces (S1, S3).
pub fn is_for(mesh: &Mesh, object: &Object, workload: &Workload) -> bool {
    let namespace = &*object.id.namespace;
    let policy = object.body.authorization_policy();
    (namespace == &*workload.namespace || namespace == root(mesh, workload))
        && policy.is_some_and(|policy| selects(policy, workload))
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
        } else if !rules().any(|rule| rule.identity != AsksIdentity::Never) {
            Asks::NoIdentity
        } else if rules().all(|rule| rule.identity == AsksIdentity::Always) {
            Asks::AlwaysIdentity
        } else {
            Asks::SometimesIdentity
        }
    }

    /// Whether a caller's identity alone would let it in. `None` where that cannot be told: of callers that are not
    /// known, and of rules that ask for more.
    pub fn knows(&self, mesh: &Mesh, caller: Option<&Workload>) -> Option<bool> {
        let own = caller.and_then(|caller| Known::of(mesh, caller));
        let mut all_others = own.is_some();
        for policy in &self.policies {
            for (_, rule) in rules(policy) {
                let names_all = rule.peers_are_all && !rule.peers.is_empty();
                all_others &= names_all || rule.identity == AsksIdentity::Never;
                for peer in &rule.peers {
                    match matches_peer(peer, own.as_ref(), &policy.id.namespace) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => all_others = false,
                    }
                }
            }
        }
        all_others.then_some(false)
    }

    /// Whether each rule that counts is for others than a caller with an identity, by that identity alone.
    pub fn is_for_others(&self, mesh: &Mesh, caller: Option<&Workload>, is_http: bool) -> bool {
        let Some(own) = caller.and_then(|caller| Known::of(mesh, caller)) else { return false };
        let is_other = |namespace: &str, rule: &AccessRule| {
            let none = |peer| matches_peer(peer, Some(&own), namespace) == Some(false);
            rule.peers_are_all && !rule.peers.is_empty() && rule.peers.iter().all(none)
        };
        !self.policies.is_empty()
            && !self.may_be_more
            && self.policies.iter().all(|policy| {
                let counts = |rule: &AccessRule| is_http || !rule.is_for_http;
                let mut of = rules(policy).map(|(_, rule)| rule).filter(|rule| counts(rule));
                of.all(|rule| is_other(&policy.id.namespace, rule))
            })
    }
}

/// What the certificate of a caller would say.
struct Known {
    namespace: String,
    account: String,
    trust_domain: String,
}

impl Known {
    fn of(mesh: &Mesh, caller: &Workload) -> Option<Self> {
        Some(Self {
            namespace: caller.namespace.to_string(),
            account: caller.body()?.service_account.to_string(),
            trust_domain: mesh.of_client(caller).config.trust_domain.clone(),
        })
    }
}

/// Whether a caller is one that a rule names: `None` where its trust domain may be another name for the caller's.
fn matches_peer(peer: &Peer, own: Option<&Known>, policy: &str) -> Option<bool> {
    let (Peer::Principal(pattern) | Peer::Namespace(pattern) | Peer::ServiceAccount(pattern)) = peer;
    if pattern == "*" && !matches!(peer, Peer::ServiceAccount(_)) {
        return Some(true);
    }
    let Known { namespace, account, trust_domain } = own?;
    match peer {
        Peer::Principal(_) => {
            let path = format!("ns/{namespace}/sa/{account}");
            // `cluster.local` stands for the mesh's own, whatever its name is.
            let domains = ["cluster.local", trust_domain];
            if domains.iter().any(|domain| is_like(pattern, &format!("{domain}/{path}"))) {
                return Some(true);
            }
            let rest = pattern.split_once('/').map(|(_, rest)| rest);
            let is_whole = rest.is_some_and(|rest| rest.starts_with("ns/") && !pattern.contains('*'));
            (is_whole && rest != Some(&*path)).then_some(false)
        }
        Peer::Namespace(_) => Some(is_like(pattern, namespace)),
        Peer::ServiceAccount(_) => Some(Account::new(pattern, policy).is(namespace, account)),
    }
}

fn is_like(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern).fits(text, Star::SomeText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_told_from_those_whom_a_rule_names() {
        let own = Known {
            namespace: "web".to_owned(),
            account: "default".to_owned(),
            trust_domain: "td".to_owned(),
        };
        let principal = |text: &str| matches_peer(&Peer::Principal(text.to_owned()), Some(&own), "shop");
        for one in ["*", "cluster.local/ns/web/sa/default", "td/ns/web/*", "*/ns/web/sa/default"] {
            assert_eq!(principal(one), Some(true), "{one}");
        }
        assert_eq!(principal("cluster.local/ns/zzz/sa/other"), Some(false));
        for one in ["a", "old/ns/web/sa/default", "x*"] {
            assert_eq!(principal(one), None, "{one}");
        }
        let of = |peer: &Peer| matches_peer(peer, Some(&own), "web");
        assert_eq!(of(&Peer::Namespace("w*".to_owned())), Some(true));
        assert_eq!(of(&Peer::Namespace("shop".to_owned())), Some(false));
        assert_eq!(of(&Peer::ServiceAccount("default".to_owned())), Some(true));
        assert_eq!(of(&Peer::ServiceAccount("shop/default".to_owned())), Some(false));
        assert_eq!(matches_peer(&Peer::Namespace("web".to_owned()), None, "web"), None);
    }
}
