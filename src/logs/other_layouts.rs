//! Access logs in layouts that are not read, told by what only they have; and text in front of a line of which nothing
//! is known.

use memchr::memmem::find;

/// Operators of Envoy by the names that JSON logs give them, which nothing else has.
const KEYS: [&[u8]; 3] = [b"\"response_flags\"", b"\"upstream_cluster\"", b"\"response_code_details\""];

/// Whether a line that was not read is one of an access log all the same, in JSON.
pub fn is_of_other_layout(line: &[u8]) -> bool {
    KEYS.iter().any(|key| find(line, key).is_some()) || behind_prefix(line).is_some()
}

/// A text line behind what a collector put in front of it: `POD CONTAINER [2022-01-11T06:44:07.918Z] "GET …`. `None`
/// where nothing in the line looks like the beginning of one. A prefix has no quote: behind one, the text could be
/// what a caller wrote.
pub fn behind_prefix(line: &[u8]) -> Option<&[u8]> {
    let quote = line.iter().position(|byte| *byte == b'"').unwrap_or(line.len());
    memchr::memchr_iter(b'[', line.get(..quote)?)
        .take(8)
        .filter_map(|at| line.get(at..))
        .find(|rest| begins_line(rest))
}

/// `[2022-01-11T06:44:07.918Z] "`.
fn begins_line(text: &[u8]) -> bool {
    let date = text.get(1..12).unwrap_or_default();
    let is_date = date.iter().enumerate().all(|(at, byte)| match at {
        4 | 7 => *byte == b'-',
        10 => *byte == b'T',
        _ => byte.is_ascii_digit(),
    });
    let end = memchr::memchr(b']', text.get(..40.min(text.len())).unwrap_or_default());
    date.len() == 11
        && is_date
        && end.is_some_and(|end| text.get(end..).is_some_and(|rest| rest.starts_with(b"] \"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_access_logs_are_told_from_other_text() {
        let is = |line: &str| is_of_other_layout(line.as_bytes());
        assert!(is("web-7cc46d9596-v8qnt istio-proxy [2022-01-11T06:44:07.918Z] \"GET / HTTP/1.1\" 503 UF"));
        assert!(is("{\"start_time\":\"2021-12-07T08:37:28.358Z\",\"response_flags\":\"UC\"}"));
        assert!(is("   \"upstream_cluster\":\"outbound|443||dev.example.com\","));
        assert!(!is("[2022-01-11 06:44:07] starting up"));
        assert!(!is("2022-01-11T06:44:07Z info ready [1] \"x\""));
        assert!(!is(""));
        assert!(!is("[2022-01-11T06"));
    }

    #[test]
    fn a_prefix_is_taken_off() {
        let behind = |line: &'static str| {
            behind_prefix(line.as_bytes()).map(|rest| std::str::from_utf8(rest).unwrap())
        };
        let line = "[2022-01-11T06:44:07.918Z] \"GET / HTTP/1.1\" 200";
        assert_eq!(
            behind("[pod/web-1/istio-proxy] [2022-01-11T06:44:07.918Z] \"GET / HTTP/1.1\" 200"),
            Some(line)
        );
        assert_eq!(behind("web istio-proxy [2022-01-11T06:44:07.918Z] \"GET / HTTP/1.1\" 200"), Some(line));
        assert_eq!(behind("[a] [b] [2022] \"x\""), None);
        let forged = "2022-01-11 GET / \"curl [2022-01-11T06:44:07.918Z] \"GET / HTTP/1.1\" 200";
        assert_eq!(behind(forged), None);
    }
}
