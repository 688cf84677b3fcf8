//! Lines counted by their groups against the same lines looked at one by one.

use std::sync::Mutex;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::logs::aggregate::{Block, Limits, PodName, SourceName, Watch};
use crate::logs::format::{Formats, OwnFormat, Strictness};

fn pods() -> NamesPods {
    Arc::new(|pod| match pod {
        PodOf::Named(pod) => Some(format!("{}/{}", pod.namespace, pod.name)),
        PodOf::Address(address) => address.strip_prefix("10.1.0.").map(|last| format!("n/p-{last}")),
        PodOf::Unknown => None,
    })
}

/// Looks at every line and groups it by its fields.
struct OneByOne(Mutex<(String, u64, ByFields)>);

impl fmt::Debug for OneByOne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneByOne")
    }
}

impl Watch for OneByOne {
    fn line(&self, source: &SourceName, number: u64, _: &[u8]) {
        let mut state = self.0.lock().unwrap();
        (state.0, state.1) = (source.file.to_string(), number);
    }

    fn access(&self, line: AnyLine<'_>, pod: &PodOf, _: Option<GroupIndex>) {
        let mut state = self.0.lock().unwrap();
        let (file, number, by) = &mut *state;
        let pod = pods()(pod);
        let _ = by.add(&Seen { line, pod: pod.as_deref(), file, number: *number });
    }

    fn other(&self) {}

    fn goes_on(&self) -> bool {
        true
    }
}

const TIME: &str = "2026-11-22T09:09:57.273Z";
const TARGET: &str = "src.addr=10.1.0.2:41234 src.workload=\"web-1\" src.namespace=\"web\" \
                      src.identity=\"spiffe://cluster.local/ns/web/sa/web\" dst.addr=10.2.0.3:15008 \
                      dst.hbone_addr=10.2.0.3:80";

/// One to three flags, in any order.
fn flags() -> impl Strategy<Value = String> {
    select(vec!["-", "-", "UC", "UF,URX", "URX,UF", "XX", "YY", "NR"]).prop_map(str::to_owned)
}

fn cluster() -> impl Strategy<Value = &'static str> {
    select(vec![
        "outbound|80||a.n.svc.cluster.local",
        "outbound|80|v1|a.n.svc.cluster.local",
        "outbound_.80_.v1_.a.n.svc.cluster.local",
        "outbound|443||b.n.svc.cluster.local",
        "inbound|8080||",
        "PassthroughCluster",
        "BlackHoleCluster",
        "xds-grpc",
        "-",
    ])
}

/// A line in Istio's text layout: of either side, of HTTP and TCP, whole and failed, with quotes of a caller.
fn envoy() -> impl Strategy<Value = String> {
    let status = select(vec!["200", "404", "503", "0", "-"]);
    let details = select(vec!["via_upstream", "-", "filter_chain_not_found", "route_not_found"]);
    let request = select(vec!["GET /a HTTP/1.1", "POST /b HTTP/2", "- - -", "GET /a\" 503 UH \"b HTTP/1.1"]);
    let reason = select(vec!["-", "TLS_error:|268435581", "a b"]);
    let parts = (status, flags(), details, request, reason);
    let other = (cluster(), 0..60_u8, prop_oneof![Just(String::from("-")), "[0-9]{1,4}"], 1..4_u8);
    (parts, other).prop_map(|((code, flags, details, request, reason), (cluster, second, millis, end))| {
        format!(
            "[2026-11-22T09:09:{second:02}.001Z] \"{request}\" {code} {flags} {details} - \"{reason}\" 0 9 \
             {millis} 1 \"-\" \"c\" \"id-{end}\" \"host-{end}\" \"10.2.0.{end}:80\" {cluster} \
             10.1.0.{end}:4000 10.96.0.{end}:80 10.1.0.9:1 - default"
        )
    })
}

fn ztunnel() -> impl Strategy<Value = String> {
    let error = select(vec![
        "",
        " error=\"connection closed due to policy rejection: allow policies exist, but none allowed\"",
        " error=\"invalid peer certificate: not valid after 1763802597\"",
        " error=\"invalid peer certificate: not valid after 1763802598\"",
    ]);
    let service = select(vec!["", " dst.service=\"b.n.svc.cluster.local\""]);
    let server = select(vec![
        "",
        " dst.workload=\"b-1\" dst.namespace=\"n\"",
        " dst.workload=\"b-1\"",
        " dst.namespace=\"m\"",
        " dst.workload=\"1\" dst.namespace=\"n/b\"",
        " dst.workload=\"b/1\" dst.namespace=\"n\"",
    ]);
    let direction = select(vec!["inbound", "outbound"]);
    (error, service, server, direction, 0..60_u8, 0..300_u16).prop_map(
        |(error, service, server, direction, second, millis)| {
            let (level, word) = if error.is_empty() { ("info", "complete") } else { ("error", "failed") };
            format!(
                "2026-11-22T09:09:{second:02}.273Z\t{level}\taccess\tconnection {word}\t{TARGET}{service}\
                 {server} direction=\"{direction}\" bytes_sent=5 bytes_recv=9 duration=\"{millis}ms\"{error}"
            )
        },
    )
}

fn line() -> impl Strategy<Value = String> {
    let json = (flags(), cluster(), select(vec!["null", "\"via_upstream\""])).prop_map(
        |(flags, cluster, details)| {
            format!(
                "{{\"start_time\":\"{TIME}\",\"response_code\":503,\"response_flags\":\"{flags}\",\
                 \"upstream_cluster\":\"{cluster}\",\"response_code_details\":{details},\"duration\":7,\
                 \"method\":\"GET\",\"path\":\"/\",\"protocol\":\"HTTP/1.1\",\"authority\":\"j\"}}"
            )
        },
    );
    let default =
        format!("[{TIME}] \"GET /a HTTP/1.1\" 200 - 0 91 12 - \"-\" \"curl\" \"id\" \"cart\" \"-\"");
    let long = select(vec!["UpstreamConnectionTermination", "UC", "-"]);
    prop_oneof![
        8 => envoy(),
        2 => ztunnel(),
        1 => json,
        1 => Just(default),
        1 => envoy().prop_map(|line| format!("[web/client-{}] {line}", line.len() % 2)),
        1 => envoy().prop_map(|line| {
            let middle = line.len() / 2;
            format!("{}\n{}", line.get(..middle).unwrap_or(""), line.get(middle..).unwrap_or(""))
        }),
        1 => long.prop_map(|flags| format!("own 503 {flags} outbound|80||a.n.svc.cluster.local 5")),
        1 => Just(format!("{TIME}\tinfo\tready")),
    ]
}

fn said(by: &ByFields) -> String {
    format!("{:#?} {}", by.groups(), by.other_groups())
}

fn started(limits: Limits, has_own: bool, pod: Option<&PodName>) -> (Aggregate, Vec<super::super::SourceId>) {
    let mut logs = Aggregate::with_limits(limits);
    if has_own {
        let format = "own %RESPONSE_CODE% %RESPONSE_FLAGS_LONG% %UPSTREAM_CLUSTER% %DURATION%";
        let format = OwnFormat::compile(format, Strictness::Strict).unwrap();
        logs.use_formats(Formats::new([], Some(format)));
    }
    let name = |file: &str, pod| SourceName { file: file.into(), pod };
    let sources = vec![logs.add_source(name("a.log", pod.cloned())), logs.add_source(name("b.log", None))];
    (logs, sources)
}

fn all_fields() -> impl Strategy<Value = Vec<Field>> {
    // Those that some key tells, so that often all are told; and any.
    let told = ["code", "flags", "details", "cluster", "port", "subset", "host", "reporter", "pod", "mtls"];
    let more = ["reason", "termination", "message", "error", "src.workload", "dst.workload", "dst.namespace"];
    let told: Vec<_> = told.iter().chain(&more).map(|name| Field::named(name).unwrap()).collect();
    prop_oneof![3 => subsequence(told, 1..4), 1 => subsequence(Field::ALL.to_vec(), 1..4)]
}

proptest! {
    #[test]
    fn the_outcome_is_that_of_one_line_after_another(
        lines in prop::collection::vec(line(), 1..80),
        fields in all_fields(),
        groups in select(vec![3, 12, 100_000]),
        duration_bytes in select(vec![0, 20 << 10, 8 << 20]),
        (has_own, has_pod, size) in (any::<bool>(), any::<bool>(), 1..90_usize),
    ) {
        let limits = Limits { groups, duration_bytes, ..Limits::default() };
        let pod = has_pod.then(|| PodName { namespace: "n".into(), name: "p-1".into() });
        let text = format!("{}\n", lines.join("\n"));
        let all: Vec<_> = text.lines().collect();

        let (mut logs, sources) = started(limits, has_own, pod.as_ref());
        let by = ByFields::new(fields.clone(), limits);
        let watch = Arc::new(OneByOne(Mutex::new((String::new(), 0, by))));
        let shared: Arc<dyn Watch> = Arc::<OneByOne>::clone(&watch);
        logs.set_watch(Some(shared));
        for source in sources {
            for (number, line) in (1..).zip(&all) {
                logs.add_line(source, number, line.as_bytes());
            }
            logs.end_lines(source);
        }
        let expected = said(&watch.0.lock().unwrap().2);
        let counts: u64 = logs.lines_of_groups().map(|(_, count)| count).sum();
        prop_assert!(groups < 100_000 || counts == logs.lines().parsed);

        let (mut logs, sources) = started(limits, has_own, pod.as_ref());
        logs.count_by(fields.clone(), pods());
        for source in sources {
            let reader = logs.block_reader(source);
            let (mut first, mut spent) = (1, Block::default());
            for lines in all.chunks(size) {
                let block = reader.read(lines.join("\n").into_bytes(), spent);
                logs.add_block(source, &reader, first, &block);
                first += block.lines();
                spent = block;
            }
            logs.end_lines(source);
        }
        prop_assert_eq!(said(&logs.take_counted_by().unwrap()), expected.as_str(), "in blocks");

        let (mut logs, sources) = started(limits, has_own, pod.as_ref());
        logs.count_by(fields, pods());
        for source in sources {
            let reader = logs.block_reader(source);
            logs.add_text(source, &reader, 1, text.as_bytes());
            logs.end_lines(source);
        }
        prop_assert_eq!(said(&logs.take_counted_by().unwrap()), expected, "as a text");
    }
}

/// Where the key tells, no line but the first of a group is looked at.
#[test]
fn a_line_is_looked_at_once_a_group_where_its_key_tells() {
    let line = |cluster: &str, flags: &str| {
        format!(
            "[{TIME}] \"GET /a HTTP/1.1\" 503 {flags} via_upstream - \"-\" 0 9 5 1 \"-\" \"c\" \"i\" \"h\" \
             \"10.2.0.1:80\" {cluster} 10.1.0.2:4000 10.96.0.1:80 10.1.0.9:1 - default"
        )
    };
    let looked = |fields: &[Field], cluster: &str, flags: &str| {
        let (mut logs, sources) = started(Limits::default(), false, None);
        logs.count_by(fields.to_vec(), pods());
        logs.add_line(sources[0], 1, line(cluster, flags).as_bytes());
        logs.by_groups.as_ref().unwrap().envoy.get(Some(0)).is_none()
    };
    let outbound = "outbound|80||a.n.svc.cluster.local";
    let told = [Field::UpstreamCluster, Field::ResponseCode, Field::ResponseFlags, Field::Host, Field::Pod];
    assert!(!looked(&told, outbound, "UC"));
    assert!(!looked(&told, outbound, "-"));
    assert!(looked(&told, outbound, "UF,URX"), "their order");
    assert!(looked(&told, outbound, "XX"), "its name");
    assert!(looked(&told, "inbound|80||", "UC"), "the authority");
    assert!(looked(&[Field::Path], outbound, "-"));
}
