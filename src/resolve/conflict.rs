//! Whether what a client sends is what an endpoint accepts (MT-5).

use super::client_tls::Sent;
use crate::model::peer_authentication::MtlsMode;
use crate::model::service::PortProtocol;

/// How a pair, or one endpoint of it, stands. Ordered from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// Works.
    Ok,
    /// Works, but unencrypted where the server would accept better.
    Warn,
    /// Depends on something outside the objects, which the reason names.
    Cond,
    /// Cannot be told; what is missing is named.
    Unknown,
    /// Cannot work.
    Conflict,
}

impl Status {
    /// The word for it in every answer.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Cond => "COND",
            Self::Unknown => "UNKNOWN",
            Self::Conflict => "CONFLICT",
        }
    }
}

/// What stands at the other end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Server {
    /// A sidecar with this mode.
    Sidecar(MtlsMode),
    /// No proxy at all.
    NoProxy,
    /// A sidecar that does not see the port, so that the application takes what comes (MT-2.4).
    PastProxy,
    /// A gateway or waypoint, whose own listeners decide (MT-2.6, MT-2.7).
    OwnListeners,
    /// A pod of ambient mode, with what its ztunnel enforces: STRICT or PERMISSIVE.
    Ambient(MtlsMode),
    /// A host outside the mesh.
    Outside,
    /// Not known: the pod was not read.
    Unknown,
}

/// The verdict on one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// How it stands.
    pub status: Status,
    /// The symptom (MT-5.5), for a conflict.
    pub symptom: Option<&'static str>,
    /// What it depends on, or what is missing.
    pub condition: &'static str,
}

const fn verdict(status: Status, condition: &'static str) -> Verdict {
    Verdict { status, symptom: None, condition }
}

const fn conflict(symptom: &'static str) -> Verdict {
    Verdict { status: Status::Conflict, symptom: Some(symptom), condition: "" }
}

/// What a client is known to trust, which decides between two symptoms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientTrust {
    /// Whether the rule names certificate authorities or turns verification off.
    pub verifies_with_own_authorities: bool,
}

/// MT-5.1.
pub fn judge(sent: Sent, server: &Server, protocol: PortProtocol, trust: ClientTrust) -> Verdict {
    let mode = match server {
        Server::Unknown => return verdict(Status::Unknown, "the pod of this endpoint was not read"),
        Server::Ambient(mode) => return ambient(sent, mode),
        Server::OwnListeners if sent == (Sent::Hbone { tls_inside: false }) => {
            return verdict(Status::Ok, "");
        }
        Server::OwnListeners => {
            return verdict(Status::Cond, "the gateway's own listeners decide what it accepts");
        }
        Server::Outside => return outside(sent),
        Server::NoProxy | Server::PastProxy => None,
        Server::Sidecar(mode) => Some(mode),
    };
    match sent {
        Sent::Unknown => verdict(Status::Unknown, "what the client sends cannot be told"),
        Sent::Plaintext => plaintext(mode),
        Sent::IstioMutual => istio_mutual(mode, protocol),
        // The tunnel is mutual TLS whatever the policies say (MT-6.5); nothing takes it where there is no proxy (MT-6.11).
        // It has a port of its own, which annotations about others do not touch.
        Sent::Hbone { tls_inside } if mode.is_some() || *server == Server::PastProxy => {
            inside_tunnel(tls_inside)
        }
        Sent::Hbone { .. } => Verdict { status: Status::Conflict, symptom: None, condition: NO_TUNNEL },
        Sent::Simple => simple(mode, protocol, trust),
        Sent::Mutual => match mode {
            Some(MtlsMode::Strict) => verdict(
                Status::Cond,
                "the server must trust the client's own certificate, and the client the server's",
            ),
            other => simple(other, protocol, trust),
        },
    }
}

/// MT-5.1, for a server outside: it has no certificate of the mesh (mtls.md F21, F22); what it does speak is not known here.
pub fn outside(sent: Sent) -> Verdict {
    match sent {
        Sent::Unknown => verdict(Status::Unknown, "what the client sends cannot be told"),
        Sent::Plaintext => verdict(Status::Ok, ""),
        Sent::IstioMutual => conflict("X4"),
        Sent::Simple | Sent::Mutual | Sent::Hbone { .. } => verdict(
            Status::Cond,
            "the server outside must serve TLS with a certificate that the client accepts",
        ),
    }
}

/// MT-5.2. ztunnel ends tunnels and nothing else: all other bytes are plaintext to it.
fn ambient(sent: Sent, mode: &MtlsMode) -> Verdict {
    match (sent, mode) {
        (Sent::Hbone { tls_inside }, _) => inside_tunnel(tls_inside),
        (Sent::Unknown, _) => verdict(Status::Unknown, "what the client sends cannot be told"),
        (_, MtlsMode::Other(_)) => unknown_mode(),
        (_, MtlsMode::Strict) => conflict("X6"),
        (Sent::Plaintext, _) => verdict(Status::Warn, ""),
        (Sent::IstioMutual, _) => conflict("X2"),
        (Sent::Simple | Sent::Mutual, _) => verdict(Status::Cond, SERVES_TLS),
    }
}

/// TLS that a rule originates goes through the tunnel to the application (MT-6.3).
fn inside_tunnel(tls_inside: bool) -> Verdict {
    if tls_inside { verdict(Status::Cond, SERVES_TLS) } else { verdict(Status::Ok, "") }
}

const SERVES_TLS: &str = "the application itself must serve TLS with a certificate that the client accepts";

const NO_TUNNEL: &str = "nothing on the pod takes the tunnel that its label announces";

/// What a tunnel meets where the server's control plane keeps its sidecars from listening for it (MT-6.11).
pub(super) const REFUSED_TUNNEL: Verdict = Verdict {
    status: Status::Conflict,
    symptom: None,
    condition: "its label announces tunnels, and PILOT_ENABLE_SIDECAR_LISTENING_HBONE of its istiod keeps sidecars \
                from taking any",
};

/// What a port says on which a `Sidecar` ends TLS of its own (MT-2.5).
pub(super) const OWN_TLS: Verdict =
    verdict(Status::Unknown, "the server's sidecar ends TLS that its Sidecar describes");

fn unknown_mode() -> Verdict {
    verdict(Status::Unknown, "the server's mode is a word that is not known")
}

fn plaintext(mode: Option<&MtlsMode>) -> Verdict {
    match mode {
        None | Some(MtlsMode::Disable) => verdict(Status::Ok, ""),
        Some(MtlsMode::Unset | MtlsMode::Permissive) => verdict(Status::Warn, ""),
        Some(MtlsMode::Strict) => conflict("X1"),
        Some(MtlsMode::Other(_)) => unknown_mode(),
    }
}

fn istio_mutual(mode: Option<&MtlsMode>, protocol: PortProtocol) -> Verdict {
    match mode {
        None => conflict("X2"),
        Some(MtlsMode::Disable) => match protocol {
            PortProtocol::Http => conflict("X2"),
            PortProtocol::Auto | PortProtocol::Tcp => conflict("X3"),
        },
        Some(MtlsMode::Unset | MtlsMode::Permissive | MtlsMode::Strict) => verdict(Status::Ok, ""),
        Some(MtlsMode::Other(_)) => unknown_mode(),
    }
}

fn simple(mode: Option<&MtlsMode>, protocol: PortProtocol, trust: ClientTrust) -> Verdict {
    match (mode, protocol) {
        (Some(MtlsMode::Other(_)), _) => unknown_mode(),
        (Some(MtlsMode::Strict), _) => {
            conflict(if trust.verifies_with_own_authorities { "X5" } else { "X4" })
        }
        // Without a proxy only the application knows whether its port speaks TLS, whatever the port is called.
        (Some(MtlsMode::Disable), PortProtocol::Http) => conflict("X2"),
        (Some(MtlsMode::Unset | MtlsMode::Permissive), PortProtocol::Http) => conflict("X8"),
        (None | Some(MtlsMode::Unset | MtlsMode::Permissive | MtlsMode::Disable), _) => {
            verdict(Status::Cond, SERVES_TLS)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(
        sent: Sent,
        mode: Option<MtlsMode>,
        protocol: PortProtocol,
    ) -> (&'static str, Option<&'static str>) {
        let server = mode.map_or(Server::NoProxy, Server::Sidecar);
        let verdict = judge(sent, &server, protocol, ClientTrust { verifies_with_own_authorities: false });
        (verdict.status.word(), verdict.symptom)
    }

    #[test]
    fn the_table_of_conflicts_row_by_row() {
        use MtlsMode::{Disable, Permissive, Strict};
        use PortProtocol::{Auto, Http};
        assert_eq!(said(Sent::Plaintext, Some(Strict), Http), ("CONFLICT", Some("X1")));
        assert_eq!(said(Sent::Plaintext, Some(Permissive), Http), ("WARN", None));
        assert_eq!(said(Sent::Plaintext, Some(Disable), Http), ("OK", None));
        assert_eq!(said(Sent::Plaintext, None, Http), ("OK", None));
        assert_eq!(said(Sent::IstioMutual, Some(Strict), Http), ("OK", None));
        assert_eq!(said(Sent::IstioMutual, Some(Disable), Http), ("CONFLICT", Some("X2")));
        assert_eq!(said(Sent::IstioMutual, Some(Disable), Auto), ("CONFLICT", Some("X3")));
        assert_eq!(said(Sent::IstioMutual, None, Http), ("CONFLICT", Some("X2")));
        assert_eq!(said(Sent::Simple, Some(Strict), Http), ("CONFLICT", Some("X4")));
        assert_eq!(said(Sent::Simple, Some(Permissive), Http), ("CONFLICT", Some("X8")));
        assert_eq!(said(Sent::Simple, Some(Permissive), Auto), ("COND", None));
        assert_eq!(said(Sent::Simple, Some(Disable), Auto), ("COND", None));
        assert_eq!(said(Sent::Mutual, Some(Strict), Http), ("COND", None));
        assert_eq!(said(Sent::Unknown, Some(Strict), Http), ("UNKNOWN", None));
        assert_eq!(said(Sent::Plaintext, Some(MtlsMode::Other("X".into())), Http), ("UNKNOWN", None));
    }
}
