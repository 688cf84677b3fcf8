//! SARIF 2.1.0 (OASIS, with errata 01). Every code of the catalogue is a rule, every finding a result. What could not
//! be told, what was assumed and what was left out are notifications of the run, which is successful all the same:
//! the program did what it was asked.
//!
//! Findings that `--ignore` names are no results, not even suppressed ones: code scanning shows those as open. Findings
//! that the baseline has are results, marked as unchanged, because code scanning takes what is not there as mended.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::place::Place;
use super::{ForCi, root};
use crate::answer::check::{CheckReport, EvidenceRef, Finding, InvolvedRef};
use crate::answer::explain::explain;
use crate::diagnose::{Code, Severity};
use crate::model::Origin;
use crate::report::check::{pair, plural};
use crate::text::{visible, visible_json};

/// The schema by which the standard wants itself named.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// What relative URIs are relative to.
const BASE: &str = "%SRCROOT%";
/// The notifications that a run can have: identity, level, what it says.
const NOTIFICATIONS: [(&str, &str, &str); 3] = [
    ("cannot-tell", "warning", "Something could not be told, and what is missing for it."),
    ("assumed", "note", "Something was taken for granted."),
    ("left-out", "note", "Findings that hold and do not count."),
];

pub(super) fn write(report: &CheckReport, ci: &ForCi<'_>, out: &mut dyn Write) -> io::Result<()> {
    let log = json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": [run(report, ci)] });
    writeln!(out, "{}", visible_json(&serde_json::to_string_pretty(&log)?))
}

fn run(report: &CheckReport, ci: &ForCi<'_>) -> Value {
    let against = report.left_out.baseline.is_some();
    let new = report.findings.iter().map(|finding| result(finding, ci, against.then_some("new")));
    let known = report.left_out.known().iter().map(|finding| result(finding, ci, Some("unchanged")));
    json!({
        "tool": { "driver": driver() },
        "originalUriBaseIds": {
            BASE: { "description": { "text": "the folder in which meshscope was run" } },
        },
        "invocations": [{
            "executionSuccessful": true,
            "toolExecutionNotifications": notifications(report),
        }],
        "results": new.chain(known).collect::<Vec<_>>(),
        "properties": {
            "summary": report.summary,
            "scanned": report.scanned,
            "istioVersion": report.istio_version,
            "leftOut": report.left_out,
        },
    })
}

fn driver() -> Value {
    let notifications = NOTIFICATIONS.iter().map(|(id, level, text)| {
        json!({
            "id": id,
            "shortDescription": { "text": text },
            "defaultConfiguration": { "level": level },
        })
    });
    json!({
        "name": "meshscope",
        "version": env!("CARGO_PKG_VERSION"),
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "rules": Code::ALL.iter().copied().map(rule).collect::<Vec<_>>(),
        "notifications": notifications.collect::<Vec<_>>(),
    })
}

/// A finding's code as a rule, with its page of `explain` as help.
fn rule(code: Code) -> Value {
    let page = explain(code.code()).map(|page| page.text).unwrap_or_default();
    let first = page.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    json!({
        "id": code.code(),
        "name": code.name(),
        "shortDescription": { "text": code.summary() },
        "fullDescription": { "text": first },
        "help": { "text": page, "markdown": page },
        "defaultConfiguration": { "level": level(code.severity().word()) },
        "properties": { "tags": ["istio"] },
    })
}

/// The level of a severity: SARIF knows no info.
fn level(severity: &str) -> &'static str {
    if severity == Severity::Error.word() {
        "error"
    } else if severity == Severity::Warning.word() {
        "warning"
    } else {
        "note"
    }
}

fn result(finding: &Finding, ci: &ForCi<'_>, baseline: Option<&str>) -> Value {
    let mut result = json!({
        "ruleId": finding.code,
        "level": level(&finding.severity),
        "message": { "text": message(finding) },
        "locations": [location(finding, ci)],
        "partialFingerprints": { "findingId/v1": finding.id },
        "properties": {
            "id": finding.id,
            "confidence": finding.confidence,
            "edgeCount": finding.edge_count,
            "because": finding.because.iter().map(|reason| &reason.code).collect::<Vec<_>>(),
        },
    });
    if let Some(fields) = result.as_object_mut() {
        let index = Code::ALL.iter().position(|code| code.code() == finding.code);
        fields.extend(index.map(|index| ("ruleIndex".to_owned(), index.into())));
        fields.extend(baseline.map(|state| ("baselineState".to_owned(), state.into())));
        let related = related(finding, ci);
        if !related.is_empty() {
            fields.insert("relatedLocations".to_owned(), related.into());
        }
    }
    result
}

/// The message, and in paragraphs of their own what explains it, whom it concerns and what would end it.
fn message(finding: &Finding) -> String {
    let mut parts = vec![plain(&finding.message)];
    let because = finding.because.iter().map(|reason| format!("because {} {}", reason.code, reason.text));
    parts.extend(because.map(|text| plain(&text)));
    if let Some(edge) = finding.edges.first() {
        let others = finding.edge_count.saturating_sub(1);
        let more = if others > 0 { format!(" and {others} more") } else { String::new() };
        parts.push(plain(&format!("{}: {}{more}", plural_of(finding.edge_count), pair(edge))));
    }
    for remedy in &finding.remedies {
        let command = remedy.command.as_ref().map(|command| format!(": {command}"));
        parts.push(plain(&format!("fix: {}{}", remedy.title, command.unwrap_or_default())));
    }
    parts.join("\n\n")
}

fn plural_of(count: usize) -> &'static str {
    if count == 1 { "pair" } else { "pairs" }
}

/// A text that a reader of SARIF takes as it is: it would make a link of `[x](y)` and ask for arguments for `{0}`.
fn plain(text: &str) -> String {
    let text = visible(text).replace("](", "] (");
    let mut parts = text.split('{');
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let number = part
            .split_once('}')
            .filter(|(inside, _)| !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_digit()));
        match number {
            Some((number, rest)) => shown.extend(["{{", number, "}}", rest]),
            None => shown.extend(["{", part]),
        }
    }
    shown
}

/// Where the cause stands. A finding about something that was not read stands at the first source: code scanning
/// refuses a whole file for one result without a place.
fn location(finding: &Finding, ci: &ForCi<'_>) -> Value {
    let root = root(finding);
    let origin = root.and_then(|root| root.origin.as_ref()).or_else(|| {
        let mut lines = finding.evidence.iter().filter_map(|evidence| match evidence {
            EvidenceRef::Log(lines) => lines.samples.first(),
            EvidenceRef::Field(_) => None,
        });
        lines.next()
    });
    let physical = match (origin, ci.sources.first()) {
        (Some(origin), _) => physical(&origin.file, Some(origin), ci),
        (None, Some(source)) => physical(source, None, ci),
        (None, None) => Value::Null,
    };
    let mut location = Map::new();
    if !physical.is_null() {
        location.insert("physicalLocation".to_owned(), physical);
    }
    if let Some(root) = root {
        location.insert("logicalLocations".to_owned(), json!([logical(root)]));
    }
    location.into()
}

fn physical(file: &str, origin: Option<&Origin>, ci: &ForCi<'_>) -> Value {
    let artifact = match Place::of(file, ci.folder) {
        Place::StandardInput => json!({ "description": { "text": "standard input" } }),
        Place::Relative(uri) => json!({ "uri": uri, "uriBaseId": BASE }),
        Place::Absolute(uri) => json!({ "uri": uri }),
    };
    match origin {
        Some(origin) => {
            json!({ "artifactLocation": artifact, "region": { "startLine": origin.line.max(1) } })
        }
        None => json!({ "artifactLocation": artifact }),
    }
}

fn logical(involved: &InvolvedRef) -> Value {
    let object = &involved.object;
    json!({
        "name": object.name,
        "fullyQualifiedName": format!("{}/{}", object.kind, object.path()),
        "kind": "object",
    })
}

/// The other objects, and the log lines that prove it.
fn related(finding: &Finding, ci: &ForCi<'_>) -> Vec<Value> {
    let cause = root(finding);
    let others = finding.objects.iter().filter(|one| !cause.is_some_and(|cause| std::ptr::eq(cause, *one)));
    let objects = others.filter_map(|one| {
        let origin = one.origin.as_ref()?;
        let fields = one.fields.join(", ");
        let text = format!("{} {} {} {fields}", one.role, one.object.kind, one.object.path());
        Some((origin, text.trim_end().to_owned(), Some(logical(one))))
    });
    let logs = finding.evidence.iter().filter_map(|evidence| match evidence {
        EvidenceRef::Log(lines) => {
            Some((lines.samples.first()?, format!("{}: {} × {}", lines.kind, lines.count, lines.text), None))
        }
        EvidenceRef::Field(_) => None,
    });
    let all = objects.chain(logs).enumerate().map(|(at, (origin, text, logical))| {
        let mut location = json!({
            "id": at + 1,
            "physicalLocation": physical(&origin.file, Some(origin), ci),
            "message": { "text": plain(&text) },
        });
        if let (Some(fields), Some(logical)) = (location.as_object_mut(), logical) {
            fields.insert("logicalLocations".to_owned(), json!([logical]));
        }
        location
    });
    all.collect()
}

fn notifications(report: &CheckReport) -> Vec<Value> {
    let unknown = report.summary.unknown;
    let unknown = (unknown > 0).then(|| format!("{} cannot be told", plural(unknown, "pair")));
    let untold = unknown.into_iter().chain(report.untold()).map(|text| (0, text));
    let assumed = report.assumed.iter().map(|text| (1, format!("assumed: {text}")));
    let left_out = report.left_out.text().map(|text| {
        let ids: Vec<_> = report.left_out.ignored.iter().map(|finding| &*finding.id).collect();
        let ids = if ids.is_empty() { String::new() } else { format!(" (ignored: {})", ids.join(", ")) };
        (2, format!("{text}{ids}"))
    });
    let all = untold.chain(assumed).chain(left_out).filter_map(|(index, text)| {
        let (id, level, _) = NOTIFICATIONS.get(index)?;
        Some(json!({
            "descriptor": { "id": id, "index": index },
            "level": level,
            "message": { "text": plain(&text) },
        }))
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_neither_links_nor_arguments_of_its_own() {
        assert_eq!(
            plain("spec.http[0].route[1] {connection_termination}"),
            "spec.http[0].route[1] {connection_termination}"
        );
        assert_eq!(
            plain("[here](https://example.com) {0} {12}{x}"),
            "[here] (https://example.com) {{0}} {{12}}{x}"
        );
        assert_eq!(plain("a\u{1b}[31m\nb"), "a␛[31m␊b");
        assert_eq!(plain("{"), "{");
        assert_eq!(plain("{0"), "{0");
    }
}
