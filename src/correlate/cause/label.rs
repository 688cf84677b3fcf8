//! The labels of causes, and the findings that they belong to.

use crate::diagnose::Code;

macro_rules! labels {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal, $family:ident;)*) => {
        /// A cause label.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Label {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl Label {
            /// All labels.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The label as it is written.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What kind of trouble it is.
            pub fn family(self) -> Family {
                match self { $(Self::$variant => Family::$family,)* }
            }
        }
    };
}

/// Labels that lead to the same finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Client and server do not agree on the mode of TLS.
    Mode,
    /// They agree on the mode, and a certificate or a version is refused.
    Certificate,
    /// The other end of the connection closed it, or did not speak HTTP.
    Closed,
    /// Nothing was reached.
    Unreachable,
    /// A limit refused the request.
    Limited,
    /// A policy refused it.
    Denied,
    /// A proxy and its control plane.
    ControlPlane,
    /// The affair of the application, of its caller or of a setting that does what it says: no finding.
    Harmless,
    /// Not known.
    Open,
}

impl Family {
    /// The finding that proved causes of this kind make.
    pub fn code(self) -> Option<Code> {
        match self {
            Self::Mode | Self::Certificate => Some(Code::MtlsFailureInTraffic),
            Self::Closed => Some(Code::UpstreamClosesConnections),
            Self::Unreachable => Some(Code::UpstreamUnreachable),
            Self::Limited => Some(Code::OverflowOrLimit),
            Self::Denied => Some(Code::RequestsDenied),
            Self::ControlPlane => Some(Code::ControlPlaneTrouble),
            Self::Open => Some(Code::EvidenceIncomplete),
            Self::Harmless => None,
        }
    }
}

labels! {
    /// The client sent plaintext to a server that accepts mutual TLS only.
    PlaintextToStrict = "plaintext-to-strict", Mode;
    /// The client sent mutual TLS to a server that does not end it.
    MtlsToPlaintext = "mtls-to-plaintext", Mode;
    /// TLS that is not Istio's reached a server that wants Istio's.
    NonIstioTlsToPermissive = "non-istio-tls-to-permissive", Mode;
    /// The client sent TLS without a certificate to a server that wants one.
    NoClientCert = "no-client-cert", Certificate;
    /// The server does not trust the client's certificate.
    ClientCertUntrusted = "client-cert-untrusted", Certificate;
    /// The client's certificate has expired.
    ClientCertExpired = "client-cert-expired", Certificate;
    /// The client does not trust the server's certificate.
    ServerCertUntrusted = "server-cert-untrusted", Certificate;
    /// The server's certificate has expired.
    ServerCertExpired = "server-cert-expired", Certificate;
    /// The server's certificate is of another identity than the client expects.
    ServerSanMismatch = "server-san-mismatch", Certificate;
    /// Client and server have no version of TLS in common.
    TlsVersionMismatch = "tls-version-mismatch", Certificate;
    /// The client's proxy has no certificate yet.
    CertificateNotDelivered = "certificate-not-delivered", Certificate;
    /// The application closed the connection.
    AppClosed = "app-closed", Closed;
    /// A pooled connection was used again after the other side had closed it.
    StaleConnection = "stale-connection", Closed;
    /// The server's proxy went away with requests under way.
    SidecarKilled = "sidecar-killed", Closed;
    /// The ztunnel of a node went away with connections under way.
    ZtunnelStopped = "ztunnel-stopped", Closed;
    /// The application's answer is no HTTP.
    AppProtocolError = "app-protocol-error", Closed;
    /// The address of the pod refuses connections or does not answer.
    PodUnreachable = "pod-unreachable", Unreachable;
    /// The application behind the server's proxy does not listen.
    AppDown = "app-down", Unreachable;
    /// Plaintext reached a port that wants TLS outside the mesh.
    MissingTlsOrigination = "missing-tls-origination", Unreachable;
    /// The service has no endpoint that is ready.
    NoEndpoints = "no-endpoints", Unreachable;
    /// No route is for the request.
    NoRoute = "no-route", Unreachable;
    /// The route leads to a cluster that is not there.
    NoCluster = "no-cluster", Unreachable;
    /// The mesh does not know the host, and lets nothing out that it does not know.
    UnknownHost = "unknown-host", Unreachable;
    /// Nobody answers where the server's tunnels should end.
    HboneUnreachable = "hbone-unreachable", Unreachable;
    /// The service's waypoint is not there.
    WaypointMissing = "waypoint-missing", Unreachable;
    /// The service's waypoint refuses connections or does not answer.
    WaypointUnreachable = "waypoint-unreachable", Unreachable;
    /// The service's waypoint would not pass the connection on.
    WaypointRefused = "waypoint-refused", Unreachable;
    /// The control plane has not told ztunnel of a pod on its node.
    WorkloadUnknown = "workload-unknown", Unreachable;
    /// A pod was taken out of ztunnel with connections under way.
    PodRemoved = "pod-removed", Unreachable;
    /// A circuit breaker was open.
    Overflow = "overflow", Limited;
    /// A rate limit was reached.
    RateLimited = "rate-limited", Limited;
    /// Outlier detection took the endpoints out.
    OutlierEjected = "outlier-ejected", Limited;
    /// An authorization policy denied the request.
    RbacDenied = "rbac-denied", Denied;
    /// The same, for want of the identity that plaintext cannot carry.
    RbacDeniedBecausePlaintext = "rbac-denied-because-plaintext", Denied;
    /// An external authorizer denied the request.
    ExtAuthzDenied = "ext-authz-denied", Denied;
    /// A proxy cannot hear the control plane.
    ControlPlaneUnreachable = "control-plane-unreachable", ControlPlane;
    /// The control plane sent something that a proxy refuses.
    ControlPlaneMismatch = "control-plane-mismatch", ControlPlane;
    /// The application itself answered with an error.
    AppError = "app-error", Harmless;
    /// A timeout of the proxy ended the request.
    Timeout = "timeout", Harmless;
    /// The caller went away before the answer.
    CallerGaveUp = "caller-gave-up", Harmless;
    /// A fault that was asked for.
    FaultInjected = "fault-injected", Harmless;
    /// The caller sent something that is no valid HTTP.
    BadRequest = "bad-request", Harmless;
    /// Not known.
    Unknown = "unknown", Open;
}

impl Label {
    /// Whether client and server do not agree on TLS: its mode, or the certificates.
    pub fn is_mtls(self) -> bool {
        matches!(self.family(), Family::Mode | Family::Certificate)
    }
}
