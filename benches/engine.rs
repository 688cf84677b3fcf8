//! Throughput of the engine, each against what a user would pick instead, in the same run on the same bytes.

#![allow(missing_docs, reason = "divan's macros make public items")]

use std::fmt::Write as _;
use std::hint::black_box;

fn main() {
    divan::main();
}

/// Access logs: reading, grouping and joining every line.
#[divan::bench_group]
mod logs {
    use divan::Bencher;
    use divan::counter::BytesCount;
    use meshscope::logs::{Aggregate, LogFormat, SourceName, Strictness, parse_text};

    use super::{access_log, black_box};

    const SIZE: usize = 16 << 20;
    const FORMAT: &str = concat!(
        "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% ",
        "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% ",
        "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_SENT% %BYTES_RECEIVED% %DURATION% ",
        "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" ",
        "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER% ",
        "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ",
        "%REQUESTED_SERVER_NAME% %ROUTE_NAME%"
    );

    /// The bound: nothing can be faster than finding the ends of the lines.
    #[divan::bench]
    fn newlines(bencher: Bencher<'_, '_>) {
        let log = access_log(SIZE, 1);
        bencher
            .counter(BytesCount::of_slice(&log))
            .bench(|| memchr::memchr_iter(b'\n', black_box(&log)).count());
    }

    /// The bound, with each line in hand.
    #[divan::bench]
    fn lines(bencher: Bencher<'_, '_>) {
        let log = access_log(SIZE, 1);
        bencher.counter(BytesCount::of_slice(&log)).bench(|| {
            for_each_line(black_box(&log), |line| {
                black_box(line);
            });
        });
    }

    #[divan::bench]
    fn parse(bencher: Bencher<'_, '_>) {
        let log = access_log(SIZE, 1);
        bencher.counter(BytesCount::of_slice(&log)).bench(|| {
            for_each_line(black_box(&log), |line| {
                black_box(parse_text(line));
            });
        });
    }

    /// The same lines by a format string: the default one, with two fields in each other's place.
    #[divan::bench]
    fn custom_format(bencher: Bencher<'_, '_>) {
        let log = access_log(SIZE, 1);
        let format = LogFormat::compile(FORMAT, Strictness::Strict).expect("a format");
        bencher.counter(BytesCount::of_slice(&log)).bench(|| {
            for_each_line(black_box(&log), |line| {
                black_box(format.read(line).is_some());
            });
        });
    }

    /// Lines of that many pods on each side; a log file is that of one.
    #[divan::bench(args = [1, 30])]
    fn aggregate(bencher: Bencher<'_, '_>, pods: u64) {
        let log = access_log(SIZE, pods);
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

    fn for_each_line(log: &[u8], mut with: impl FnMut(&[u8])) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', log) {
            with(log.get(start..end).unwrap_or_default());
            start = end + 1;
        }
    }
}

/// About `size` bytes of lines in the layout of Istio 1.9 and later: 93 % answered well, the rest failed in the ways
/// that matter here, from both sides. Always the same bytes.
fn access_log(size: usize, pods: u64) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % below
    };
    let mut log = String::with_capacity(size + 1024);
    let mut millis = 0_u64;
    while log.len() < size {
        millis += random(20);
        let (service, client, server, port) =
            (random(40), random(pods), random(pods), 20_000 + random(40_000));
        let (second, minute, hour) = (millis / 1000 % 60, millis / 60_000 % 60, millis / 3_600_000 % 24);
        let (milli, size, duration) = (millis % 1000, random(9000), random(90));
        let id = format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            random(1 << 32),
            random(1 << 16),
            random(1 << 12),
            random(1 << 12),
            random(1 << 48)
        );
        let agent = ["curl/8.5.0", "Go-http-client/1.1", "python-requests/2.31.0", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"]
            .get(usize::try_from(random(4)).unwrap_or(0)).copied().unwrap_or("-");
        let time = format!("2026-11-22T{hour:02}:{minute:02}:{second:02}.{milli:03}Z");
        let client_side = format!(
            "outbound|9080||svc-{service}.ns-{}.svc.cluster.local 10.244.1.{client}:{port} 10.96.0.{service}:9080 10.244.1.{client}:{} - default",
            service % 7,
            port + 1
        );
        let server_side = format!(
            "inbound|9080|| 127.0.0.6:{port} 10.244.2.{server}:9080 10.244.1.{client}:{port} outbound_.9080_._.svc-{service}.ns-{}.svc.cluster.local default",
            service % 7
        );
        let path = format!("/api/v1/products/{}?page={}", random(100_000), random(50));
        let (status, tail) = match random(1000) {
            0..480 => ("200 - via_upstream - \"-\"", client_side),
            480..930 => ("200 - via_upstream - \"-\"", server_side),
            930..945 => {
                ("503 UC upstream_reset_before_response_started{connection_termination} - \"-\"", client_side)
            }
            945..955 => (
                "503 URX,UF upstream_reset_before_response_started{remote_connection_failure|TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end} - \"TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end\"",
                client_side,
            ),
            955..970 => ("403 - rbac_access_denied_matched_policy[none] - \"-\"", server_side),
            970..980 => ("404 - via_upstream - \"-\"", client_side),
            _ => {
                let _ = writeln!(
                    log,
                    "[{time}] \"- - -\" 0 NR filter_chain_not_found - \"-\" 0 0 0 - \"-\" \"-\" \"-\" \"-\" \"-\" - - 10.244.2.{server}:9080 10.244.1.{client}:{port} - -"
                );
                continue;
            }
        };
        let _ = writeln!(
            log,
            "[{time}] \"GET {path} HTTP/1.1\" {status} 0 {size} {duration} {duration} \"-\" \"{agent}\" \"{id}\" \"svc-{service}:9080\" \"10.244.2.{server}:9080\" {tail}"
        );
    }
    log.into_bytes()
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
