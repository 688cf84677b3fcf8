//! Throughput of the engine, each against what a user would pick instead, in the same run on the same bytes.

#![allow(missing_docs, reason = "divan's macros make public items")]
#![allow(unreachable_pub, reason = "a module of a benchmark")]

use std::hint::black_box;

#[allow(dead_code, reason = "the generator of files needs more of it")]
mod access_log;

fn main() {
    divan::main();
}

/// Access logs: reading, grouping and joining every line.
#[divan::bench_group]
mod logs {
    use std::sync::Arc;

    use divan::Bencher;
    use divan::counter::BytesCount;
    use meshscope::correlate::rule_hits::RuleHits;
    use meshscope::logs::{
        Aggregate, Formats, LogFormat, OwnFormat, SourceName, Strictness, Watch, parse_json, parse_text,
    };
    use meshscope::model::decode::ObjectSeed;
    use meshscope::model::interner::Interner;
    use meshscope::model::{Kind, Object, Origin, Snapshot};
    use meshscope::resolve::{Mesh, Options};
    use serde::de::DeserializeSeed as _;
    use serde_json::{Value, json};

    use super::access_log::{self, Layout};
    use super::black_box;

    const SIZE: u64 = 16 << 20;
    const FORMAT: &str = concat!(
        "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% ",
        "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% ",
        "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_SENT% %BYTES_RECEIVED% %DURATION% ",
        "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" ",
        "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER% ",
        "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ",
        "%REQUESTED_SERVER_NAME% %ROUTE_NAME%"
    );

    fn log_of(layout: Layout, pods: u64) -> Vec<u8> {
        let mut log = Vec::new();
        access_log::write(SIZE, pods, layout, &mut log).expect("a vector takes all");
        log
    }

    fn text_log(pods: u64) -> Vec<u8> {
        log_of(Layout::Text, pods)
    }

    /// The bound: nothing can be faster than finding the ends of the lines.
    #[divan::bench]
    fn newlines(bencher: Bencher<'_, '_>) {
        let log = text_log(1);
        bencher
            .counter(BytesCount::of_slice(&log))
            .bench(|| memchr::memchr_iter(b'\n', black_box(&log)).count());
    }

    /// The bound, with each line in hand.
    #[divan::bench]
    fn lines(bencher: Bencher<'_, '_>) {
        let log = text_log(1);
        bencher.counter(BytesCount::of_slice(&log)).bench(|| {
            for_each_line(black_box(&log), |line| {
                black_box(line);
            });
        });
    }

    #[divan::bench]
    fn parse(bencher: Bencher<'_, '_>) {
        let log = text_log(1);
        bencher.counter(BytesCount::of_slice(&log)).bench(|| {
            for_each_line(black_box(&log), |line| {
                black_box(parse_text(line));
            });
        });
    }

    /// The same lines by a format string: the default one, with two fields in each other's place.
    #[divan::bench]
    fn custom_format(bencher: Bencher<'_, '_>) {
        let log = text_log(1);
        let format = LogFormat::compile(FORMAT, Strictness::Strict).expect("a format");
        bencher.counter(BytesCount::of_slice(&log)).bench(|| {
            for_each_line(black_box(&log), |line| {
                black_box(format.read(line).is_some());
            });
        });
    }

    /// Lines in JSON.
    #[divan::bench]
    fn json(bencher: Bencher<'_, '_>) {
        let log = log_of(Layout::Json, 1);
        bencher.counter(BytesCount::of_slice(&log)).bench(|| {
            for_each_line(black_box(&log), |line| {
                black_box(parse_json(line, |line| line.response_code));
            });
        });
    }

    /// Lines of that many pods on each side; a log file is that of one.
    #[divan::bench(args = [1, 30])]
    fn aggregate(bencher: Bencher<'_, '_>, pods: u64) {
        let log = text_log(pods);
        bencher.counter(BytesCount::of_slice(&log)).bench(|| {
            let mut aggregate = Aggregate::new();
            let source = aggregate.add_source(SourceName { file: "bench.log".into(), pod: None });
            let mut number = 0;
            for_each_line(black_box(&log), |line| {
                number += 1;
                aggregate.add_line(source, number, line);
            });
            assert_eq!(aggregate.lines().other, 0);
            aggregate
        });
    }

    /// Lines of servers counted alone, and with a verdict of their policies each.
    #[divan::bench(args = ["counted", "decided"])]
    fn verdicts(bencher: Bencher<'_, '_>, what: &str) {
        let all = text_log(30);
        let mut log = Vec::with_capacity(all.len());
        for_each_line(&all, |line| {
            if memchr::memmem::find(line, b"inbound|").is_some() {
                log.extend_from_slice(line);
                log.push(b'\n');
            }
        });
        let mesh = mesh_with_policies();
        bencher.counter(BytesCount::of_slice(&log)).bench(|| {
            let mut aggregate = Aggregate::new();
            let hits = Arc::new(RuleHits::new(Arc::clone(&mesh), None));
            if what == "decided" {
                let watch: Arc<dyn Watch> = Arc::<RuleHits>::clone(&hits);
                aggregate.set_watch(Some(watch));
            }
            let source = aggregate.add_source(SourceName { file: "bench.log".into(), pod: None });
            let mut number = 0;
            for_each_line(black_box(&log), |line| {
                number += 1;
                aggregate.add_line(source, number, line);
            });
            let counted: u64 = hits.guards().iter().map(|(_, counters)| counters.tally.lines).sum();
            assert_eq!(counted, if what == "decided" { number } else { 0 });
            aggregate
        });
    }

    /// The servers of the lines, with a policy that refuses and one that lets in.
    fn mesh_with_policies() -> Arc<Mesh> {
        let pods = (0..256).map(|at| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("pod-{at}"), "namespace": "ns"},
                "spec": {"serviceAccountName": "server", "containers": [{"name": "app"}, {"name": "istio-proxy"}]},
                "status": {"phase": "Running", "podIP": format!("10.244.2.{at}")}})
        });
        let policy = |name: &str, action: &str, rules: Value| {
            json!({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
                "metadata": {"name": name, "namespace": "ns"}, "spec": {"action": action, "rules": rules}})
        };
        let rules = json!([{"to": [{"operation": {"paths": ["/admin*", "/internal/*"]}}]}]);
        let deny = policy("deny", "DENY", rules);
        let rules = json!([{"from": [{"source": {"namespaces": ["ns"]}}], "to": [{"operation": {"methods": ["GET"]}}]},
            {"to": [{"operation": {"paths": ["/api/{**}"], "methods": ["POST"]}}]}]);
        let mut snapshot = Snapshot::default();
        for value in pods.chain([deny, policy("allow", "ALLOW", rules)]) {
            snapshot.add(object(value));
        }
        Mesh::new(&snapshot, &Options::default())
    }

    fn object(value: Value) -> Object {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let seed = ObjectSeed {
            kind: Kind::from_api(&api_version, &kind),
            api_version: &api_version,
            origin: Origin { file: "bench".into(), line: 1 },
            interner: &mut Interner::default(),
            mesh_text: &mut None,
            refused: &mut None,
        };
        seed.deserialize(value).expect("an object")
    }

    /// Text in blocks, as files are read on one thread: the ends of lines are found while they are read.
    #[divan::bench(args = ["default", "custom"])]
    fn blocks(bencher: Bencher<'_, '_>, format: &str) {
        let log = text_log(1);
        bencher.counter(BytesCount::of_slice(&log)).bench(|| {
            let mut aggregate = Aggregate::new();
            if format == "custom" {
                let format = LogFormat::compile(FORMAT, Strictness::Strict).expect("a format");
                // As the configuration has it: it goes before the default layouts.
                aggregate.use_formats(Formats::new([(OwnFormat::Text(format), true)], None));
            }
            let source = aggregate.add_source(SourceName { file: "bench.log".into(), pod: None });
            let reader = aggregate.block_reader(source);
            let (lines, _) = aggregate.add_text(source, &reader, 1, black_box(&log));
            assert_eq!(aggregate.lines().parsed, lines);
            aggregate
        });
    }

    fn for_each_line(log: &[u8], mut with: impl FnMut(&[u8])) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', log) {
            with(log.get(start..end).unwrap_or_default());
            start = end + 1;
        }
    }
}

/// Objects: a list of pods read into the types that are kept, against the parser of JSON alone.
#[divan::bench_group]
mod objects {
    use divan::Bencher;
    use divan::counter::BytesCount;
    use meshscope::bundle::{self, Path, Request};
    use serde_json::{Value, json};

    use super::black_box;

    const PODS: usize = 2_000;

    fn list() -> Vec<u8> {
        let pod = |number: usize| {
            let managed: serde_json::Map<String, Value> =
                (0..60).map(|key| (format!("f:k{key}"), json!({}))).collect();
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {
                    "name": format!("app-{}-6b88d69f-{number:05}", number / 10), "namespace": format!("ns{}", number % 100),
                    "labels": {"app": format!("app-{}", number / 10), "security.istio.io/tlsMode": "istio"},
                    "annotations": {"note": "x".repeat(800)},
                    "managedFields": [{"manager": "kubelet", "operation": "Update", "fieldsV1": managed}],
                },
                "spec": {"containers": [{"name": "istio-proxy", "args": ["proxy", "sidecar"]}]},
                "status": {"phase": "Running", "podIP": format!("10.0.{}.{}", number / 256, number % 256)},
            })
        };
        let items: Vec<_> = (0..PODS).map(pod).collect();
        json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string().into_bytes()
    }

    /// The peer: the whole list as a JSON value.
    #[divan::bench]
    fn json_value(bencher: Bencher<'_, '_>) {
        let list = list();
        bencher
            .counter(BytesCount::of_slice(&list))
            .bench(|| serde_json::from_slice::<Value>(black_box(&list)).expect("the list is JSON"));
    }

    #[divan::bench]
    fn read(bencher: Bencher<'_, '_>) {
        let list = list();
        let file = tempfile::NamedTempFile::new().expect("a file can be made");
        std::fs::write(file.path(), &list).expect("the file can be written");
        let request = Request { paths: vec![Path::File(file.path().to_owned())], logs: Vec::new() };
        bencher
            .counter(BytesCount::of_slice(&list))
            .bench(|| bundle::read(black_box(&request)).expect("the list is read"));
    }
}
