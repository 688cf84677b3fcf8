//! What the errors of ztunnel's access log mean, a table a side; the first row that fits decides.
//!
//! A row is *certain* only where no other cause leaves that text. Whether a connection went to a waypoint, what the other
//! side says and what the proxies say besides is not decided here.

use crate::correlate::cause::label::Label;
use crate::diagnose::Confidence;

/// One row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sign {
    /// What must stand in the error.
    pub(super) texts: &'static [&'static str],
    pub(super) label: Label,
    pub(super) confidence: Confidence,
    /// What else leaves this line.
    pub(super) alternatives: &'static [&'static str],
    /// What the line says, for the evidence.
    pub(super) says: &'static str,
}

const fn sign(label: Label, texts: &'static [&'static str], says: &'static str) -> Sign {
    Sign { texts, label, confidence: Confidence::Certain, alternatives: &[], says }
}

impl Sign {
    const fn likely(self, alternatives: &'static [&'static str]) -> Self {
        Self { confidence: Confidence::Likely, alternatives, ..self }
    }

    const fn possible(self, alternatives: &'static [&'static str]) -> Self {
        Self { confidence: Confidence::Possible, alternatives, ..self }
    }
}

/// The row of a table that an error shows.
pub(super) fn of(table: &'static [Sign], error: &str) -> Option<&'static Sign> {
    table.iter().find(|sign| sign.texts.iter().all(|part| error.contains(part)))
}

const HANDSHAKE: &str = "tls handshake error";
const REFUSED: &str = "InvalidCertificate(";
const ALERT: &str = "AlertReceived(";
const RECURSIVE: Sign = sign(
    Label::BadRequest,
    &["attempted recursive call to ourselves"],
    "a port of ztunnel itself was called through it",
);
const NOT_KNOWN: Sign = sign(
    Label::WorkloadUnknown,
    &["failed to fetch information about local workload"],
    "the control plane has not told ztunnel of this pod",
);
const DRAINED: Sign = sign(
    Label::ZtunnelStopped,
    &["connection closed due to connection drain"],
    "this node's ztunnel shut down and cut what was open",
);

/// What the server's ztunnel writes (data facts 3 to 9, 14, 15).
pub(super) const INBOUND: &[Sign] = &[
    sign(
        Label::AppDown,
        &["connection failed: ", "onnection refused"],
        "nothing listens on the application's port",
    ),
    sign(Label::AppDown, &["connection failed: "], "no connection to the application").likely(&[]),
    sign(
        Label::NoClientCert,
        &[HANDSHAKE, "NoCertificatesPresented"],
        "TLS without a certificate came to port 15008",
    ),
    sign(
        Label::BadRequest,
        &[HANDSHAKE, "InvalidMessage(InvalidContentType)"],
        "what came to port 15008 is no TLS",
    ),
    sign(Label::BadRequest, &[HANDSHAKE, "InvalidMessage("], "what came to port 15008 is no TLS").likely(&[]),
    // The server's own judgement of the client's certificate.
    sign(
        Label::ClientCertUntrusted,
        &[HANDSHAKE, REFUSED, "UnknownIssuer"],
        "the server does not know who signed the client's certificate",
    ),
    sign(Label::ClientCertExpired, &[HANDSHAKE, REFUSED, "Expired"], "the client's certificate has expired"),
    sign(
        Label::ClientCertUntrusted,
        &[HANDSHAKE, "SanTrustDomainError"],
        "the client's identity is of another trust domain",
    ),
    sign(
        Label::ClientCertUntrusted,
        &[HANDSHAKE, REFUSED],
        "the server does not accept the client's certificate",
    )
    .likely(&["client-cert-expired"]),
    // What the client says of the server's.
    sign(
        Label::ServerCertUntrusted,
        &[HANDSHAKE, ALERT, "UnknownCA"],
        "the client does not know who signed the server's certificate",
    ),
    sign(
        Label::ServerCertExpired,
        &[HANDSHAKE, ALERT, "CertificateExpired"],
        "the client says that the server's certificate has expired",
    ),
    // ztunnel sends this one for an identity that it does not expect, and others for whatever has no alert of its own.
    sign(
        Label::ServerSanMismatch,
        &[HANDSHAKE, ALERT, "CertificateUnknown"],
        "the client refuses the server's identity",
    )
    .likely(&["server-cert-untrusted"]),
    sign(Label::TlsVersionMismatch, &[HANDSHAKE, ALERT, "ProtocolVersion"], "no version of TLS in common"),
    sign(Label::TlsVersionMismatch, &[HANDSHAKE, "PeerIncompatible("], "the two have no TLS in common")
        .likely(&["bad-request"]),
    sign(Label::ServerCertUntrusted, &[HANDSHAKE, ALERT], "the client broke off the handshake").possible(&[
        "server-san-mismatch",
        "server-cert-expired",
        "tls-version-mismatch",
    ]),
    // A probe that connects and goes away leaves this as well.
    sign(Label::CallerGaveUp, &[HANDSHAKE], "the handshake was not brought to its end").possible(&[
        "server-cert-untrusted",
        "server-san-mismatch",
        "ztunnel-stopped",
    ]),
    sign(Label::BadRequest, &["ip mismatch: "], "the tunnel was asked for the address of another pod"),
    RECURSIVE,
    sign(
        Label::BadRequest,
        &["no valid authority pseudo header"],
        "the request for a tunnel names no address",
    ),
    sign(
        Label::BadRequest,
        &["no service or workload for hostname"],
        "the request for a tunnel names a host that ztunnel does not know",
    )
    .likely(&["workload-unknown"]),
    NOT_KNOWN,
    DRAINED,
    // Fact 15: a pod that is taken out loses its streams at once; where the client's ztunnel stops, the stream breaks.
    sign(
        Label::PodRemoved,
        &["while closing connection: receive", "stream closed because of a broken pipe"],
        "the connection was cut at once",
    )
    .possible(&["ztunnel-stopped", "caller-gave-up"]),
    sign(Label::ZtunnelStopped, &["while closing connection: receive"], "the client's side went away")
        .possible(&["pod-removed", "caller-gave-up"]),
    sign(
        Label::Unknown,
        &["while closing connection: "],
        "one side went away while the connection was closed",
    )
    .possible(&["ztunnel-stopped", "pod-removed", "caller-gave-up", "app-closed"]),
];

/// What the client's ztunnel writes of a tunnel to a pod, and of plaintext (data facts 7 to 13, 20).
pub(super) const OUTBOUND: &[Sign] = &[
    sign(
        Label::RbacDenied,
        &["http status: 401"],
        "the server's ztunnel denies it, and its log names the policy",
    ),
    sign(Label::AppDown, &["http status: 503"], "the server's ztunnel has no connection to the application")
        .likely(&["pod-unreachable"]),
    sign(Label::BadRequest, &["http status: 4"], "the server's ztunnel refuses the request for a tunnel")
        .likely(&["workload-unknown"]),
    // Fact 7: the server refuses our certificate, and says so or just closes, by chance.
    sign(
        Label::ClientCertUntrusted,
        &["h2 failed: ", "UnknownCA"],
        "the server does not know who signed the client's certificate",
    ),
    sign(
        Label::ClientCertExpired,
        &["h2 failed: ", "CertificateExpired"],
        "the server says that the client's certificate has expired",
    ),
    sign(
        Label::NoClientCert,
        &["h2 failed: ", "CertificateRequired"],
        "the server wants a client certificate",
    ),
    sign(
        Label::ClientCertUntrusted,
        &["h2 failed: ", "fatal alert"],
        "the server does not accept the client's certificate",
    )
    .likely(&["client-cert-expired", "no-client-cert"]),
    sign(
        Label::ClientCertUntrusted,
        &["h2 failed: "],
        "the server closed during or right after the handshake",
    )
    .possible(&["client-cert-expired", "no-client-cert", "ztunnel-stopped", "hbone-unreachable"]),
    sign(
        Label::ServerSanMismatch,
        &["invalid peer certificate", "did not present the expected SAN"],
        "the server's identity is not the one that the registry says",
    ),
    sign(
        Label::ServerCertExpired,
        &["invalid peer certificate", "xpired"],
        "the server's certificate has expired",
    ),
    sign(
        Label::ServerCertUntrusted,
        &["invalid peer certificate", "UnknownIssuer"],
        "the client does not know who signed the server's certificate",
    ),
    sign(
        Label::ServerCertUntrusted,
        &["invalid peer certificate"],
        "the client does not accept the server's certificate",
    )
    .likely(&["server-cert-expired", "server-san-mismatch"]),
    sign(
        Label::NoEndpoints,
        &["no healthy upstream"],
        "the service has no ready endpoint for that port, or no such port",
    ),
    sign(
        Label::WaypointMissing,
        &["unknown waypoint"],
        "the service's waypoint is not there, or has no endpoint",
    ),
    sign(
        Label::CertificateNotDelivered,
        &["identity error: "],
        "the client's ztunnel has no certificate for this identity",
    ),
    NOT_KNOWN,
    RECURSIVE,
    DRAINED,
    sign(
        Label::Unknown,
        &["while closing connection: "],
        "the other side went away while the connection was open",
    )
    .possible(&["rbac-denied", "ztunnel-stopped", "pod-removed", "app-closed"]),
];

/// A tunnel to a pod that was not made (facts 9 and 10).
pub(super) const TUNNEL: &[Sign] = &[
    sign(Label::HboneUnreachable, &["onnection refused"], "nobody listens on port 15008 of the pod")
        .likely(&["ztunnel-stopped", "pod-removed"]),
    sign(
        Label::HboneUnreachable,
        &["deadline has elapsed"],
        "no answer on port 15008 of the pod within the time for it",
    )
    .likely(&["pod-unreachable"]),
    sign(Label::PodUnreachable, &["No route to host"], "no way leads to the pod's address")
        .likely(&["hbone-unreachable"]),
    sign(Label::PodUnreachable, &["unreachable"], "no way leads to the pod's address")
        .likely(&["hbone-unreachable"]),
];

/// The same to a waypoint, or to the gateway of another network.
pub(super) const WAYPOINT: &[Sign] = &[
    sign(Label::WaypointUnreachable, &["onnection refused"], "the waypoint refuses connections"),
    sign(Label::WaypointUnreachable, &["deadline has elapsed"], "the waypoint does not answer"),
    sign(Label::WaypointUnreachable, &["No route to host"], "no way leads to the waypoint"),
    sign(Label::WaypointUnreachable, &["unreachable"], "no way leads to the waypoint"),
    sign(Label::WaypointRefused, &["http status: "], "the waypoint does not pass it on"),
];

/// Plaintext that reached nobody: what a pod without ztunnel, or something outside the mesh, does.
pub(super) const PLAINTEXT: &[Sign] = &[
    sign(Label::AppDown, &["onnection refused"], "nothing listens on the port called")
        .likely(&["pod-unreachable"]),
    sign(Label::PodUnreachable, &["deadline has elapsed"], "no answer within the time for connecting")
        .likely(&[]),
    sign(Label::PodUnreachable, &["No route to host"], "no way leads to the address").likely(&[]),
    sign(Label::PodUnreachable, &["unreachable"], "no way leads to the address").likely(&[]),
];
