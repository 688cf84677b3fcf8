//! What proxies say of TLS handshakes at the level debug. TLS 1.3 hides from the client's access line why the server
//! refused its certificate, and the server's has no line at all (data fact 3); these messages tell.

use super::{Asked, Cause, Label, at_side, part_of};
use crate::correlate::locate::origins;
use crate::diagnose::Confidence;
use crate::diagnose::finding::{LogEvidence, Recorded};
use crate::logs::{Group, MessageLink, TlsFault, format_time};

/// The cause that a message of one side tells; nothing where that side cannot write it.
fn label(fault: TlsFault, by_server: bool) -> Option<Label> {
    match (fault, by_server) {
        (TlsFault::NoCertificate, true) | (TlsFault::AlertCertificateRequired, false) => {
            Some(Label::NoClientCert)
        }
        (TlsFault::NotTrusted | TlsFault::OtherIdentity, true) | (TlsFault::AlertUnknownCa, false) => {
            Some(Label::ClientCertUntrusted)
        }
        (TlsFault::Expired, true) | (TlsFault::AlertExpired, false) => Some(Label::ClientCertExpired),
        (TlsFault::NotTrusted, false) | (TlsFault::AlertUnknownCa, true) => Some(Label::ServerCertUntrusted),
        (TlsFault::Expired, false) | (TlsFault::AlertExpired, true) => Some(Label::ServerCertExpired),
        (TlsFault::OtherIdentity, false) => Some(Label::ServerSanMismatch),
        (TlsFault::NoCertificate, false) | (TlsFault::AlertCertificateRequired, true) => None,
    }
}

/// The same where no line tells which side wrote it, with what it is if the other one did.
pub(super) fn alone(fault: TlsFault) -> Option<(Label, Confidence, Option<Label>)> {
    match fault {
        // Only a server asks for a certificate.
        TlsFault::NoCertificate => Some((Label::NoClientCert, Confidence::Certain, None)),
        TlsFault::NotTrusted | TlsFault::Expired | TlsFault::OtherIdentity => {
            Some((label(fault, true)?, Confidence::Possible, label(fault, false)))
        }
        // The client's access line has the reason of these, or the server's own message.
        TlsFault::AlertCertificateRequired | TlsFault::AlertUnknownCa | TlsFault::AlertExpired => None,
    }
}

/// What a message says.
pub(super) fn says(fault: TlsFault) -> &'static str {
    match fault {
        TlsFault::NoCertificate => "the peer sent no certificate",
        TlsFault::NotTrusted => "nobody that is known signed the peer's certificate",
        TlsFault::Expired => "the peer's certificate has expired",
        TlsFault::OtherIdentity => "the peer's identity is not one that is expected",
        TlsFault::AlertCertificateRequired => "the peer wants a certificate",
        TlsFault::AlertUnknownCa => "the peer does not know who signed the certificate",
        TlsFault::AlertExpired => "the peer says that the certificate has expired",
    }
}

impl Asked<'_> {
    /// The causes of lines that messages are about, taken from those that are left.
    pub(super) fn by_messages(&self, group: &Group, left: &mut u64) -> Vec<Cause> {
        let mut causes: Vec<Cause> = Vec::new();
        // A line that names its own reason needs no message.
        if group.upstream_transport_failure_reason.is_some() {
            return causes;
        }
        let of_server = group.evidence.messages.iter().filter(|one| one.by_server);
        let of_client = group.evidence.messages.iter().filter(|one| !one.by_server);
        for found in of_server.chain(of_client) {
            let Some(label) = label(found.fault, found.by_server) else { continue };
            // The message of the other side is about the same lines.
            if let Some(known) = causes.iter_mut().find(|cause| cause.label == label) {
                known.evidence.push(self.message(found));
                if known.count >= found.joined.count {
                    continue;
                }
            }
            let joined = found.joined.count.min(*left);
            if joined == 0 {
                continue;
            }
            *left -= joined;
            // The client's own are found by the server and the moment, not by the connection.
            let confidence = if found.by_server { Confidence::Certain } else { Confidence::Likely };
            let mut cause = self.base(&part_of(group, joined), label, confidence, &at_side(group));
            cause.server_proof = found.by_server;
            cause.evidence.push(self.message(found));
            causes.push(cause);
        }
        causes
    }

    fn message(&self, found: &MessageLink) -> LogEvidence {
        let (side, by) =
            if found.by_server { ("server", "address") } else { ("client", "the server's address and time") };
        LogEvidence {
            by: Recorded::Lines,
            count: found.joined.count,
            first: found.joined.first.map(format_time),
            last: found.joined.last.map(format_time),
            text: format!("message of the {side}'s proxy: {}, joined by {by}", says(found.fault)),
            samples: origins(self.logs, &found.joined.samples),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::correlate::cause::causes;
    use crate::correlate::tests::{UC, client, mesh, read};
    use crate::correlate::{Locator, findings};
    use crate::resolve::{Mesh, Options};

    const NO_CERTIFICATE: &str = "PEER_DID_NOT_RETURN_A_CERTIFICATE";
    const UNKNOWN_CA: &str = "TLSV1_ALERT_UNKNOWN_CA";
    const SELF_SIGNED: &str = "CERTIFICATE_VERIFY_FAILED:verify cert failed: self signed certificate";

    /// What Envoy writes at the level debug of a handshake with a peer.
    fn message(second: u32, millis: u32, peer: &str, error: &str) -> String {
        format!(
            "2026-03-02T09:00:{second:02}.{millis:03}000Z\tdebug\tenvoy connection source/common/tls/ssl_socket.cc:322\t\
             [Tags: \"ConnectionId\":\"2\"] remote address:{peer},TLS_error:|268435648:SSL routines:OPENSSL_internal:\
             {error}:TLS_error_end\tthread=15\n"
        )
    }

    fn said(clients: &str, servers: &str) -> Vec<String> {
        let bundle = read(&mesh("ISTIO_MUTUAL", "STRICT", &[true]), clients, servers);
        let mesh = Mesh::new(&bundle.snapshot, &Options::default());
        let locator = Locator::new(&mesh);
        let causes = causes(&locator, &bundle.logs);
        let cause = |cause: &crate::correlate::Cause| {
            let first = cause.alternatives.first().map(|first| format!(" or {first}")).unwrap_or_default();
            format!("{} {} {}{first}", cause.count, cause.label.word(), cause.confidence.word())
        };
        let (found, _) = findings(&locator, Vec::new(), &causes);
        let found =
            found.iter().map(|one| format!("{} {} {}", one.code.code(), one.confidence.word(), one.root.0));
        causes.iter().map(cause).chain(found).collect()
    }

    #[test]
    fn the_servers_message_proves_the_line_of_that_connection_and_no_other() {
        let two = client(10, UC, "-") + &client(20, UC, "-");
        // The client's port is made from the second.
        let of = |second: u32, peer: &str| message(second, 4, peer, NO_CERTIFICATE);
        let proved = ["2 no-client-cert certain", "MS0301 certain Service shop/cart"];
        let both = of(10, "10.8.1.8:40010") + &of(20, "10.8.1.8:40020");
        assert_eq!(said(&two, &both), proved);
        let half = ["1 no-client-cert certain", "1 unknown possible or client-cert-untrusted"];
        assert_eq!(said(&two, &of(10, "10.8.1.8:40010"))[..2], half);
        // The port was used again, by another connection.
        let later = said(&client(10, UC, "-"), &of(40, "10.8.1.8:40010"));
        assert_eq!(later[..2], ["1 unknown possible or client-cert-untrusted", "1 no-client-cert certain"]);
    }

    #[test]
    fn the_clients_own_message_is_of_the_nearest_line_to_that_server() {
        let line = client(10, UC, "-");
        let of = |millis: u32, peer: &str| line.clone() + &message(10, millis, peer, UNKNOWN_CA);
        let likely = ["1 client-cert-untrusted likely", "MS0301 likely Service shop/cart"];
        assert_eq!(said(&of(3, "10.8.2.0:9080"), ""), likely);
        for other in [of(900, "10.8.2.0:9080"), of(3, "10.8.2.1:9080")] {
            assert_eq!(said(&other, "")[0], "1 unknown possible or client-cert-untrusted", "{other}");
        }
        let well = client(10, "200 - via_upstream", "-");
        assert!(said(&(well + &message(10, 3, "10.8.2.0:9080", UNKNOWN_CA)), "").is_empty());
    }

    #[test]
    fn a_message_alone_tells_as_much_as_its_side_is_known() {
        let of = |error: &str| said("", &message(10, 3, "10.8.1.8:40010", error));
        assert_eq!(of(NO_CERTIFICATE), ["1 no-client-cert certain", "MS0301 certain Pod shop/cart-0"]);
        assert_eq!(of(SELF_SIGNED)[0], "1 client-cert-untrusted possible or server-cert-untrusted");
        assert!(of(UNKNOWN_CA).is_empty());
        assert!(of("WRONG_VERSION_NUMBER").is_empty());
    }
}
