//! MS0903 where the logs themselves are not whole: a file that ends within a line, a layout that is not read, more kinds
//! of lines than are kept.

use crate::counters::Counters;
use crate::diagnose::finding::{Edges, Evidence, Finding, LogEvidence};
use crate::diagnose::{Code, Confidence};
use crate::logs::Aggregate;
use crate::model::{Kind, ObjectId, Origin, Text};

/// The findings, one a file that is cut, and one for all groups that found no room.
pub fn findings(logs: &Aggregate) -> Vec<Finding> {
    let cut = logs.cut().map(|(source, line)| {
        let message = format!(
            "log {}: ends within line {line}: what came after is not there, and that line is not counted",
            source.file
        );
        let sample = Origin { file: source.file.clone(), line };
        finding((&source.file, "end"), message, 1, "a line that is cut off", vec![sample])
    });
    let unread = logs.other_layouts().map(|(source, lines)| {
        let message = format!(
            "log {}: {} of an access log in a layout that is not read yet, and {} for no pair",
            source.file,
            lines_are(lines),
            counts(lines)
        );
        finding((&source.file, "layout"), message, lines, "lines that are counted only", Vec::new())
    });
    let left = logs.other_groups();
    let all = "all".into();
    let message = format!(
        "logs: {} of more kinds than are kept apart, and {} for no pair",
        lines_are(left),
        counts(left)
    );
    let full = (left > 0)
        .then(|| finding((&all, "groups"), message, left, "lines that are counted only", Vec::new()));
    cut.chain(unread).chain(full).collect()
}

/// The same of counters: files that end within a line, and series for which there was no room.
pub fn counters(counters: &Counters) -> Vec<Finding> {
    let cut = counters.cut().iter().map(|end| {
        let message = format!(
            "counters {}: end within line {}: what came after is not there, and that line is not counted",
            end.file, end.line
        );
        finding((&end.file, "end"), message, 1, "a line that is cut off", vec![end.clone()])
    });
    let left = counters.without_room();
    let message =
        format!("counters: {left} samples of more series than are kept, and they count for no pair");
    let all = "all".into();
    let full = (left > 0)
        .then(|| finding((&all, "series"), message, left, "samples that are counted only", Vec::new()));
    cut.chain(full).collect()
}

fn lines_are(count: u64) -> String {
    if count == 1 { "1 line is".to_owned() } else { format!("{count} lines are") }
}

fn counts(count: u64) -> &'static str {
    if count == 1 { "counts" } else { "count" }
}

fn finding(
    (name, about): (&Text, &str),
    message: String,
    count: u64,
    text: &str,
    samples: Vec<Origin>,
) -> Finding {
    Finding {
        code: Code::EvidenceIncomplete,
        severity: Code::EvidenceIncomplete.severity(),
        confidence: Confidence::Certain,
        root: (ObjectId::new(Kind::Unrelated("Log".into()), "", name.clone()), about.to_owned()),
        message,
        because: Vec::new(),
        objects: Vec::new(),
        edges: Edges::default(),
        evidence: vec![Evidence::Log(LogEvidence {
            count,
            text: text.to_owned(),
            samples,
            ..LogEvidence::default()
        })],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{Limits, SourceName};

    #[test]
    fn a_cut_file_and_lines_without_room_are_told() {
        let mut logs = Aggregate::with_limits(Limits { groups: 0, ..Limits::default() });
        assert!(findings(&logs).is_empty());
        let source = logs.add_source(SourceName { file: "a.log".into(), pod: None });
        logs.add_cut(source, 7);
        let line = "[2019-10-07T21:54:37.175Z] \"GET / HTTP/1.1\" 200 - \"-\" 0 95 0 - \"-\" \"curl\" \"id\" \"a:80\" \
                    \"-\" outbound|80||a.b.svc.cluster.local - 10.0.0.1:80 10.0.0.2:4000 -";
        logs.add_line(source, 1, line.as_bytes());
        let said: Vec<_> = findings(&logs).iter().map(|finding| finding.message.clone()).collect();
        assert!(said[0].starts_with("log a.log: ends within line 7"), "{said:?}");
        assert_eq!(said[1], "logs: 1 line is of more kinds than are kept apart, and counts for no pair");
        logs.add_line(source, 2, line.as_bytes());
        let said = findings(&logs).remove(1).message;
        assert_eq!(said, "logs: 2 lines are of more kinds than are kept apart, and count for no pair");
    }
}
