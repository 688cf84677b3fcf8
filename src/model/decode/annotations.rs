//! Annotations and labels of pods that are interpreted, and values of them that nothing tells the meaning of.

use crate::model::labels::Labels;
use crate::model::object::{Body, Note};

/// Lists of ports. Injection refuses a list with anything else in it, so what a proxy that is there was told is not
/// known (MT-2.4).
const PORT_LISTS: [&str; 3] = [
    "traffic.sidecar.istio.io/excludeInboundPorts",
    "traffic.sidecar.istio.io/includeInboundPorts",
    "traffic.sidecar.istio.io/excludeOutboundPorts",
];

/// Annotations of one word, with the words that there are.
const WORDS: [(&str, &[&str]); 3] = [
    ("sidecar.istio.io/interceptionMode", &["REDIRECT", "TPROXY", "NONE"]),
    ("sidecar.istio.io/rewriteAppHTTPProbers", &["true", "false"]),
    ("ambient.istio.io/redirection", &["enabled", "disabled", "pending"]),
];

/// What injection asks a template, as a label and as an annotation.
const INJECT: &str = "sidecar.istio.io/inject";

/// What of a pod's annotations, or of those of the pods that a controller makes, is not understood.
pub(super) fn check(annotations: &Labels, body: &Body) -> Vec<Note> {
    let mut notes = Vec::new();
    if body.pod().is_some() {
        check_pod(annotations, "metadata.annotations", &mut notes);
        if annotations
            .get("sidecar.istio.io/status")
            .is_some_and(|text| super::pods::injection(text).is_none())
        {
            notes.push(note(
                "metadata.annotations.sidecar.istio.io/status",
                "is not the JSON that injection writes",
            ));
        }
    } else if let Some(template) = body.workload().and_then(|workload| workload.template.as_ref()) {
        check_pod(&template.annotations, "spec.template.metadata.annotations", &mut notes);
        for (place, given) in [("annotations", &template.annotations), ("labels", &template.labels)] {
            check_word(
                given,
                &format!("spec.template.metadata.{place}"),
                (INJECT, &["true", "false"]),
                &mut notes,
            );
        }
    }
    notes
}

fn check_pod(annotations: &Labels, place: &str, notes: &mut Vec<Note>) {
    if annotations.is_empty() {
        return;
    }
    for key in PORT_LISTS {
        let ports = annotations.get(key).into_iter().flat_map(|list| list.split(',')).map(str::trim);
        let odd = |one: &&str| !one.is_empty() && *one != "*" && one.parse::<u16>().is_err();
        notes.extend(
            ports
                .filter(odd)
                .map(|one| note(&format!("{place}.{key}"), &format!("has {one:?}, which is no port"))),
        );
    }
    for word in WORDS {
        check_word(annotations, place, word, notes);
    }
}

fn check_word(given: &Labels, place: &str, (key, words): (&str, &[&str]), notes: &mut Vec<Note>) {
    if let Some(word) = given.get(key).filter(|word| !word.is_empty() && !words.contains(word)) {
        notes.push(note(&format!("{place}.{key}"), &format!("is {word:?}, not one of {}", words.join(", "))));
    }
}

fn note(field: &str, problem: &str) -> Note {
    Note { field: field.to_owned(), problem: problem.to_owned(), wrong_type: true }
}

/// Whether a note is about an annotation that decides which traffic the proxy sees.
pub fn is_about_interception(note: &Note) -> bool {
    let decides = |key: &str| note.field.ends_with(key);
    PORT_LISTS.into_iter().any(decides) || decides(WORDS[0].0)
}

/// Whether a note is about what asks for a proxy.
pub fn is_about_injection(note: &Note) -> bool {
    note.field.ends_with(INJECT)
}

/// Whether a note is about what injection wrote down, which names the revision.
pub fn is_about_revision(note: &Note) -> bool {
    note.field.ends_with("sidecar.istio.io/status")
}
