//! Every finding that this program can make. A code never changes its meaning.

use std::fmt;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Requests fail.
    Error,
    /// Something does not do what it says, or will fail.
    Warning,
    /// Good to know.
    Info,
}

impl Severity {
    /// The word for it in every answer.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

macro_rules! catalog {
    ($(#[doc = $doc:literal] $variant:ident = $code:literal, $name:literal, $severity:ident;)*) => {
        /// A finding's code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $doc] $variant,)*
        }

        impl Code {
            /// All codes, in their order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code as it is written, such as `MS0101`.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// Its name, such as `plaintext-to-strict`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it says, in one sentence.
            pub fn summary(self) -> &'static str {
                match self { $(Self::$variant => $doc.trim_ascii_start(),)* }
            }

            /// Whether its pairs are such that client and server exclude each other, so that every request must fail.
            pub fn is_conflict(self) -> bool {
                matches!(
                    self,
                    Self::PlaintextToStrict
                        | Self::MtlsToPlaintext
                        | Self::OneWayTlsToStrict
                        | Self::ForeignTlsToSidecar
                        | Self::MtlsToExternal
                )
            }

            /// How bad it is, where nothing makes it better or worse.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }
        }
    };
}

catalog! {
    /// A client with a proxy sends plaintext to an endpoint that accepts mutual TLS only.
    PlaintextToStrict = "MS0101", "plaintext-to-strict", Error;
    /// A client sends Istio's mutual TLS to an endpoint that does not end it.
    MtlsToPlaintext = "MS0102", "mtls-to-plaintext", Error;
    /// TLS without a client certificate that the mesh trusts, to an endpoint that accepts mutual TLS only.
    OneWayTlsToStrict = "MS0103", "one-way-tls-to-strict", Error;
    /// TLS that is not Istio's to an HTTP port of a sidecar, which ends Istio's only.
    ForeignTlsToSidecar = "MS0104", "foreign-tls-to-sidecar", Error;
    /// A client without proxy calls an endpoint that accepts mutual TLS only.
    ClientWithoutProxyToStrict = "MS0105", "client-without-proxy-to-strict", Warning;
    /// Istio's mutual TLS towards a host outside the mesh.
    MtlsToExternal = "MS0106", "mtls-to-external", Error;
    /// A DISABLE of the namespace or mesh hides a stricter policy from automatic mTLS.
    HiddenByPolicyLevel = "MS0107", "auto-mtls-hidden-by-policy-level", Warning;
    /// One endpoint behind a headless service keeps all others from mutual TLS.
    HeadlessAllOrNothing = "MS0108", "headless-all-or-nothing", Warning;
    /// An entry of `portLevelMtls` for a port of the service, not of the workload.
    PortLevelOnServicePort = "MS0109", "port-level-on-service-port", Warning;
    /// A `PeerAuthentication`, or a part of it, that nothing takes notice of.
    PeerAuthenticationIgnored = "MS0110", "peer-authentication-ignored", Warning;
    /// Works, and is not encrypted.
    PlaintextInPermissive = "MS0111", "plaintext-in-permissive", Info;
    /// A `tls` block without mode.
    TlsModeMissing = "MS0112", "tls-mode-missing-means-disable", Warning;
    /// An entry for a port that drops the settings above it.
    PortSettingsDropTls = "MS0113", "port-settings-drop-tls", Warning;
    /// A credential that a sidecar takes no notice of.
    CredentialIgnored = "MS0114", "simple-credential-ignored-on-sidecar", Warning;
    /// Plain HTTP to a TLS port outside the mesh.
    MissingTlsOrigination = "MS0115", "missing-tls-origination", Warning;
    /// A probe of the kubelet that goes straight to a port that accepts mutual TLS only.
    ProbeNotRewritten = "MS0116", "probe-not-rewritten", Warning;
    /// A port of an ambient workload that should be strict, and at which nothing is enforced.
    AmbientStrictPortNotEnforced = "MS0117", "ambient-strict-port-not-enforced", Error;
    /// A port of an ambient workload that should take plaintext, and stays strict.
    AmbientPortExceptionLost = "MS0118", "ambient-port-exception-lost", Warning;
    /// A rule that is in force for nobody.
    RuleNeverUsed = "MS0201", "rule-never-used", Warning;
    /// A rule that another pool's rule hides.
    RuleShadowed = "MS0202", "rule-shadowed", Info;
    /// A rule for a host that is not there.
    HostMatchesNothing = "MS0203", "host-matches-nothing", Warning;
    /// Two rules for one host that do not merge.
    RulesNotMerged = "MS0204", "rules-not-merged", Warning;
    /// A subset that an older rule has by the same name.
    DuplicateSubset = "MS0205", "duplicate-subset", Warning;
    /// A route to a subset that is not there.
    SubsetMissing = "MS0206", "subset-missing", Error;
    /// A subset without a pod.
    SubsetSelectsNoPod = "MS0207", "subset-selects-no-pod", Warning;
    /// A rule that is not exported to clients of its host.
    NotExported = "MS0208", "not-exported", Info;
    /// A rule for selected clients that hides others from the rest.
    SelectorRuleStopsLookup = "MS0209", "selector-rule-stops-lookup", Warning;
    /// An mTLS failure that logs prove.
    MtlsFailureInTraffic = "MS0301", "mtls-failure-in-traffic", Error;
    /// Traffic goes well where the configuration says that it cannot.
    ConflictTrafficFlows = "MS0302", "config-says-conflict-traffic-flows", Info;
    /// The application closes connections: not mTLS.
    UpstreamClosesConnections = "MS0303", "upstream-closes-connections", Warning;
    /// Nothing is left that requests could go to.
    UpstreamUnreachable = "MS0304", "upstream-unreachable", Error;
    /// A circuit breaker, a rate limit or outlier detection refuses requests.
    OverflowOrLimit = "MS0305", "overflow-or-limit", Warning;
    /// A policy or an external authorizer denies requests.
    RequestsDenied = "MS0306", "requests-denied", Warning;
    /// A policy wants an identity, and plaintext has none.
    DeniedBecausePlaintext = "MS0307", "denied-because-plaintext", Error;
    /// An ALLOW rule that no request can meet.
    AllowMatchesNothing = "MS0401", "allow-matches-nothing", Warning;
    /// A DENY rule that loses its HTTP fields on a TCP port, and denies more than it says.
    DenyWidenedOnTcp = "MS0402", "deny-widened-on-tcp", Warning;
    /// An `AuthorizationPolicy` for workloads, services or gateways that are not there.
    PolicySelectsNothing = "MS0403", "policy-selects-nothing", Warning;
    /// A rule asks for an identity, and clients come in plaintext, which has none.
    PrincipalWithoutMtls = "MS0404", "principal-without-mtls", Warning;
    /// A policy about requests where no waypoint reads it.
    L7PolicyWithoutWaypoint = "MS0405", "l7-policy-without-waypoint", Error;
    /// An ALLOW rule that only says whom it does not match, and so lets in who has nothing to be known by.
    NegativeOnlyRule = "MS0406", "negative-only-rule", Warning;
    /// A policy names an identity that nobody can have.
    UnknownIdentity = "MS0407", "unknown-identity", Warning;
    /// A host of a policy that does not match the same host with a port.
    HostWithPort = "MS0408", "host-with-port", Info;
    /// An ALLOW policy without rules: what it covers is denied.
    EverythingDenied = "MS0409", "everything-denied", Info;
    /// A path template with which Envoy refuses the whole listener.
    TemplateEnvoyRefuses = "MS0410", "template-envoy-refuses", Error;
    /// A DENY rule that no request can meet.
    DenyMatchesNothing = "MS0411", "deny-matches-nothing", Error;
    /// A policy decides by an address that the caller chooses.
    RemoteAddressOfCallersChoice = "MS0412", "remote-address-of-callers-choice", Warning;
    /// A rule that asks for a token refuses CORS preflights, which carry none.
    PreflightRefused = "MS0413", "preflight-refused", Info;
    /// Rules with `from` only and with `to` only are alternatives.
    FromAndToInSeparateRules = "MS0414", "from-and-to-in-separate-rules", Info;
    /// A kind that decides answers was not read.
    NotReadable = "MS0901", "not-readable", Warning;
    /// An object that was not understood in whole or part.
    NotUnderstood = "MS0902", "not-understood", Warning;
    /// Log lines that cannot be explained with what was read.
    EvidenceIncomplete = "MS0903", "evidence-incomplete", Info;
    /// The same object read twice with different content.
    TwoOrigins = "MS0904", "two-origins", Warning;
    /// Proxies that cannot hear the control plane, or that refuse what it sends.
    ControlPlaneTrouble = "MS0905", "control-plane-trouble", Warning;
}

impl Code {
    /// The code that is written so.
    pub fn of(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.code().eq_ignore_ascii_case(code))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
