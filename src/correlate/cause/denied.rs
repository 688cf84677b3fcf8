//! Requests and connections that an authorization policy denied (Envoy's RBAC filters), and which policy that was.

use super::{Asked, Cause, Label, at_side};
use crate::diagnose::Confidence;
use crate::logs::Group;
use crate::model::Text;

const MATCHED: &str = "rbac_access_denied_matched_policy[";

/// The rule that denied: `ns[NAMESPACE]-policy[NAME]-rule[NUMBER]`, as istiod names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Denial {
    /// The policy's namespace.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
}

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

/// Namespace, name and number of the rule.
fn rule(text: &str) -> Option<(&str, &str, &str)> {
    let (namespace, rest) = text.strip_prefix("ns[")?.split_once("]-policy[")?;
    let (name, rest) = rest.split_once("]-rule[")?;
    Some((namespace, name, rest.strip_suffix(']')?))
}

impl Asked<'_> {
    /// The cause of a denial. Where no policy allowed it, and it came without TLS, the missing identity may be why: that
    /// takes the policy.
    pub(super) fn denied(&self, group: &Group) -> Option<Cause> {
        let matched = matched(group)?;
        if let Some((namespace, name, number)) = rule(matched) {
            let text = format!(
                "{}: AuthorizationPolicy {namespace}/{name}, rule {number}, denies it",
                at_side(group)
            );
            let mut cause = self.base(group, Label::RbacDenied, Confidence::Certain, &text);
            cause.denial = Some(Denial { namespace: namespace.into(), name: name.into() });
            return Some(cause);
        }
        let text = |more: &str| format!("{}: no AuthorizationPolicy allows it{more}", at_side(group));
        let mut cause = if matched != "none" {
            self.base(group, Label::RbacDenied, Confidence::Certain, &format!("{}: denied", at_side(group)))
        } else if group.sni_none >= group.count {
            self.base(group, Label::RbacDeniedBecausePlaintext, Confidence::Possible, &text(", without TLS"))
        } else if group.sni_none > 0 {
            self.base(group, Label::RbacDenied, Confidence::Likely, &text(""))
        } else {
            self.base(group, Label::RbacDenied, Confidence::Certain, &text(""))
        };
        match (cause.label, cause.confidence) {
            (Label::RbacDeniedBecausePlaintext, _) => cause.alternatives.push(Label::RbacDenied.word()),
            (_, Confidence::Likely) => cause.alternatives.push(Label::RbacDeniedBecausePlaintext.word()),
            _ => {}
        }
        Some(cause)
    }
}
