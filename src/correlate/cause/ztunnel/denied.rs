//! Plaintext that a DENY policy keeps out, by the name that ztunnel writes (data fact 5): the policy may be one that spares
//! whoever has an identity, and that stands in the policy, not in the line.

use std::sync::Arc;

use super::{Asked, Cause};
use crate::correlate::age;
use crate::correlate::cause::{Label, Proved};
use crate::diagnose::Confidence;
use crate::diagnose::finding::Role;
use crate::logs::ZtunnelGroup;
use crate::model::authorization_policy::{Action, AsksIdentity, Besides, Spares};
use crate::model::{Kind, Object, ObjectId};
use crate::resolve::authorization::{is_for, rules};

impl Asked<'_> {
    /// Whether plaintext is why, by the rules that can have matched it: those that ask for no identity. A policy that is not
    /// for the server was another one when it denied, and what a rule asks besides identities is not evaluated.
    pub(super) fn for_want_of_identity(
        &self,
        group: &ZtunnelGroup,
        cause: &mut Cause,
        namespace: &str,
        name: &str,
    ) {
        let mesh = self.locator.mesh();
        let id = ObjectId::new(Kind::AuthorizationPolicy, namespace, name);
        let policy = mesh.snapshot.get(&id).filter(|one| denies(one));
        let server = self.locator.workload(self.locator.locate_ztunnel(&group.key).server);
        let policy = policy.filter(|policy| server.is_some_and(|server| is_for(mesh, policy, server)));
        let policy = policy.filter(|policy| !age::is_newer(policy, group.first));
        // ztunnel drops what it cannot tell of a connection, so a rule with HTTP in it is not the one.
        let matching = || {
            let all = policy.into_iter().flat_map(|policy| rules(policy));
            all.filter(|(_, rule)| rule.identity != AsksIdentity::Always && !rule.is_for_http)
        };
        let all = |spared: Spares| matching().all(|(_, rule)| rule.spares == spared);
        let known = if all(Spares::Everybody) {
            // Another policy of this name denied it, unless one of these rules must have.
            matching().find(|(_, rule)| rule.besides == Besides::Nothing)
        } else {
            matching().next().filter(|_| all(Spares::Nobody))
        };
        let Some((first, _)) = known else {
            cause.confidence = Confidence::Possible;
            cause.alternatives = vec![Label::RbacDeniedBecausePlaintext.word()];
            return;
        };
        let counted = if all(Spares::Everybody) {
            cause.label = Label::RbacDeniedBecausePlaintext;
            "denies what has no identity, as plaintext has none"
        } else {
            "denies it, with an identity or without"
        };
        let object = policy.map(Arc::clone);
        let field = format!("spec.rules[{first}]");
        let proved = |object| Proved { object, role: Role::Cause, field, counted: counted.to_owned() };
        cause.proof.objects.extend(object.map(proved));
    }
}

fn denies(policy: &Object) -> bool {
    let body = policy.body.authorization_policy();
    body.is_some_and(|body| body.action == Action::Deny && !body.is_dry_run)
}
