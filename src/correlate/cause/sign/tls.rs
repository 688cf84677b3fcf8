//! TLS handshakes that failed, by the text in which the client's proxy tells it.
//!
//! `CERTIFICATE_VERIFY_FAILED` is the client's own judgement of the server's certificate; an `ALERT` is what the server
//! sent, so it is about the client's.

use super::{Sign, Writer, sign};
use crate::correlate::cause::label::Label;

const VERIFY: &str = "CERTIFICATE_VERIFY_FAILED";

const fn failed(label: Label, texts: &'static [&'static str], says: &'static str) -> Sign {
    sign(Writer::Client, "UF", label, says).text(texts)
}

pub(super) const SIGNS: &[Sign] = &[
    failed(
        Label::CertificateNotDelivered,
        &["Secret_is_not_supplied_by_SDS"],
        "this proxy has no certificate",
    ),
    failed(
        Label::ServerSanMismatch,
        &[VERIFY, "SAN_matcher"],
        "the server's identity is not the expected one",
    ),
    failed(
        Label::ServerCertExpired,
        &[VERIFY, "certificate_has_expired"],
        "the server's certificate has expired",
    ),
    failed(
        Label::ServerCertUntrusted,
        &[VERIFY, "self_signed_certificate"],
        "the server's certificate is not trusted",
    ),
    failed(Label::ServerCertUntrusted, &[VERIFY, "unable_to_get"], "the server's certificate is not trusted"),
    // Envoy before 1.37 does not say what was wrong with it.
    failed(Label::ServerCertUntrusted, &[VERIFY], "the server's certificate is not accepted")
        .possible(&["server-san-mismatch", "server-cert-expired"]),
    failed(
        Label::ClientCertUntrusted,
        &["ALERT_UNKNOWN_CA"],
        "the server does not know who signed the client's",
    ),
    failed(
        Label::ClientCertExpired,
        &["ALERT_CERTIFICATE_EXPIRED"],
        "the server says that the client's has expired",
    ),
    failed(Label::NoClientCert, &["ALERT_CERTIFICATE_REQUIRED"], "the server wants a client certificate"),
    // A server that finds no identity it trusts in the certificate answers with one of these.
    failed(
        Label::ClientCertUntrusted,
        &["ALERT_CERTIFICATE_UNKNOWN"],
        "the server does not accept the client's",
    )
    .likely(&["client-cert-expired"]),
    failed(Label::ClientCertUntrusted, &["ALERT_BAD_CERTIFICATE"], "the server does not accept the client's")
        .likely(&["client-cert-expired", "no-client-cert"]),
    failed(
        Label::TlsVersionMismatch,
        &["ALERT_PROTOCOL_VERSION"],
        "the server does not speak this version of TLS",
    ),
    failed(
        Label::TlsVersionMismatch,
        &["UNSUPPORTED_PROTOCOL"],
        "this proxy does not speak the server's TLS",
    ),
    // The same alert is sent where no cipher is in common.
    failed(Label::NoClientCert, &["ALERT_HANDSHAKE_FAILURE"], "the server broke off the handshake")
        .likely(&["tls-version-mismatch"]),
    failed(
        Label::NonIstioTlsToPermissive,
        &["TLS_error", "Connection_reset"],
        "the server reset the handshake",
    )
    .possible(&["mtls-to-plaintext", "sidecar-killed", "pod-unreachable"]),
];
