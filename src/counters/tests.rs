//! Examples of lines, of whole texts, and of readings one after the other.

use super::*;
use crate::logs::PodName;

const CLUSTER: &str = "outbound|9080||cart.shop.svc.cluster.local";

/// Subject and metric of a line, in short.
fn told(line: &str) -> String {
    match parse_line(line.as_bytes()) {
        Line::Counter(series, value) => format!("{:?} {} {value}", series.subject, series.metric.name()),
        other @ (Line::Comment | Line::Other | Line::Unreadable) => format!("{other:?}"),
    }
}

#[test]
fn lines_of_envoy_are_read_with_and_without_the_mark_of_tags() {
    let wanted = format!("Cluster({CLUSTER:?}) ssl.connection_error 120");
    assert_eq!(told(&format!("cluster.{CLUSTER};.ssl.connection_error: 120")), wanted);
    assert_eq!(told(&format!("cluster.{CLUSTER}.ssl.connection_error: 120\r")), wanted);
    assert_eq!(
        told("listener.0.0.0.0_15006.no_filter_chain_match: 50"),
        "Listener(\"0.0.0.0_15006\") no_filter_chain_match 50"
    );
    assert_eq!(
        told("http.inbound_0.0.0.0_9080;.rbac.denied: 4"),
        "Http(\"inbound_0.0.0.0_9080\") rbac.denied 4"
    );
    assert_eq!(
        told("http.inbound_0.0.0.0_9080;.ext_authz.my-authz.denied: 4"),
        "Http(\"inbound_0.0.0.0_9080\") ext_authz.denied 4"
    );
    assert_eq!(
        told("http.inbound_0.0.0.0_9080;.rbac.policy.ns[shop]-policy[deny-admin]-rule[1].denied: 16"),
        "Policy(\"inbound_0.0.0.0_9080\", \"shop\", \"deny-admin\") rbac.denied 16"
    );
    assert_eq!(told("tls_inspector.tls_not_found: 50"), "Proxy tls_inspector.tls_not_found 50");
    assert_eq!(told("tcp.rbac.denied: 30"), "TcpPolicies rbac.denied 30");
}

#[test]
fn what_is_no_failure_is_not_kept() {
    for line in [
        "cluster_manager.cds.version_text: \"2026-08-22T19:00:18Z/5\"".to_owned(),
        format!("cluster.{CLUSTER};.upstream_cx_connect_ms: P0(0,0) P25(1.01,1.01)"),
        format!("cluster.{CLUSTER};.upstream_rq_per_cx: No recorded values"),
        format!("cluster.{CLUSTER};.circuit_breakers.default.remaining_cx: 4294967295"),
        // Counted once more, by where the request came from.
        format!("cluster.{CLUSTER};.internal.upstream_rq_503: 3"),
        format!("cluster.{CLUSTER}.external.upstream_rq_503: 3"),
        // What a policy on trial would have denied was not denied (data fact 12).
        "http.inbound_0.0.0.0_9080;.rbac.istio_dry_run_deny_.shadow_denied: 5".to_owned(),
        "envoy_http_rbac{authz_dry_run_result=\"denied\",http_conn_manager_prefix=\"inbound_0.0.0.0_9080\"} 5".to_owned(),
        "istio_request_duration_milliseconds_bucket{reporter=\"source\",le=\"+Inf\"} 5".to_owned(),
        "envoy_cluster_ssl_handshake{cluster_name=\"a\"} NaN".to_owned(),
        "envoy_cluster_ssl_handshake{cluster_name=\"a\"} +Inf".to_owned(),
        "envoy_cluster_ssl_handshake{cluster_name=\"a\"} -3".to_owned(),
    ] {
        assert_eq!(told(&line), "Other", "{line}");
    }
    for line in ["", "  ", "# EOF", "# HELP a b", "#TYPE"] {
        assert_eq!(told(line), "Comment", "{line}");
    }
    for line in [
        "hello world again",
        "a: b",
        "x{y=\"z\" 1",
        "x{y=\"z} 1",
        "x{y=z} 1",
        "x{} ",
        "9x 1",
        "x 1 2 3",
        "x{y=\"z\"",
        "key: 12 pods",
    ] {
        assert_eq!(told(line), "Unreadable", "{line}");
    }
}

#[test]
fn samples_of_prometheus_are_read_by_its_format() {
    let wanted = format!("Cluster({CLUSTER:?}) ssl.connection_error 120");
    for line in [
        format!("envoy_cluster_ssl_connection_error{{cluster_name=\"{CLUSTER}\"}} 120"),
        format!(
            "envoy_cluster_ssl_connection_error{{envoy_cluster_name=\"{CLUSTER}\",}} 1.2e+02 1395066363000"
        ),
        format!(
            "envoy_cluster_ssl_connection_error {{ cluster_name = \"{CLUSTER}\" , a=\"b\\\"c\\\\\\n\" }} 120.0"
        ),
        format!(
            "envoy_cluster_ssl_connection_error{{cluster_name=\"{CLUSTER}\"}} 120 # {{trace_id=\"a\"}} 1 1.5"
        ),
    ] {
        assert_eq!(told(&line), wanted, "{line}");
    }
    let denied =
        "envoy_http_rbac{authz_enforce_result=\"denied\",http_conn_manager_prefix=\"inbound_0.0.0.0_80\"} 4";
    assert_eq!(told(denied), "Http(\"inbound_0.0.0.0_80\") rbac.denied 4");
    assert_eq!(
        told("envoy_tcp{authz_enforce_result=\"denied\",tcp_prefix=\"rbac\"} 4"),
        "TcpPolicies rbac.denied 4"
    );
    let escaped = "envoy_cluster_ssl_handshake{cluster_name=\"a\\\\b\\\"c\"} 1";
    assert_eq!(told(escaped), "Cluster(\"a\\\\b\\\"c\") ssl.handshake 1");
}

#[test]
fn traffic_is_the_same_in_each_of_its_three_texts() {
    let labels = [
        ("reporter", "source"),
        ("source_workload", "web"),
        ("source_workload_namespace", "front"),
        ("destination_workload", "unknown"),
        ("destination_workload_namespace", "unknown"),
        ("destination_service", "cart.shop.svc.cluster.local"),
        ("destination_service_name", "cart"),
        ("response_code", "503"),
        ("grpc_response_status", ""),
        ("response_flags", "URX,UF"),
        ("connection_security_policy", "unknown"),
    ];
    let prometheus: Vec<_> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
    let points: Vec<_> = labels.iter().map(|(key, value)| format!("{key}.{value}")).collect();
    let marks: Vec<_> = labels.iter().map(|(key, value)| format!("{key}=.={value};.;")).collect();
    let lines = [
        format!("istio_requests_total{{{}}} 7", prometheus.join(",")),
        format!("istiocustom.istio_requests_total.{}: 7", points.join(".")),
        format!("{}_istio_requests_total: 7", marks.concat()),
    ];
    for line in &lines {
        let Line::Counter(series, 7) = parse_line(line.as_bytes()) else { panic!("{line}") };
        let Subject::Traffic(traffic) = series.subject else { panic!("{line}") };
        assert_eq!((series.metric, traffic.by), (Metric::Requests, TrafficKind::Source));
        assert_eq!(traffic.client, Some(("front".into(), "web".into())), "{line}");
        assert_eq!(traffic.server, None);
        assert_eq!(traffic.host.as_deref(), Some("cart.shop.svc.cluster.local"), "{line}");
        assert_eq!((&*traffic.flags, traffic.mutual_tls), ("URX,UF", None), "{line}");
    }
}

#[test]
fn a_text_is_told_by_what_is_in_it() {
    let stats = "cluster_manager.cds.version_text: \"\"\ncluster.a.upstream_cx_total: 3\nserver.uptime: 4\n";
    assert!(tells(stats.as_bytes()));
    assert!(tells(b"# HELP a b\n# TYPE a counter\na 3\n"));
    assert!(tells(b"istio_requests_total{reporter=\"source\"} 3\n"));
    assert!(tells(b"tls_inspector.tls_not_found: 50"));
    for other in [
        "apiVersion: v1\nkind: Pod\nspec:\n  replicas: 3\n",
        "replicas: 3\nimage:\n  tag: 1.2.3\n",
        "server.port: 8080\n",
        "a 3\nb 4\n",
        "# TYPE\nsome text about things\n",
        "",
        "listener.0.0.0.0_15006.no_filter_chain_match grows by one for each\nof the connections, and we\nthen see it\n",
        "[2026-03-02T09:00:01.000Z] \"GET / HTTP/1.1\" 503 UC - \"-\" 0 95 3 - \"-\" \"curl\" \"id\" \"cart\" \"-\" - - - - - -\n",
    ] {
        assert!(!tells(other.as_bytes()), "{other}");
    }
}

/// What some texts say, one reading each, of one pod.
fn readings(texts: &[&str]) -> (Period, Vec<u64>) {
    let mut counters = Counters::default();
    for (at, text) in texts.iter().enumerate() {
        let pod = PodName { namespace: "web".into(), name: "client".into() };
        counters.begin(format!("{at}.txt").into(), Some(pod));
        for (line, number) in text.lines().zip(1..) {
            counters.line(number, line.as_bytes());
        }
        counters.end(!text.ends_with('\n'));
    }
    let proxy = counters.proxies().next().unwrap();
    let sheet = |metric: Metric| proxy.sheets().map(|(_, sheet)| sheet.count(metric)).sum();
    (proxy.period(), vec![sheet(Metric::Handshake), sheet(Metric::ConnectionError)])
}

#[test]
fn what_grew_between_two_readings_counts() {
    let text = |handshakes: u64, errors: u64| {
        format!(
            "cluster.{CLUSTER};.ssl.handshake: {handshakes}\ncluster.{CLUSTER};.ssl.connection_error: {errors}\n"
        )
    };
    let (first, same, more) = (text(100, 5), text(100, 5), text(130, 9));
    assert_eq!(readings(&[&first]), (Period::SinceStart, vec![100, 5]));
    assert_eq!(readings(&[&first, &same]), (Period::Between(2), vec![0, 0]));
    assert_eq!(readings(&[&first, &more]), (Period::Between(2), vec![30, 4]));
    assert_eq!(readings(&[&first, &more, &text(131, 9)]), (Period::Between(3), vec![31, 4]));
    // The proxy restarted: what grew past its former value began at zero, too.
    assert_eq!(readings(&[&first, &text(2, 7)]), (Period::BetweenWithRestart(2), vec![2, 7]));
    assert_eq!(readings(&[&first, &text(2, 7), &text(3, 7)]), (Period::BetweenWithRestart(3), vec![3, 7]));
    // A counter that was never used is left out.
    let bare = format!("cluster.{CLUSTER};.ssl.handshake: 100\n");
    assert_eq!(readings(&[&bare, &more]), (Period::Between(2), vec![30, 9]));
    assert_eq!(readings(&[&more, &bare]), (Period::BetweenWithRestart(2), vec![100, 0]));
    // Both in one file.
    assert_eq!(readings(&[&(first.clone() + &more)]), (Period::Between(2), vec![30, 4]));
    // A number that was cut off is no smaller number.
    let cut = text(130, 9);
    assert_eq!(readings(&[&first, cut.trim_end()]), (Period::Between(2), vec![30, 0]));
}

#[test]
fn statistics_as_json_say_what_the_plain_text_says() {
    let text = format!(
        "{{\"stats\": [{{\"name\":\"cluster.{CLUSTER};.ssl.handshake\",\"value\":100}},\
         {{\"name\":\"cluster_manager.cds.version_text\",\"value\":\"2026-08-22T19:00:18Z/5\"}},\
         {{\"name\":\"cluster.{CLUSTER};.ssl.connection_error\",\"value\":5}},\
         {{\"histograms\":{{\"supported_quantiles\":[0,25]}}}}]}}"
    );
    assert!(tells(text.as_bytes()) && tells(text.get(..300).unwrap().as_bytes()));
    assert_eq!(readings(&[&text]), (Period::SinceStart, vec![100, 5]));
    let more = text.replace(":100", ":130") + "\n";
    assert_eq!(readings(&[&text, &more]), (Period::Between(2), vec![30, 0]));
    let mut counters = Counters::default();
    counters.begin("a.json".into(), None);
    counters.line(1, text.as_bytes());
    counters.end(true);
    assert_eq!((counters.samples(), counters.lines_other(), counters.cut().len()), (4, 0, 0));
    // What is cut off is told as that.
    counters.begin("b.json".into(), None);
    counters.line(1, text.get(..300).unwrap().as_bytes());
    counters.end(true);
    assert_eq!((counters.samples(), counters.cut().len()), (4, 1));
    for other in ["{\"stats\": {}}", "{\"status\":[1]}", "{\"kind\":\"List\",\"stats\":[]}"] {
        assert!(!stats_json::tells(other.as_bytes()), "{other}");
    }
}

#[test]
fn json_that_is_set_out_on_lines_is_read_and_json_and_text_of_one_moment_are_one_reading() {
    let json = |count: u64| {
        format!(
            "{{\n  \"stats\": [\n    {{\n      \"name\": \"cluster.{CLUSTER};.ssl.handshake\",\n      \"value\": {count}\n    }}\n  ]\n}}\n"
        )
    };
    let text = |count: u64| format!("cluster.{CLUSTER};.ssl.handshake: {count}\n");
    assert!(tells(json(1).as_bytes()));
    let handshakes = |texts: &[&str]| {
        let (period, values) = readings(texts);
        (period, values[0])
    };
    for whole in [json(50), json(50).trim_end().to_owned()] {
        assert_eq!(handshakes(&[&whole]), (Period::SinceStart, 50));
    }
    assert_eq!(handshakes(&[&json(50), &json(60)]), (Period::Between(2), 10));
    assert_eq!(handshakes(&[&json(50), &text(50)]), (Period::SinceStart, 50));
    assert_eq!(handshakes(&[&text(50), &json(50)]), (Period::SinceStart, 50));
    assert_eq!(handshakes(&[&text(50), &json(60)]), (Period::Between(2), 10));
    // Two texts that say the same are two readings, between which nothing happened.
    assert_eq!(handshakes(&[&text(50), &text(50)]), (Period::Between(2), 0));
    let read = |text: &str| {
        let mut counters = Counters::default();
        counters.begin("a.json".into(), None);
        for (at, line) in text.lines().enumerate() {
            counters.line(at as u64 + 1, line.as_bytes());
        }
        counters.end(false);
        (counters.samples(), counters.cut().len(), counters.lines_other())
    };
    assert_eq!(read(&json(50)), (1, 0, 0));
    assert_eq!(read(json(50).get(..60).unwrap()), (0, 1, 0));
    assert_eq!(read(&json(50).replace("\"value\"", "value")), (0, 0, 1));
}

#[test]
fn both_texts_of_a_proxy_are_one_reading() {
    let stats = format!(
        "cluster.{CLUSTER};.ssl.connection_error: 9\nlistener.0.0.0.0_15006.no_filter_chain_match: 2\n"
    );
    let text = format!(
        "envoy_cluster_ssl_connection_error{{cluster_name=\"{CLUSTER}\"}} 9\nenvoy_tls_inspector_tls_found 3\n"
    );
    for texts in [[&stats, &text], [&text, &stats]] {
        let mut counters = Counters::default();
        for (at, text) in texts.iter().enumerate() {
            let pod = PodName { namespace: "web".into(), name: "client".into() };
            counters.begin(format!("{at}.txt").into(), Some(pod));
            for (line, number) in text.lines().zip(1..) {
                counters.line(number, line.as_bytes());
            }
            counters.end(false);
        }
        let proxies: Vec<_> = counters.proxies().collect();
        assert!(proxies.iter().all(|proxy| proxy.period() == Period::SinceStart));
        let sum = |metric: Metric| -> u64 {
            proxies.iter().flat_map(Proxy::sheets).map(|(_, sheet)| sheet.count(metric)).sum()
        };
        let told = [Metric::ConnectionError, Metric::NoFilterChainMatch, Metric::TlsFound].map(sum);
        assert_eq!(told, [9, 2, 3]);
    }
}

#[test]
fn counters_that_never_counted_take_no_room() {
    let mut counters = Counters::default();
    counters.begin("a.txt".into(), None);
    counters.line(1, format!("cluster.{CLUSTER};.ssl.handshake: 0").as_bytes());
    counters.end(false);
    let proxy = counters.proxies().next().unwrap();
    assert_eq!((proxy.sheets().count(), proxy.shows_tls(), counters.samples()), (0, true, 1));
}

#[test]
fn samples_that_differ_in_what_is_not_kept_are_added_and_those_of_other_pods_are_not() {
    let line = |pod: &str, revision: &str, count: u64| {
        format!(
            "istio_requests_total{{reporter=\"source\",namespace=\"web\",pod=\"{pod}\",source_version=\"{revision}\",\
             destination_service=\"a.b.svc.cluster.local\",response_flags=\"UC\"}} {count}\n"
        )
    };
    let mut counters = Counters::default();
    counters.begin("a.txt".into(), None);
    let text = line("one", "1", 3) + &line("one", "2", 4) + &line("two", "1", 5);
    for (line, number) in text.lines().zip(1..) {
        counters.line(number, line.as_bytes());
    }
    counters.end(false);
    let told: Vec<_> = counters
        .proxies()
        .map(|proxy| {
            let requests: u64 = proxy.sheets().map(|(_, sheet)| sheet.count(Metric::Requests)).sum();
            (proxy.writer.clone(), proxy.period(), requests)
        })
        .collect();
    let pod = |name: &str| Writer::Pod("web".into(), name.into());
    assert_eq!(told, [(pod("one"), Period::SinceStart, 7), (pod("two"), Period::SinceStart, 5)]);
    assert_eq!((counters.samples(), counters.lines_other()), (3, 0));
}

proptest::proptest! {
    /// Whatever stands in a file, it is read and counted, once a line.
    #[test]
    fn any_bytes_are_lines_of_some_kind(text: Vec<u8>, cut: bool) {
        let mut counters = Counters::default();
        counters.begin("a.txt".into(), None);
        let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
        for (line, number) in lines.iter().zip(1..) {
            counters.line(number, line);
        }
        counters.end(cut);
        proptest::prop_assert!(counters.samples() + counters.lines_other() <= lines.len() as u64);
        let _ = tells(&text);
    }

    /// A label is read as it was written, whatever is in it.
    #[test]
    fn labels_survive_their_escapes(value: String, count in 0..9_000_000_000_u64) {
        proptest::prop_assume!(!value.is_empty());
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let line = format!("envoy_cluster_ssl_handshake{{cluster_name=\"{escaped}\"}} {count}");
        let sample = exposition::parse(&line).unwrap();
        proptest::prop_assert_eq!(sample.label("cluster_name"), Some(&*value));
        proptest::prop_assert_eq!(sample.count(), Some(count));
    }
}
