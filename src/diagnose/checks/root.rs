//! Which object is the root of a conflict.

use std::sync::Arc;

use crate::diagnose::finding::Reason;
use crate::diagnose::judge::Judged;
use crate::model::Object;
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
        return Some(Root { object, field, counted, because });
    }
    by_automatic_mtls(judged, endpoint, level)
}

fn by_automatic_mtls(judged: &Judged<'_>, endpoint: &EndpointTls, level: Option<&str>) -> Option<Root> {
    match &endpoint.downgrade {
        Some(Downgrade::EndpointMark(_)) => {
            let (rule, _) = judged.mesh.rules.policy_of(&judged.tls.choice.as_ref()?.contributors)?;
            let object = Arc::clone(&judged.mesh.rules.get(rule)?.object);
            let mut because = vec![Reason::PortSettingsDropTls];
            let top = object.body.destination_rule()?.traffic_policy.as_ref()?.blocks.get("tls");
            let mode_missing = top.is_some_and(|block| block.get("mode").is_none());
            if mode_missing {
                because.push(Reason::ModeMissing);
            }
            let field = if mode_missing { "spec.trafficPolicy.tls" } else { "spec.trafficPolicy.tls.mode" };
            Some(Root {
                object,
                field: field.to_owned(),
                counted: format!("mark on the endpoints, rule in {}", level.unwrap_or_default()),
                because,
            })
        }
        Some(Downgrade::PolicyDisables(demand)) => Some(Root {
            object: Arc::clone(demand.policy.as_ref()?),
            field: demand.field.to_string(),
            counted: format!("automatic mTLS looks at it, {} level", demand.level.word()),
            because: vec![Reason::HiddenByPolicyLevel],
        }),
        Some(Downgrade::External) => Some(Root {
            object: Arc::clone(&judged.service.object),
            field: "spec.location".to_owned(),
            counted: "the host counts as outside the mesh, so automatic mTLS leaves it alone".to_owned(),
            because: Vec::new(),
        }),
        Some(Downgrade::AutoMtlsOff) => {
            mesh_config(judged).or_else(|| Some(by_server(judged, endpoint, Vec::new())))
        }
        Some(Downgrade::AllOrNothing) => {
            let because = vec![Reason::HeadlessAllOrNothing];
            mislabelled(judged, because.clone()).or_else(|| Some(by_server(judged, endpoint, because)))
        }
        Some(Downgrade::CredentialOnSidecar | Downgrade::MutualWithoutCertificates) | None => {
            by_label(judged, endpoint).or_else(|| Some(by_server(judged, endpoint, Vec::new())))
        }
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
        return Some(Root {
            object: Arc::clone(&workload.object),
            field: "metadata.annotations".to_owned(),
            counted: "keep the port from the proxy".to_owned(),
            because: Vec::new(),
        });
    }
    let has_sidecar = workload.proxy == crate::model::pod::ProxyKind::Sidecar;
    (has_sidecar != endpoint.claims_mtls).then(|| Root {
        object: Arc::clone(&workload.object),
        field: LABEL.to_owned(),
        counted: "what automatic mTLS takes the pod for".to_owned(),
        because: Vec::new(),
    })
}

/// The field of that label.
pub const TUNNEL: &str = "metadata.labels.networking.istio.io/tunnel";

/// The pod whose label announces tunnels that nothing ends: they are sent whatever a rule says (MT-6.3).
fn by_tunnel(judged: &Judged<'_>, endpoint: &EndpointTls) -> Option<Root> {
    let workload = judged.mesh.workloads.get(endpoint.workload?)?;
    matches!(endpoint.sent, Sent::Hbone { .. }).then(|| Root {
        object: Arc::clone(&workload.object),
        field: TUNNEL.to_owned(),
        counted: format!("clients send through a tunnel by it: {}", endpoint.condition),
        because: Vec::new(),
    })
}

fn mislabelled(judged: &Judged<'_>, because: Vec<Reason>) -> Option<Root> {
    let found = judged.tls.endpoints.iter().filter(|endpoint| !endpoint.claims_mtls);
    let mut root = found.into_iter().find_map(|endpoint| by_label(judged, endpoint))?;
    root.because = because;
    Some(root)
}

fn mesh_config(judged: &Judged<'_>) -> Option<Root> {
    let object = Config::configured_by(&judged.mesh.snapshot, &judged.client.revision)?;
    Some(Root {
        object: Arc::clone(object),
        field: "data.mesh.enableAutoMtls".to_owned(),
        counted: "without a rule nothing is encrypted".to_owned(),
        because: Vec::new(),
    })
}

fn by_server(judged: &Judged<'_>, endpoint: &EndpointTls, because: Vec<Reason>) -> Root {
    if let Some(demand) = &endpoint.demand
        && let Some(policy) = &demand.policy
    {
        return Root {
            object: Arc::clone(policy),
            field: demand.field.to_string(),
            counted: format!("server's mode, {} level", demand.level.word()),
            because,
        };
    }
    Root {
        object: Arc::clone(&judged.service.object),
        field: "spec".to_owned(),
        counted: "the service called".to_owned(),
        because,
    }
}
