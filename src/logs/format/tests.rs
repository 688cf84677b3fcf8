use proptest::prelude::*;

use super::*;
use crate::logs::{AccessLine, Format, format_time, parse_text};

const ISTIO: &str = r#"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%
"#;
const LINE: &str = r#"[2026-11-22T09:09:56.776Z] "POST /productpage?u=normal HTTP/1.1" 503 UC upstream_reset_before_response_started{connection_termination} - "-" 155 95 1 - "-" "Go-http-client/1.1" "d68aeaf3-6450-4cf9-b8bb-8034ca638af9" "productpage:9080" "127.0.0.21:9080" outbound|9080||productpage.bookinfo.svc.cluster.local 127.0.0.11:49070 127.0.0.50:9080 127.0.0.11:47000 - default"#;

fn compile(format: &str) -> LogFormat {
    LogFormat::compile(format, Strictness::Strict).unwrap_or_else(|error| panic!("{format}: {error}"))
}

fn error(format: &str) -> String {
    LogFormat::compile(format, Strictness::Strict).unwrap_err().to_string()
}

/// The values as text, `?` where readings differ.
fn values(format: &str, line: &str) -> Option<Vec<String>> {
    let reading = compile(format).values(line.as_bytes())?;
    let text =
        |value: Option<&[u8]>| value.map_or("?".into(), |value| String::from_utf8_lossy(value).into_owned());
    Some(reading.values.into_iter().map(text).collect())
}

#[test]
fn the_default_layout_is_read_as_its_own_reader_does() {
    let format = compile(ISTIO);
    let nr = r#"[2026-11-22T09:09:57.273Z] "- - -" 0 NR filter_chain_not_found - "-" 0 0 0 - "-" "-" "-" "-" "-" - - 127.0.0.21:9080 127.0.0.11:49492 - -"#;
    for line in [LINE, nr] {
        let wanted = AccessLine { format: Format::Custom, ..parse_text(line.as_bytes()).unwrap() };
        assert_eq!(format.read(line.as_bytes()), Some(wanted));
        assert_eq!(format.careful(line.as_bytes()), format.values(line.as_bytes()));
    }
    assert_eq!(format.read(b"2026-11-22T09:09:57Z\tinfo\tready"), None);
}

#[test]
fn a_caller_moves_no_field_behind_its_own() {
    let format = compile(ISTIO);
    // A whole forged tail in the user agent: what the proxy wrote behind it is told by the right end.
    let forged = LINE.replace("Go-http-client/1.1", r#"a" "id" "host" "10.9.9.9:1" inbound|1|| - - - - -"#);
    let line = format.read(forged.as_bytes()).unwrap();
    assert!(line.ambiguous);
    assert_eq!(line.upstream_host, Some(&b"127.0.0.21:9080"[..]));
    assert_eq!(line.upstream_cluster, Some(&b"outbound|9080||productpage.bookinfo.svc.cluster.local"[..]));
    assert_eq!((line.response_code, line.user_agent, line.request_id), (Some(503), None, None));
    // Details with spaces, as Envoy once wrote them: those of the termination are one word.
    let spaced = LINE.replace("{connection_termination}", "{connection failure}");
    let line = format.read(spaced.as_bytes()).unwrap();
    assert_eq!(
        line.response_code_details,
        Some(&b"upstream_reset_before_response_started{connection failure}"[..])
    );
    assert_eq!((line.connection_termination_details, line.ambiguous), (Some(&b"-"[..]), false));
    // A quote alone leaves one reading.
    let quoted = LINE.replace("Go-http-client/1.1", r#"Mozilla ("x")"#);
    let line = format.read(quoted.as_bytes()).unwrap();
    assert!(!line.ambiguous);
    assert_eq!(line.user_agent, Some(&br#"Mozilla ("x")"#[..]));
}

#[test]
fn a_line_whose_caller_leaves_two_codes_is_not_read() {
    let format = compile(r#""%REQ(USER-AGENT)%" %RESPONSE_CODE% "%REQ(X-FORWARDED-FOR)%""#);
    assert_eq!(format.read(br#""a" 503 "b" 200 "c""#), None);
    let line = format.read(br#""a" 200 "c""#).unwrap();
    assert_eq!((line.response_code, line.user_agent), (Some(200), Some(&b"a"[..])));
    // No more is a line in which the reason is in doubt: that there is none would be said otherwise.
    let format = compile(r#"%RESPONSE_FLAGS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" "%REQ(USER-AGENT)%""#);
    assert_eq!(format.read(br#"UF "TLS error" "a" "b""#), None);
    // Where the code stands at the end, callers' words in front of it do not matter.
    let format = compile("%REQ(USER-AGENT)% %RESPONSE_CODE% %RESPONSE_FLAGS%");
    let line = format.read(b"a 503 UC 200 -").unwrap();
    assert_eq!((line.response_code, line.response_flags), (Some(200), Some(&b"-"[..])));
    assert_eq!((line.ambiguous, line.user_agent), (false, Some(&b"a 503 UC"[..])));
}

#[test]
fn fields_without_anything_between_are_told_by_their_bytes() {
    assert_eq!(values("%RESPONSE_CODE%%START_TIME(%b)%;", "503Jun;").unwrap(), ["503", "Jun"]);
    assert_eq!(values("%PROTOCOL%%BYTES_SENT% ", "HTTP/212 ").unwrap(), ["?", "?"]);
    assert_eq!(values("%REQ(A):3%%REQ(B):2%", "abcde").unwrap(), ["abc", "de"]);
    assert_eq!(values("%REQ(A)%%REQ(B)%", "ab").unwrap(), ["?", "?"]);
}

#[test]
fn a_value_that_may_be_cut_is_compared_with_nothing() {
    let format = compile("%RESPONSE_CODE% %REQ(X-REQUEST-ID):8% %REQ(:PATH):4%");
    let line = format.read(b"200 d68aeaf3 /pro").unwrap();
    assert_eq!((line.request_id, line.path), (None, Some(&b"/pro"[..])));
    let line = format.read(b"200 d68 /pro").unwrap();
    assert_eq!(line.request_id, Some(&b"d68"[..]));
    assert_eq!(format.read(b"200 d68aeaf3a /pro"), None, "no value is longer than its cut");
}

#[test]
fn only_what_is_certainly_a_field_is_one() {
    let read = |format: &str, line: &'static str| compile(format).read(line.as_bytes()).unwrap();
    assert_eq!(read("%REQ(X-REQUEST-ID?X-B3-TRACEID)% %PROTOCOL%", "a -").request_id, None);
    assert_eq!(read("%REQUESTED_SERVER_NAME(SNI_FIRST:HOST)% %PROTOCOL%", "a -").requested_server_name, None);
    assert_eq!(
        read("%REQUESTED_SERVER_NAME(SNI_ONLY)% %PROTOCOL%", "a -").requested_server_name,
        Some(&b"a"[..])
    );
    assert_eq!(read("%REQUEST_HEADER(User-Agent)% %PROTOCOL%", "a -").user_agent, Some(&b"a"[..]));
    let line = read("%RESPONSE_CODE% %RESPONSE_FLAGS_LONG%", "503 UpstreamConnectionTermination");
    assert_eq!(line.flags, crate::logs::FlagSet::UC);
}

#[test]
fn times_in_other_ways() {
    let line =
        compile("%START_TIME(%d/%b/%Y %H:%M:%S)% %REQ(:PATH)%").read(b"29/May/2018 10:43:10 /a b").unwrap();
    assert_eq!(line.micros().map(format_time).as_deref(), Some("2018-05-29T10:43:10.000Z"));
    assert_eq!(line.path, Some(&b"/a b"[..]));
    let line = compile("%START_TIME(%s.%3f)%|%PROTOCOL%").read(b"1527590590.528|-").unwrap();
    assert_eq!(line.micros().map(format_time).as_deref(), Some("2018-05-29T10:43:10.528Z"));
    assert_eq!(compile("%START_TIME%|%PROTOCOL%").read(b"today|-"), None);
}

#[test]
fn what_envoy_would_refuse_is_named_with_its_place() {
    assert!(
        error("%PROTOCOL% %REQ%")
            .contains("REQ needs an argument, as in %REQ(…)%, at character 12 (`%REQ%`)")
    );
    assert!(error("%PROTOCOL(a)%").contains("PROTOCOL has no argument"));
    assert!(error("%PROTOCOL:3%").contains("PROTOCOL cannot be cut to a length"));
    assert!(error("a %RESPONSE_COD%").contains("there is no operator RESPONSE_COD, at character 3"));
    assert!(error("a % b").contains("at character 3 (`% b`)"));
    assert!(error("no operator").contains("there is no operator such as"));
    assert!(error("%PROTOCOL%\n%PROTOCOL%").contains("line feed"));
    assert!(LogFormat::compile("%OF_TOMORROW(a):3% %PROTOCOL%\n", Strictness::Lenient).is_ok());
}

/// Operators with a way to make values of each: one or more, and which bytes.
const OPERATORS: [(&str, &str); 32] = [
    ("%START_TIME%", "20[0-9]{2}-0[1-9]-[01][1-9]T[01][0-9]:[0-5][0-9]:[0-5][0-9]\\.[0-9]{3}Z"),
    ("%START_TIME(%s.%3f)%", "[1-9][0-9]{9}\\.[0-9]{3}"),
    ("%EMIT_TIME(%d/%b/%y)%", "[01][1-9]/(Jan|Feb|Dec)/[0-9]{2}"),
    ("%REQ(:METHOD)%", "[A-Z]{3,7}"),
    ("%REQ(:PATH)%", "/[!-~]{0,9}"),
    ("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "/[ -~]{0,9}"),
    ("%REQ(USER-AGENT):12%", "[ -~]{0,12}"),
    ("%REQ(X-REQUEST-ID)%", "[ -~]{0,12}"),
    ("%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%", "[0-9]{1,4}"),
    ("%TRAILER(GRPC-STATUS)%", "[0-9]{1,2}"),
    ("%PROTOCOL%", "HTTP/(1\\.1|2|3)"),
    ("%RESPONSE_CODE%", "0|[1-5][0-9]{2}"),
    ("%RESPONSE_FLAGS%", "[A-Z]{2,4}(,[A-Z]{2})?"),
    ("%RESPONSE_FLAGS_LONG%", "[A-Z][a-z]{3,9}"),
    ("%RESPONSE_CODE_DETAILS%", "[a-z_]{1,9}(\\{[a-z_|]{1,9}\\})?"),
    ("%CONNECTION_TERMINATION_DETAILS%", "[a-z_]{1,9}"),
    ("%UPSTREAM_TRANSPORT_FAILURE_REASON%", "[A-Za-z_:| ]{1,12}"),
    ("%BYTES_RECEIVED%", "[0-9]{1,9}"),
    ("%DURATION%", "[0-9]{1,5}"),
    ("%COMMON_DURATION(DS_RX_BEG:DS_TX_END:ms)%", "-?[1-9][0-9]{0,4}"),
    ("%UPSTREAM_HOST%", "10\\.0\\.0\\.[1-9]:[1-9]{2,4}|\\[::1\\]:80"),
    ("%UPSTREAM_CLUSTER%", "(in|out)bound\\|[1-9]{2}\\|\\|[a-z.]{0,9}"),
    ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(16)%", "10\\.0\\.0\\.0/16"),
    ("%REQUESTED_SERVER_NAME%", "outbound_\\.80_\\._\\.[a-z.]{1,9}"),
    ("%ROUTE_NAME%", "[a-z0-9 -]{0,9}"),
    ("%DOWNSTREAM_PEER_URI_SAN%", "spiffe://[a-z./]{1,12}"),
    ("%DYNAMIC_METADATA(a.b:c)%", "[a-z{}: ]{1,12}"),
    ("%FILTER_STATE(a.b:PLAIN):9%", "[a-z ]{1,9}"),
    ("%GRPC_STATUS%", "OK|Unavailable"),
    ("%QUERY_PARAM(a):3%", "[a-z]{1,3}"),
    ("%CEL(request.headers['a'])%", "[a-z ]{1,5}"),
    ("%ENVIRONMENT(POD)%", "[a-z0-9-]{1,9}"),
];

/// A format and a line of it: what stands in front, then operators, each with its value and what follows it.
fn formats_and_lines() -> impl Strategy<Value = (String, Vec<(String, String)>)> {
    let field = (0..OPERATORS.len(), "[ |;\"\\]]{0,3}|=\"|\" x=").prop_flat_map(|(index, literal)| {
        let (operator, pattern) = OPERATORS[index];
        let value =
            prop_oneof![9 => proptest::string::string_regex(pattern).unwrap(), 1 => Just("-".to_owned())];
        value.prop_map(move |value| (format!("{operator}{literal}"), format!("{value}{literal}"), value))
    });
    ("[\\[a-z ]{0,2}", proptest::collection::vec(field, 1..9)).prop_map(|(begin, fields)| {
        let format =
            format!("{begin}{}", fields.iter().map(|(format, ..)| format.as_str()).collect::<String>());
        let line = format!("{begin}{}", fields.iter().map(|(_, line, _)| line.as_str()).collect::<String>());
        let values = fields.into_iter().map(|(_, _, value)| value);
        (format, values.map(|value| (line.clone(), value)).collect())
    })
}

proptest! {
    /// A value is the one that was written, or it is not told; and both readers agree.
    #[test]
    fn values_come_back((format, fields) in formats_and_lines()) {
        let compiled = compile(&format);
        let line = fields[0].0.as_bytes();
        let careful = compiled.careful(line);
        prop_assert!(careful.is_some(), "{} does not read {:?}", format, fields[0].0);
        for (found, (_, wanted)) in careful.iter().flat_map(|reading| &reading.values).zip(&fields) {
            prop_assert!(found.is_none_or(|found| found == wanted.as_bytes()), "{} of {}", format, fields[0].0);
        }
        // The other reader holds a value to its whole form in every reading, so it may tell more.
        let values = compiled.values(line).unwrap().values;
        for ((found, known), (_, wanted)) in values.iter().zip(careful.unwrap().values).zip(&fields) {
            prop_assert!(found.is_none_or(|found| found == wanted.as_bytes()), "{} of {}", format, fields[0].0);
            prop_assert!(known.is_none() || *found == known, "{} of {}", format, fields[0].0);
        }
    }

    /// Where no value holds what stands between fields, every one is told.
    #[test]
    fn plain_values_are_all_told(
        picked in proptest::collection::vec((0..OPERATORS.len(), any::<u64>()), 1..12), quoted in any::<bool>()
    ) {
        let between = if quoted { "\" \"" } else { "\t" };
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let mut values = Vec::new();
        let mut format = Vec::new();
        for (index, _) in picked {
            let (operator, pattern) = OPERATORS[index];
            let value = proptest::string::string_regex(pattern).unwrap().new_tree(&mut runner).unwrap();
            values.push(proptest::strategy::ValueTree::current(&value).replace('"', "'"));
            format.push(operator);
        }
        let line = values.join(between);
        let compiled = compile(&format.join(between));
        let reading = compiled.values(line.as_bytes()).unwrap();
        let wanted: Vec<_> = values.iter().map(|value| Some(value.as_bytes())).collect();
        prop_assert_eq!(&reading.values, &wanted);
        prop_assert_eq!(Some(reading), compiled.careful(line.as_bytes()));
        prop_assert!(!compiled.read(line.as_bytes()).unwrap().ambiguous);
    }

    #[test]
    fn never_a_panic(format in "(\\PC|%|%[A-Z_]{1,9}|%REQ\\(|\\)|:[0-9]|%PROTOCOL%|%START_TIME\\(%[a-zA-Z%0-9]{1,4}\\)%){0,12}", line in proptest::collection::vec(any::<u8>(), 0..80)) {
        for strictness in [Strictness::Strict, Strictness::Lenient] {
            match LogFormat::compile(&format, strictness) {
                Ok(compiled) => {
                    let _ = compiled.read(&line);
                    drop(compiled.careful(format.as_bytes()));
                }
                Err(error) => prop_assert!(error.character <= format.chars().count() + 1),
            }
        }
        drop(JsonFormat::compile(&format, Strictness::Lenient));
    }
}

/// Names of Istio's clusters have the bars that this format has between its fields.
#[test]
fn bars_of_a_cluster_are_told_from_those_between_fields() {
    let read = |format: &str, line: &str| {
        let format = LogFormat::compile(format, Strictness::Strict).unwrap();
        let line = format.read(line.as_bytes())?;
        let text = |text: Option<&[u8]>| text.map(|text| String::from_utf8_lossy(text).into_owned());
        Some((text(line.upstream_cluster), text(line.response_flags)))
    };
    let format = "%RESPONSE_CODE%|%UPSTREAM_CLUSTER%|%RESPONSE_FLAGS%|%REQ(:PATH)%";
    for cluster in [
        "outbound|80|v1|web.shop.svc.cluster.local",
        "outbound|80||web.shop.svc.cluster.local",
        "inbound|8080||",
        "inbound|8080|http|web.shop.svc.cluster.local",
        "PassthroughCluster",
        "xds-grpc",
        "-",
    ] {
        let line = format!("503|{cluster}|UC|/a");
        let wanted = (Some(cluster.to_owned()), Some("UC".to_owned()));
        assert_eq!(read(format, &line), Some(wanted.clone()), "{line}");
        // A caller's words may have bars: nothing of the proxy's own moves by them.
        assert_eq!(read(format, &format!("{line}|503|UC")), Some(wanted), "{line}");
    }
    // The last field, and one whose neighbours can be anything.
    let last = read("%RESPONSE_FLAGS%|%UPSTREAM_CLUSTER%", "UC|inbound|80||").unwrap();
    assert_eq!(last.0.as_deref(), Some("inbound|80||"));
    assert_eq!(read("%UPSTREAM_CLUSTER%|%REQ(A)%|%UPSTREAM_HOST%", "a|b|c|d"), None);
    // Names that others made may have bars where none stand between the fields.
    let spaced = "%RESPONSE_FLAGS% %UPSTREAM_CLUSTER% \"%REQ(A)%\"";
    assert_eq!(read(spaced, "UC a|b \"x\"").unwrap().0.as_deref(), Some("a|b"));
    assert_eq!(read(spaced, "UC a|b \"x\"y\"").unwrap().0.as_deref(), Some("a|b"));
}
