//! MS0307: a policy wants an identity, and the client sends plaintext, which has none. What makes the client send it is to
//! blame where that is known, as for every conflict; else the policy that wants what its callers do not have.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::age;
use super::cause::{Cause, Label, Proved};
use super::locate::Locator;
use super::merge::add_all_lines;
use crate::diagnose::finding::{Edge, Evidence, Finding, Involved, Reason, Role};
use crate::diagnose::{Code, Confidence};
use crate::model::ObjectId;
use crate::model::pod::ProxyKind;
use crate::model::time;
use crate::resolve::Workload;

/// Why a client sends plaintext: the object and field to blame, and the sentence that says so.
struct Root {
    id: (ObjectId, String),
    objects: Vec<Involved>,
    evidence: Vec<Evidence>,
    because: Vec<Reason>,
    says: String,
}

/// The causes of one root, and the pairs that they are of.
struct Denied<'a> {
    root: Root,
    causes: Vec<&'a Cause>,
    edges: Vec<Edge>,
}

/// The policy that wants an identity, where a cause is of this kind and more than possible.
pub(super) fn wanting(cause: &Cause) -> Option<&Proved> {
    let is_told = cause.label == Label::RbacDeniedBecausePlaintext && cause.confidence > Confidence::Possible;
    cause.proof.objects.iter().find(|one| is_told && one.field.starts_with("spec.rules["))
}

/// The findings of causes of this kind, one a root. `found` are the findings of the configuration.
pub(super) fn findings(
    locator: &Locator<'_>,
    found: &[Finding],
    causes: &[&Cause],
    seen: &mut BTreeMap<Edge, u64>,
) -> Vec<Finding> {
    let plain: Vec<_> = found.iter().filter(|one| one.code == Code::PlaintextInPermissive).collect();
    let mut roots: BTreeMap<(ObjectId, String), Denied<'_>> = BTreeMap::new();
    for cause in causes {
        let Some(policy) = wanting(cause) else { continue };
        let edge = edge_of(locator, cause);
        let root = root(locator, &plain, edge.as_ref(), cause, policy);
        let known = roots.entry(root.id.clone());
        let known = known.or_insert_with(|| Denied { root, causes: Vec::new(), edges: Vec::new() });
        known.causes.push(cause);
        if let Some(edge) = edge {
            *seen.entry(edge.clone()).or_default() += cause.count;
            known.edges.push(edge);
        }
    }
    roots.into_values().map(Denied::finding).collect()
}

impl Denied<'_> {
    fn finding(self) -> Finding {
        let confidence = self.causes.iter().map(|cause| cause.confidence).max();
        let mut finding = Finding {
            code: Code::DeniedBecausePlaintext,
            severity: Code::DeniedBecausePlaintext.severity(),
            confidence: confidence.unwrap_or(Confidence::Likely),
            root: self.root.id,
            message: self.root.says,
            because: self.root.because,
            objects: self.root.objects,
            edges: self.edges.into_iter().collect(),
            evidence: self.root.evidence,
        };
        for cause in &self.causes {
            cause.proof.objects_into(&mut finding);
        }
        let patterns = self.causes.iter().flat_map(|cause| &cause.proof.patterns);
        let lines = self.causes.iter().flat_map(|cause| &cause.evidence).chain(patterns);
        add_all_lines(&mut finding, lines);
        finding
    }
}

pub(super) fn edge_of(locator: &Locator<'_>, cause: &Cause) -> Option<Edge> {
    let client = locator.workload(cause.place.client)?;
    let (host, port) = (cause.place.host.as_ref()?, cause.place.port?);
    let client = (Arc::clone(&client.namespace), Arc::clone(&client.name), Arc::clone(&client.kind));
    Some(Edge { client, host: Arc::clone(host), port, subset: cause.place.subset.clone() })
}

fn root(
    locator: &Locator<'_>,
    plain: &[&Finding],
    edge: Option<&Edge>,
    cause: &Cause,
    policy: &Proved,
) -> Root {
    let wants =
        format!("{} ({}) wants an identity, which plaintext does not have", policy.object.id, policy.field);
    let target = cause.place.host.as_ref().map(|host| match cause.place.port {
        Some(port) => format!("{host}:{port}"),
        None => host.to_string(),
    });
    let server = locator.workload(cause.place.server.or(cause.place.reporter)).map(Workload::path);
    let target = target.or(server).unwrap_or_default();
    // What makes the pair plaintext is judged already (MS0111), with the object to blame.
    let of_edge =
        |one: &&&Finding| edge.is_some_and(|edge| one.edges.contains(edge)) && !is_newer(locator, one, cause);
    if let Some(plain) = plain.iter().find(of_edge) {
        let (id, field) = &plain.root;
        return Root {
            id: plain.root.clone(),
            objects: plain.objects.clone(),
            evidence: plain.evidence.clone(),
            because: plain.because.clone(),
            says: format!("{id} ({field}) decides that plaintext is sent to {target}, and {wants}"),
        };
    }
    let bare = locator.workload(cause.place.client).filter(|client| client.proxy == ProxyKind::None);
    if let Some(client) = bare {
        let field = "spec.containers";
        let (object, counted) = (&client.object, "has no container istio-proxy");
        return Root {
            id: (object.id.clone(), field.to_owned()),
            objects: vec![Involved::new(object, Role::Cause, field)],
            evidence: vec![Evidence::of_field(object, field, counted)],
            because: Vec::new(),
            says: format!("{} has no proxy and sends plaintext to {target}, and {wants}", object.id),
        };
    }
    Root {
        id: (policy.object.id.clone(), policy.field.clone()),
        objects: Vec::new(),
        evidence: Vec::new(),
        because: Vec::new(),
        says: format!("{wants}: what came to {target} without TLS was denied"),
    }
}

/// Whether an object of a finding was changed after the first line of a cause, and so did not make it.
fn is_newer(locator: &Locator<'_>, finding: &Finding, cause: &Cause) -> bool {
    let first = cause.evidence.iter().filter_map(|lines| time::parse(lines.first.as_ref()?)).min();
    let changed = |id: &ObjectId| age::changed(locator.mesh().snapshot.get(id)?);
    let changed = finding.objects.iter().filter_map(|object| changed(&object.id)).max();
    changed.zip(first).is_some_and(|(changed, first)| changed > first)
}

#[cfg(test)]
mod tests {
    use super::super::cause::causes;
    use super::super::findings;
    use super::super::tests::{client, mesh, pod, read, server};
    use super::*;
    use crate::diagnose::diagnose;
    use crate::resolve::{Mesh, Options};

    const NONE: &str = "403 - rbac_access_denied_matched_policy[none]";

    fn policy(name: &str, namespace: &str, spec: &str) -> String {
        format!(
            "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
             metadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"
        )
    }

    fn denials(mesh: &str, clients: &str, servers: &str) -> Vec<Finding> {
        let bundle = read(mesh, clients, servers);
        let mesh = Mesh::new(&bundle.snapshot, &Options::default());
        let locator = Locator::new(&mesh);
        let causes = causes(&locator, &bundle.logs);
        let (found, _) = findings(&locator, diagnose(&mesh, &[]).findings, &causes);
        let of_denials =
            |one: &Finding| matches!(one.code, Code::RequestsDenied | Code::DeniedBecausePlaintext);
        found.into_iter().filter(of_denials).collect()
    }

    /// Code, confidence, root with its field, pairs, and what the policies are in it for.
    fn said(mesh: &str, clients: &str, servers: &str) -> Vec<String> {
        let line = |one: &Finding| {
            let policies =
                one.objects.iter().filter(|object| &*object.id.kind.to_string() == "AuthorizationPolicy");
            let policies: Vec<_> =
                policies.map(|object| format!("{} {}", object.id.name, object.fields.join(","))).collect();
            let (id, field) = (&one.root.0, &one.root.1);
            let confidence = one.confidence.word();
            format!("{} {confidence} {id} {field} {}: {}", one.code, one.edges.len(), policies.join("; "))
        };
        denials(mesh, clients, servers).iter().map(line).collect()
    }

    fn plaintext(second: u32) -> String {
        server(second, NONE).replace("outbound_.80_._.cart.shop.svc.cluster.local", "-")
    }

    const BY_PRINCIPAL: &str = "{rules: [{from: [{source: {principals: ['*']}}]}]}";
    const BY_PATH: &str = "{rules: [{to: [{operation: {paths: [/a]}}]}]}";

    #[test]
    fn a_policy_that_wants_an_identity_of_plaintext_is_told_with_what_sends_it() {
        let seen = client(10, "403 - via_upstream", "-");
        let wants = mesh("DISABLE", "", &[true]) + &policy("allow", "shop", BY_PRINCIPAL);
        let by_rule =
            "MS0307 certain DestinationRule shop/r spec.trafficPolicy.tls.mode 1: allow spec.rules[0]";
        assert_eq!(said(&wants, &seen, &plaintext(10)), [by_rule]);
        let message = &denials(&wants, &seen, &plaintext(10))[0].message;
        assert!(
            message.contains("AuthorizationPolicy shop/allow (spec.rules[0]) wants an identity"),
            "{message}"
        );
        // The server's line alone does not tell the client.
        let by_policy = "MS0307 certain AuthorizationPolicy shop/allow spec.rules[0] 0: allow spec.rules[0]";
        assert_eq!(said(&wants, "", &plaintext(10)), [by_policy]);
        let root = mesh("", "", &[true]) + &policy("allow", "istio-system", BY_PRINCIPAL);
        assert_eq!(said(&root, "", &plaintext(10)).len(), 1);
        assert!(
            said(&root, "", &plaintext(10))[0]
                .starts_with("MS0307 certain AuthorizationPolicy istio-system/allow")
        );
    }

    #[test]
    fn what_does_not_prove_it_does_not_say_so() {
        let of =
            |policies: &str, lines: &str| said(&(mesh("", "", &[true]) + policies), "", lines).join("; ");
        let denied = "MS0306 certain Service shop/cart logs 0: ";
        // Nobody knows the policies, they are for others, only tried, or for gateways by name.
        let elsewhere = policy("allow", "web", BY_PRINCIPAL);
        let other =
            policy("allow", "shop", &BY_PRINCIPAL.replacen('{', "{selector: {matchLabels: {app: x}}, ", 1));
        let bound = policy(
            "allow",
            "shop",
            &BY_PRINCIPAL.replacen('{', "{targetRefs: [{kind: Service, name: cart}], ", 1),
        );
        let deny = policy("deny", "shop", &BY_PRINCIPAL.replacen('{', "{action: DENY, ", 1));
        let tried = policy("allow", "shop", BY_PRINCIPAL)
            .replace("namespace: shop}", "namespace: shop, annotations: {istio.io/dry-run: 'true'}}");
        for policies in ["", &elsewhere, &other, &bound, &deny, &tried] {
            assert_eq!(of(policies, &plaintext(10)), denied, "{policies}");
        }
        // No rule wants an identity: it is a denial as any other.
        let by_path = policy("paths", "shop", BY_PATH);
        assert_eq!(of(&by_path, &plaintext(10)), format!("{denied}paths spec.rules"));
        let nothing = policy("nothing", "shop", "{}");
        assert_eq!(of(&nothing, &plaintext(10)), format!("{denied}nothing spec.rules"));
        // One of them does: likely, and not sure.
        let both = policy("allow", "shop", BY_PRINCIPAL) + &by_path;
        assert!(
            of(&both, &plaintext(10))
                .starts_with("MS0307 likely AuthorizationPolicy shop/allow spec.rules[0]")
        );
        // With mutual TLS the client has an identity.
        let wants = policy("allow", "shop", BY_PRINCIPAL);
        assert_eq!(of(&wants, &server(10, NONE)), format!("{denied}allow spec.rules[0]"));
        // The policy is newer than the lines; plaintext went through afterwards; none can come so far.
        let newer =
            wants.replace("namespace: shop}", "namespace: shop, creationTimestamp: '2026-03-02T09:00:30Z'}");
        assert!(of(&newer, &plaintext(10)).starts_with("MS0307 likely"));
        let later = plaintext(20).replace(NONE, "200 - via_upstream");
        assert_eq!(of(&wants, &(plaintext(10) + &later)), format!("{denied}allow spec.rules[0]"));
        let before = plaintext(5).replace(NONE, "200 - via_upstream");
        assert!(of(&wants, &(before + &plaintext(10))).starts_with("MS0307 certain"));
        let strict = mesh("", "STRICT", &[true]) + &wants;
        assert!(said(&strict, "", &plaintext(10))[0].starts_with("MS0306"));
    }

    #[test]
    fn a_client_without_proxy_is_the_one_to_change() {
        let bare = mesh("", "", &[true]).replacen(&pod("web", "client", "10.8.1.8", true), "", 1)
            + &pod("web", "client", "10.8.1.8", false)
            + &policy("allow", "shop", BY_PRINCIPAL);
        let seen = client(10, "403 - via_upstream", "-");
        let told = said(&bare, &seen, &plaintext(10));
        assert!(told[0].starts_with("MS0307 certain Pod web/client spec.containers 1"), "{told:?}");
    }

    #[test]
    fn the_policy_and_the_rule_that_denied_stand_in_the_finding() {
        let named = "403 - rbac_access_denied_matched_policy[ns[shop]-policy[refuse]-rule[1]]";
        let of = |spec: &str| {
            let mesh = mesh("", "", &[true]) + &policy("refuse", "shop", spec);
            denials(&mesh, "", &server(10, named)).remove(0)
        };
        let found = of("{action: DENY, rules: [{}, {to: [{operation: {methods: [GET]}}]}]}");
        let involved = found.objects.iter().find(|one| &*one.id.name == "refuse").unwrap();
        assert_eq!(
            (involved.role, involved.fields.as_slice()),
            (Role::Cause, &["spec.rules[1]".to_owned()][..])
        );
        assert!(involved.origin.as_ref().unwrap().file.ends_with("mesh.yaml"));
        let value = found.evidence.iter().find_map(|one| match one {
            Evidence::Field { value, .. } => Some(value.to_string()),
            Evidence::Log(_) => None,
        });
        assert!(value.unwrap().contains("methods"));
        // As it was read it has no such rule: it is named, and not what is no proof.
        let changed = of("{action: DENY, rules: [{}]}");
        assert_eq!(
            changed.objects.iter().find(|one| &*one.id.name == "refuse").unwrap().fields,
            ["spec.rules"]
        );
    }
}
