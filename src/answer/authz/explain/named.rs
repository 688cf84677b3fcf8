//! Refusals of which the proxy names the rule (L1, L7).

use super::{Draft, Engine, policy_of, policy_ref};
use crate::correlate::cause::Denial;
use crate::resolve::ambient::policies::is_of_peer_authentication;
use crate::resolve::authorize::evaluator::RuleNamed;

impl Draft<'_> {
    /// A rule of this name refused it.
    pub(super) fn refused(&mut self, name: &str) {
        let is_ztunnel = self.engine == Engine::Ztunnel;
        self.deny(&if is_ztunnel { format!("explicitly denied by: {name}") } else { name.to_owned() });
        self.basis.line.push(format!("the proxy says that {name} refused it"));
        let named = self.evaluator.as_ref().map(|one| one.rule_named(self.protocol, &self.request, name));
        let rule = match named {
            Some(RuleNamed::Rule(rule)) => Some(rule.clone()),
            Some(RuleNamed::OneOfSeveral | RuleNamed::NotInForce) | None => None,
        };
        if let Some(rule) = rule {
            self.take(&rule);
        } else {
            self.find(name);
        }
    }

    /// A rule that is not in force for the workload, as far as it is known.
    fn find(&mut self, name: &str) {
        let parsed = Denial::named(name);
        let (namespace, policy) = match (&parsed, name.split_once('/')) {
            (Some(parsed), _) => (&*parsed.namespace, &*parsed.name),
            (None, Some(pair)) => pair,
            (None, None) => return,
        };
        if is_of_peer_authentication(policy) {
            self.basis
                .line
                .push("that is what istiod makes of a PeerAuthentication: plaintext is refused".to_owned());
            return;
        }
        let index = parsed.as_ref().and_then(|parsed| parsed.rule);
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
