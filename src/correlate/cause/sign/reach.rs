//! Nothing was reached: no route, no cluster, no endpoint, no connection.

use super::{Sign, Writer, sign};
use crate::correlate::cause::label::Label;

/// Whatever goes to this cluster of Istio's is dropped, since no service is for it.
pub(super) const BLACK_HOLE: Sign =
    sign(Writer::Client, "", Label::UnknownHost, "no service is for it, and nothing unknown may leave");

const fn refused(writer: Writer, label: Label, text: &'static [&'static str]) -> Sign {
    sign(writer, "UF", label, "the connection was refused").text(text)
}

pub(super) const SIGNS: &[Sign] = &[
    // What is refused after the proxy there was killed looks the same.
    refused(Writer::Client, Label::PodUnreachable, &["Connection_refused"]).likely(&["sidecar-killed"]),
    refused(Writer::Client, Label::PodUnreachable, &["delayed_connect_error:_111"])
        .likely(&["sidecar-killed"]),
    refused(Writer::Server, Label::AppDown, &["Connection_refused"]),
    refused(Writer::Server, Label::AppDown, &["delayed_connect_error:_111"]),
    // The time for connecting includes the TLS handshake, to which a server without TLS may never answer.
    sign(Writer::Client, "UF", Label::PodUnreachable, "no connection within the time for it")
        .text(&["connection_timeout"])
        .likely(&["mtls-to-plaintext"]),
    sign(Writer::Client, "UF", Label::PodUnreachable, "no way leads to the address")
        .text(&["connect_error"])
        .likely(&["sidecar-killed"]),
    // Older proxies, and a server that just closes, give no reason. Other TLS errors are not in this table.
    sign(Writer::Server, "UF", Label::AppDown, "no connection to the application").likely(&[]),
    sign(Writer::NoCluster, "NR", Label::NoRoute, "no route is for the request").text(&["route_not_found"]),
    sign(Writer::NoCluster, "NR", Label::NoRoute, "no route is for the request").code(404),
    sign(Writer::Any, "NC", Label::NoCluster, "the route's cluster is not there"),
    // A VirtualService can answer so by itself.
    sign(
        Writer::NoCluster,
        "-",
        Label::UnknownHost,
        "answered by the proxy, as it does where hosts must be known",
    )
    .code(502)
    .text(&["direct_response"])
    .likely(&[]),
];
