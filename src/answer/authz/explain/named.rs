//! Refusals of which the proxy names the rule (L1, L7).

use super::{Draft, Engine, policy_of, policy_ref};
use crate::resolve::authorize::rule::Rule;

/// The parts of Envoy's name of a rule.
pub(super) struct Name<'a> {
    pub(super) namespace: &'a str,
    pub(super) policy: &'a str,
    pub(super) rule: usize,
}

/// Takes a name of Envoy's apart: `ns[N]-policy[P]-rule[I]`, with what stands around it for CUSTOM.
pub(super) fn parse(name: &str) -> Option<Name<'_>> {
    let rest = name.split_once("ns[")?.1;
    let (namespace, rest) = rest.split_once("]-policy[")?;
    let (policy, rest) = rest.rsplit_once("]-rule[")?;
    let (index, _) = rest.split_once(']')?;
    Some(Name { namespace, policy, rule: index.parse().ok()? })
}

impl Draft<'_> {
    /// A rule of this name refused it.
    pub(super) fn refused(&mut self, name: &str) {
        let is_ztunnel = self.engine == Engine::Ztunnel;
        self.deny(&if is_ztunnel { format!("explicitly denied by: {name}") } else { name.to_owned() });
        self.basis.line.push(format!("the proxy says that {name} refused it"));
        let rule: Option<Rule> = self.evaluator.as_ref().and_then(|evaluator| {
            let rules = evaluator.rules(self.protocol);
            let named: Vec<&Rule> =
                rules.iter().map(|(_, _, rule)| *rule).filter(|rule| rule.name == name).collect();
            match named.as_slice() {
                [one] => Some((*one).clone()),
                [] => None,
                [_, _, ..] => {
                    // ztunnel names the policy alone.
                    let by = evaluator.decide(Some(self.protocol), &self.request).rule?;
                    named
                        .iter()
                        .find(|one| one.policy.id == by.0.id && one.index == by.1)
                        .map(|one| (*one).clone())
                }
            }
        });
        if let Some(rule) = rule {
            self.take(&rule);
        } else {
            self.find(name);
        }
    }

    /// A rule that is not in force for the workload, as far as it is known.
    fn find(&mut self, name: &str) {
        let parsed = parse(name);
        let (namespace, policy) = match (&parsed, name.split_once('/')) {
            (Some(parsed), _) => (parsed.namespace, parsed.policy),
            (None, Some(pair)) => pair,
            (None, None) => return,
        };
        if policy == "istio_converted_static_strict" || policy.starts_with("converted_peer_authentication_") {
            self.basis
                .line
                .push("that is what istiod makes of a PeerAuthentication: plaintext is refused".to_owned());
            return;
        }
        let index = parsed.as_ref().map(|parsed| parsed.rule);
        let Some(object) = policy_of(self.mesh, namespace, policy) else {
            let text = format!(
                "no AuthorizationPolicy {namespace}/{policy} was read: it is gone, or of another cluster"
            );
            self.basis.evaluated.push(text);
            return;
        };
        let has_rule = index.is_none_or(|index| {
            object.body.authorization_policy().is_some_and(|body| index < body.rules.len())
        });
        self.policy = Some(policy_ref(object, index.filter(|_| has_rule)));
        let text = match (has_rule, self.evaluator.is_some()) {
            (false, _) => "the policy that was read has no such rule: it has changed since",
            (true, true) => {
                "the policy that was read is not in force for the workload as such a rule: it has changed since"
            }
            (true, false) => "the policy of that name; whether it is for the workload is not known",
        };
        self.basis.evaluated.push(text.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rules_are_taken_apart() {
        let parts = |name: &str| {
            parse(name).map(|name| (name.namespace.to_owned(), name.policy.to_owned(), name.rule))
        };
        let of = |namespace: &str, policy: &str, rule| Some((namespace.to_owned(), policy.to_owned(), rule));
        assert_eq!(parts("ns[foo]-policy[deny]-rule[12]"), of("foo", "deny", 12));
        let custom = "istio-ext-authz-opa-ns[foo]-policy[c]-rule[0]-deny-due-to-bad-CUSTOM-action";
        assert_eq!(parts(custom), of("foo", "c", 0));
        assert_eq!(parts("foo/deny"), None);
        assert_eq!(parts("ns[foo]-policy[deny]"), None);
    }
}
