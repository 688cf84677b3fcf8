use super::*;
use crate::logs::{OwnFormat, Strictness};

const HEAD: &str = "[2026-11-22T09:09:56.776Z] \"GET /productpage?u=normal HTTP/1.1\" 503 UC upstream_reset_before_response_started{connection_termination} - \"-\" 155 95 1 - \"-\"";
const TAIL: &str = "\"Go-http-client/1.1\" \"d68aeaf3-6450-4cf9-b8bb-8034ca638af9\" \"productpage:9080\" \"127.0.0.21:9080\" outbound|9080||productpage.bookinfo.svc.cluster.local 127.0.0.11:49070 127.0.0.50:9080 127.0.0.11:47000 - default";

/// What came of lines: each line that was read, as `FIRST NAMESPACE/POD CODE USER-AGENT`, and the numbers.
#[derive(Debug, Default)]
struct Result {
    lines: Vec<String>,
    read: u64,
    other: u64,
    joined: u64,
    unread: u64,
}

fn read(text: &str) -> Result {
    let (mut reader, mut result) = (Reader::default(), Result::default());
    let mut lines = Vec::new();
    let mut take = |writer: Option<Writer<'_>>, at: At<'_>, line: &AccessLine<'_>| {
        let writer = writer
            .map_or("-".to_owned(), |writer| format!("{}/{}", writer.namespace.unwrap_or("?"), writer.name));
        let agent = line.user_agent.map_or("?".into(), String::from_utf8_lossy);
        let ambiguous = if line.ambiguous { " ambiguous" } else { "" };
        let code = line.response_code.unwrap_or_default();
        lines.push(format!("{} {writer} {code} {agent}{ambiguous}", at.first));
    };
    let mut count = |outcome: Outcome, is_line: bool| {
        let ends_word = outcome.part == Part::EndsWord;
        result.read += u64::from(is_line && !ends_word);
        result.other += u64::from(is_line && !outcome.access && !ends_word);
        result.read = result.read + u64::from(outcome.ended > 0) - outcome.joined - outcome.ended;
        result.other -= outcome.joined + outcome.ended;
        result.joined += u64::from(ends_word) + outcome.joined + outcome.ended.saturating_sub(1);
        result.unread += u64::from(outcome.unread);
        result.unread -= outcome.joined_unread + outcome.ended_unread;
    };
    for (number, line) in (1..).zip(text.lines()) {
        count(reader.read(number, line.as_bytes(), &Formats::default(), &mut take), true);
    }
    count(reader.end(&mut take), false);
    result.lines = lines;
    assert_eq!(result.read, result.lines.len() as u64 + result.other, "{text}");
    assert_eq!(result.read + result.joined, text.lines().count() as u64, "{text}");
    result
}

const ONE: [&str; 1] = ["1 - 503 Go-http-client/1.1"];

#[test]
fn a_line_broken_between_words_is_joined() {
    let result = read(&format!("{HEAD}\n{TAIL}"));
    assert_eq!((result.lines.as_slice(), result.joined, result.unread), (&ONE.map(str::to_owned)[..], 1, 0));
    let mail = format!("{HEAD}\n  {TAIL}").replace(" 127.0.0.50", "\n  127.0.0.50");
    assert_eq!(read(&mail).lines, ONE);
    assert_eq!(read(&format!("{HEAD}\n\n{TAIL}")).joined, 2);
}

#[test]
fn a_line_broken_by_a_terminal_is_joined_wherever_it_was_wide_enough() {
    let line = format!("{HEAD} {TAIL}");
    // A row that lacks a part of the last word only is a line of its own.
    for width in 40..line.len() - 7 {
        let rows: Vec<_> =
            line.as_bytes().chunks(width).map(|row| std::str::from_utf8(row).unwrap()).collect();
        let result = read(&format!("started\n{}\n{line}", rows.join("\n")));
        assert_eq!(result.other, 1, "{width}: {result:?}");
        // Of one break only it is not known whether a space stood there, within what a caller wrote. The end of the
        // last word is no break: the line is whole without.
        let breaks = rows.len() - 1 - usize::from((1..=6).contains(&(line.len() % width)));
        let [first, next] = result.lines.as_slice() else { panic!("{width}: {result:?}") };
        let known = *first == "2 - 503 Go-http-client/1.1";
        assert!(known || breaks <= 1 && first.starts_with("2 - 503"), "{width}: {first}");
        assert_eq!(*next, format!("{} - 503 Go-http-client/1.1", rows.len() + 2), "{width}");
    }
}

/// Broken within a text that may have spaces: neither reading is proved.
#[test]
fn what_two_readings_disagree_about_is_not_known() {
    let line = format!("{HEAD} {TAIL}").replace("Go-http-client/1.1", "Mozilla/5.0\n(X11)");
    assert_eq!(read(&line).lines, ["1 - 503 ? ambiguous"]);
}

#[test]
fn what_makes_no_whole_line_is_not_joined() {
    for text in [
        // Cut off, and the next one begins.
        format!("{HEAD}\n{HEAD}\n"),
        // Something else stands between.
        format!("{HEAD}\n2026-11-22T09:09:57Z\tinfo\tready\n{TAIL}"),
        format!("{TAIL}\n{HEAD}"),
    ] {
        let result = read(&text);
        assert!(result.lines.is_empty() && result.joined == 0, "{text}: {result:?}");
    }
    let whole = format!("{HEAD} {TAIL}");
    assert_eq!(read(&format!("{HEAD}\n{whole}\n{TAIL}")).lines, ["2 - 503 Go-http-client/1.1"]);
}

#[test]
fn parts_of_a_runtime_are_joined_by_stream() {
    let time = "2026-11-22T09:09:56.776412345Z";
    let text = format!(
        "{time} stdout P {HEAD}\n{time} stderr P x\n{time} stderr F y\n{time} stdout P  \n{time} stdout F {TAIL}\n{time} stdout F {HEAD} {TAIL}"
    );
    let result = read(&text);
    assert_eq!(result.lines, ["1 - 503 Go-http-client/1.1", "6 - 503 Go-http-client/1.1"]);
    assert_eq!((result.other, result.joined), (1, 3));
    // A part that is never ended does not take the next line with it.
    let result = read(&format!("{time} stdout P {{\n{time} stdout F {HEAD} {TAIL}"));
    assert_eq!((result.lines, result.other), (vec!["2 - 503 Go-http-client/1.1".to_owned()], 1));
}

#[test]
fn json_over_several_lines_is_one_line() {
    let object = "{\n  \"response_code\": 503,\n  \"response_flags\": \"UC\",\n  \"user_agent\": \"a b\"\n}";
    let result = read(object);
    assert_eq!((result.lines, result.joined, result.unread), (vec!["1 - 503 a b".to_owned()], 4, 0));
    let array = format!("[\n{object},\n{object}\n]");
    let result = read(&array);
    assert_eq!((result.lines, result.other), (vec!["2 - 503 a b".to_owned(), "7 - 503 a b".to_owned()], 2));
    let inside = "{\n \"kubernetes\": {\n  \"pod_name\": \"web-1\",\n  \"namespace_name\": \"shop\"\n },\n \"log\": \"{\\\"response_code\\\":200,\\\"response_flags\\\":\\\"-\\\",\\\"user_agent\\\":\\\"x\\\"}\"\n}";
    assert_eq!(read(inside).lines, ["1 shop/web-1 200 x"]);
    let other =
        "{\n  \"level\": \"info\"\n}\n{\"response_code\":200,\"response_flags\":\"-\",\"user_agent\":\"x\"}";
    let result = read(other);
    assert_eq!((result.lines, result.other, result.joined), (vec!["4 - 200 x".to_owned()], 3, 0));
}

#[test]
fn json_broken_by_a_terminal_is_joined_where_nothing_depends_on_the_break() {
    let result = read("{\"response_code\":503,\"response_fl\nags\":\"UC\",\"user_agent\":\"x\"}");
    assert_eq!(result.lines, ["1 - 503 x"]);
    let result = read("{\"response_code\":503,\"response_flags\":\"UC\",\"user_agent\":\"x\ny\"}");
    assert_eq!(result.lines, ["1 - 503 ? ambiguous"]);
}

#[test]
fn lines_of_several_pods_are_not_mixed() {
    let text = format!("[pod/a/istio-proxy] {HEAD}\n[pod/b/istio-proxy] {TAIL}");
    assert!(read(&text).lines.is_empty());
    let text = format!("[pod/a/istio-proxy] {HEAD}\n[pod/a/istio-proxy] {TAIL}");
    assert_eq!(read(&text).lines, ["1 ?/a 503 Go-http-client/1.1"]);
}

#[test]
fn a_time_that_cannot_be_read_and_a_name_of_a_listener_cost_nothing_else() {
    let line = format!("{HEAD} {TAIL}");
    for text in [
        line.replace("Z] ", "Z "),
        line.replace("Z] ", "Z] [170] "),
        line.replace("[2026-11-22T09:09:56.776Z] ", "productpage "),
        format!("{line} inbound hcm"),
        format!("{line} capture outbound (no waypoint proxy)"),
    ] {
        assert_eq!(read(&text).lines, ONE, "{text}");
    }
    for text in [format!("{line} - -"), format!("{line} proxy)"), format!("{line} inbound \"x\"")] {
        assert!(without_label(text.as_bytes()).and_then(parse_text).is_none(), "{text}");
    }
}

/// A caller's words that look like a line, in a layout that is not read.
#[test]
fn what_a_caller_wrote_is_no_line() {
    let line = format!("{HEAD} {TAIL}");
    let envoy = "GET / HTTP/1.1\" 503 UC 0 0 0 - \"-\" \"x\" \"id\" \"a\" \"10.0.0.1:80";
    for text in [
        format!("2026-11-22 200 GET /a \"{line}\" 10.0.0.1"),
        format!("2026-11-22 200 GET /a \"curl\" \"{line}"),
        format!("2026-11-22 200 GET /a \"{envoy}\""),
        format!("{{\"user\": \"{}\"}}", line.replace('"', "\\\"")),
    ] {
        assert!(read(&text).lines.is_empty(), "{text}");
    }
}

/// A format may call a field what collectors call the text that they carry.
#[test]
fn an_object_that_is_a_line_is_not_opened() {
    let format = r#"{"code":"%RESPONSE_CODE%","flags":"%RESPONSE_FLAGS%","message":"%REQ(X-NOTE)%","ua":"%REQ(USER-AGENT)%"}"#;
    let format = OwnFormat::compile(format, Strictness::Lenient).unwrap();
    let formats = Formats::new([(format, true)], None);
    let line = r#"{"code":503,"flags":"UC","message":"started","ua":"x"}"#;
    let inner = line.replace('"', "\\\"");
    for text in [
        line.to_owned(),
        format!("[pod/a/istio-proxy] {line}"),
        format!("2026-11-22T09:09:56.776412345Z stdout F {line}"),
        format!(r#"{{"stream":"stdout","message":"{inner}"}}"#),
    ] {
        let mut read = Vec::new();
        Reader::default().read(1, text.as_bytes(), &formats, &mut |_, _, line| {
            read.push((line.response_code, line.user_agent.map(<[u8]>::to_vec)));
        });
        assert_eq!(read, [(Some(503), Some(b"x".to_vec()))], "{text}");
    }
}

/// Layouts that are the beginning of others: whether more of a line follows is known when it does not.
#[test]
fn a_broken_line_in_a_layout_that_could_go_on_is_joined_when_nothing_follows() {
    let time = "[2026-11-22T09:09:56.776Z] \"GET /productpage?u=normal HTTP/1.1\" 503 UC";
    let rest = "155 95 1 - \"-\" \"curl/8.4.0\" \"d68aeaf3-6450-4cf9-b8bb-8034ca638af9\" \"a:9080\" \"127.0.0.21:9080\"";
    let status = "outbound|80||a.b.svc.cluster.local 127.0.0.11:49070 127.0.0.50:9080 127.0.0.11:47000 -";
    for whole in [
        format!("{time} {rest}"),
        format!("{time} \"-\" {rest} {status}"),
        format!("{time} \"-\" \"-\" {rest} {status}"),
    ] {
        assert!(parse_text(whole.as_bytes()).is_some(), "{whole}");
        let broken = whole.replacen(" \"curl", "\n\"curl", 1);
        let once = read(&broken);
        assert_eq!(
            (once.lines.as_slice(), once.joined),
            (&["1 - 503 curl/8.4.0".to_owned()][..], 1),
            "{whole}"
        );
        assert_eq!((once.other, once.unread), (0, 0), "{whole}");
        // The next line, broken or not, a message and a line in JSON end it.
        let twice = read(&format!("{broken}\n{broken}\n{whole}"));
        let lines = ["1 - 503 curl/8.4.0", "3 - 503 curl/8.4.0", "5 - 503 curl/8.4.0"];
        assert_eq!((twice.lines, twice.joined), (lines.map(str::to_owned).to_vec(), 2), "{whole}");
        let message = read(&format!("{broken}\n2026-11-22T09:09:57.273Z\tinfo\tready to serve\n{whole}"));
        assert_eq!((message.lines.len(), message.other, message.joined), (2, 1, 1), "{whole}");
        let json = "{\"response_code\":200,\"response_flags\":\"-\",\"user_agent\":\"x\"}";
        assert_eq!(read(&format!("{broken}\n{json}")).lines.len(), 2, "{whole}");
        // A terminal breaks a line where it ends.
        for width in 40..whole.len() {
            let rows: Vec<_> =
                whole.as_bytes().chunks(width).map(|row| std::str::from_utf8(row).unwrap()).collect();
            let result = read(&format!("{}\nstarted again\n", rows.join("\n")));
            let known = result.lines.first().is_some_and(|line| line.starts_with("1 - 503"));
            assert!(known && result.lines.len() == 1, "{width}: {result:?}");
        }
    }
}

/// The rest of a line that is not whole: what stands before it is no line.
#[test]
fn a_line_that_goes_on_and_is_cut_off_is_none() {
    let line = format!("{HEAD}\n{TAIL}")
        .replace(" upstream_reset_before_response_started{connection_termination} - \"-\"", "");
    let (before, after) = line.split_once(" outbound").unwrap();
    for rest in ["outbound|9080||productpage", "outbound|9080||a.b 10.0.0.1:80 10", "xds-grpc - 10.0.0.1:80"]
    {
        let result = read(&format!("{before}\n{rest}\n"));
        assert!(result.lines.is_empty() && result.joined == 0, "{rest}: {result:?}");
    }
    assert_eq!(read(&format!("{before}\n")).lines, ONE);
    assert!(after.starts_with('|'));
}

const TLS: &str = "TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end";

/// The one line that has details as long as a line of a screen, with breaks in it.
fn with_long_details() -> String {
    let details = format!("upstream_reset_before_response_started{{remote_connection_failure|{TLS}}}");
    format!("{HEAD} {TAIL}").replace(
        "503 UC upstream_reset_before_response_started{connection_termination} - \"-\"",
        &format!("503 URX,UF {details} - \"{TLS}\""),
    )
}

#[test]
fn a_break_before_long_details_is_no_part_of_the_flags() {
    let line = with_long_details();
    let words = line.replace(" upstream_reset", "\nupstream_reset").replace(" \"TLS", "\n\"TLS");
    assert_eq!(read(&words).lines, ONE);
    assert_eq!(read(&words.replace(" outbound|", "\noutbound|")).lines, ONE);
}

#[test]
fn lines_that_end_in_a_backslash_are_joined_without_it() {
    let line = format!("{HEAD} {TAIL}");
    for wide in [60, 100, 200, 300] {
        let parts: Vec<_> =
            line.as_bytes().chunks(wide).map(|part| std::str::from_utf8(part).unwrap()).collect();
        let result = read(&parts.join("\\\n"));
        assert_eq!((result.lines.as_slice(), result.other), (&ONE.map(str::to_owned)[..], 0), "{wide}");
        // Only some of them do: nobody knows what it is.
        if parts.len() > 2 {
            assert_eq!(read(&parts.join("\\\n").replacen("\\\n", "\n", 1)).lines, [""; 0], "{wide}");
        }
    }
}

#[test]
fn lines_broken_between_words_may_be_of_one_width() {
    let mut seen = 0;
    for (pad, wide) in (0..60).flat_map(|pad| (170..240).map(move |wide| (pad, wide))) {
        let line = format!("{HEAD} {TAIL}").replace("u=normal", &"u".repeat(pad));
        let mut lines = vec![String::new()];
        for word in line.split(' ') {
            match lines.last_mut().filter(|last| last.is_empty() || last.len() + 1 + word.len() <= wide) {
                Some(last) if last.is_empty() => *last = word.to_owned(),
                Some(last) => *last = format!("{last} {word}"),
                None => lines.push(word.to_owned()),
            }
        }
        if let [one, two, last] = lines.as_slice()
            && one.len() == two.len()
            && last.len() < one.len()
        {
            seen += 1;
            assert_eq!(read(&lines.join("\n")).lines, ONE, "{lines:?}");
        }
    }
    assert!(seen > 0);
}
