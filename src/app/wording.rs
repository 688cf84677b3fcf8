//! How hosts, times and numbers are written on the screen, the same everywhere.

use crate::answer::tls_check::Row;
use crate::text::width;

/// A host without the domain that every service of the mesh has.
pub fn short_host(host: &str) -> &str {
    host.strip_suffix(".svc.cluster.local").unwrap_or(host)
}

/// A sentence with short hosts.
pub fn short_hosts(text: &str) -> String {
    text.replace(".svc.cluster.local", "")
}

/// `host:port`, and the subset behind it.
pub fn address(host: &str, port: u16, subset: Option<&str>) -> String {
    let subset = subset.map(|subset| format!(" {subset}")).unwrap_or_default();
    format!("{}:{port}{subset}", short_host(host))
}

/// The clock of a time such as `2026-01-31T14:01:37.175Z`; a text that is no such time as it is.
pub fn clock(time: &str) -> &str {
    if time.get(10..11) == Some("T") { time.get(11..19).unwrap_or(time) } else { time }
}

/// The date of such a time.
pub fn date(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}

/// From the first to the last of some lines: `14:01:37 … 14:02:03`, with dates where they are not the same.
pub fn time_span(first: Option<&str>, last: Option<&str>) -> String {
    match (first, last) {
        (Some(first), Some(last)) if first == last => clock(first).to_owned(),
        (Some(first), Some(last)) if date(first) == date(last) => {
            format!("{} … {}", clock(first), clock(last))
        }
        (Some(first), Some(last)) => {
            format!("{} {} … {} {}", date(first), clock(first), date(last), clock(last))
        }
        (Some(one), None) | (None, Some(one)) => clock(one).to_owned(),
        (None, None) => "no times".to_owned(),
    }
}

/// The end of a visible text in at most so many cells: of paths and trails it is the end that tells them apart.
pub fn tail(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut kept: Vec<char> = Vec::new();
    let mut used = 1;
    for one in text.chars().rev() {
        used += width(one.encode_utf8(&mut [0; 4]));
        if used > cells {
            break;
        }
        kept.push(one);
    }
    let dots = if cells > 0 { "…" } else { "" };
    dots.chars().chain(kept.into_iter().rev()).collect()
}

/// A number with its noun, `1 pair` or `16 pairs`.
pub fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{}{noun}{plural}", thousands(number) + " ")
}

/// A number with commas.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How often a rule decided, and how many lines more may be its: `35+2?`.
pub fn hits(hits: u64, maybe: u64) -> String {
    let more = if maybe > 0 { format!("+{}?", thousands(maybe)) } else { String::new() };
    format!("{}{more}", thousands(hits))
}

/// What the client sends, as the table of pairs says it: what is declared, or what automatic mTLS makes of nothing.
pub fn client_tls(row: &Row) -> String {
    match (row.client_tls.mode.as_str(), row.client_tls.effective.as_str(), row.client_tls.source.as_str()) {
        ("UNSET", "istio-mutual", "auto") => "auto mTLS".to_owned(),
        ("UNSET", effective, _) => effective.to_owned(),
        (mode, _, _) => mode.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_times_are_short() {
        assert_eq!(address("a.b.svc.cluster.local", 80, Some("v1")), "a.b:80 v1");
        assert_eq!(
            time_span(Some("2019-10-07T21:54:37.175Z"), Some("2019-10-07T21:54:39Z")),
            "21:54:37 … 21:54:39"
        );
        assert_eq!(clock("soon"), "soon");
        assert_eq!(clock("größe,größe,größe"), "größe,größe,größe");
    }

    #[test]
    fn the_end_is_kept() {
        assert_eq!(tail("logs/web/client.log:1", 13), "…client.log:1");
        assert_eq!(
            (tail("short", 9), tail("日本語", 4), tail("abc", 0)),
            ("short".into(), "…語".into(), String::new())
        );
    }

    #[test]
    fn numbers_have_commas_and_nouns() {
        assert_eq!((thousands(999), thousands(1_204_000)), ("999".into(), "1,204,000".into()));
        assert_eq!((count(1, "pair"), count(16, "pair")), ("1 pair".into(), "16 pairs".into()));
    }
}
