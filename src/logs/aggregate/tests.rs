use super::*;
use crate::logs::response_flags::FlagSet;

const HOST: &str = "outbound|9080||productpage.bookinfo.svc.cluster.local";

/// A line of Istio 1.9 or later from the parts that matter here.
struct Line {
    millis: u32,
    status: &'static str,
    request_id: &'static str,
    upstream: &'static str,
    tail: &'static str,
}

impl Line {
    fn text(&self) -> String {
        let Self { millis, status, request_id, upstream, tail } = self;
        let request = if status.starts_with("0 ") { "- - -" } else { "GET /a HTTP/1.1" };
        format!(
            "[2026-11-22T09:09:{:02}.{:03}Z] \"{request}\" {status} \"-\" 0 0 {millis} - \"-\" \"-\" \"{request_id}\" \"a\" \"{upstream}\" {tail}",
            millis / 1000,
            millis % 1000
        )
    }
}

const CLIENT_UC: Line = Line {
    millis: 1000,
    status: "503 UC upstream_reset_before_response_started{connection_termination} -",
    request_id: "d67949fc-302e-4de0-ae3e-fbcf8bc65c21",
    upstream: "10.0.0.21:9080",
    tail: "outbound|9080||productpage.bookinfo.svc.cluster.local 10.0.0.11:49064 10.96.0.50:9080 10.0.0.11:46998 - default",
};
const SERVER_NR: Line = Line {
    millis: 1003,
    status: "0 NR filter_chain_not_found -",
    request_id: "-",
    upstream: "-",
    tail: "- - 10.0.0.21:9080 10.0.0.11:49064 - -",
};
const CLIENT_403: Line = Line {
    millis: 2000,
    status: "403 - via_upstream -",
    request_id: "4c54cbec-c3ef-44df-b709-5616073ea9a8",
    upstream: "10.0.0.21:9080",
    tail: "outbound|9080||productpage.bookinfo.svc.cluster.local 10.0.0.11:36016 10.96.0.50:9080 10.0.0.11:42218 - default",
};
const SERVER_403: Line = Line {
    millis: 2001,
    status: "403 - rbac_access_denied_matched_policy[none] -",
    request_id: "4c54cbec-c3ef-44df-b709-5616073ea9a8",
    upstream: "-",
    tail: "inbound|9080|| - 10.0.0.21:9080 10.0.0.11:36016 outbound_.9080_._.productpage.bookinfo.svc.cluster.local default",
};

fn source(file: &str, pod: Option<&str>) -> SourceName {
    let pod = pod.map(|pod| PodName { namespace: "bookinfo".into(), name: pod.into() });
    SourceName { file: file.into(), pod }
}

fn aggregate(limits: Limits, lines: &[&Line]) -> Aggregate {
    let mut aggregate = Aggregate::with_limits(limits);
    let id = aggregate.add_source(source("a.log", None));
    for (number, line) in (1..).zip(lines) {
        aggregate.add_line(id, number, line.text().as_bytes());
    }
    aggregate
}

fn group_of(aggregate: &Aggregate, reporter: Reporter) -> Group {
    let mut groups = aggregate.groups().filter(|group| group.reporter == reporter);
    let group = groups.next().unwrap();
    assert_eq!(groups.next(), None);
    group
}

#[test]
fn one_group_for_lines_that_say_the_same() {
    let later = Line { millis: 5000, request_id: "x", ..CLIENT_UC };
    let aggregate = aggregate(Limits::default(), &[&later, &CLIENT_UC, &CLIENT_UC, &later, &CLIENT_403]);
    assert_eq!(aggregate.group_count(), 2);
    let group = aggregate.groups().next().unwrap();
    assert_eq!((group.count, group.reporter, group.response_code), (4, Reporter::Client, Some(503)));
    assert_eq!((group.flags, group.upstream_cluster.as_deref()), (FlagSet::UC, Some(HOST)));
    assert_eq!(group.pod, PodOf::Address("10.0.0.11".to_owned()));
    assert_eq!(group.first.map(super::super::format_time).unwrap(), "2026-11-22T09:09:01.000Z");
    assert_eq!(group.last.map(super::super::format_time).unwrap(), "2026-11-22T09:09:05.000Z");
    assert_eq!(group.duration_ms, Some(Durations { p50: 1000, p99: 5000 }));
    assert_eq!(group.samples.iter().map(|sample| sample.line).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(group.upstream_transport_failure_reason, None);
}

#[test]
fn lines_formats_and_sources_are_counted() {
    let mut aggregate = Aggregate::new();
    let id = aggregate.add_source(source("a.log", Some("web-1")));
    aggregate.add_line(id, 1, CLIENT_UC.text().as_bytes());
    aggregate.add_line(id, 2, b"2026-11-22T09:09:57.273Z\tinfo\tready");
    aggregate.add_line(SourceId(7), 3, CLIENT_UC.text().as_bytes());
    assert_eq!(aggregate.lines(), LineCounts { read: 3, parsed: 1, other: 2, joined: 0, ambiguous: 0 });
    assert_eq!(aggregate.formats().collect::<Vec<_>>(), [(Format::IstioText19, 1)]);
    assert_eq!(&*aggregate.source(id).unwrap().file, "a.log");
    assert_eq!(aggregate.source(SourceId(7)), None);
    let group = aggregate.groups().next().unwrap();
    assert_eq!(group.pod, PodOf::Named(PodName { namespace: "bookinfo".into(), name: "web-1".into() }));
}

#[test]
fn two_files_of_one_pod_are_one_reporter() {
    let mut aggregate = Aggregate::new();
    for file in ["a.log", "a.log.1"] {
        let id = aggregate.add_source(source(file, Some("web-1")));
        aggregate.add_line(id, 1, CLIENT_UC.text().as_bytes());
    }
    assert_eq!(aggregate.groups().map(|group| group.count).collect::<Vec<_>>(), [2]);
}

#[test]
fn refused_connections_are_joined_by_their_ends_in_either_order() {
    for lines in [[&CLIENT_UC, &SERVER_NR], [&SERVER_NR, &CLIENT_UC]] {
        let aggregate = aggregate(Limits::default(), &lines);
        let (client, server) =
            (group_of(&aggregate, Reporter::Client), group_of(&aggregate, Reporter::Server));
        assert_eq!(client.evidence.joined_refused_plaintext(), 1);
        assert_eq!((client.evidence.joined_refused_tls(), client.evidence.joined_server_failure()), (0, 0));
        let link = &client.evidence.links[0];
        assert_eq!((link.other, link.joined.samples.as_slice()), (server.index, server.samples.as_slice()));
        assert_eq!((link.joined.first, link.joined.last), (server.first, server.last));
        let link = &server.evidence.links[0];
        assert_eq!((link.kind, link.other, link.joined.count), (JoinKind::RefusedPlaintext, client.index, 1));
        assert_eq!(link.joined.samples, client.samples);
        assert_eq!(
            (server.peer.as_deref(), server.pod),
            (Some("10.0.0.11"), PodOf::Address("10.0.0.21".to_owned()))
        );
        assert_eq!((server.sni_none, server.sni_istio, server.sni_other), (1, 0, 0));
    }
}

#[test]
fn the_sni_tells_what_was_refused() {
    for (sni, kind) in [
        ("productpage.bookinfo", JoinKind::RefusedTls),
        ("outbound_.9080_._.productpage.bookinfo.svc.cluster.local", JoinKind::RefusedIstioTls),
    ] {
        let tail = format!("- - 10.0.0.21:9080 10.0.0.11:49064 {sni} -");
        let aggregate = aggregate(Limits::default(), &[&CLIENT_UC, &Line { tail: tail.leak(), ..SERVER_NR }]);
        let client = group_of(&aggregate, Reporter::Client);
        assert_eq!(
            (client.evidence.count(kind), client.evidence.joined_refused_plaintext()),
            (1, 0),
            "{sni}"
        );
    }
}

#[test]
fn failed_requests_are_joined_by_their_id_in_either_order() {
    for lines in [[&CLIENT_403, &SERVER_403], [&SERVER_403, &CLIENT_403]] {
        let aggregate = aggregate(Limits::default(), &lines);
        let (client, server) =
            (group_of(&aggregate, Reporter::Client), group_of(&aggregate, Reporter::Server));
        assert_eq!(client.evidence.joined_server_failure(), 1);
        let link = &client.evidence.links[0];
        let other = aggregate.group(link.other).unwrap();
        assert_eq!(other.response_code_details.as_deref(), Some("rbac_access_denied_matched_policy[none]"));
        assert_eq!(link.joined.samples, server.samples);
        assert_eq!(server.evidence.links[0].other, client.index);
    }
}

/// A request id is handed on: the same id at another server is another request of the chain.
#[test]
fn the_same_id_at_another_server_is_not_joined() {
    let elsewhere = Line { upstream: "10.0.0.99:9080", ..CLIENT_403 };
    let aggregate = aggregate(Limits::default(), &[&elsewhere, &SERVER_403]);
    assert!(aggregate.groups().all(|group| group.evidence.links.is_empty()));
}

#[test]
fn retries_count_lines_and_not_pairs() {
    let lines = [&SERVER_NR, &SERVER_NR, &CLIENT_UC, &SERVER_NR];
    let mut orders = vec![lines];
    for _ in 1..lines.len() {
        let mut next = *orders.last().unwrap();
        next.rotate_left(1);
        orders.push(next);
    }
    for lines in orders {
        let aggregate = aggregate(Limits::default(), &lines);
        assert_eq!(group_of(&aggregate, Reporter::Client).evidence.joined_refused_plaintext(), 1);
        assert_eq!(group_of(&aggregate, Reporter::Server).evidence.joined_refused_plaintext(), 3);
        assert_eq!(aggregate.joins_dropped(), 0);
    }
}

#[test]
fn what_is_not_joined() {
    let late = Line { millis: 59_999, ..SERVER_NR };
    let near = Limits { join_window_micros: 10_000_000, ..Limits::default() };
    let other_port = Line { tail: "- - 10.0.0.21:9080 10.0.0.11:49065 - -", ..SERVER_NR };
    let never_connected =
        Line { tail: "outbound|9080||a.b - 10.96.0.50:9080 10.0.0.11:46998 - default", ..CLIENT_UC };
    let good = Line { status: "200 - via_upstream -", ..CLIENT_UC };
    for (limits, lines) in [
        (near, [&CLIENT_UC, &late]),
        (Limits::default(), [&CLIENT_UC, &other_port]),
        (Limits::default(), [&never_connected, &SERVER_NR]),
        (Limits::default(), [&good, &SERVER_NR]),
    ] {
        let aggregate = aggregate(limits, &lines);
        assert!(aggregate.groups().all(|group| group.evidence.links.is_empty()), "{}", lines[1].text());
        assert_eq!((aggregate.group_count(), aggregate.joins_dropped()), (2, 0));
    }
}

#[test]
fn limits_hold_and_what_they_leave_out_is_counted() {
    let limits = Limits { groups: 2, joins: 3, duration_bytes: 0, ..Limits::default() };
    let mut aggregate = Aggregate::with_limits(limits);
    let id = aggregate.add_source(source("a.log", None));
    for number in 0..100_u64 {
        let tail = format!(
            "outbound|{}||a.b 10.0.0.11:{} 10.96.0.50:9080 10.0.0.11:46998 - default",
            number % 4,
            number + 1
        );
        aggregate.add_line(id, number, Line { tail: tail.leak(), ..CLIENT_UC }.text().as_bytes());
    }
    assert_eq!((aggregate.group_count(), aggregate.other_groups()), (2, 50));
    assert!(aggregate.groups().all(|group| group.count == 25 && group.duration_ms.is_some()));
    // 50 lines were counted in groups: three connections and one request id are remembered.
    assert_eq!(aggregate.joins_dropped(), 47 + 25);
    aggregate.forget_joins_before(i64::MAX);
    aggregate.add_line(id, 100, SERVER_NR.text().as_bytes());
    assert_eq!(aggregate.joins_dropped(), 47 + 25);
}

#[test]
fn the_default_limits_keep_their_word() {
    let Limits { groups, joins, duration_bytes, .. } = Limits::default();
    let parts = [table::bytes_of(groups), evidence::bytes_of(joins), duration_bytes];
    println!("groups, joins, durations: {parts:?}");
    assert!(parts.iter().sum::<usize>() <= 64 << 20, "{parts:?}");
}

#[test]
fn a_copy_goes_its_own_way() {
    let mut first = aggregate(Limits::default(), &[&CLIENT_UC]);
    let copy = first.clone();
    first.add_line(SourceId(0), 2, SERVER_NR.text().as_bytes());
    assert_eq!((copy.group_count(), first.group_count()), (1, 2));
    assert!(copy.groups().all(|group| group.evidence.links.is_empty()));
    assert_eq!(group_of(&first, Reporter::Client).evidence.joined_refused_plaintext(), 1);
}

#[test]
fn many_groups_are_all_found_again() {
    let mut aggregate = Aggregate::new();
    let id = aggregate.add_source(source("a.log", None));
    for round in 0..2_u64 {
        for number in 0..2000_u64 {
            let tail =
                format!("outbound|{number}||a.b 10.0.0.11:1 10.96.0.50:9080 10.0.0.11:46998 - default");
            aggregate.add_line(
                id,
                round,
                Line { status: "200 - via_upstream -", tail: tail.leak(), ..CLIENT_UC }.text().as_bytes(),
            );
        }
    }
    assert_eq!(aggregate.group_count(), 2000);
    assert!(aggregate.groups().all(|group| group.count == 2));
}

#[test]
fn addresses_without_ports() {
    for (address, ip) in [
        ("10.0.0.1:80", "10.0.0.1"),
        ("[2001:db8::1]:0", "2001:db8::1"),
        ("envoy://internal_client_address/", "envoy://internal_client_address/"),
        ("10.0.0.1", "10.0.0.1"),
        (":", ""),
    ] {
        assert_eq!(without_port(address.as_bytes()), ip.as_bytes());
    }
}

/// Recorded logs of both sides: each refused plaintext request finds its refusal, and denials find theirs.
#[test]
#[allow(clippy::print_stderr, reason = "it is for whoever runs the tests")]
fn recorded_lines_are_joined() {
    const ENVOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/envoy");
    if std::fs::read_dir(ENVOY).is_err() {
        eprintln!("SKIPPED: recorded lines of both sides; there is no {ENVOY}");
        return;
    }
    for (scenario, kind, lines) in [
        ("03-plaintext-to-strict", JoinKind::RefusedPlaintext, None),
        ("03-plaintext-to-strict-autodetect-port", JoinKind::RefusedPlaintext, None),
        ("03-plaintext-to-strict-tcp", JoinKind::RefusedPlaintext, None),
        ("envoy-1.36.2/03-plaintext-to-strict-tcp", JoinKind::RefusedPlaintext, None),
        ("09-websocket-plaintext-to-strict", JoinKind::RefusedPlaintext, None),
        ("07-rbac-deny-policy-matched", JoinKind::ServerFailure, None),
        ("07-rbac-tcp-deny", JoinKind::ServerFailure, None),
        ("09-grpc-rbac-denied", JoinKind::ServerFailure, None),
        ("08-uc-app-closes-without-answer", JoinKind::ServerFailure, None),
        ("01-ok-mtls-strict", JoinKind::RefusedPlaintext, Some(0)),
        ("08-uc-app-closes-no-sidecar-plaintext", JoinKind::RefusedPlaintext, Some(0)),
    ] {
        for sides in [["client", "server"], ["server", "client"]] {
            let mut aggregate = Aggregate::new();
            for side in sides {
                let bytes =
                    std::fs::read(format!("{ENVOY}/{scenario}/{side}.istio-text.log")).unwrap_or_default();
                let id = aggregate.add_source(source(side, None));
                for (number, line) in
                    (1..).zip(bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()))
                {
                    aggregate.add_line(id, number, line);
                }
            }
            let of_client = || aggregate.groups().filter(|group| group.reporter == Reporter::Client);
            let joined: u64 = of_client().map(|group| group.evidence.count(kind)).sum();
            assert_eq!(
                joined,
                lines.unwrap_or_else(|| of_client().map(|group| group.count).sum()),
                "{scenario}"
            );
        }
    }
}

fn pod(namespace: &str, name: &str) -> PodName {
    PodName { namespace: namespace.into(), name: name.into() }
}

/// What a line says of its pod counts before what its file does, and a bare name only where it is one pod's.
#[test]
fn a_prefix_names_the_pod_of_its_line() {
    let line = CLIENT_UC.text();
    let writers = |file: Option<&str>, prefix: &str| {
        let mut aggregate = Aggregate::new();
        aggregate.know_pods([
            pod("shop", "cart-0"),
            pod("shop", "db-0"),
            pod("test", "db-0"),
            pod("shop", "cart-0"),
        ]);
        let id = aggregate.add_source(source("all.log", file));
        aggregate.add_line(id, 1, format!("{prefix}{line}").as_bytes());
        let group = aggregate.groups().next().unwrap();
        let place = group
            .samples
            .first()
            .map(|sample| (aggregate.source(sample.source).unwrap().file.clone(), sample.line));
        assert_eq!(place, Some(("all.log".into(), 1)));
        group.pod
    };
    let address = PodOf::Address("10.0.0.11".to_owned());
    assert_eq!(writers(None, "[pod/cart-0/istio-proxy] "), PodOf::Named(pod("shop", "cart-0")));
    assert_eq!(writers(Some("web-1"), "[pod/cart-0/istio-proxy] "), PodOf::Named(pod("shop", "cart-0")));
    assert_eq!(writers(None, "[pod/db-0/istio-proxy] "), address, "two namespaces have one");
    assert_eq!(writers(Some("web-1"), "[pod/gone-0/istio-proxy] "), address, "it is not the pod of the file");
    assert_eq!(writers(Some("web-1"), "[pod/web-1/istio-proxy] "), PodOf::Named(pod("bookinfo", "web-1")));
    assert_eq!(writers(None, "test db-0 istio-proxy "), PodOf::Named(pod("test", "db-0")));
    assert_eq!(writers(None, "2026-11-22T09:09:01Z "), address);
}

#[test]
fn lines_in_layouts_that_are_not_read_are_counted_by_source() {
    let mut aggregate = Aggregate::new();
    let id = aggregate.add_source(source("a.log", None));
    aggregate.add_line(id, 1, b"[2026-11-22T09:09:01.000Z] \"GET / HTTP/1.1\" 503 and more");
    aggregate.add_line(id, 2, b"ready");
    assert_eq!((aggregate.unread(id), aggregate.lines().other), (1, 2));
    aggregate.add_line(id, 3, CLIENT_UC.text().as_bytes());
    assert_eq!(aggregate.other_layouts().map(|(_, lines)| lines).collect::<Vec<_>>(), [1]);
}
