//! Lines of access logs in layouts that are not read yet: JSON, and text behind a prefix of what collected it. They are
//! told from what is no access log at all, so that nobody takes them for nothing.

use memchr::memmem::find;

/// Operators of Envoy by the names that JSON logs give them, which nothing else has.
const KEYS: [&[u8]; 3] = [b"\"response_flags\"", b"\"upstream_cluster\"", b"\"response_code_details\""];

/// Whether a line that was not read is one of an access log all the same.
pub fn is_of_other_layout(line: &[u8]) -> bool {
    KEYS.iter().any(|key| find(line, key).is_some()) || is_prefixed(line)
}

/// `SOMETHING [2022-01-11T06:44:07.918Z] "GET …`: the beginning of a line in the midst of one.
fn is_prefixed(line: &[u8]) -> bool {
    memchr::memchr_iter(b'[', line).take(8).any(|at| {
        let rest = line.get(at + 1..).unwrap_or_default();
        let date = rest.get(..11).unwrap_or_default();
        let is_date = date.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            10 => *byte == b'T',
            _ => byte.is_ascii_digit(),
        });
        let end = memchr::memchr(b']', rest.get(..40.min(rest.len())).unwrap_or_default());
        date.len() == 11
            && is_date
            && end.is_some_and(|end| rest.get(end..).is_some_and(|rest| rest.starts_with(b"] \"")))
    })
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
}
