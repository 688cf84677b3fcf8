//! Whatever is done to the text of objects and logs, it is read, judged and counted without a panic and in time.

use std::path::PathBuf;

use meshscope::answer::{Read, check, logs, rules, tls_check};
use meshscope::bundle::{self, Path, Request};
use meshscope::resolve::Options;
use proptest::prelude::*;

use crate::support::{fixture, log_files};

/// A change of a text; the numbers are taken modulo its length.
#[derive(Debug, Clone)]
enum Change {
    Cut(usize),
    Drop(usize, usize),
    Insert(usize, Vec<u8>),
    SwapLines(usize, usize),
    DuplicateLine(usize),
    Indent(usize, usize),
    Outdent(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let words = prop::sample::select(vec![
        &b"---\n"[..],
        b"\n",
        b"\r\n",
        b"- ",
        b": ",
        b"\"",
        b"'",
        b"|",
        b"{",
        b"}",
        b"[",
        b"]",
        b"&a ",
        b"*a",
        b"#",
        b"\t",
        b"\0",
        b"\xff",
        b"items:\n",
        b"kind: List\n",
        b"null",
        b"-1",
        b"99999999999999999999",
        b"\xe2\x80\xae",
        b"!!binary ",
        b"<<: *a\n",
        b"%YAML 1.1\n",
        b"...\n",
        b"\x1b[31m",
        b"[2019-10-07T21:54:37.175Z] \"",
        b"0 NR",
    ]);
    prop_oneof![
        any::<usize>().prop_map(Change::Cut),
        (any::<usize>(), 1..200_usize).prop_map(|(at, length)| Change::Drop(at, length)),
        (any::<usize>(), words).prop_map(|(at, word)| Change::Insert(at, word.to_vec())),
        (any::<usize>(), any::<usize>()).prop_map(|(one, other)| Change::SwapLines(one, other)),
        any::<usize>().prop_map(Change::DuplicateLine),
        (any::<usize>(), 1..6_usize).prop_map(|(at, spaces)| Change::Indent(at, spaces)),
        any::<usize>().prop_map(Change::Outdent),
    ]
}

fn changed(mut text: Vec<u8>, change: &Change) -> Vec<u8> {
    let place = |at: &usize| at % (text.len() + 1);
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let line = |at: &usize, lines: &[Vec<u8>]| at % lines.len();
    if !matches!(change, Change::Cut(_) | Change::Drop(..) | Change::Insert(..)) {
        lines = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        lines.push(Vec::new());
    }
    match change {
        Change::Cut(at) => text.truncate(place(at)),
        Change::Drop(at, length) => {
            let from = place(at);
            text.drain(from..(from + length).min(text.len()));
        }
        Change::Insert(at, word) => {
            let at = place(at);
            text.splice(at..at, word.iter().copied());
        }
        Change::SwapLines(one, other) => {
            let (one, other) = (line(one, &lines), line(other, &lines));
            lines.swap(one, other);
        }
        Change::DuplicateLine(at) => {
            let at = line(at, &lines);
            lines.insert(at, lines[at].clone());
        }
        Change::Indent(at, spaces) => {
            let at = line(at, &lines);
            lines[at].splice(0..0, std::iter::repeat_n(b' ', *spaces));
        }
        Change::Outdent(at) => {
            let at = line(at, &lines);
            let spaces = lines[at].iter().take_while(|byte| **byte == b' ').count();
            lines[at].drain(..spaces.min(2));
        }
    }
    if lines.is_empty() { text } else { lines.concat() }
}

/// The fixtures' texts, and the same objects as JSON and as a list of kubectl's.
fn texts() -> Vec<(PathBuf, Vec<u8>)> {
    let names = [
        ("mtls/bookinfo-2019", "mesh.yaml"),
        ("mtls/mode-missing-both-logs", "mesh.yaml"),
        ("mtls/mutual-to-no-proxy", "mesh.yaml"),
    ];
    let mut texts = Vec::new();
    for (folder, file) in names {
        let text = std::fs::read_to_string(fixture(folder).join(file)).unwrap();
        let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text).unwrap();
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": documents});
        texts.push((PathBuf::from("mesh.json"), serde_json::to_vec_pretty(&list).unwrap()));
        texts.push((PathBuf::from("list.yaml"), serde_saphyr::to_string(&list).unwrap().into_bytes()));
        texts.push((PathBuf::from(file), text.into_bytes()));
    }
    texts
}

fn log_texts() -> Vec<Vec<u8>> {
    let files = log_files(vec![fixture("mtls"), fixture("logs")]);
    files.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Everything that is computed from what is read.
fn answer_all(folder: &std::path::Path) {
    let request = Request { paths: vec![Path::File(folder.to_owned())], logs: Vec::new() };
    let Ok(bundle) = bundle::read(&request) else { return };
    for object in bundle.snapshot.objects() {
        assert!(object.origin.line > 0);
    }
    let unread: Vec<_> = bundle.problems.iter().map(|one| (one.origin.clone(), one.text.clone())).collect();
    let read = Read::new(&bundle.snapshot, bundle.logs, &unread, &Options::default());
    let report = check::check(&read);
    assert!(report.findings.iter().all(|finding| finding.edges.len() <= finding.edge_count));
    let _pairs = tls_check::table(&read);
    let _rules = rules::table(&read);
    let _groups = logs::report(&read, None);
}

proptest! {
    #[test]
    fn a_mesh_whose_text_was_changed_is_read(
        which in any::<usize>(),
        log in any::<usize>(),
        changes in prop::collection::vec(change(), 1..5),
        log_changes in prop::collection::vec(change(), 0..5),
    ) {
        let (texts, logs) = (texts(), log_texts());
        let (name, text) = texts[which % texts.len()].clone();
        let folder = tempfile::tempdir().unwrap();
        let text = changes.iter().fold(text, changed);
        let log = log_changes.iter().fold(logs[log % logs.len()].clone(), changed);
        std::fs::write(folder.path().join(name), &text).unwrap();
        std::fs::write(folder.path().join("access.log"), &log).unwrap();
        answer_all(folder.path());
    }
}
