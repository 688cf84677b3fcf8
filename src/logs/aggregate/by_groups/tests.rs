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
        by.add(&Seen { line, pod: pod.as_deref(), file, number: *number });
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

/// What may differ between the lines of a group stands for one of these: a time, a duration, an authority, flags in
/// another order or of other names, a time in an error, the flags of a format of one's own.
const TOKENS: [(&str, [&str; 3]); 7] = [
    ("~S", ["01", "02", "59"]),
    ("~M", ["3", "3000", "70000"]),
    ("~A", ["h1", "h2", "h1"]),
    ("~F", ["UF,URX", "URX,UF", "UF,URX"]),
    ("~U", ["XX", "YY", "XX"]),
    ("~T", ["1763802597", "1763802598", "1763802597"]),
    ("~D", ["dst.workload=\"1\" dst.namespace=\"n/b\"", "dst.workload=\"b/1\" dst.namespace=\"n\"", ""]),
];

fn filled(line: &str, which: usize) -> String {
    let choice = |texts: [&'static str; 3]| texts.into_iter().cycle().nth(which).unwrap();
    TOKENS.into_iter().fold(line.to_owned(), |line, (token, texts)| line.replace(token, choice(texts)))
}

fn cluster() -> impl Strategy<Value = &'static str> {
    select(vec![
        "outbound|80||a.n.svc.cluster.local",
        "outbound|80|v1|a.n.svc.cluster.local",
        "outbound_.80_.v1_.a.n.svc.cluster.local",
        "outbound|443||b.n.svc.cluster.local",
        "inbound|8080||",
        "PassthroughCluster",
        "xds-grpc",
        "-",
    ])
}

fn envoy_line(flags: &str, cluster: &str) -> String {
    format!(
        "[2026-11-22T09:09:~S.001Z] \"GET /~A HTTP/1.1\" 503 {flags} via_upstream - \"-\" 0 9 ~M 1 \"-\" \
         \"c\" \"id\" \"~A\" \"10.2.0.1:80\" {cluster} 10.1.0.1:4000 10.96.0.1:80 10.1.0.9:1 - default"
    )
}

/// A line in Istio's text layout: of either side, of HTTP and TCP, whole and failed, with quotes of a caller.
fn envoy() -> impl Strategy<Value = String> {
    let changes = [
        ("", ""),
        (" 503 ", " 200 "),
        (" 503 ", " - "),
        ("via_upstream", "filter_chain_not_found"),
        ("GET /~A HTTP/1.1\" 503", "- - -\" 0"),
        ("GET /~A", "GET /a\" 503 UH \"b"),
        (" - \"-\" ", " - \"TLS_error:|268435581\" "),
    ];
    (select(vec!["-", "UC", "~F", "~U", "NR"]), cluster(), select(changes.to_vec()))
        .prop_map(|(flags, cluster, (from, to))| envoy_line(flags, cluster).replacen(from, to, 1))
}

fn ztunnel_line(service: &str, server: &str, direction: &str, error: &str) -> String {
    let (level, word) = if error.is_empty() { ("info", "complete") } else { ("error", "failed") };
    format!(
        "2026-11-22T09:09:~S.273Z\t{level}\taccess\tconnection {word}\t{TARGET} {service} {server} \
         direction=\"{direction}\" bytes_sent=5 bytes_recv=9 duration=\"~Mms\" {error}"
    )
}

fn ztunnel() -> impl Strategy<Value = String> {
    let error = select(vec![
        "",
        "error=\"connection closed due to policy rejection\"",
        "error=\"invalid peer certificate: not valid after ~T\"",
    ]);
    let service = select(vec!["", "dst.service=\"b.n.svc.cluster.local\""]);
    let both = "dst.workload=\"b-1\" dst.namespace=\"n\"";
    let server = select(vec!["", both, "dst.workload=\"b-1\"", "dst.namespace=\"m\"", "~D"]);
    (service, server, select(vec!["inbound", "outbound"]), error)
        .prop_map(|(service, server, direction, error)| ztunnel_line(service, server, direction, error))
}

fn json_line(flags: &str, cluster: &str) -> String {
    format!(
        "{{\"start_time\":\"{TIME}\",\"response_code\":503,\"response_flags\":\"{flags}\",\"upstream_cluster\":\
         \"{cluster}\",\"response_code_details\":null,\"duration\":~M,\"method\":\"GET\",\"path\":\"/\",\
         \"protocol\":\"HTTP/1.1\",\"authority\":\"~A\"}}"
    )
}

/// One in Envoy's default layout, which others begin with.
fn default_line() -> String {
    format!("[{TIME}] \"GET /a HTTP/1.1\" 200 - 0 91 ~M - \"-\" \"curl\" \"id\" \"~A\" \"-\"")
}

fn own_line(flags: &str) -> String {
    format!("own 503 {flags} outbound|80||a.n.svc.cluster.local ~M")
}

fn broken(line: &str, at: usize) -> String {
    let (before, after) = line.split_at_checked(at.min(line.len())).unwrap_or((line, ""));
    format!("{before}\n{after}")
}

fn line() -> impl Strategy<Value = String> {
    let own = select(vec!["UpstreamConnectionTermination", "UC", "-"]);
    let json = (select(vec!["-", "UC", "~F"]), cluster());
    prop_oneof![
        8 => envoy(),
        3 => ztunnel(),
        1 => json.prop_map(|(flags, cluster)| json_line(flags, cluster)),
        1 => Just(default_line()),
        1 => (Just(default_line()), 40..90_usize).prop_map(|(line, at)| broken(&line, at)),
        1 => (envoy(), 40..200_usize).prop_map(|(line, at)| broken(&line, at)),
        1 => envoy().prop_map(|line| format!("[web/client-{}] {line}", line.len() % 2)),
        1 => own.prop_map(own_line),
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

/// What is asked, and of what.
#[derive(Debug, Clone)]
struct Asked {
    fields: Vec<Field>,
    limits: Limits,
    has_own: bool,
    pod: Option<PodName>,
    /// So many lines are read at once.
    size: usize,
}

/// What looking at one line after another tells, and what is told in blocks and of the whole text.
fn told(asked: &Asked, text: &str) -> [String; 3] {
    let Asked { fields, limits, has_own, pod, size } = asked;
    let all: Vec<_> = text.lines().collect();
    let start = || started(*limits, *has_own, pod.as_ref());

    let (mut logs, sources) = start();
    let by = ByFields::new(fields.clone(), *limits);
    let watch = Arc::new(OneByOne(Mutex::new((String::new(), 0, by))));
    let shared: Arc<dyn Watch> = Arc::<OneByOne>::clone(&watch);
    logs.set_watch(Some(shared));
    for source in sources {
        for (number, line) in (1..).zip(&all) {
            logs.add_line(source, number, line.as_bytes());
        }
        logs.end_lines(source);
    }
    let one_by_one = said(&watch.0.lock().unwrap().2);

    let (mut logs, sources) = start();
    logs.count_by(fields.clone(), pods());
    for source in sources {
        let reader = logs.block_reader(source);
        let (mut first, mut spent) = (1, Block::default());
        for lines in all.chunks(*size) {
            let mut block = reader.read(lines.join("\n").into_bytes(), spent);
            logs.add_block(source, &reader, first, &mut block);
            first += block.lines();
            spent = block;
        }
        logs.end_lines(source);
    }
    let in_blocks = said(&logs.take_counted_by().unwrap());

    let (mut logs, sources) = start();
    logs.count_by(fields.clone(), pods());
    for source in sources {
        let reader = logs.block_reader(source);
        logs.add_text(source, &reader, 1, text.as_bytes());
        logs.end_lines(source);
    }
    let counts: u64 = logs.lines_of_groups().map(|(_, count)| count).sum();
    assert_eq!(counts + logs.other_groups(), logs.lines().parsed);
    [one_by_one, in_blocks, said(&logs.take_counted_by().unwrap())]
}

proptest! {
    #[test]
    fn the_outcome_is_that_of_one_line_after_another(
        kinds in prop::collection::vec(line(), 1..7),
        lines in prop::collection::vec((0..7_usize, 0..3_usize), 1..60),
        fields in all_fields(),
        groups in select(vec![3, 12, 100_000]),
        duration_bytes in select(vec![0, 20 << 10, 8 << 20]),
        (has_own, has_pod, size) in (any::<bool>(), any::<bool>(), 1..90_usize),
    ) {
        let limits = Limits { groups, duration_bytes, ..Limits::default() };
        let pod = has_pod.then(|| PodName { namespace: "n".into(), name: "p-1".into() });
        let mut text = String::new();
        for (kind, which) in lines {
            text.push_str(&filled(&kinds[kind % kinds.len()], which));
            text.push('\n');
        }
        let [one_by_one, in_blocks, as_text] = told(&Asked { fields, limits, has_own, pod, size }, &text);
        prop_assert_eq!(in_blocks, one_by_one.as_str());
        prop_assert_eq!(as_text, one_by_one);
    }
}

/// Lines of one group that differ in what its key does not tell, each with the field, and how many groups by it there are.
#[test]
fn what_the_key_does_not_tell_is_looked_at() {
    let outbound = "outbound|80||a.n.svc.cluster.local";
    let service = "dst.service=\"b.n.svc.cluster.local\"";
    let workload = "dst.workload=\"b-1\"";
    let certificate = "error=\"invalid peer certificate: not valid after ~T\"";
    let twice = |line: &str| format!("{}\n{}\n{}\n", filled(line, 0), filled(line, 1), filled(line, 0));
    let cases = [
        ("flags", twice(&envoy_line("~F", outbound)), 2),
        ("flags", twice(&envoy_line("~U", outbound)), 2),
        ("flags", twice(&envoy_line("UC", outbound)), 1),
        ("flags", [json_line("UC", outbound), own_line("UpstreamConnectionTermination")].join("\n"), 2),
        ("host", twice(&envoy_line("-", "inbound|8080||")), 2),
        ("host", twice(&envoy_line("-", outbound)), 1),
        ("host", twice(&ztunnel_line("", "", "inbound", "").replace("10.2.0.3:15008", "10.2.0.3:~M")), 2),
        ("host", twice(&ztunnel_line(service, "", "inbound", "")), 1),
        ("error", twice(&ztunnel_line(service, "", "inbound", certificate)), 2),
        ("dst.workload", twice(&ztunnel_line(service, "~D", "inbound", "")), 2),
        (
            "dst.workload",
            [ztunnel_line("", workload, "inbound", ""), ztunnel_line("", "", "inbound", "")].join("\n"),
            2,
        ),
        ("path", twice(&envoy_line("-", outbound)), 2),
        ("code", twice(&envoy_line("~F", outbound)), 1),
        // The first is whole in two lines, as the last one shows.
        ("code", [broken(&default_line(), 60), envoy_line("-", outbound)].join("\n"), 2),
    ];
    for (field, text, groups) in cases {
        let fields = vec![Field::named(field).unwrap()];
        let pod = Some(PodName { namespace: "n".into(), name: "p-1".into() });
        let asked = Asked { fields, limits: Limits::default(), has_own: true, pod, size: 2 };
        let text = filled(&text, 0);
        let [one_by_one, in_blocks, as_text] = told(&asked, &text);
        assert_eq!(one_by_one.matches("FieldGroup").count(), groups, "{field}: {text}");
        assert_eq!(in_blocks, one_by_one, "{field}: {text}");
        assert_eq!(as_text, one_by_one, "{field}: {text}");
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
        let looked = logs.by_groups.as_ref().unwrap().envoy.get(Some(0)) == Place::Each;
        // Where lines are read one by one at most those are not looked at whose clusters name a host.
        let names_host = fields.contains(&Field::Host) && cluster != "inbound|80||";
        assert!(!logs.looks_at_lines() || looked || names_host, "{fields:?}");
        looked
    };
    let outbound = "outbound|80||a.n.svc.cluster.local";
    let told = [Field::UpstreamCluster, Field::ResponseCode, Field::ResponseFlags, Field::Host, Field::Pod];
    assert!(!looked(&told, outbound, "UC"));
    assert!(!looked(&told, outbound, "-"));
    assert!(looked(&told, outbound, "UF,URX"), "their order");
    assert!(looked(&told, outbound, "XX"), "its name");
    assert!(looked(&told, "inbound|80||", "UC"), "the authority");
    assert!(looked(&[Field::Path], outbound, "-"));
    let (mut logs, _) = started(Limits::default(), false, None);
    assert!(!logs.looks_at_lines());
    for (fields, looks) in
        [("code,flags,cluster", false), ("pod,message,mtls", false), ("code,path", true), ("host", true)]
    {
        logs.count_by(fields.split(',').map(|name| Field::named(name).unwrap()).collect(), pods());
        assert_eq!(logs.looks_at_lines(), looks, "{fields}");
    }
}
