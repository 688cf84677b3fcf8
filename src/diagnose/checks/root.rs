//! Which object is the root of a conflict.

use std::sync::Arc;

use super::dropped_tls::{self, Dropped};
use crate::diagnose::finding::Reason;
use crate::diagnose::judge::Judged;
use crate::model::{Kind, Object};
use crate::resolve::client_tls::{Downgrade, Sent, Source};
use crate::resolve::config::Config;
use crate::resolve::conflict::Server;
use crate::resolve::pair::EndpointTls;
use crate::resolve::rules::RuleId;
use crate::resolve::traffic_policy::Part;

/// The root of a conflict.
#[derive(Debug, Clone)]
pub(super) struct Root {
    pub(super) object: Arc<Object>,
    pub(super) field: String,
    /// How the field counted.
    pub(super) counted: String,
    pub(super) because: Vec<Reason>,
    /// The entry for the port that drops the `tls` block above it, where that is a reason.
    pub(super) drops: Option<(Arc<Object>, String)>,
    /// Whether it says what the server demands, and nothing about what clients send.
    pub(super) is_servers: bool,
}

impl Root {
    fn new(
        object: &Arc<Object>,
        field: impl Into<String>,
        counted: impl Into<String>,
        because: Vec<Reason>,
    ) -> Self {
        let (object, field, counted) = (Arc::clone(object), field.into(), counted.into());
        Self { object, field, counted, because, drops: None, is_servers: false }
    }
}

/// The first that applies: the rule that sets the client's TLS, the policy whose DISABLE made automatic mTLS send
/// plaintext, the pod whose label is wrong, the service whose export took it out of scope, the mesh configuration,
/// the server's policy.
pub(super) fn of(judged: &Judged<'_>, endpoint: &EndpointTls) -> Option<Root> {
    if let Some(root) = by_tunnel(judged, endpoint) {
        return Some(root);
    }
    let level = judged.tls.choice.as_ref().map(|choice| choice.level.place());
    if let Source::Rule(part) = judged.tls.cluster.source {
        let (_, rule) = judged.tls.policy.tls_from?;
        let object = Arc::clone(&judged.mesh.rules.get(rule)?.object);
        let mut because = Vec::new();
        let mode_missing = judged.tls.policy.tls().is_some_and(|block| block.get("mode").is_none());
        let field = tls_field(judged, rule, part)?;
        if mode_missing {
            because.push(Reason::ModeMissing);
        }
        if matches!(endpoint.downgrade, Some(Downgrade::CredentialOnSidecar)) {
            because.push(Reason::CredentialIgnored);
        }
        let field = if mode_missing { field } else { format!("{field}.mode") };
        let counted = format!("client's TLS, rule in {}", level.unwrap_or_default());
        return Some(Root::new(&object, field, counted, because));
    }
    let dropped = dropped_tls::of(judged);
    if let (Some(Downgrade::EndpointMark(_)), Some(dropped)) = (&endpoint.downgrade, &dropped) {
        return Some(by_mark(dropped, level));
    }
    let mut root = by_automatic_mtls(judged, endpoint)?;
    if let Some(dropped) = dropped.filter(|dropped| dropped.would_do(judged, endpoint)) {
        root.because.push(Reason::PortSettingsDropTls);
        root.drops = dropped.entry;
    }
    Some(root)
}

/// The block that is dropped from the cluster, and marks the endpoints.
fn by_mark(dropped: &Dropped<'_>, level: Option<&str>) -> Root {
    let mut because = vec![Reason::PortSettingsDropTls];
    let field = if dropped.lacks_mode() {
        because.push(Reason::ModeMissing);
        dropped.field.clone()
    } else {
        format!("{}.mode", dropped.field)
    };
    let counted = format!("mark on the endpoints, rule in {}", level.unwrap_or_default());
    let root = Root::new(&dropped.rule.object, field, counted, because);
    Root { drops: dropped.entry.clone(), ..root }
}

fn by_automatic_mtls(judged: &Judged<'_>, endpoint: &EndpointTls) -> Option<Root> {
    match &endpoint.downgrade {
        Some(Downgrade::PolicyDisables(demand)) => Some(Root::new(
            demand.policy.as_ref()?,
            demand.field.as_ref(),
            format!("automatic mTLS looks at it, {} level", demand.level.word()),
            vec![Reason::HiddenByPolicyLevel],
        )),
        Some(Downgrade::External) => Some(Root::new(
            &judged.service.object,
            "spec.location",
            "the host counts as outside the mesh, so automatic mTLS leaves it alone",
            Vec::new(),
        )),
        Some(Downgrade::AutoMtlsOff) => {
            mesh_config(judged).or_else(|| Some(by_server(judged, endpoint, Vec::new())))
        }
        Some(Downgrade::AllOrNothing) => {
            let because = vec![Reason::HeadlessAllOrNothing];
            mislabelled(judged, because.clone()).or_else(|| Some(by_server(judged, endpoint, because)))
        }
        Some(
            Downgrade::EndpointMark(_)
            | Downgrade::CredentialOnSidecar
            | Downgrade::MutualWithoutCertificates,
        )
        | None => by_label(judged, endpoint).or_else(|| Some(by_server(judged, endpoint, Vec::new()))),
    }
}

/// The path of the `tls` block that counts.
pub(super) fn tls_field(judged: &Judged<'_>, rule: RuleId, part: Part) -> Option<String> {
    let body = judged.mesh.rules.get(rule)?.body()?;
    let port_entry = |policy: &crate::model::destination_rule::TrafficPolicy| {
        policy.ports.iter().position(|(port, _)| *port == judged.tls.port)
    };
    let subset = || {
        let name = judged.tls.subset.as_ref()?;
        let at = body.subsets.iter().position(|subset| subset.name == *name)?;
        Some((at, body.subsets.get(at)?.traffic_policy.as_ref()?))
    };
    Some(match part {
        Part::Rule => "spec.trafficPolicy.tls".to_owned(),
        Part::RulePort => {
            let at = port_entry(body.traffic_policy.as_ref()?)?;
            format!("spec.trafficPolicy.portLevelSettings[{at}].tls")
        }
        Part::Subset => format!("spec.subsets[{}].trafficPolicy.tls", subset()?.0),
        Part::SubsetPort => {
            let (at, policy) = subset()?;
            format!("spec.subsets[{at}].trafficPolicy.portLevelSettings[{}].tls", port_entry(policy)?)
        }
    })
}

const LABEL: &str = "metadata.labels.security.istio.io/tlsMode";

/// The pod whose label says something else than its containers.
fn by_label(judged: &Judged<'_>, endpoint: &EndpointTls) -> Option<Root> {
    let workload = judged.mesh.workloads.get(endpoint.workload?)?;
    if endpoint.server == Server::PastProxy {
        let counted = "keep the port from the proxy";
        let root = Root::new(&workload.object, "metadata.annotations", counted, Vec::new());
        return Some(Root { is_servers: true, ..root });
    }
    let has_sidecar = workload.proxy == crate::model::pod::ProxyKind::Sidecar;
    if endpoint.claims_mtls != (workload.labels.get("security.istio.io/tlsMode") == Some("istio")) {
        // An endpoint of an entry that has a pod's address is not that pod (MT-3.8): its own label counts.
        let entry = &judged.service.object;
        let counted = "automatic mTLS goes by the label of the endpoint, not by that of the pod";
        return (entry.id.kind == Kind::ServiceEntry && has_sidecar != endpoint.claims_mtls)
            .then(|| Root::new(entry, "spec.endpoints", counted, Vec::new()));
    }
    (has_sidecar != endpoint.claims_mtls)
        .then(|| Root::new(&workload.object, LABEL, "what automatic mTLS takes the pod for", Vec::new()))
}

/// The field of that label.
pub const TUNNEL: &str = "metadata.labels.networking.istio.io/tunnel";

/// The pod whose label announces tunnels that nothing ends: they are sent whatever a rule says (MT-6.3).
fn by_tunnel(judged: &Judged<'_>, endpoint: &EndpointTls) -> Option<Root> {
    let workload = judged.mesh.workloads.get(endpoint.workload?)?;
    let counted = || format!("clients send through a tunnel by it: {}", endpoint.condition);
    matches!(endpoint.sent, Sent::Hbone { .. })
        .then(|| Root::new(&workload.object, TUNNEL, counted(), Vec::new()))
}

fn mislabelled(judged: &Judged<'_>, because: Vec<Reason>) -> Option<Root> {
    let found = judged.tls.endpoints.iter().filter(|endpoint| !endpoint.claims_mtls);
    let mut root = found.into_iter().find_map(|endpoint| by_label(judged, endpoint))?;
    root.because = because;
    Some(root)
}

fn mesh_config(judged: &Judged<'_>) -> Option<Root> {
    let object = Config::configured_by(&judged.mesh.snapshot, &judged.client.revision)?;
    Some(Root::new(object, "data.mesh.enableAutoMtls", "without a rule nothing is encrypted", Vec::new()))
}

fn by_server(judged: &Judged<'_>, endpoint: &EndpointTls, because: Vec<Reason>) -> Root {
    let demand = endpoint.demand.as_ref().and_then(|demand| Some((demand, demand.policy.as_ref()?)));
    let root = if let Some((demand, policy)) = demand {
        let counted = format!("server's mode, {} level", demand.level.word());
        Root::new(policy, demand.field.as_ref(), counted, because)
    } else {
        Root::new(&judged.service.object, "spec", "the service called", because)
    };
    Root { is_servers: true, ..root }
}

#[cfg(test)]
mod tests {
    use crate::diagnose::checks::examples::{check, finding, object, shop};

    #[test]
    fn an_entry_with_the_address_of_a_pod_goes_by_its_own_label() {
        let entry = |labels: &str| {
            let spec = format!(
                "{{hosts: [vm.example.com], location: MESH_INTERNAL, resolution: STATIC, ports: [{{number: 80, name: \
                 http, protocol: HTTP}}], endpoints: [{{address: 10.0.0.1, ports: {{http: 8080}}{labels}}}]}}"
            );
            shop()
                + &object("PeerAuthentication", "shop", "default", 1, "{mtls: {mode: STRICT}}")
                + &object("ServiceEntry", "web", "vm", 1, &spec)
        };
        let unlabelled = finding(&entry(""), "MS0101");
        assert_eq!((&*unlabelled.root.0.name, unlabelled.root.1.as_str()), ("vm", "spec.endpoints"));
        let labelled = check(&entry(", labels: {security.istio.io/tlsMode: istio}"));
        assert!(!labelled.iter().any(|line| line.starts_with("MS01")), "{labelled:?}");
        // The pod's own label is to blame where the pod itself is the endpoint.
        let mesh = shop().replacen(", security.istio.io/tlsMode: istio", "", 1)
            + &object("PeerAuthentication", "shop", "default", 1, "{mtls: {mode: STRICT}}");
        assert_eq!(&*finding(&mesh, "MS0101").root.0.name, "reviews-1");
    }
}
