//! Takes off what stands around a line: prefixes of `kubectl logs`, stern, container runtimes and docker compose,
//! colours, marks of those who quoted it, and JSON that a collector put it in ([`envelope`]).
//!
//! A line can be wrapped more than once, so it is peeled until nothing more comes off. What is taken off is only what
//! those tools write; any other text in front of a line is left to the reader of lines.

use std::borrow::Cow;

use super::access_text::ESCAPE;

mod envelope;

/// Layers that are taken off at most.
const LAYERS: u8 = 8;

/// Docker cuts a line into parts of this many bytes.
const DOCKER_PART: usize = 16 * 1024;

/// The pod that a prefix names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Writer<'a> {
    /// Its namespace, where the prefix tells.
    pub namespace: Option<&'a str>,
    /// Its name.
    pub name: &'a str,
}

/// Where a container wrote a line to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Its standard output.
    Out,
    /// Its standard error.
    Err,
}

/// What was learnt from what was taken off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found<'a> {
    /// The pod that wrote the line.
    pub writer: Option<Writer<'a>>,
    /// The stream, where a container runtime wrote the prefix.
    pub stream: Option<Stream>,
    /// The line goes on in the next one of the same stream.
    pub partial: bool,
}

/// Takes everything off and hands on what was found and what is left. An object that is a line of the access log by
/// itself is not opened, whatever its keys are called.
pub fn peel(line: &[u8], is_line: &dyn Fn(&[u8]) -> bool, each: &mut dyn FnMut(&Found<'_>, &[u8])) {
    layer(line, Found::default(), LAYERS, is_line, each);
}

fn layer(
    line: &[u8],
    found: Found<'_>,
    left: u8,
    is_line: &dyn Fn(&[u8]) -> bool,
    each: &mut dyn FnMut(&Found<'_>, &[u8]),
) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Some(left) = left.checked_sub(1) else { return each(&found, line) };
    if memchr::memchr(ESCAPE, line).is_some() {
        return layer(&without_colours(line), found, left, is_line, each);
    }
    let text = line.trim_ascii_start();
    if text.first() == Some(&b'{') {
        if let Some((labels, rest)) = loki_labels(text) {
            return layer(rest, Found { writer: labels.or(found.writer), ..found }, left, is_line, each);
        }
        if let Some(inner) = envelope::open(text, is_line) {
            let writer = inner.writer().or(found.writer);
            let stream = inner.stream.or(found.stream);
            let partial = found.partial || inner.partial;
            return layer(&inner.text, Found { writer, stream, partial }, left, is_line, each);
        }
        return each(&found, line);
    }
    if let Some((writer, rest)) = kubectl_prefix(text) {
        return layer(rest, Found { writer: Some(writer), ..found }, left, is_line, each);
    }
    if let Some(rest) = time_stamp(text) {
        return match runtime_tags(rest) {
            Some((stream, partial, rest)) => {
                layer(rest, Found { stream: Some(stream), partial, ..found }, left, is_line, each);
            }
            None => layer(rest, found, left, is_line, each),
        };
    }
    if let Some((writer, rest)) = stern_prefix(text) {
        return layer(rest, Found { writer: writer.or(found.writer), ..found }, left, is_line, each);
    }
    if let Some(rest) = compose_prefix(text).or_else(|| within_marks(text)) {
        return layer(rest, found, left, is_line, each);
    }
    each(&found, line);
}

/// The text without the sequences that set colours, and others of terminals.
fn without_colours(line: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = memchr::memchr(ESCAPE, rest) {
        let (before, sequence) = rest.split_at_checked(at).unwrap_or((rest, b""));
        plain.extend_from_slice(before);
        let length = match sequence.get(1) {
            Some(b'[') => {
                let end = sequence.iter().skip(2).position(|byte| (0x40..0x7f).contains(byte));
                end.map_or(sequence.len(), |end| end + 3)
            }
            Some(b']') => memchr::memchr(7, sequence).map_or(sequence.len(), |end| end + 1),
            Some(_) => 2,
            None => 1,
        };
        rest = sequence.get(length..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
    plain
}

/// `[pod/NAME/CONTAINER] `, of `kubectl logs --prefix`. It does not say the namespace.
fn kubectl_prefix(text: &[u8]) -> Option<(Writer<'_>, &[u8])> {
    let text = text.strip_prefix(b"[pod/")?;
    let (prefix, rest) = text.split_at_checked(memchr::memchr(b']', text)?)?;
    let (name, container) = prefix.split_at_checked(memchr::memchr(b'/', prefix)?)?;
    dns_name(container.strip_prefix(b"/")?)?;
    let rest = rest.strip_prefix(b"]")?;
    Some((Writer { namespace: None, name: dns_name(name)? }, rest.strip_prefix(b" ").unwrap_or(rest)))
}

/// `[NAMESPACE ]POD istio-proxy `, of stern: the pod counts only where the last word is the name of Istio's own
/// container, for any two words could be a pod and a container. `istio-proxy ` alone names none.
fn stern_prefix(text: &[u8]) -> Option<(Option<Writer<'_>>, &[u8])> {
    let mut words = Vec::with_capacity(2);
    let mut rest = text;
    while words.len() < 3 {
        let (word, after) = rest.split_at_checked(memchr::memchr(b' ', rest)?)?;
        let word = dns_name(word)?;
        rest = after.trim_ascii_start();
        if word == "istio-proxy" {
            let writer = match *words.as_slice() {
                [] => None,
                [name] => Some(Writer { namespace: None, name }),
                [namespace, name, ..] => Some(Writer { namespace: Some(namespace), name }),
            };
            return Some((writer, rest));
        }
        words.push(word);
    }
    None
}

/// A name as pods and containers have.
fn dns_name(word: &[u8]) -> Option<&str> {
    let is_name = !word.is_empty()
        && word.len() < 254
        && word.first().is_some_and(u8::is_ascii_alphanumeric)
        && word
            .iter()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
    if is_name { std::str::from_utf8(word).ok() } else { None }
}

/// `2026-11-22T09:09:51.965412345Z `, as runtimes and `kubectl logs --timestamps` write it.
fn time_stamp(text: &[u8]) -> Option<&[u8]> {
    if !text.first()?.is_ascii_digit() {
        return None;
    }
    let (time, rest) = text.split_at_checked(memchr::memchr(b' ', text.get(..40.min(text.len()))?)?)?;
    super::parse_time(time)?;
    rest.strip_prefix(b" ")
}

/// `stdout F `, behind the time in the files that a node keeps of its containers; `P` for a part of a line.
fn runtime_tags(text: &[u8]) -> Option<(Stream, bool, &[u8])> {
    let (stream, rest) = if let Some(rest) = text.strip_prefix(b"stdout ") {
        (Stream::Out, rest)
    } else {
        (Stream::Err, text.strip_prefix(b"stderr ")?)
    };
    let (partial, rest) = match rest.split_first()? {
        (b'F', rest) => (false, rest),
        (b'P', rest) => (true, rest),
        _ => return None,
    };
    match rest.first() {
        // An empty line has nothing behind its tag.
        None => Some((stream, partial, rest)),
        Some(b' ') => Some((stream, partial, rest.get(1..)?)),
        // Further tags are joined to the first with colons.
        Some(b':') => Some((stream, partial, rest.get(memchr::memchr(b' ', rest)? + 1..)?)),
        Some(_) => None,
    }
}

/// `web-1  | `, of docker compose.
fn compose_prefix(text: &[u8]) -> Option<&[u8]> {
    let (name, rest) = text.split_at_checked(memchr::memchr(b'|', text.get(..80.min(text.len()))?)?)?;
    let name = name.strip_suffix(b" ")?.trim_ascii_end();
    let is_name = !name.is_empty()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if is_name { rest.strip_prefix(b"| ") } else { None }
}

/// A text between marks that whoever showed or quoted it put around it: the box of a screen, bold, code, quotes.
fn within_marks(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii_end();
    let marks = ["│", "┃", "**", "`", "'"].map(str::as_bytes);
    let mark = marks.into_iter().find(|mark| text.starts_with(mark) && text.len() >= mark.len() * 2)?;
    text.strip_prefix(mark)?.strip_suffix(mark).map(<[u8]>::trim_ascii)
}

/// `{app="web", pod="web-1", namespace="x"} `, of Loki's client.
fn loki_labels(text: &[u8]) -> Option<(Option<Writer<'_>>, &[u8])> {
    let mut rest = text.strip_prefix(b"{")?;
    let (mut name, mut namespace) = (None, None);
    loop {
        let (key, after) = rest.split_at_checked(memchr::memchr(b'=', rest)?)?;
        if key.is_empty() || !key.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            return None;
        }
        let after = after.strip_prefix(b"=\"")?;
        let (value, after) = after.split_at_checked(memchr::memchr(b'"', after)?)?;
        match key {
            b"pod" => name = dns_name(value),
            b"namespace" => namespace = dns_name(value),
            _ => {}
        }
        let after = after.strip_prefix(b"\"")?;
        if let Some(after) = after.strip_prefix(b"}") {
            return Some((name.map(|name| Writer { namespace, name }), after.trim_ascii_start()));
        }
        rest = after.strip_prefix(b",")?.trim_ascii_start();
    }
}

/// What was in an envelope.
struct Inner<'a> {
    text: Cow<'a, [u8]>,
    namespace: Option<String>,
    pod: Option<String>,
    stream: Option<Stream>,
    partial: bool,
}

impl Inner<'_> {
    fn writer(&self) -> Option<Writer<'_>> {
        self.pod.as_deref().map(|name| Writer { namespace: self.namespace.as_deref(), name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "[2026-11-22T09:09:51.965Z] \"GET / HTTP/1.1\" 200 - \"a | b\"";

    /// Namespace and name of the pod, `partial` or nothing, and what is left.
    fn peeled(line: &str) -> (String, &'static str, String) {
        let mut result = None;
        peel(line.as_bytes(), &|_| false, &mut |found, text| {
            let writer = found.writer.map_or(String::new(), |writer| {
                format!("{}/{}", writer.namespace.unwrap_or("?"), writer.name)
            });
            let partial = if found.partial { "partial" } else { "" };
            result = Some((writer, partial, String::from_utf8(text.to_vec()).unwrap()));
        });
        result.unwrap()
    }

    #[test]
    fn every_wrapping_comes_off() {
        let time = "2026-11-22T09:09:51.965412345Z";
        let escaped = LINE.replace('"', "\\\"");
        let kubernetes = r#"{"pod_name":"web-1","namespace_name":"shop","container_name":"istio-proxy"}"#;
        for (line, writer) in [
            (LINE.to_owned(), ""),
            (format!("{LINE}\r"), ""),
            (format!("[pod/web-1/istio-proxy] {LINE}"), "?/web-1"),
            (format!("[pod/web-1/istio-proxy] {time} {LINE}"), "?/web-1"),
            (format!("{time} {LINE}"), ""),
            (format!("2026-11-22T10:09:51+01:00 {LINE}"), ""),
            (format!("web-1 istio-proxy {LINE}"), "?/web-1"),
            (format!("shop web-1 istio-proxy {LINE}"), "shop/web-1"),
            (format!("istio-proxy {LINE}"), ""),
            (format!("{time} stdout F {LINE}"), ""),
            (format!("{time} stderr F:x {LINE}"), ""),
            (format!("envoy-1   | {LINE}"), ""),
            (format!("envoy-1   | {time} {LINE}"), ""),
            (format!("\u{1b}[33mweb-1\u{1b}[0m \u{1b}[36mistio-proxy\u{1b}[0m {LINE}"), "?/web-1"),
            (format!("│ {LINE}      │"), ""),
            (format!("**{LINE}**"), ""),
            (format!(r#"{{"log":"{escaped}\n","stream":"stdout","time":"{time}"}}"#), ""),
            (format!(r#"{{"log":"{escaped}","stream":"stdout","time":"{time}"}}"#), ""),
            (format!(r#"{{"log":"{time} stdout F {escaped}","kubernetes":{kubernetes}}}"#), "shop/web-1"),
            (
                format!(
                    r#"{{"message":"{escaped}","kubernetes":{{"namespace":"shop","pod":{{"name":"web-1"}}}}}}"#
                ),
                "shop/web-1",
            ),
            (
                format!(
                    r#"{{"textPayload":"{escaped}","resource":{{"labels":{{"namespace_name":"shop","pod_name":"web-1"}}}}}}"#
                ),
                "shop/web-1",
            ),
            (format!(r#"{time} {{app="web", namespace="shop", pod="web-1"}} {LINE}"#), "shop/web-1"),
        ] {
            assert_eq!(peeled(&line), (writer.to_owned(), "", LINE.to_owned()), "{line}");
        }
    }

    #[test]
    fn parts_of_lines_are_told() {
        assert_eq!(
            peeled("2026-11-22T09:09:51Z stdout P abc "),
            (String::new(), "partial", "abc ".to_owned())
        );
        assert_eq!(peeled("2026-11-22T09:09:51Z stdout F"), (String::new(), "", String::new()));
        let part = "x".repeat(DOCKER_PART);
        assert_eq!(
            peeled(&format!(r#"{{"log":"{part}","stream":"stdout"}}"#)),
            (String::new(), "partial", part)
        );
    }

    #[test]
    fn other_text_is_left_as_it_is() {
        for line in [
            "",
            "2026-11-22T09:09:51.965Z\tinfo\tready",
            "web-1 discovery started",
            "INFO istio-proxy started",
            "[pod/] x",
            "[podium/a/b] x",
            r#"{"level":"info","msg":"[2026-11-22T09:09:51.965Z]"}"#,
            r#"{"log":7}"#,
            r#"{"response_code":503,"response_flags":"UC","message":"x"}"#,
            "GET /a | b",
        ] {
            assert_eq!(peeled(line), (String::new(), "", line.to_owned()), "{line}");
        }
    }
}
