//! Lines inside the JSON that docker, log collectors and their stores write.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use super::{DOCKER_PART, Inner, Stream};

/// Where collectors put the text, or the object that they read it as.
const TEXTS: [&str; 7] = ["log", "message", "textPayload", "jsonPayload", "log_processed", "line", "MESSAGE"];

/// Where they put the name of the pod, and its namespace.
const PODS: [(&str, &str); 6] = [
    ("/kubernetes/pod_name", "/kubernetes/namespace_name"),
    ("/kubernetes/pod_name", "/kubernetes/pod_namespace"),
    ("/kubernetes/pod/name", "/kubernetes/namespace"),
    ("/kubernetes/pod/name", "/kubernetes/namespace/name"),
    ("/resource/labels/pod_name", "/resource/labels/namespace_name"),
    ("/labels/pod", "/labels/namespace"),
];

/// Docker's own: nothing else, so it is read without a tree.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Docker<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    stream: Cow<'a, str>,
    #[serde(default, rename = "time")]
    _time: Option<Cow<'a, str>>,
}

/// The line in an object; `None` where the object is none that carries one.
pub(super) fn open<'a>(text: &'a [u8], is_line: &dyn Fn(&[u8]) -> bool) -> Option<Inner<'a>> {
    let text = text.trim_ascii_end();
    let text = text.strip_suffix(b",").unwrap_or(text);
    if text.last() != Some(&b'}') {
        return None;
    }
    if let Ok(docker) = serde_json::from_slice::<Docker<'_>>(text) {
        let stream = stream_of(&docker.stream);
        let (text, partial) = unended(docker.log);
        return Some(Inner { text, namespace: None, pod: None, stream, partial });
    }
    let names_text = TEXTS.iter().any(|name| memchr::memmem::find(text, name.as_bytes()).is_some());
    // A line of the access log itself may have keys of these names.
    if !names_text || super::super::parse_json(text, |_| ()).is_some() || is_line(text) {
        return None;
    }
    let object: Value = serde_json::from_slice(text).ok()?;
    let (inner, partial) = TEXTS.iter().find_map(|name| match object.get(name)? {
        Value::String(text) => Some(unended(Cow::Owned(text.clone()))),
        inner @ Value::Object(_) => Some((Cow::Owned(inner.to_string().into_bytes()), false)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    })?;
    let at = |path: &str| object.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let pod = PODS.iter().find_map(|(pod, namespace)| Some((at(pod)?, at(namespace)?)));
    let (pod, namespace) = match pod {
        Some((pod, namespace)) => (Some(pod), Some(namespace)),
        None => (PODS.iter().find_map(|(pod, _)| at(pod)), None),
    };
    let stream = at("/stream").as_deref().and_then(stream_of);
    let partial = stream.is_some() && partial || at("/logtag").as_deref() == Some("P");
    Some(Inner { text: inner, namespace, pod, stream, partial })
}

fn stream_of(name: &str) -> Option<Stream> {
    match name {
        "stdout" => Some(Stream::Out),
        "stderr" => Some(Stream::Err),
        _ => None,
    }
}

/// A text without its line end, and whether it is a part of a longer one: docker leaves the line end out where it cut.
fn unended(text: Cow<'_, str>) -> (Cow<'_, [u8]>, bool) {
    let mut bytes = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    };
    if bytes.last() != Some(&b'\n') {
        let partial = bytes.len() >= DOCKER_PART;
        return (bytes, partial);
    }
    match &mut bytes {
        Cow::Borrowed(text) => *text = text.strip_suffix(b"\n").unwrap_or(text),
        Cow::Owned(text) => text.truncate(text.len() - 1),
    }
    (bytes, false)
}
