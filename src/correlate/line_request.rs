//! From a log line to the request, or the connection, that it is about: what the line tells of it, borrowed, and the
//! request that policies can be held against. What a line does not tell stays unknown.

use std::net::IpAddr;

use crate::logs::{AccessLine, FlagSet, Reporter, Sni, ZtunnelLine, value};
use crate::resolve::Mesh;
use crate::resolve::authorize::evaluator::Protocol;
use crate::resolve::authorize::in_mesh;
use crate::resolve::authorize::request::{Headers, Peer, Request, Token};
use crate::resolve::authorize::ztunnel::NONE_ALLOWED;

/// What the proxy that wrote a line did with the request, as the line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ruling<'a> {
    /// Refused by the rule of this name (L1 to L3).
    Refused(&'a [u8]),
    /// Refused, since no ALLOW rule matched.
    RefusedByNone,
    /// Refused by an external authorizer (L5).
    Authorizer,
    /// Its token was refused (J3).
    Token,
    /// It ended before any policy was asked, or nothing tells that one was.
    NotAsked,
    /// It got past the policies.
    Passed,
}

/// The mark of Envoy's filter for policies in details.
const MATCHED: &[u8] = b"rbac_access_denied_matched_policy[";

/// Beginnings of details of requests that Envoy ends before its filters, or where it may.
const NOT_ASKED: [&[u8]; 12] = [
    b"filter_chain_not_found",
    b"http1.",
    b"http2.",
    b"path_normalization_failed",
    b"missing_host_header",
    b"missing_path",
    b"low_version",
    b"downstream_remote_disconnect_before_headers",
    b"invalid_",
    // Filters of which nothing tells whether they stand before those for policies.
    b"local_rate_limited",
    b"request_rate_limited",
    b"fault_filter_abort",
];

/// The name of the rule in details: between the first `matched_policy[` and the last `]` (L4).
pub fn matched_policy(details: &[u8]) -> Option<&[u8]> {
    let rest = details.strip_prefix(MATCHED)?;
    let end = memchr::memrchr(b']', rest)?;
    rest.get(..end)
}

/// What a line of Envoy says that it did.
pub fn ruling<'a>(line: &AccessLine<'a>) -> Ruling<'a> {
    // What nearly all lines have: an answer from behind the policies.
    if line.response_code_details == Some(b"via_upstream") {
        return Ruling::Passed;
    }
    let details = [line.response_code_details, line.connection_termination_details];
    for details in details.into_iter().flatten() {
        match matched_policy(details) {
            Some(b"none") => return Ruling::RefusedByNone,
            Some(name) => return Ruling::Refused(name),
            None if details.starts_with(b"jwt_authn_access_denied") => return Ruling::Token,
            None if details.starts_with(b"ext_authz_denied") => return Ruling::Authorizer,
            None if NOT_ASKED.iter().any(|start| details.starts_with(start)) => return Ruling::NotAsked,
            None => {}
        }
    }
    let has = |flag| line.flags.contains(flag);
    if has(FlagSet::UAEX) {
        Ruling::Authorizer
    } else if has(FlagSet::DPE) || line.is_filter_chain_not_found() {
        Ruling::NotAsked
    } else {
        Ruling::Passed
    }
}

/// An address and a port, out of `IP:PORT` or `[IP]:PORT`.
fn address(text: Option<&[u8]>) -> (Option<IpAddr>, Option<u16>) {
    let text = value(text).and_then(|text| std::str::from_utf8(text).ok());
    let Some((host, port)) = text.and_then(|text| text.rsplit_once(':')) else { return (None, None) };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (host.parse().ok(), port.parse().ok())
}

/// A text as it is; what is no UTF-8 is not compared with anything that a policy can say.
fn text(field: Option<&[u8]>) -> Option<String> {
    value(field).and_then(|text| std::str::from_utf8(text).ok()).map(str::to_owned)
}

/// What a line's port speaks: with a method it is HTTP.
pub fn protocol(line: &AccessLine<'_>) -> Protocol {
    if value(line.method).is_some() { Protocol::Http } else { Protocol::Tcp }
}

/// The request of a line that the proxy of the called side wrote, or a gateway's. The path of a line is the one behind
/// normalisation.
pub fn of_access(mesh: &Mesh, line: &AccessLine<'_>) -> Request {
    let (local, port) = address(line.downstream_local_address);
    let (remote, remote_port) = address(line.downstream_remote_address);
    // Behind X-Forwarded-For it is the client's address, and the port is 0.
    let source = remote.filter(|_| remote_port != Some(0));
    let peer = match line.sni() {
        None | Some(Sni::Other) => Peer::Unknown,
        Some(Sni::None) => Peer::Plaintext,
        Some(Sni::Istio) => source.map_or(Peer::Somebody, |address| peer_at(mesh, address)),
    };
    let mut headers = Headers::default();
    let known = [
        ("x-forwarded-for", line.x_forwarded_for),
        ("user-agent", line.user_agent),
        ("x-request-id", line.request_id),
    ];
    for (name, field) in known {
        // A line that reads in more than one way does not tell what callers wrote.
        if let Some(field) = field.filter(|_| !line.ambiguous) {
            let is_told = std::str::from_utf8(field).is_ok();
            let lines = is_told.then(|| text(Some(field)).into_iter().collect());
            headers.lines.extend(lines.map(|lines| (name.to_owned(), lines)));
        }
    }
    let told = |field| if line.ambiguous { None } else { text(field) };
    Request {
        peer,
        method: told(line.method),
        path: told(line.path),
        host: told(line.authority),
        port,
        source_ip: source,
        remote_ip: remote,
        destination_ip: local,
        sni: line
            .requested_server_name
            .filter(|name| std::str::from_utf8(name).is_ok())
            .map(|name| text(Some(name)).unwrap_or_default()),
        headers,
        token: Token::Unknown,
        is_normalized: true,
        has_no_metadata: false,
    }
}

/// Who calls from an address: the identity of the pod that has it, where one is known.
fn peer_at(mesh: &Mesh, address: IpAddr) -> Peer {
    let pod = mesh.workloads.by_address(&address.to_string()).and_then(|at| mesh.workloads.get(at));
    let identity = pod.and_then(|pod| in_mesh::identity(mesh, pod));
    identity.map_or(Peer::Somebody, Peer::Identity)
}

/// The connection of a line that ztunnel wrote for the server's pod.
pub fn of_ztunnel(line: &ZtunnelLine<'_>) -> Request {
    let (source, _) = address(Some(line.src_addr.as_bytes()));
    let target = line.dst_hbone_addr.as_deref().unwrap_or(&line.dst_addr);
    let (destination, port) = address(Some(target.as_bytes()));
    let identity = line
        .src_identity
        .as_deref()
        .map(|identity| Peer::Identity(identity.strip_prefix("spiffe://").unwrap_or(identity).to_owned()));
    let peer = match identity {
        Some(identity) => identity,
        None if line.is_mtls() => Peer::Somebody,
        None if line.reporter == Reporter::Server => Peer::Plaintext,
        None => Peer::Unknown,
    };
    Request { peer, port, source_ip: source, destination_ip: destination, ..Request::default() }
}

/// What ztunnel says that it did (L7): the name behind `explicitly denied by: `.
pub fn ruling_of_ztunnel<'a>(line: &'a ZtunnelLine<'_>) -> Ruling<'a> {
    let Some(error) = line.error.as_deref() else { return Ruling::Passed };
    let Some(reason) = error.strip_prefix("connection closed due to policy rejection: ") else {
        return Ruling::NotAsked;
    };
    match reason.strip_prefix("explicitly denied by: ") {
        Some(name) => Ruling::Refused(name.as_bytes()),
        None if reason == NONE_ALLOWED => Ruling::RefusedByNone,
        None => Ruling::NotAsked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::parse_text;
    use crate::model::Snapshot;
    use crate::resolve::Options;

    const DENIED: &str = "[2026-08-22T10:00:00.000Z] \"GET /x?y HTTP/1.1\" 403 - rbac_access_denied_matched_policy[ns[foo]-policy[deny]-rule[0]] - \"-\" 0 19 0 - \"-\" \"curl/8\" \"6f3c\" \"httpbin.foo:8000\" \"-\" inbound|80|| - 10.1.2.3:80 10.1.2.9:53112 outbound_.8000_._.httpbin.foo.svc.cluster.local default";

    #[test]
    fn a_line_tells_of_its_request_what_it_has_and_no_more() {
        let line = parse_text(DENIED.as_bytes()).unwrap();
        assert_eq!(ruling(&line), Ruling::Refused(b"ns[foo]-policy[deny]-rule[0]"));
        assert_eq!(protocol(&line), Protocol::Http);
        let mesh = Mesh::new(&Snapshot::default(), &Options::default());
        let request = of_access(&mesh, &line);
        assert_eq!((request.method.as_deref(), request.path.as_deref()), (Some("GET"), Some("/x?y")));
        assert_eq!((request.port, request.peer), (Some(80), Peer::Somebody));
        assert_eq!(request.source_ip, Some("10.1.2.9".parse().unwrap()));
        assert_eq!(request.headers.get("user-agent"), Some(&["curl/8".to_owned()][..]));
        assert_eq!(
            (request.headers.get("x-forwarded-for"), request.headers.get("cookie")),
            (Some(&[][..]), None)
        );
        assert_eq!(request.token, Token::Unknown);
    }

    #[test]
    fn what_nothing_tells_of_a_line_is_not_guessed() {
        let mesh = Mesh::new(&Snapshot::default(), &Options::default());
        // A limit may stand before the policies or behind them.
        let limited = DENIED.replace(
            "403 - rbac_access_denied_matched_policy[ns[foo]-policy[deny]-rule[0]]",
            "429 RL local_rate_limited",
        );
        assert_eq!(ruling(&parse_text(limited.as_bytes()).unwrap()), Ruling::NotAsked);
        let mut broken = DENIED.replace("/x?y", "/x?z").into_bytes();
        let at = broken.iter().position(|byte| *byte == b'?').unwrap();
        broken[at] = 0xff;
        let request = of_access(&mesh, &parse_text(&broken).unwrap());
        assert_eq!((request.path, request.method.as_deref()), (None, Some("GET")));
    }

    #[test]
    fn names_of_rules_have_brackets_of_their_own() {
        assert_eq!(matched_policy(b"rbac_access_denied_matched_policy[none]"), Some(&b"none"[..]));
        assert_eq!(matched_policy(b"rbac_access_denied_matched_policy[a[b]-c[0]]"), Some(&b"a[b]-c[0]"[..]));
        assert_eq!(matched_policy(b"via_upstream"), None);
    }
}
