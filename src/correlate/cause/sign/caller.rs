//! What the caller did: gone before the answer, or no valid HTTP.

use super::{Sign, Writer, sign};
use crate::correlate::cause::label::Label;

/// A proxy that does not end TLS on an HTTP port reads the greeting as a request (Envoy's answer to `04` of the bench).
const TLS_AS_HTTP: &[&str] = &["mtls-to-plaintext", "non-istio-tls-to-permissive"];

/// Details of requests that Envoy's HTTP connection manager answers without a flag.
const fn malformed(details: &'static [&'static str]) -> Sign {
    sign(Writer::Any, "-", Label::BadRequest, "the request is not valid HTTP").text(details)
}

const fn invalid(details: &'static [&'static str]) -> Sign {
    sign(Writer::Any, "DPE", Label::BadRequest, "the request is not valid HTTP").text(details)
}

pub(super) const SIGNS: &[Sign] = &[
    sign(Writer::Client, "DC", Label::CallerGaveUp, "the caller went away"),
    // The client's proxy closes as well, where its own timeout is over.
    sign(Writer::Server, "DC", Label::CallerGaveUp, "the client went away").possible(&["timeout"]),
    sign(Writer::NoCluster, "DC", Label::CallerGaveUp, "the caller went away").likely(&["timeout"]),
    sign(Writer::Client, "DR", Label::CallerGaveUp, "the caller reset its stream"),
    sign(Writer::Any, "DR", Label::CallerGaveUp, "the client reset its stream").possible(&["timeout"]),
    sign(Writer::Any, "DPE", Label::BadRequest, "what came is no HTTP")
        .text(&["codec_error"])
        .possible(TLS_AS_HTTP),
    // These were read far enough to say what is wrong with them.
    invalid(&["http1."]),
    invalid(&["http.invalid_authority"]),
    invalid(&["low_version"]),
    sign(Writer::Any, "DPE", Label::BadRequest, "what came is no HTTP").possible(TLS_AS_HTTP),
    malformed(&["missing_host_header"]),
    malformed(&["path_normalization_failed"]),
    malformed(&["missing_path"]),
    malformed(&["low_version"]),
];
