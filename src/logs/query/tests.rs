use proptest::prelude::*;

use super::super::fields::{AnyLine, FieldKind};
use super::super::parse_text;
use super::super::ztunnel::parse_ztunnel;
use super::*;

const LINE: &str = "[2026-01-31T21:54:37.175Z] \"GET /cart?a=b HTTP/1.1\" 503 URX,UF via_upstream - \"-\" 0 91 1500 - \
                    \"-\" \"curl/8\" \"id-1\" \"cart.shop\" \"10.8.1.8:80\" \
                    outbound|80|v1|productpage.bookinfo.svc.cluster.local 10.8.1.9:1 10.0.0.1:80 10.8.1.9:2 - default";
const ZTUNNEL: &str = "2026-11-23T02:09:23.529508Z\terror\taccess\tconnection complete\tsrc.addr=10.244.1.20:56424 \
                       dst.addr=10.244.2.10:9080 dst.service=\"cart.shop\" direction=\"inbound\" bytes_sent=0 \
                       bytes_recv=7 duration=\"12ms\" error=\"tls handshake error: x\"";

fn takes(query: &str) -> bool {
    let line = parse_text(LINE.as_bytes()).unwrap();
    let seen = Seen { line: AnyLine::Envoy(&line), pod: Some("web/client"), file: "a.log", number: 7 };
    Query::parse(query).unwrap_or_else(|mistake| panic!("{mistake}")).takes(&seen)
}

#[test]
fn the_example_of_the_page() {
    assert!(takes("code>=500 and flags has UF and host~productpage and duration>1s"));
    assert!(!takes("code>=500 and flags has UC and host~productpage and duration>1s"));
}

#[test]
fn each_kind_of_field_and_sign() {
    for query in [
        "code = 503",
        "code==503",
        "response_code != 504",
        "code < 504",
        "code <= 503",
        "code > 502",
        "status >= 503",
        "flags = UF,URX",
        "flags has urx",
        "flags ~ RX",
        "flags !~ UC",
        "flags != UF",
        "path = \"/cart?a=b\"",
        "path ~ CART",
        "method != POST",
        "duration = 1.5s",
        "duration >= 1500",
        "duration < 2s",
        "duration>=1s500ms or code=1",
        "start_time > 2026-01-31T21:54:37Z",
        "start_time = 2026-01-31T22:54:37.175+01:00",
        "sni = -",
        "upstream_service_time = -",
        "code != -",
        "reason = -",
        "port = 80",
        "subset = v1",
        "reporter = client",
        "pod ~ web/",
        "line = 7",
        "format = istio-text-1.9+",
        "file ~ a.",
        "NOT code = 200",
        "not not code = 503",
        "(code = 1 or code = 503) and method = GET",
        "code = 503 or code = 1 and method = POST",
        "details = via_upstream",
        "src.addr = -",
        "bytes_sent = 91",
        "user_agent ~ curl",
        "mtls = -",
    ] {
        assert!(takes(query), "{query}");
        assert!(!takes(&format!("not ({query})")), "{query}");
    }
}

#[test]
fn what_has_no_value_fulfils_no_comparison_but_the_opposites() {
    for query in [
        "upstream_service_time > 0",
        "upstream_service_time <= 9h",
        "sni ~ a",
        "src.addr = a",
        "time < 2099-01-01T00:00:00Z",
    ] {
        assert!(!takes(query), "{query}");
    }
    assert!(takes("sni != a") && takes("sni !~ a") && takes("upstream_service_time != 5"));
}

#[test]
fn lines_of_ztunnel_are_asked_by_their_own_names() {
    let line = parse_ztunnel(ZTUNNEL.as_bytes()).unwrap();
    let seen = Seen { line: AnyLine::Ztunnel(&line), pod: None, file: "a.log", number: 7 };
    for query in [
        "level = error and error ~ handshake",
        "direction = inbound",
        "mtls = false",
        "host = cart.shop",
        "duration > 10ms",
        "bytes_recv = 7",
        "time > 2026-11-23T02:09:23Z",
        "code = -",
        "src.identity = -",
        "format = ztunnel",
    ] {
        assert!(Query::parse(query).unwrap().takes(&seen), "{query}");
    }
}

#[test]
fn a_mistake_is_named_with_its_place() {
    for (query, column, what) in [
        ("", 1, "expected a field"),
        ("cod = 5", 1, "no field is called cod; there are response_code"),
        ("code = 5 and xyzzy = 1", 14, "no field is called xyzzy; there are start_time, "),
        ("code 500", 6, "expected one of ="),
        ("code >=", 8, "expected a value"),
        ("code ~ 5", 6, "response_code is a number and cannot be asked with ~, only with =, !=, <"),
        ("code > x1", 8, "response_code is a number, and x1 is none"),
        ("flags has XX", 11, "XX is no response flag"),
        ("path has a", 6, "path is text and cannot be asked with has"),
        ("duration > 1w", 12, "1w is no time span"),
        ("start_time > today", 14, "today is no time"),
        ("path ~ -", 8, "- stands for no value"),
        ("path = \"a", 8, "this quote is not closed"),
        ("path = \"a\\n\"", 10, "escapes"),
        ("(code = 5", 1, "this parenthesis is not closed"),
        ("code = 5)", 9, "this closes no parenthesis"),
        ("code = 5 code = 6", 10, "expected `and` or `or`"),
        ("ü = 5", 1, "no field is called ü"),
        ("code = 5 and", 13, "expected a field"),
        ("code = 5 or and", 13, "expected a field"),
    ] {
        let mistake = Query::parse(query).unwrap_err();
        assert_eq!(mistake.column(), column, "{mistake}");
        assert!(mistake.to_string().starts_with(what) || mistake.to_string().contains(what), "{mistake}");
    }
    let shown = Query::parse("code = 5 and xflags = 1").unwrap_err().to_string();
    assert!(shown.ends_with("\n  code = 5 and xflags = 1\n               ^^^^^^"), "{shown}");
    assert!(Query::parse(&"(".repeat(10_000)).is_err());
}

fn test() -> impl Strategy<Value = Query> {
    let operators: Vec<_> = Operator::ALL.iter().map(|(_, operator)| *operator).collect();
    let fields = prop::sample::select(Field::ALL);
    (fields, prop::sample::select(operators), ".{0,6}", any::<u32>(), any::<bool>()).prop_map(
        |(field, operator, text, number, nothing)| {
            let text_only = matches!(operator, Operator::Like | Operator::Unlike | Operator::Has);
            let (operator, wanted) = match field.kind() {
                _ if nothing => (Operator::Unequal, Wanted::Nothing),
                FieldKind::Text if operator == Operator::Has || !text_only => {
                    (Operator::Equal, Wanted::Text(text))
                }
                FieldKind::Text => (operator, Wanted::Text(text)),
                FieldKind::Flags => (Operator::Has, Wanted::Text("UC".to_owned())),
                _ if text_only => (
                    Operator::Less,
                    match field.kind() {
                        FieldKind::Millis => Wanted::Millis(number.into()),
                        FieldKind::Time => Wanted::Time(i64::from(number) * 1_000_003),
                        FieldKind::Number | FieldKind::Text | FieldKind::Flags => {
                            Wanted::Number(number.into())
                        }
                    },
                ),
                FieldKind::Number => (operator, Wanted::Number(number.into())),
                FieldKind::Millis => (operator, Wanted::Millis(number.into())),
                FieldKind::Time => (operator, Wanted::Time(i64::from(number) * 1_000_003)),
            };
            Query::Test(Test { field, operator, wanted })
        },
    )
}

fn queries() -> impl Strategy<Value = Query> {
    test().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Query::All),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Query::Any),
            inner.prop_map(|query| Query::Not(Box::new(query))),
        ]
    })
}

proptest! {
    #[test]
    fn printed_and_read_again_it_is_the_same(query in queries()) {
        let text = query.to_string();
        prop_assert_eq!(Query::parse(&text).map_err(|mistake| mistake.to_string()), Ok(query), "{}", text);
    }

    #[test]
    fn never_a_panic(text in ".{0,40}", words in prop::collection::vec(
        prop::sample::select(vec!["code", "flags", "host", "and", "or", "not", "has", "(", ")", "=", "!", "~", ">", "\"", "\\", "5", "1.5s", "é"]), 0..12)
    ) {
        for text in [text, words.concat(), words.join(" ")] {
            match Query::parse(&text) {
                Ok(query) => prop_assert_eq!(Query::parse(&query.to_string()).ok(), Some(query)),
                Err(mistake) => drop(mistake.to_string()),
            }
        }
    }
}
