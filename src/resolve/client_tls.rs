//! What a client sends: the `tls` block in force, or automatic mutual TLS, for the whole cluster and for each
//! endpoint (MT-4).

use serde_json::Value;

use super::ambient::Sending;
use super::flags::Flag;
use super::mesh::{Mesh, Target};
use super::registry::{Endpoint, Service};
use super::rules::Choice;
use super::server_mtls::Demand;
use super::traffic_policy::{EffectivePolicy, Part};
use super::workload::{Unclear, Workload};
use crate::model::destination_rule::TlsMode;
use crate::model::peer_authentication::MtlsMode;
use crate::model::pod::ProxyKind;

/// What goes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sent {
    /// The application's own bytes.
    Plaintext,
    /// One-way TLS.
    Simple,
    /// TLS with the user's own certificate.
    Mutual,
    /// Istio's mutual TLS.
    IstioMutual,
    /// A tunnel with mutual TLS of its own (ambient mode), with TLS of the rule inside or without (MT-6.3).
    Hbone {
        /// Whether the rule's SIMPLE or MUTUAL goes inside.
        tls_inside: bool,
    },
    /// Cannot be told.
    Unknown,
}

impl Sent {
    /// The word for it in every answer.
    pub fn word(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Simple => "simple",
            Self::Mutual => "mutual",
            Self::IstioMutual => "istio-mutual",
            Self::Hbone { .. } => "hbone",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Where a client's TLS comes from (`clientTls.source` in JSON).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// A `tls` block of a rule.
    Rule(Part),
    /// Automatic mutual TLS decided.
    Auto,
    /// Nothing: no `tls` block, and automatic mutual TLS is off.
    None,
    /// The service is not in the client's scope: bytes are passed on as they are.
    NotInScope,
    /// The same, and what is not in scope is refused (`REGISTRY_ONLY`, MT-4.2).
    Refused,
    /// The client has no proxy.
    NoProxy,
}

impl Source {
    /// The word for it in every answer.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rule(part) => part.word(),
            Self::Auto => "auto",
            Self::None => "none",
            Self::NotInScope | Self::Refused => "not-in-scope",
            Self::NoProxy => "no-proxy",
        }
    }
}

/// Why automatic mutual TLS, or a rule that says otherwise, ends in plaintext.
#[derive(Debug, Clone, PartialEq)]
pub enum Downgrade {
    /// `enableAutoMtls: false`.
    AutoMtlsOff,
    /// The namespace's or mesh's policy says DISABLE (MT-4.3).
    PolicyDisables(Demand),
    /// A headless or PASSTHROUGH service with an endpoint that cannot (MT-4.3), or with none.
    AllOrNothing,
    /// The rule marks endpoints with another mode (DR-8.6).
    EndpointMark(TlsMode),
    /// SIMPLE or MUTUAL with `credentialName` on a sidecar (MT-4.8).
    CredentialOnSidecar,
    /// MUTUAL without certificates (MT-4.8).
    MutualWithoutCertificates,
    /// The service is outside the mesh (MT-4.5).
    External,
}

/// What a client's cluster does, before it looks at the endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterTls {
    /// `tls.mode` as declared; `None` for no `tls` block.
    pub declared: Option<TlsMode>,
    /// Where that is from.
    pub source: Source,
    /// One mode for all endpoints; `None` where each decides (MT-4.6).
    pub fixed: Option<Sent>,
    /// Why it is plaintext though nothing says so outright.
    pub downgrade: Option<Downgrade>,
    /// The mark on endpoints, where each decides.
    mark: Option<TlsMode>,
    /// Whether the client tunnels to endpoints that take it.
    pub tunnel: Tunnel,
}

impl ClusterTls {
    /// The same for every endpoint, without a rule that says so.
    pub fn fixed_at(source: Source, sent: Sent) -> Self {
        Self { declared: None, source, fixed: Some(sent), downgrade: None, mark: None, tunnel: Tunnel::Never }
    }
}

/// When a client sends through a tunnel to an endpoint that takes it (MT-6.3, MT-6.4, MT-6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tunnel {
    /// It does not.
    Never,
    /// Always.
    Always,
    /// Unless the endpoint speaks Istio's mutual TLS.
    UnlessMutual,
    /// No document says; what would have to be known.
    Unknown(&'static str),
    /// Always, and what takes no tunnel gets what no document says.
    Only(&'static str),
}

/// Whether a client tunnels.
pub fn tunnel(mesh: &Mesh, client: &Workload, target: &Target<'_>, cluster: &ClusterTls) -> Tunnel {
    let service = target.service;
    let through_proxy = |original: bool| {
        if mesh.ambient.sending == Sending::Off || client.body().is_some_and(|pod| pod.hbone_send_off) {
            Tunnel::Never
        } else if original {
            Tunnel::Unknown("whether proxies tunnel to the original address of a headless service")
        } else if mesh.ambient.prefers_tunnel {
            Tunnel::Always
        } else {
            Tunnel::UnlessMutual
        }
    };
    match client.proxy {
        ProxyKind::None => Tunnel::Never,
        ProxyKind::Sidecar | ProxyKind::Gateway
            if matches!(cluster.source, Source::NotInScope | Source::Refused) =>
        {
            Tunnel::Never
        }
        ProxyKind::Sidecar => through_proxy(service.is_headless()),
        ProxyKind::Gateway => through_proxy(false),
        ProxyKind::Ztunnel if target.is_in_scope() => Tunnel::Always,
        ProxyKind::Ztunnel => {
            Tunnel::Unknown("whether ztunnel knows a service that is not exported to the client")
        }
        ProxyKind::Waypoint if service.is_external => Tunnel::Always,
        ProxyKind::Waypoint => Tunnel::Only("what a waypoint sends to an endpoint that takes no tunnel"),
    }
}

/// The cluster part (MT-4.3 to MT-4.5, MT-4.8, MT-4.15).
pub fn cluster(
    mesh: &Mesh,
    client: &Workload,
    service: &Service,
    port: u16,
    choice: Option<&Choice>,
    policy: &EffectivePolicy,
) -> ClusterTls {
    if let Some(block) = policy.tls() {
        let declared = TlsMode::of_block(block);
        let (fixed, downgrade) = declared_mode(mesh, client, choice, &declared, block);
        let source = policy.tls_from.map_or(Source::None, |(part, _)| Source::Rule(part));
        let fixed = Some(fixed);
        return ClusterTls {
            declared: Some(declared),
            fixed,
            downgrade,
            ..ClusterTls::fixed_at(source, Sent::Unknown)
        };
    }
    let auto = |fixed, downgrade| ClusterTls {
        declared: None,
        source: if mesh.config.auto_mtls { Source::Auto } else { Source::None },
        fixed,
        downgrade,
        mark: policy.endpoint_mode.clone(),
        tunnel: Tunnel::Never,
    };
    if !mesh.config.auto_mtls {
        return auto(Some(Sent::Plaintext), Some(Downgrade::AutoMtlsOff));
    }
    if service.is_external {
        return auto(Some(Sent::Plaintext), Some(Downgrade::External));
    }
    let incapable = |endpoint: &Endpoint| !endpoint.claims_mtls;
    let endpoints = service.endpoints(port);
    if (service.is_headless() || policy.top_level_passthrough)
        && (endpoints.is_empty() || endpoints.iter().any(incapable))
    {
        return auto(Some(Sent::Plaintext), Some(Downgrade::AllOrNothing));
    }
    let namespace = mesh.hint(service, port);
    match namespace.mode {
        MtlsMode::Disable => auto(Some(Sent::Plaintext), Some(Downgrade::PolicyDisables(namespace))),
        MtlsMode::Other(_) => auto(Some(Sent::Unknown), None),
        MtlsMode::Unset | MtlsMode::Permissive | MtlsMode::Strict => {
            // The flag is about the headless services of Kubernetes; a ServiceEntry without resolution stays as it is.
            let listed = service.is_kubernetes && mesh.config.flags.is_on(Flag::EdsForHeadless);
            let headless = service.is_headless() && !listed && client.proxy == ProxyKind::Sidecar;
            let original = headless || policy.passthrough;
            auto(original.then_some(Sent::IstioMutual), None)
        }
    }
}

fn declared_mode(
    mesh: &Mesh,
    client: &Workload,
    choice: Option<&Choice>,
    declared: &TlsMode,
    block: &Value,
) -> (Sent, Option<Downgrade>) {
    let text = |key: &str| block.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let sent = match declared {
        TlsMode::Disable => return (Sent::Plaintext, None),
        TlsMode::IstioMutual => return (Sent::IstioMutual, None),
        TlsMode::Other(_) => return (Sent::Unknown, None),
        TlsMode::Simple => Sent::Simple,
        TlsMode::Mutual => Sent::Mutual,
    };
    let credential = text("credentialName");
    let selected =
        choice.and_then(|choice| mesh.rules.get(choice.primary)).is_some_and(|rule| rule.selector.is_some());
    if client.proxy == ProxyKind::Sidecar
        && !selected
        && credential.is_some_and(|name| !name.starts_with("configmap://"))
    {
        return (Sent::Plaintext, Some(Downgrade::CredentialOnSidecar));
    }
    let files = text("clientCertificate").is_some() && text("privateKey").is_some();
    if *declared == TlsMode::Mutual && credential.is_none() && !files {
        return (Sent::Plaintext, Some(Downgrade::MutualWithoutCertificates));
    }
    (sent, None)
}

/// What is sent to one endpoint (MT-4.6), and why plaintext, where nothing says so outright.
pub fn to_endpoint(mesh: &Mesh, cluster: &ClusterTls, endpoint: &Endpoint) -> (Sent, Option<Downgrade>) {
    // The tunnel takes the place of what a rule says, but for TLS that the rule originates (MT-6.3).
    let tunnelled = Sent::Hbone { tls_inside: matches!(cluster.fixed, Some(Sent::Simple | Sent::Mutual)) };
    match (cluster.tunnel, endpoint.takes_tunnel) {
        (Tunnel::Always | Tunnel::Only(_), true) => return (tunnelled, None),
        (Tunnel::UnlessMutual, true) if !endpoint.claims_mtls => return (tunnelled, None),
        (Tunnel::Unknown(_), true) if !endpoint.claims_mtls => return (Sent::Unknown, None),
        (Tunnel::Only(_), false) => return (Sent::Unknown, None),
        (Tunnel::Never | Tunnel::Always | Tunnel::UnlessMutual | Tunnel::Unknown(_), _) => {}
    }
    if let Some(fixed) = cluster.fixed {
        return (fixed, cluster.downgrade.clone());
    }
    match &cluster.mark {
        None | Some(TlsMode::IstioMutual) => {}
        Some(TlsMode::Other(_)) => return (Sent::Unknown, None),
        Some(mark @ (TlsMode::Disable | TlsMode::Simple | TlsMode::Mutual)) => {
            return (Sent::Plaintext, Some(Downgrade::EndpointMark(mark.clone())));
        }
    }
    let workload = endpoint.workload.and_then(|at| mesh.workloads.get(at));
    let unclear = workload.and_then(|workload| workload.unclear);
    if endpoint.unknown_pod.is_some() || matches!(unclear, Some(Unclear::Injection | Unclear::Asked)) {
        return (Sent::Unknown, None);
    }
    if !endpoint.claims_mtls {
        return (Sent::Plaintext, None);
    }
    if cluster.mark.is_none() {
        let demand = mesh.policies.on_port(&endpoint.namespace, &endpoint.labels, endpoint.port);
        match demand.mode {
            MtlsMode::Disable => return (Sent::Plaintext, Some(Downgrade::PolicyDisables(demand))),
            MtlsMode::Other(_) => return (Sent::Unknown, None),
            MtlsMode::Unset | MtlsMode::Permissive | MtlsMode::Strict => {}
        }
    }
    (Sent::IstioMutual, None)
}

/// What would be sent to an endpoint that speaks Istio's mutual TLS, where there is none.
pub fn to_nobody(cluster: &ClusterTls) -> Sent {
    match (cluster.fixed, &cluster.mark) {
        (Some(fixed), _) => fixed,
        (None, None | Some(TlsMode::IstioMutual)) => Sent::IstioMutual,
        (None, Some(TlsMode::Other(_))) => Sent::Unknown,
        (None, Some(TlsMode::Disable | TlsMode::Simple | TlsMode::Mutual)) => Sent::Plaintext,
    }
}

/// Whether a block says no more than what automatic mutual TLS does without one: `ISTIO_MUTUAL` with the names that
/// it takes by itself. The block's own `sni` and `subjectAltNames` count (MT-4.10), and are lost with it.
pub fn says_what_automatic_does(block: &Value) -> bool {
    let is_given = |name: &str| match block.get(name) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(_) => true,
    };
    TlsMode::of_block(block) == TlsMode::IstioMutual && !is_given("sni") && !is_given("subjectAltNames")
}

/// SNI of Istio's mutual TLS (MT-4.10).
pub fn sni(policy: &EffectivePolicy, port: u16, subset: Option<&str>, host: &str) -> String {
    let given =
        policy.tls().and_then(|block| block.get("sni")).and_then(Value::as_str).filter(|sni| !sni.is_empty());
    given.map_or_else(|| format!("outbound_.{port}_.{}_.{host}", subset.unwrap_or_default()), str::to_owned)
}

/// The names that a rule wants in the server's certificate.
pub fn given_names(policy: &EffectivePolicy) -> Vec<String> {
    let given = policy.tls().and_then(|block| block.get("subjectAltNames")).and_then(Value::as_array);
    given.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Whether any of the names can be that of an endpoint (MT-4.10, MT-4.16), as is taken where none is given or its
/// service account is not known. Trust domains are left alone, since they have aliases, and so are patterns.
pub fn accepts(names: &[String], endpoint: &Endpoint) -> bool {
    let Some(account) = endpoint.account.as_ref().filter(|_| !names.is_empty()) else { return true };
    let own = format!("/ns/{}/sa/{account}", endpoint.namespace);
    names.iter().any(|name| name.contains('*') || name.starts_with("spiffe://") && name.ends_with(&own))
}

/// Names that the server's certificate may have, sorted (MT-4.10, MT-4.16).
pub fn subject_alt_names(mesh: &Mesh, policy: &EffectivePolicy, service: &Service) -> Vec<String> {
    let given = given_names(policy);
    let mut names = if given.is_empty() {
        let account = |endpoint: &Endpoint| {
            let account = endpoint.account.as_ref()?;
            Some(format!("spiffe://{}/ns/{}/sa/{account}", mesh.config.trust_domain, endpoint.namespace))
        };
        let own = service.subject_alt_names.iter().map(ToString::to_string);
        service.all_endpoints().filter_map(account).chain(own).collect()
    } else {
        given
    };
    names.sort();
    names.dedup();
    names
}
