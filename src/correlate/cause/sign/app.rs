//! What the application's side did after its proxy, or the client's, had reached it.

use super::{Sign, Writer, sign};
use crate::correlate::cause::label::Label;

const BEGUN: &[&str] = &["upstream_reset_after_response_started"];

/// An answer of the server's side, as the client sees it: the application's own, or one of its proxy.
const fn answered(code: u16, alternatives: &'static [&'static str]) -> Sign {
    sign(Writer::Client, "-", Label::AppError, "the server's side answered")
        .code(code)
        .text(&["via_upstream"])
        .possible(alternatives)
}

pub(super) const SIGNS: &[Sign] = &[
    // Part of an answer had come: it was cut off, or what followed was no HTTP.
    sign(Writer::Any, "UPE", Label::AppClosed, "the answer broke off")
        .text(BEGUN)
        .likely(&["app-protocol-error"]),
    sign(Writer::Server, "UPE", Label::AppProtocolError, "the application's answer is no HTTP"),
    // A port that wants TLS answers plaintext with bytes of its own.
    sign(Writer::Client, "UPE", Label::AppProtocolError, "the answer is no HTTP")
        .likely(&["missing-tls-origination"]),
    answered(403, &["rbac-denied", "ext-authz-denied", "rbac-denied-because-plaintext"]),
    answered(429, &["rate-limited"]),
    answered(502, &["app-protocol-error"]),
    answered(503, &["app-closed", "app-down", "overflow", "no-endpoints"]),
    answered(504, &["timeout"]),
    sign(Writer::Client, "-", Label::AppError, "the server's side answered")
        .text(&["via_upstream"])
        .possible(&[]),
    // The server's proxy took this answer from its own application.
    sign(Writer::Server, "-", Label::AppError, "the application's own answer").text(&["via_upstream"]),
];
