use proptest::prelude::*;

use super::*;

mod forged;
mod real_lines;

const V19: &str = r#"[2026-11-22T09:09:56.776Z] "POST /productpage?u=normal HTTP/1.1" 503 UC upstream_reset_before_response_started{connection_termination} - "-" 155 95 1 - "-" "Go-http-client/1.1" "d68aeaf3-6450-4cf9-b8bb-8034ca638af9" "productpage:9080" "127.0.0.21:9080" outbound|9080||productpage.bookinfo.svc.cluster.local 127.0.0.11:49070 127.0.0.50:9080 127.0.0.11:47000 - default"#;
const V19_NR: &str = r#"[2026-11-22T09:09:57.273Z] "- - -" 0 NR filter_chain_not_found - "-" 0 0 0 - "-" "-" "-" "-" "-" - - 127.0.0.21:9080 127.0.0.11:49492 - -"#;
const V19_TCP_RBAC: &str = r#"[2026-11-22T09:10:59.079Z] "- - -" 0 - - rbac_access_denied_matched_policy[ns[bookinfo]-policy[deny-redis]-rule[0]] "-" 11 0 2 - "-" "-" "-" "-" "127.0.0.121:9000" inbound|9000|| 127.0.0.6:56036 127.0.0.21:9000 127.0.0.11:46988 outbound_.9000_._.redis.bookinfo.svc.cluster.local -"#;
const V18: &str = r#"[2021-01-04T07:12:24.101Z] "GET /details/0 HTTP/1.1" 200 - "-" 0 178 36 35 "-" "Mozilla/5.0" "83793ccf-545c-4cc2-9a48-82bb70d81a2a" "details:9080" "10.0.3.83:9080" outbound|9080||details.default.svc.cluster.local 10.0.1.206:42786 10.97.33.96:9080 10.0.1.206:40108 - default"#;
const V14: &str = r#"[2020-09-24T13:31:37.980Z] "PUT /apps/a HTTP/1.1" 503 UF,URX "-" "TLS error: 268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER" 0 91 3037 - "-" "Java/1.9" "1cd54507-3f93-4ff3-a93e-35ead11da70f" "apps:8761" "10.0.0.198:8761" outbound|8761||apps.default.svc.cluster.local - 10.0.0.198:8761 10.0.0.169:53890 - default"#;
const V13: &str = r#"[2019-10-07T21:54:37.175Z] "GET /productpage HTTP/1.1" 503 UC "-" "-" 0 95 1 - "-" "curl/7.35.0" "819c2e8b-ddad-4579-8508-794ab7de5a55" "productpage:9080" "10.8.2.14:9080" outbound|9080||productpage.bookinfo.svc.cluster.local - 10.8.2.14:9080 10.8.1.7:33834 -"#;
const V11: &str = r#"[2019-05-25T08:06:11.468Z] "GET / HTTP/1.1" 429 UAEX ""RESOURCE_EXHAUSTED:over quota"" 0 55 0 - "-" "curl/7.60.0" "58cfb92b-b217-4602-af67-7de8f63543d8" "hello:5000" "-" - - 10.0.117.235:5000 10.32.0.10:36840 -"#;
const V10: &str = r#"[2018-10-28T12:53:32.264Z] "GET /weather HTTP/1.1" 503 UC 0 57 1 - "-" "python-requests/2.21.0" "b3785f8b-a8c8-4fc9-bde1-12ffa1e92a01" "weather:5000" "10.0.1.12:5000" outbound|5000||weather.default.svc.cluster.local - 10.0.253.172:5000 10.0.2.22:54984"#;
const ENVOY: &str = r#"[2026-11-22T09:12:34.767Z] "- - -" 0 - 11 11 5 - "-" "-" "-" "-" "127.0.0.21:9000""#;

const EVERY_LAYOUT: [(&str, Format); 9] = [
    (V19, Format::IstioText19),
    (V19_NR, Format::IstioText19),
    (V19_TCP_RBAC, Format::IstioText19),
    (V18, Format::IstioText18),
    (V14, Format::IstioText14),
    (V13, Format::IstioText13),
    (V11, Format::IstioText11),
    (V10, Format::IstioText10),
    (ENVOY, Format::EnvoyDefault),
];

fn text(field: Option<&[u8]>) -> Option<String> {
    field.map(|field| String::from_utf8_lossy(field).into_owned())
}

/// Fields by the names of `AccessLine`; a number or a missing field as it prints.
fn field(line: &AccessLine<'_>, name: &str) -> String {
    let number = |field: Option<u64>| field.map_or("-".to_owned(), |number| number.to_string());
    let field = match name {
        "start_time" => line.start_time,
        "method" => line.method,
        "path" => line.path,
        "protocol" => line.protocol,
        "response_code" => return number(line.response_code.map(u64::from)),
        "response_flags" => line.response_flags,
        "response_code_details" => line.response_code_details,
        "connection_termination_details" => line.connection_termination_details,
        "mixer_status" => line.mixer_status,
        "upstream_transport_failure_reason" => line.upstream_transport_failure_reason,
        "bytes_received" => return number(line.bytes_received),
        "bytes_sent" => return number(line.bytes_sent),
        "duration" => return number(line.duration),
        "upstream_service_time" => return number(line.upstream_service_time),
        "x_forwarded_for" => line.x_forwarded_for,
        "user_agent" => line.user_agent,
        "request_id" => line.request_id,
        "authority" => line.authority,
        "upstream_host" => line.upstream_host,
        "upstream_cluster" => line.upstream_cluster,
        "upstream_local_address" => line.upstream_local_address,
        "downstream_local_address" => line.downstream_local_address,
        "downstream_remote_address" => line.downstream_remote_address,
        "requested_server_name" => line.requested_server_name,
        "route_name" => line.route_name,
        _ => panic!("no field {name}"),
    };
    text(field).unwrap_or_else(|| "absent".to_owned())
}

/// Checks some fields of a line: `name=value`, one a line of `expect`.
fn check(line: &str, format: Format, expect: &str) {
    let parsed = parse_text(line.as_bytes()).unwrap_or_else(|| panic!("not read: {line}"));
    assert_eq!(parsed.format, format, "{line}");
    for wanted in expect.lines().map(str::trim).filter(|wanted| !wanted.is_empty()) {
        let (name, value) = wanted.split_once('=').unwrap();
        assert_eq!(field(&parsed, name), value, "{name} of {line}");
    }
}

#[test]
fn istio_1_9_and_later() {
    check(
        V19,
        Format::IstioText19,
        "
        start_time=2026-11-22T09:09:56.776Z
        method=POST
        path=/productpage?u=normal
        protocol=HTTP/1.1
        response_code=503
        response_flags=UC
        response_code_details=upstream_reset_before_response_started{connection_termination}
        connection_termination_details=-
        mixer_status=absent
        upstream_transport_failure_reason=-
        bytes_received=155
        bytes_sent=95
        duration=1
        upstream_service_time=-
        x_forwarded_for=-
        user_agent=Go-http-client/1.1
        request_id=d68aeaf3-6450-4cf9-b8bb-8034ca638af9
        authority=productpage:9080
        upstream_host=127.0.0.21:9080
        upstream_cluster=outbound|9080||productpage.bookinfo.svc.cluster.local
        upstream_local_address=127.0.0.11:49070
        downstream_local_address=127.0.0.50:9080
        downstream_remote_address=127.0.0.11:47000
        requested_server_name=-
        route_name=default",
    );
    check(
        V19_NR,
        Format::IstioText19,
        "
        path=-
        response_code=0
        response_code_details=filter_chain_not_found
        duration=0
        upstream_cluster=-
        downstream_remote_address=127.0.0.11:49492",
    );
    check(V19_TCP_RBAC, Format::IstioText19, "
        response_code_details=-
        connection_termination_details=rbac_access_denied_matched_policy[ns[bookinfo]-policy[deny-redis]-rule[0]]
        requested_server_name=outbound_.9000_._.redis.bookinfo.svc.cluster.local");
}

#[test]
fn older_layouts() {
    check(
        V18,
        Format::IstioText18,
        "
        upstream_transport_failure_reason=-
        mixer_status=absent
        response_code_details=absent
        upstream_service_time=35
        route_name=default",
    );
    check(V14, Format::IstioText14, "
        mixer_status=-
        upstream_transport_failure_reason=TLS error: 268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER
        response_flags=UF,URX
        route_name=default");
    check(
        V13,
        Format::IstioText13,
        "
        start_time=2019-10-07T21:54:37.175Z
        response_code=503
        response_flags=UC
        mixer_status=-
        upstream_transport_failure_reason=-
        bytes_sent=95
        duration=1
        user_agent=curl/7.35.0
        request_id=819c2e8b-ddad-4579-8508-794ab7de5a55
        authority=productpage:9080
        upstream_host=10.8.2.14:9080
        upstream_cluster=outbound|9080||productpage.bookinfo.svc.cluster.local
        upstream_local_address=-
        downstream_local_address=10.8.2.14:9080
        downstream_remote_address=10.8.1.7:33834
        requested_server_name=-
        route_name=absent",
    );
    check(
        V11,
        Format::IstioText11,
        "
        mixer_status=\"RESOURCE_EXHAUSTED:over quota\"
        upstream_transport_failure_reason=absent
        response_flags=UAEX
        downstream_remote_address=10.32.0.10:36840
        requested_server_name=-",
    );
    check(
        V10,
        Format::IstioText10,
        "
        response_flags=UC
        bytes_sent=57
        upstream_cluster=outbound|5000||weather.default.svc.cluster.local
        downstream_remote_address=10.0.2.22:54984
        requested_server_name=absent",
    );
    check(
        ENVOY,
        Format::EnvoyDefault,
        "
        bytes_received=11
        duration=5
        upstream_host=127.0.0.21:9000
        upstream_cluster=absent",
    );
}

#[test]
fn details_with_spaces_of_old_envoys() {
    let line = V19.replace(
        "upstream_reset_before_response_started{connection_termination}",
        "upstream_reset_before_response_started{connection failure,TLS error: 1:SSL routines}",
    );
    check(&line, Format::IstioText19, "
        response_code_details=upstream_reset_before_response_started{connection failure,TLS error: 1:SSL routines}
        connection_termination_details=-
        upstream_transport_failure_reason=-");
}

#[test]
fn a_reason_with_quotes() {
    check(
        &V19.replace(r#"- "-" 155"#, r#"- "SAN "a" is not "b"" 155"#),
        Format::IstioText19,
        "
        upstream_transport_failure_reason=SAN \"a\" is not \"b\"
        bytes_received=155",
    );
}

#[test]
fn line_ends_and_missing_times() {
    for end in ["\r", " ", "  \r\n"] {
        check(&format!("{V19}{end}"), Format::IstioText19, "route_name=default");
    }
    check(
        V19.split_once("] ").unwrap().1,
        Format::IstioText19,
        "start_time=absent\npath=/productpage?u=normal",
    );
    check(V19.strip_prefix('[').unwrap(), Format::IstioText19, "start_time=2026-11-22T09:09:56.776Z");
    check(&V19.replace("2026-11-22", ".."), Format::IstioText19, "start_time=..T09:09:56.776Z");
    check(&V19.replace("default", " "), Format::IstioText19, "requested_server_name=-\nroute_name=absent");
    check(
        &V19.replace(" HTTP/1.1\"", "\""),
        Format::IstioText19,
        "path=/productpage?u=normal\nprotocol=absent\nmethod=POST",
    );
}

#[test]
fn what_is_no_access_line() {
    for line in [
        "",
        "\"",
        "[",
        "[]",
        "[] \"",
        "2026-11-22T09:09:57.273Z\tinfo\tads\tXDS: \"a\" connected",
        "[2026-11-22 09:09:57.273][1][info] x",
        "{\"response_code\":503}",
        "- - - - - -",
        "\"\" \"\" \"\" \"\" \"\" \"\"",
    ] {
        assert_eq!(parse_text(line.as_bytes()), None, "{line}");
    }
    // Another number of fields is another layout.
    for line in [
        format!("{V19} -"),
        V19.replace(" - default", ""),
        V19.replace("\"-\" 155", "155"),
        format!("{ENVOY} -"),
    ] {
        assert_eq!(parse_text(line.as_bytes()), None, "{line}");
    }
}

#[test]
fn a_line_cut_short_is_other_or_lacks_only_its_end() {
    for (line, _) in EVERY_LAYOUT {
        for length in 0..line.len() {
            let Some(cut) = parse_text(&line.as_bytes()[..length]) else { continue };
            let whole = parse_text(line.as_bytes()).unwrap();
            for name in ["response_code", "response_flags", "request_id", "authority", "upstream_host"] {
                assert_eq!(field(&cut, name), field(&whole, name), "{line} cut at {length}");
            }
        }
        for start in 1..line.len() {
            let _ = parse_text(&line.as_bytes()[start..]);
        }
    }
}

/// A user agent can hold anything; what stands on either side of it must not move.
#[test]
fn forged_user_agents() {
    let agents = [
        r#"" 200 - via_upstream ""#,
        r#"Mozilla/5.0 ("quoted")"#,
        r#"""#,
        r#""" "#,
        "",
        "x\" \"y",
        "tab\tagent",
        r#"x" "00000000-0000-0000-0000-000000000000" "admin:80" "10.0.0.1:80" outbound|80||admin.default.svc.cluster.local 10.0.0.2:1 10.0.0.3:2 10.0.0.4:3 - default"#,
        r#"x HTTP/1.1" 200 - via_upstream - "-" 0 5 1 1 "-" "y"#,
        r#"x" 200 - via_upstream - "-" 0 5 1 1 "-" "y" "z"#,
    ];
    for agent in agents {
        for (line, format) in EVERY_LAYOUT {
            let whole = parse_text(line.as_bytes()).unwrap();
            if field(&whole, "user_agent") == "-" {
                continue; // TCP
            }
            let id = field(&whole, "request_id");
            let line = line.replace(
                &format!("\"{}\" \"{id}\"", field(&whole, "user_agent")),
                &format!("\"{agent}\" \"{id}\""),
            );
            let forged = parse_text(line.as_bytes()).unwrap_or_else(|| panic!("not read: {line}"));
            assert_eq!(forged.format, format, "{line}");
            for name in [
                "start_time",
                "path",
                "response_code",
                "response_flags",
                "duration",
                "request_id",
                "authority",
                "upstream_host",
                "upstream_cluster",
                "upstream_local_address",
                "downstream_local_address",
                "downstream_remote_address",
                "route_name",
            ] {
                assert_eq!(field(&forged, name), field(&whole, name), "{name} of {line}");
            }
            assert_eq!(forged.ambiguous, agent.contains("\" \""), "{line}");
        }
    }
}

#[test]
fn quotes_elsewhere() {
    check(
        &V19.replace("?u=normal", "?q=\"quoted\""),
        Format::IstioText19,
        "path=/productpage?q=\"quoted\"\nresponse_code=503",
    );
    let forwarded = V19.replace("1 - \"-\"", "1 - \"\"quoted\", <script>\"");
    check(
        &forwarded,
        Format::IstioText19,
        "x_forwarded_for=\"quoted\", <script>\nuser_agent=Go-http-client/1.1",
    );
    let id = V19.replace("d68aeaf3-6450-4cf9-b8bb-8034ca638af9", "not a \"uuid\" \\ at all");
    check(
        &id,
        Format::IstioText19,
        "request_id=not a \"uuid\" \\ at all\nauthority=productpage:9080\nuser_agent=Go-http-client/1.1",
    );
    for line in [&forwarded, &id] {
        assert!(!parse_text(line.as_bytes()).unwrap().ambiguous, "{line}");
    }
    let forged =
        V19.replace("/productpage?u=normal", "/x HTTP/1.1\" 200 - via_upstream - \"-\" 0 1 1 1 \"-\" \"");
    let forged = parse_text(forged.as_bytes()).unwrap();
    assert!(forged.ambiguous);
    assert_eq!(field(&forged, "upstream_cluster"), "outbound|9080||productpage.bookinfo.svc.cluster.local");
}

#[test]
fn bytes_that_are_not_text() {
    let (before, after) = V19.split_once("Go-http-client/1.1").unwrap();
    let line = [before.as_bytes(), b"caf\xe9 \xff\x00", after.as_bytes()].concat();
    assert_eq!(parse_text(&line).unwrap().user_agent, Some(&b"caf\xe9 \xff\x00"[..]));
}

proptest! {
    #[test]
    fn never_a_panic(line in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse_text(&line);
    }

    /// Lines made of pieces that occur in lines.
    #[test]
    fn never_a_panic_on_near_misses(pieces in proptest::collection::vec(prop::sample::select(vec![
        "[2026-11-22T09:09:56.776Z] \"", "GET ", "/a ", "HTTP/1.1", "\" ", " \"", "\"", "200 ", "- ", "-", "UC ", "via_upstream ", "0 ", "99999999999999999999 ", "\" \"", "10.0.0.1:80 ", "10.0.0.1:80\" ", "x", " ", "\r",
    ]), 0..40)) {
        let line = pieces.concat();
        let _ = parse_text(line.as_bytes());
    }

    #[test]
    fn fields_come_back(
        method in "[A-Z]{1,8}", path in "/[!-~]{0,40}", code in prop_oneof![Just(0_u16), 100_u16..600],
        flags in prop_oneof![Just("-".to_owned()), "[A-Z]{2,5}(,[A-Z]{2,5})?"],
        details in "[a-z_]{1,20}(\\{[a-z_]{0,10}\\})?", reason in "[A-Za-z_:|, ]{1,40}",
        numbers in any::<[u32; 3]>(), agent in "[ -~\u{80}-\u{fff}]{0,60}",
        id in "[0-9a-f-]{1,36}", authority in "[a-z.]{1,20}(:[0-9]{1,5})?", layout in 0_usize..7,
    ) {
        prop_assume!(!path.contains('"') && !agent.contains('"'));
        let format = Format::ALL[layout];
        let [received, sent, duration] = numbers;
        let quoted = match format {
            Format::EnvoyDefault | Format::IstioText10 | Format::Custom => String::new(),
            Format::IstioText11 | Format::IstioText18 => format!("\"{reason}\" "),
            Format::IstioText13 | Format::IstioText14 => format!("\"-\" \"{reason}\" "),
            Format::IstioText19 | Format::IstioJson | Format::EnvoyJson => format!("{details} - \"{reason}\" "),
        };
        let tail = match format {
            Format::EnvoyDefault | Format::Custom => "",
            Format::IstioText10 => " outbound|80||a.b 10.0.0.1:1 10.0.0.2:2 10.0.0.3:3",
            Format::IstioText11 | Format::IstioText13 => " outbound|80||a.b 10.0.0.1:1 10.0.0.2:2 10.0.0.3:3 sni.x",
            Format::IstioText14 | Format::IstioText18 | Format::IstioText19 | Format::IstioJson | Format::EnvoyJson => " outbound|80||a.b 10.0.0.1:1 10.0.0.2:2 10.0.0.3:3 sni.x route",
        };
        let code_text = if code == 0 { "0".to_owned() } else { code.to_string() };
        let line = format!("[2026-11-22T09:09:56.776Z] \"{method} {path} HTTP/2\" {code_text} {flags} {quoted}{received} {sent} {duration} - \"1.2.3.4\" \"{agent}\" \"{id}\" \"{authority}\" \"[::1]:80\"{tail}");
        let parsed = parse_text(line.as_bytes()).unwrap();
        prop_assert_eq!(parsed.format, format);
        prop_assert!(!parsed.ambiguous);
        prop_assert_eq!(parsed.response_code, Some(code));
        for (name, value) in [("method", &method), ("path", &path), ("response_flags", &flags), ("user_agent", &agent), ("request_id", &id), ("authority", &authority)] {
            prop_assert_eq!(&field(&parsed, name), value);
        }
        prop_assert_eq!((parsed.bytes_received, parsed.bytes_sent, parsed.duration), (Some(received.into()), Some(sent.into()), Some(duration.into())));
        prop_assert_eq!(parsed.upstream_host, Some(&b"[::1]:80"[..]));
        if format == Format::IstioText19 {
            prop_assert_eq!(field(&parsed, "response_code_details"), details);
        }
        if matches!(format, Format::IstioText13 | Format::IstioText14 | Format::IstioText18 | Format::IstioText19) {
            prop_assert_eq!(field(&parsed, "upstream_transport_failure_reason"), reason);
        }
        if layout > 1 {
            prop_assert_eq!(parsed.requested_server_name, Some(&b"sni.x"[..]));
        }
    }
}
