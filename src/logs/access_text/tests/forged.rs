//! What callers write into a line is not taken for what the proxy says.

use proptest::prelude::*;

use crate::logs::access_text::parse_text;

/// Each layout, with the words of callers in their places; code, flags, cluster and host are the proxy's.
fn by_layout(layout: usize, [path, forwarded, agent, id]: &[String; 4]) -> String {
    let status =
        ["", "", "\"-\" ", "\"-\" \"-\" ", "\"-\" \"-\" ", "\"-\" ", "via_upstream - \"-\" "][layout];
    let tail = [
        "",
        " a|b 1 2 3",
        " a|b 1 2 3 sni",
        " a|b 1 2 3 sni",
        " a|b 1 2 3 sni r",
        " a|b 1 2 3 sni r",
        " a|b 1 2 3 sni r",
    ];
    format!(
        "[2026-11-22T09:09:56.776Z] \"GET /{path} HTTP/1.1\" 200 - {status}0 5 2 1 \"{forwarded}\" \"{agent}\" \"{id}\" \"h\" \"10.0.0.1:80\"{}",
        tail[layout]
    )
}

/// What a caller can write: ends of a request, the status of every layout, quotes.
fn forged() -> impl Strategy<Value = String> {
    let pieces = vec![
        "a",
        " HTTP/1.1\"",
        " 503 UO ",
        "upstream_reset_before_response_started{overflow} - ",
        "\"-\" ",
        "\"-\" \"-\" ",
        "0 9 12 11 ",
        "\"",
        " \"",
        "\" ",
        "\" \"",
        "-",
        " HTTP/1.1\" 503 UO upstream_reset_before_response_started{overflow} - \"-\" 0 9 12 11 \"",
        " HTTP/1.1\" 503 UO \"-\" \"-\" 0 9 12 11 \"",
        " HTTP/1.1\" 503 UO 0 9 12 11 \"",
        " HTTP/1.1\" 503 UO \"",
        " c|d 1 2 3 sni r",
        " 10.0.0.9:9\" c|d 1 2 3 sni r",
    ];
    let words = prop::collection::vec(prop::sample::select(pieces), 0..5).prop_map(|pieces| pieces.concat());
    prop_oneof![Just("-".to_owned()), words.boxed()]
}

/// Words of each kind by themselves in the path: the answer is the real one, or the line is ambiguous.
#[test]
fn a_status_in_the_path_of_any_layout_is_not_certain() {
    let statuses = [
        "0 9 12 11 \"y",
        "\"-\" 0 9 12 11 \"y",
        "\"-\" \"-\" 0 9 12 11 \"y",
        "\"y",
        "\"-\" \"y",
        "upstream_reset_before_response_started{overflow} - \"-\" 0 9 12 11 \"y",
        "upstream_reset_before_response_started{overflow} - \"y",
    ];
    for status in statuses {
        for layout in 0..7 {
            let path = format!("x?a HTTP/1.1\" 503 UO {status}");
            let line = by_layout(layout, &[path, "-".into(), "a \"b\"".into(), "id".into()]);
            let read = parse_text(line.as_bytes()).unwrap_or_else(|| panic!("not read: {line}"));
            assert!(read.ambiguous || read.response_code == Some(200), "{line}\n{read:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn what_callers_write_is_never_taken_for_the_proxy_s(layout in 0_usize..7, words in [forged(), forged(), forged(), forged()]) {
        let line = by_layout(layout, &words);
        if let Some(read) = parse_text(line.as_bytes()).filter(|read| !read.ambiguous) {
            prop_assert_eq!((read.response_code, read.response_flags), (Some(200), Some(&b"-"[..])), "{}", line);
            prop_assert!(read.response_code_details.is_none_or(|details| details == b"via_upstream"), "{}", line);
            prop_assert!(read.upstream_transport_failure_reason.is_none_or(|reason| reason == b"-"), "{}", line);
            prop_assert!(read.upstream_cluster.is_none_or(|cluster| cluster == b"a|b"), "{}", line);
            prop_assert_eq!(read.upstream_host, Some(&b"10.0.0.1:80"[..]), "{}", line);
        }
    }
}

#[test]
fn a_request_that_a_caller_wrote_into_the_path_is_not_the_answer() {
    for path in
        ["/a HTTP/1.1\" 503 UC /b", "/a HTTP/1.1\" 503 UC b - \"c", "/a HTTP/1.1\" 503 UC b\" \"c \"d"]
    {
        let line = format_line(path);
        let read = parse_text(line.as_bytes());
        assert!(read.is_none_or(|read| read.response_code == Some(200)), "{read:?}");
    }
}

fn format_line(path: &str) -> String {
    format!(
        "[2026-11-22T09:09:56.776Z] \"GET {path} HTTP/1.1\" 200 - via_upstream - \"-\" 0 5 2 1 \"-\" \"a\" \"id\" \"h\" \"10.0.0.1:80\" outbound|80||a.b 10.0.0.2:1 10.0.0.3:80 10.0.0.2:2 - default"
    )
}
