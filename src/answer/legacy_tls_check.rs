//! `tls-check --legacy-format`: the rows that `istioctl authn tls-check` of 1.0 to 1.5 printed for a proxy, with the
//! words of each release and with what it did not look at (MT-9).
//!
//! The rows are not this program's opinion: they leave out sidecars, endpoints, `PeerAuthentications` and what a subset
//! inherits, because those releases did.

use serde::Serialize;

use super::common::API_VERSION;
use crate::model::ObjectId;
use crate::model::destination_rule::{Subset, TlsMode};
use crate::model::peer_authentication::MtlsMode;
use crate::resolve::legacy::LegacyPolicies;
use crate::resolve::{Choice, IstioVersion, Mesh, Service, Workload, traffic_policy};

/// A release of istioctl that had the command, by its minor number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release(u32);

impl Release {
    /// The release that a text such as `1.4` or `1.4.10` names; `None` for those without the command and for what is
    /// no version. 1.0 printed what 1.1 did.
    pub fn named(text: &str) -> Option<Self> {
        let version = IstioVersion { value: text.to_owned(), from: "flag" };
        let minor = (0..6).rev().find(|minor| version.at_least(1, *minor))?;
        let known = IstioVersion::is_version(text) && !version.at_least(1, 6);
        known.then_some(Self(minor.max(1)))
    }

    /// `1.4`.
    pub fn version(self) -> String {
        format!("1.{}", self.0)
    }

    /// The word for no policy and no rule.
    fn nothing(self) -> &'static str {
        if self.0 >= 5 { "None" } else { "-" }
    }

    /// An object's name as the release wrote it.
    fn name(self, id: &ObjectId) -> String {
        if self.0 >= 4 {
            format!("{}/{}", id.namespace, id.name)
        } else {
            format!("{}/{}", id.name, id.namespace)
        }
    }

    fn server(self, mode: &MtlsMode) -> &str {
        match mode {
            mode if self.0 >= 4 => mode.word(),
            MtlsMode::Strict => "mTLS",
            MtlsMode::Permissive => "HTTP/mTLS",
            MtlsMode::Unset | MtlsMode::Disable => "HTTP",
            MtlsMode::Other(word) => word,
        }
    }

    fn client(self, mode: Option<&TlsMode>, auto_mtls: bool) -> &str {
        match (mode, self.0) {
            (Some(mode), 4..) => mode.word(),
            (None, 4..) if auto_mtls => "-",
            (None, 4..) => self.nothing(),
            (Some(TlsMode::IstioMutual), _) => "mTLS",
            (Some(TlsMode::Simple), 2..) => "TLS",
            (Some(TlsMode::Mutual), 2..) => "custom mTLS",
            (Some(TlsMode::Other(word)), _) => word,
            (None | Some(TlsMode::Disable | TlsMode::Simple | TlsMode::Mutual), _) => "HTTP",
        }
    }

    /// The column STATUS (MT-9.8).
    fn status(self, server: &MtlsMode, client: Option<&TlsMode>, auto_mtls: bool) -> &'static str {
        let agree = |agree: bool| if agree { "OK" } else { "CONFLICT" };
        let plain = matches!(server, MtlsMode::Disable | MtlsMode::Unset | MtlsMode::Permissive);
        let mutual = matches!(server, MtlsMode::Strict | MtlsMode::Permissive);
        match (client, self.0) {
            (None, 4..) if auto_mtls => "AUTO",
            (None, 4..) => "OK",
            // To 1.1 all but Istio's own was plaintext.
            (None | Some(TlsMode::Disable), _) | (Some(TlsMode::Simple | TlsMode::Mutual), ..=1) => {
                agree(plain)
            }
            (Some(TlsMode::IstioMutual), _) => agree(mutual),
            (Some(TlsMode::Mutual), 2..=3) if mutual => "MAY CONFLICT",
            (Some(TlsMode::Simple | TlsMode::Mutual | TlsMode::Other(_)), _) => "CONFLICT",
        }
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LegacyTlsCheck {
    /// [`API_VERSION`].
    pub api_version: &'static str,
    /// `LegacyTlsCheck`.
    pub kind: &'static str,
    /// `1.1` to `1.5`.
    pub format: String,
    /// By host, then by port.
    pub rows: Vec<Row>,
    /// What the rows rest on that nothing tells.
    #[serde(skip)]
    pub doubts: Vec<String>,
}

/// A row, in the words of the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The host, from 1.4 on with a bar and the subset where it is about one.
    pub host: String,
    /// The service port.
    pub port: u16,
    /// STATUS.
    pub status: String,
    /// SERVER.
    pub server: String,
    /// CLIENT.
    pub client: String,
    /// AUTHN POLICY.
    pub authentication_policy: String,
    /// DESTINATION RULE.
    pub destination_rule: String,
}

/// The rows for a client's proxy: all, or for one host the first alone, as it was printed.
pub fn check(mesh: &Mesh, client: &Workload, release: Release, host: Option<&str>) -> LegacyTlsCheck {
    let mesh = mesh.of_client(client);
    let mut doubts = Vec::new();
    let mut rows = Rows::new(mesh, client, release).of(host, &mut doubts);
    if let Some(other) = &mesh.other_ages {
        let second = Rows::new(other, client, release).of(host, &mut Vec::new());
        let differing = rows.iter().zip(&second).filter(|(one, two)| one != two);
        doubts.extend(differing.map(|(row, _)| {
            format!(
                "{}:{}: which policy is older is not known, and the row may be another",
                row.host, row.port
            )
        }));
    }
    if let Some(host) = host {
        rows.retain(|row| row.host == host);
        rows.truncate(1);
    }
    LegacyTlsCheck {
        api_version: API_VERSION,
        kind: "LegacyTlsCheck",
        format: release.version(),
        rows,
        doubts,
    }
}

struct Rows<'a> {
    mesh: &'a Mesh,
    client: &'a Workload,
    release: Release,
    policies: Option<LegacyPolicies>,
}

impl<'a> Rows<'a> {
    fn new(mesh: &'a Mesh, client: &'a Workload, release: Release) -> Self {
        // The columns are about the objects of that time, even where `--istio-version` names a later one for the rules.
        let version = IstioVersion { value: release.version(), from: "flag" };
        Self { mesh, client, release, policies: LegacyPolicies::new(&mesh.snapshot, &version) }
    }

    fn of(&self, host: Option<&str>, doubts: &mut Vec<String>) -> Vec<Row> {
        let mut rows = Vec::new();
        for one in self.mesh.registry.hosts().filter(|one| host.is_none_or(|host| *host == ***one)) {
            let target = self.mesh.target(self.client, one);
            let choice = target.and_then(|target| self.mesh.choice(self.client, &target));
            for service in self.mesh.registry.definitions(one) {
                // 1.5 left out what is outside the mesh, and a name for another host counted as that (MT-9.9).
                if self.release.0 >= 5 && (service.is_external || service.is_alias()) {
                    continue;
                }
                self.of_service(service, choice.as_ref(), &mut rows, doubts);
            }
        }
        rows.sort_by(|a, b| (&a.host, a.port).cmp(&(&b.host, b.port)));
        rows
    }

    fn of_service(
        &self,
        service: &Service,
        choice: Option<&Choice>,
        rows: &mut Vec<Row>,
        doubts: &mut Vec<String>,
    ) {
        let contributors = choice.map(|choice| choice.contributors.as_slice()).unwrap_or_default();
        for port in service.ports().iter().map(|port| port.number) {
            let unsettled =
                self.policies.as_ref().and_then(|policies| policies.unsettled_order(service, port));
            doubts.extend(
                unsettled.map(|need| {
                    format!("{}:{port}: {need} is not known; the row has the older", service.host)
                }),
            );
            let (rules, config) = (&self.mesh.rules, &self.mesh.config);
            let policy = traffic_policy::effective(rules, choice, port, None, config);
            let mode = policy.tls().map(TlsMode::of_block);
            rows.push(self.row(service, service.host.to_string(), port, choice, mode.as_ref()));
            if self.release.0 < 4 {
                continue;
            }
            for (_, subset) in rules.subsets_of(contributors) {
                let mode = own_mode(subset, port);
                let host = format!("{}|{}", service.host, subset.name);
                rows.push(self.row(service, host, port, choice, mode.as_ref()));
            }
        }
    }

    fn row(
        &self,
        service: &Service,
        host: String,
        port: u16,
        choice: Option<&Choice>,
        mode: Option<&TlsMode>,
    ) -> Row {
        let release = self.release;
        let demand = self.policies.as_ref().and_then(|policies| policies.policy(service, port));
        let server = demand.as_ref().map_or(&MtlsMode::Disable, |demand| &demand.mode);
        let policy = demand.as_ref().and_then(|demand| demand.policy.as_ref());
        let rule = choice.and_then(|choice| self.mesh.rules.get(choice.primary));
        let auto_mtls = self.mesh.config.auto_mtls;
        let nothing = || release.nothing().to_owned();
        Row {
            host,
            port,
            status: release.status(server, mode, auto_mtls).to_owned(),
            server: release.server(server).to_owned(),
            client: release.client(mode, auto_mtls).to_owned(),
            authentication_policy: policy.map_or_else(nothing, |policy| release.name(&policy.id)),
            destination_rule: if mode.is_none() && auto_mtls && release.0 >= 5 {
                "-".to_owned()
            } else {
                rule.map_or_else(nothing, |rule| release.name(&rule.object.id))
            },
        }
    }
}

/// The TLS of a subset's own policy for a port; what it inherits was not looked at (MT-9.9).
fn own_mode(subset: &Subset, port: u16) -> Option<TlsMode> {
    let policy = subset.traffic_policy.as_ref()?;
    policy.port(port).unwrap_or(&policy.blocks).get("tls").map(TlsMode::of_block)
}
