//! The ordinary JSON line, read without a look at what it could be besides: one flat object with Istio's own names,
//! each once, whose values are numbers, `null` and text without escapes.
//!
//! It says the same as the reader of any JSON, or nothing; then that one decides.

use super::{AccessLine, FlagSet, Format};

/// Istio's names in the order of its lines, which is that of the alphabet.
const SORTED: [&[u8]; 25] = [
    b"authority",
    b"bytes_received",
    b"bytes_sent",
    b"connection_termination_details",
    b"downstream_local_address",
    b"downstream_remote_address",
    b"duration",
    b"istio_policy_status",
    b"method",
    b"path",
    b"protocol",
    b"request_id",
    b"requested_server_name",
    b"response_code",
    b"response_code_details",
    b"response_flags",
    b"route_name",
    b"start_time",
    b"upstream_cluster",
    b"upstream_host",
    b"upstream_local_address",
    b"upstream_service_time",
    b"upstream_transport_failure_reason",
    b"user_agent",
    b"x_forwarded_for",
];

#[derive(Clone, Copy)]
enum Scalar<'a> {
    Null,
    Number(u64),
    Text(&'a [u8]),
}

impl<'a> Scalar<'a> {
    fn text(self) -> Option<&'a [u8]> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null => Some(b"-"),
            Self::Number(_) => None,
        }
    }

    fn number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Text(text) => digits(text),
            Self::Null => None,
        }
    }
}

/// A number of decimal digits and nothing else.
fn digits(text: &[u8]) -> Option<u64> {
    let add = |number: u64, digit: &u8| match digit {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    };
    if text.is_empty() { None } else { text.iter().try_fold(0, add) }
}

/// Reads an object; `None` where anything about it is out of the ordinary.
pub(super) fn read(text: &[u8]) -> Option<AccessLine<'_>> {
    // No escape, no control character, nothing but ASCII: then a text ends at the next quote and is what it says.
    let odd = |byte: u8| u8::from(byte < b' ') | u8::from(byte >= 0x80) | u8::from(byte == b'\\');
    if text.iter().fold(0, |any, byte| any | odd(*byte)) != 0 {
        return None;
    }
    let mut rest = text.strip_prefix(b"{\"")?;
    let mut line = AccessLine::empty(Format::IstioJson);
    let (mut seen, mut next) = (0_u32, 0);
    loop {
        let (key, behind) = split_at(rest, b'"')?;
        let (value, behind) = scalar(behind.strip_prefix(b":")?)?;
        let at = match SORTED.get(next) {
            Some(name) if *name == key => next,
            _ => SORTED.binary_search(&key).ok()?,
        };
        if seen & (1 << at) != 0 {
            return None;
        }
        seen |= 1 << at;
        next = at + 1;
        put(&mut line, at, value)?;
        if behind == b"}" {
            break;
        }
        rest = behind.strip_prefix(b",\"")?;
    }
    line.response_code.filter(|code| *code < 1000)?;
    matches!(line.response_flags?.first()?, b'-' | b'A'..=b'Z').then_some(line)
}

fn split_at(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let (before, behind) = text.split_at_checked(memchr::memchr(byte, text)?)?;
    Some((before, behind.get(1..)?))
}

fn scalar(text: &[u8]) -> Option<(Scalar<'_>, &[u8])> {
    match text.first()? {
        b'"' => {
            let (value, behind) = split_at(text.get(1..)?, b'"')?;
            Some((Scalar::Text(value), behind))
        }
        b'n' => Some((Scalar::Null, text.strip_prefix(b"null")?)),
        b'0'..=b'9' => {
            let length = text.iter().position(|byte| !byte.is_ascii_digit())?;
            let (number, behind) = text.split_at_checked(length)?;
            // JSON has no zero in front of other digits, and `1.5` or `1e3` goes on with something else than these.
            let whole =
                matches!(behind.first(), Some(b',' | b'}')) && (length == 1 || number.first() != Some(&b'0'));
            Some((Scalar::Number(digits(number).filter(|_| whole)?), behind))
        }
        _ => None,
    }
}

/// Puts a value into the field of that place in [`SORTED`].
fn put<'a>(line: &mut AccessLine<'a>, at: usize, value: Scalar<'a>) -> Option<()> {
    match at {
        0 => line.authority = value.text(),
        1 => line.bytes_received = value.number(),
        2 => line.bytes_sent = value.number(),
        3 => line.connection_termination_details = value.text(),
        4 => line.downstream_local_address = value.text(),
        5 => line.downstream_remote_address = value.text(),
        6 => line.duration = value.number(),
        7 => line.mixer_status = value.text(),
        8 => line.method = value.text(),
        9 => line.path = value.text(),
        10 => line.protocol = value.text(),
        11 => line.request_id = value.text(),
        12 => line.requested_server_name = value.text(),
        13 => line.response_code = Some(u16::try_from(value.number()?).ok()?),
        14 => line.response_code_details = value.text(),
        15 => {
            let flags = value.text()?;
            line.response_flags = Some(if flags.is_empty() { b"-" } else { flags });
            line.flags = FlagSet::parse(line.response_flags?);
        }
        16 => line.route_name = value.text(),
        17 => line.start_time = value.text(),
        18 => line.upstream_cluster = value.text(),
        19 => line.upstream_host = value.text(),
        20 => line.upstream_local_address = value.text(),
        21 => line.upstream_service_time = value.number(),
        22 => line.upstream_transport_failure_reason = value.text(),
        23 => line.user_agent = value.text(),
        24 => line.x_forwarded_for = value.text(),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Fields, NAMES};
    use super::*;

    /// What the reader of any JSON makes of it.
    fn slow(text: &[u8], with: impl FnOnce(Option<&AccessLine<'_>>)) {
        match serde_json::from_slice::<Fields<'_>>(text) {
            Ok(fields) => with(fields.line().as_ref()),
            Err(_) => with(None),
        }
    }

    #[test]
    fn the_names_are_all_and_sorted() {
        let mut names: Vec<_> = NAMES.iter().map(|name| name.as_bytes()).collect();
        names.sort_unstable();
        assert_eq!(names, SORTED);
    }

    #[test]
    fn a_line_of_istio_is_ordinary() {
        let text = br#"{"authority":"a:80","bytes_received":0,"bytes_sent":"12","downstream_local_address":null,"response_code":503,"response_flags":"URX,UF","start_time":"2026-11-22T09:09:51.962Z","user_agent":"-"}"#;
        let line = read(text).unwrap();
        assert_eq!((line.response_code, line.bytes_sent), (Some(503), Some(12)));
        assert_eq!(line.downstream_local_address, Some(&b"-"[..]));
        slow(text, |slow| assert_eq!(slow, Some(&line)));
    }

    #[test]
    fn what_is_out_of_the_ordinary_is_left_to_the_other_reader() {
        for text in [
            r#"{"response_code":503,"response_flags":"UC","path":"a\"b"}"#,
            r#"{"response_code":503,"response_flags":"UC","path":"é"}"#,
            r#"{"response_code":503, "response_flags":"UC"}"#,
            r#"{"response_code":503,"response_flags":"UC","path":{"a":1}}"#,
            r#"{"response_code":503,"response_flags":"UC","response_code":503}"#,
            r#"{"response_code":503,"response_flags":"UC","labels":"x"}"#,
            r#"{"response_code":503,"response_flags":"UC"}{}"#,
            r#"{"response_code":0503,"response_flags":"UC"}"#,
            r#"{"response_code":503,"response_flags":"UC","duration":1.5}"#,
            r#"{"response_code":503}"#,
            "{}",
            "{\"",
        ] {
            assert!(read(text.as_bytes()).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_says_what_the_other_reader_says_or_nothing(
            pairs in prop::collection::vec((0..NAMES.len(), "(null|[0-9]{1,22}|-1|true|1\\.5|\"[ -~]{0,8}\"|\"-\"|\"UC\"|200)"), 0..8),
            spaces in "[ ]?", ends in "[}]{1,2}",
        ) {
            let pairs: Vec<_> = pairs.iter().map(|(at, value)| format!("\"{}\":{value}", NAMES[*at])).collect();
            let text = format!("{{\"response_code\":{spaces}200,\"response_flags\":\"-\",{}{ends}", pairs.join(","));
            if let Some(quick) = read(text.as_bytes()) {
                slow(text.as_bytes(), |slow| assert_eq!(slow, Some(&quick), "{text}"));
            }
        }
    }
}
