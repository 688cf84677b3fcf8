//! YAML: documents split at `---`, the items of a list one by one, and the options of the parser in one place.

use std::io::{BufRead, Read};

use serde_json::Value;

use super::Bundle;
use super::batch::{Batch, Found};
use super::item::{ItemReader, Text};
use crate::model::decode::{Head, in_words};

/// A document or item longer than this is refused: no object that an API server takes comes near it.
pub(super) const LONGEST: usize = 64 * 1024 * 1024;

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_nodes: 5_000_000, max_events: 20_000_000 },
        legacy_octal_numbers: true,
        with_snippet: false,
    }
}

/// Runs a reader on a text of one document.
pub(super) fn with<R>(
    text: &str,
    read: impl for<'e> FnOnce(serde_saphyr::Deserializer<'_, 'e>) -> Result<R, serde_saphyr::Error>,
) -> Result<R, serde_saphyr::Error> {
    serde_saphyr::with_deserializer_from_str_with_options(text, options(), read)
}

/// The value of a text of one document.
pub(super) fn parse(text: &str) -> Result<Value, serde_saphyr::Error> {
    serde_saphyr::from_str_with_options(text, options())
}

/// The text with quotes around a number that has more digits than any: kubectl takes it for a text, and writes it so
/// (`commit: 12e4567`).
pub(super) fn with_quotes(text: &str, error: &serde_saphyr::Error) -> Option<String> {
    let serde_saphyr::Error::NonFiniteFloat { value, location } = error.without_snippet() else {
        return None;
    };
    let is_number = value.trim_start_matches(['+', '-']).starts_with(|first: char| first.is_ascii_digit());
    let line = usize::try_from(location.line()).ok()?.checked_sub(1)?;
    let column = usize::try_from(location.column()).ok()?.checked_sub(1)?;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let (before, _) = text.get(start..)?.char_indices().nth(column)?;
    let (before, behind) = text.split_at_checked(start + before)?;
    let behind = behind.strip_prefix(value.as_str()).filter(|_| is_number)?;
    Some(format!("{before}\"{value}\"{behind}"))
}

/// The parser's message without the place, which is given beside it.
pub(super) fn plain_message(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    if text.contains("budget breached") || text.contains("alias") && text.contains("limit") {
        let what = if text.to_lowercase().contains("depth") { "is nested" } else { "expands by its aliases" };
        return format!("{what} to more than any object holds, and is refused");
    }
    let first = text.lines().next().unwrap_or_default();
    let plain = first.split(" at line ").next().unwrap_or(first);
    let plain = plain.strip_prefix("error: ").unwrap_or(plain);
    match plain.split_once(": ") {
        Some((place, rest)) if place.starts_with("line ") => in_words(rest),
        _ => in_words(plain),
    }
}

/// The item of a list that is being collected.
struct Item {
    text: Vec<u8>,
    line: u64,
    /// How many spaces its lines lose, so that its keys stand at the beginning of the line.
    cut: usize,
}

/// Where in a document the next line stands.
enum Place {
    /// In the document itself.
    Document,
    /// Below `items:`; the column of the dashes, once one was seen.
    Items(Option<usize>),
}

/// One document being collected.
struct Document {
    text: Vec<u8>,
    line: u64,
    /// How far the whole document is indented, once its first key was seen.
    indent: Option<usize>,
    place: Place,
    item: Option<Item>,
    is_list: bool,
    /// Whether it is nothing but items, without a list around them.
    is_bare: bool,
}

/// Reads a stream of documents.
pub(super) fn read(
    mut text: impl BufRead,
    reader: &mut ItemReader,
    bundle: &mut Bundle,
) -> std::io::Result<()> {
    let mut line = Vec::new();
    let mut number = 0;
    let mut document = Document::at(1);
    let mut batch = Batch::new(reader, read_text);
    let read = loop {
        line.clear();
        match text.by_ref().take(LONGEST as u64).read_until(b'\n', &mut line) {
            Ok(0) => {
                document.end(&mut batch);
                break Ok(());
            }
            Ok(_) => {}
            Err(error) => break Err(error),
        }
        number += 1;
        if line.ends_with(b"\r\n") {
            line.truncate(line.len() - 2);
            line.push(b'\n');
        }
        let separates = line.starts_with(b"---") && line.get(3).is_none_or(u8::is_ascii_whitespace);
        if separates || line.trim_ascii_end() == b"..." {
            std::mem::replace(&mut document, Document::at(number)).end(&mut batch);
            line.splice(..3, *b"   ");
        }
        let directive = line.starts_with(b"%") && document.text.trim_ascii().is_empty();
        if !directive {
            document.add(&line, number, &mut batch);
        }
        batch.found.put_into(bundle);
    };
    // What stands before the place where a text ends too soon is read all the same.
    batch.read_all();
    batch.found.put_into(bundle);
    read
}

impl Document {
    fn at(line: u64) -> Self {
        Self {
            text: Vec::new(),
            line,
            indent: None,
            place: Place::Document,
            item: None,
            is_list: false,
            is_bare: false,
        }
    }

    fn add(&mut self, line: &[u8], number: u64, batch: &mut Batch<'_>) {
        let spaces = line.iter().take_while(|byte| **byte == b' ').count();
        let rest = line.get(spaces..).unwrap_or_default();
        let blank = rest.trim_ascii().is_empty() || rest.starts_with(b"#");
        let dash = rest.starts_with(b"- ") || rest.trim_ascii_end() == b"-";
        // A document that is indented as a whole is read as if it were not.
        if !blank {
            self.indent.get_or_insert(spaces);
        }
        let indent = spaces.saturating_sub(self.indent.unwrap_or(0));
        let line = line.get(spaces - indent..).unwrap_or_default();
        if dash && indent == 0 && begins_an_object(rest) && self.is_at_its_beginning() {
            self.place = Place::Items(None);
            (self.is_list, self.is_bare) = (true, true);
        }
        match self.place {
            Place::Items(column) if dash && column.is_none_or(|column| column == indent) => {
                self.end_item(batch);
                let gap = rest.iter().skip(1).take_while(|byte| **byte == b' ').count();
                let cut = indent + 1 + gap;
                self.place = Place::Items(Some(indent));
                self.item =
                    Some(Item { text: line.get(cut..).unwrap_or_default().to_vec(), line: number, cut });
            }
            Place::Items(Some(column)) if blank || indent > column => self.add_to_item(line, indent),
            Place::Items(None) if blank => {}
            // The items are written in brackets, and are read with all else.
            Place::Items(None) if indent > 0 || rest.starts_with(b"[") => {
                self.place = Place::Document;
                self.is_list = false;
                self.text.extend_from_slice(b"items:\n");
                self.text.extend_from_slice(line);
            }
            Place::Items(_) => {
                self.end_item(batch);
                self.place = Place::Document;
                self.text.extend_from_slice(line);
            }
            Place::Document if indent == 0 && is_items_key(line) && self.may_be_a_list() => {
                self.place = Place::Items(None);
                self.is_list = true;
            }
            Place::Document => self.text.extend_from_slice(line),
        }
    }

    fn is_at_its_beginning(&self) -> bool {
        let mut lines = self.text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        matches!(self.place, Place::Document) && lines.all(|line| line.is_empty() || line.starts_with(b"#"))
    }

    fn add_to_item(&mut self, line: &[u8], indent: usize) {
        if let Some(item) = &mut self.item {
            item.text.extend_from_slice(line.get(indent.min(item.cut)..).unwrap_or_default());
        }
    }

    /// A list has nothing before its items but what says that it is one.
    fn may_be_a_list(&self) -> bool {
        let keys = self.text.split(|byte| *byte == b'\n').filter(|line| {
            line.first().is_some_and(|first| !matches!(first, b' ' | b'#' | b'\t'))
                && !line.trim_ascii().is_empty()
        });
        keys.map(|line| line.split(|byte| *byte == b':').next().unwrap_or_default())
            .all(|key| matches!(key, b"apiVersion" | b"kind" | b"metadata"))
    }

    fn end_item(&mut self, batch: &mut Batch<'_>) {
        let Some(item) = self.item.take() else { return };
        let head = self.items_head().unwrap_or_default();
        batch.add(item.text, item.line, Some(head));
    }

    /// What the list's own head says of its items, as far as it was read.
    fn items_head(&self) -> Option<Head> {
        let text = std::str::from_utf8(&self.text).ok()?;
        super::item::scan_yaml(text).head.items()
    }

    fn end(mut self, batch: &mut Batch<'_>) {
        self.end_item(batch);
        if !self.is_list {
            if !self.text.trim_ascii().is_empty() {
                batch.add(self.text, self.line, None);
            }
            return;
        }
        let head = self.items_head();
        batch.end_of_list(head.as_ref());
        if head.is_some() {
            batch.reader.list_was_read();
        } else if !self.is_bare {
            batch.problem(self.line, "has items, but is no list: its kind does not end with List");
        }
    }
}

/// Whether the first key behind a dash is one that objects begin with.
fn begins_an_object(rest: &[u8]) -> bool {
    let rest = rest.strip_prefix(b"-").unwrap_or(rest).trim_ascii_start();
    ["apiVersion:", "kind:", "metadata:"].iter().any(|key| rest.starts_with(key.as_bytes()))
}

fn is_items_key(line: &[u8]) -> bool {
    line.strip_prefix(b"items:").is_some_and(|rest| {
        let rest = rest.trim_ascii();
        rest.is_empty() || rest.starts_with(b"#")
    })
}

/// False when the text has no kind and none is known: then it has to wait.
fn read_text(
    text: &[u8],
    line: u64,
    head: Option<&Head>,
    reader: &mut ItemReader,
    found: &mut Found,
) -> bool {
    if text.len() > LONGEST {
        found.problems.push(reader.problem(line, "is longer than 64 MiB, and no object is"));
        return true;
    }
    match std::str::from_utf8(text) {
        Ok(text) => {
            // Comments before the first key belong to nobody: the object begins at its first key.
            let skipped = text
                .lines()
                .map(str::trim_start)
                .take_while(|line| line.is_empty() || line.starts_with('#'))
                .count();
            if skipped > 0 && skipped == text.lines().count() {
                return true;
            }
            reader.item(Text::Yaml(text), line, skipped as u64, head, found)
        }
        Err(error) => {
            let before = text.get(..error.valid_up_to()).unwrap_or_default();
            let at = line + memchr::memchr_iter(b'\n', before).count() as u64;
            found.problems.push(reader.problem(at, "is not UTF-8: the document was not read"));
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of the objects read, each with its line, then the problems.
    fn said(text: &str) -> Vec<String> {
        let mut bundle = Bundle::default();
        let mut reader = ItemReader::default();
        reader.begin("x.yaml".into());
        read(text.as_bytes(), &mut reader, &mut bundle).unwrap();
        let objects = bundle.snapshot.objects().map(|one| format!("{} {}", one.id, one.origin.line));
        let problems = bundle.problems.iter().map(|one| format!("{}: {}", one.origin.line, one.text));
        objects.chain(problems).collect()
    }

    fn indented(text: &str, indent: &str) -> String {
        let lines: Vec<_> = text.lines().map(|line| format!("{indent}{line}")).collect();
        lines.join("\n") + "\n"
    }

    /// A service called `a` in namespace `x`, its lines indented.
    fn service(indent: &str) -> String {
        indented("apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  namespace: x\n", indent)
    }

    fn item(dash: &str) -> String {
        let indent = " ".repeat(dash.len());
        service(&indent).replacen(&indent, dash, 1)
    }

    const LIST: &str = "apiVersion: v1\nitems:\n";

    #[test]
    fn an_object_begins_at_its_first_key() {
        let one = service("");
        assert_eq!(said(&one), ["Service x/a 1"]);
        assert_eq!(said(&format!("---\n{one}")), ["Service x/a 2"]);
        assert_eq!(said(&format!("--- # comment\n# more\n\n{one}")), ["Service x/a 4"]);
        assert_eq!(said(&format!("%YAML 1.2\n---\n{one}...\n")), ["Service x/a 3"]);
        assert_eq!(said(&format!("---\n---\n\n---\n{one}---\n# nothing\n")), ["Service x/a 5"]);
        assert_eq!(said(&one.replace('\n', "\r\n")), ["Service x/a 1"]);
        assert_eq!(said(&format!("  # comment\n{}", service("  "))), ["Service x/a 2"]);
        assert_eq!(
            said("--- {apiVersion: v1, kind: Service, metadata: {name: a, namespace: x}}\n"),
            ["Service x/a 1"]
        );
    }

    #[test]
    fn the_items_of_a_list_are_read_one_by_one() {
        for dash in ["- ", "  - ", "-   ", "    - "] {
            assert_eq!(said(&format!("{LIST}{}kind: List\n", item(dash))), ["Service x/a 3"], "{dash:?}");
        }
        let comment = format!("{LIST}# first\n\n  # of all\n{}\n# end\nkind: List\n", item("- "));
        assert_eq!(said(&comment), ["Service x/a 6"]);
        let below = format!("{LIST}-\n{}kind: List\n", service("  "));
        assert_eq!(said(&below), ["Service x/a 4"]);
        let commented = format!("{LIST}- # the first\n{}kind: List\n", service("  "));
        assert_eq!(said(&commented), ["Service x/a 4"]);
        assert_eq!(
            said(&format!("{LIST}{}kind: List\n", item("- ")).replace('\n', "\r\n")),
            ["Service x/a 3"]
        );
        assert!(said("apiVersion: v1\nitems: []\nkind: List\n").is_empty());
        assert!(said("apiVersion: v1\nkind: List\nitems:\n").is_empty());
    }

    #[test]
    fn a_list_is_a_list_however_it_is_written() {
        let inner = "{apiVersion: v1, kind: Service, metadata: {name: a, namespace: x}}";
        let one = ["Service x/a 1"];
        assert_eq!(said(&format!("{{apiVersion: v1, kind: List, items: [{inner}]}}\n")), one);
        assert_eq!(said(&format!("kind: List\napiVersion: v1\nitems: [{inner}]\n")).len(), 1);
        let list = indented(&format!("{LIST}{}kind: List\n", item("- ")), "  ");
        assert_eq!(said(&list), ["Service x/a 3"]);
        let nested = format!("{LIST}- apiVersion: v1\n  kind: List\n  items:\n{}kind: List\n", item("  - "));
        assert_eq!(said(&nested), ["Service x/a 6"]);
        let json = "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"a\",\"namespace\":\"x\"}}]}";
        assert_eq!(
            said(&format!("---\n{json}\n---\n{}", service("").replace("name: a", "name: b"))),
            ["Service x/a 2", "Service x/b 4"]
        );
    }

    #[test]
    fn items_without_a_list_around_them_are_items() {
        assert_eq!(
            said(&format!("# all\n{}{}", item("- "), item("- ").replace("name: a", "name: b"))),
            ["Service x/a 2", "Service x/b 7"]
        );
    }

    #[test]
    fn what_is_inside_a_text_is_no_structure() {
        let text = "metadata:\n  name: a\n  namespace: x\n  annotations:\n    note: |\n      ---\n      - apiVersion: v1\n      items:\n\n       # no comment\n    folded: >-\n      --- and\n      - more\n";
        let whole = format!("apiVersion: v1\nkind: Service\n{text}");
        assert_eq!(said(&whole), ["Service x/a 1"]);
        let list = format!("{LIST}{}", indented(&whole, "  ").replacen("  ", "- ", 1));
        assert_eq!(said(&format!("{list}kind: List\n")), ["Service x/a 3"]);
    }

    #[test]
    fn an_anchor_holds_in_its_document() {
        let one = "apiVersion: v1\nkind: Service\nmetadata:\n  name: &name a\n  namespace: x\n  labels: {app: *name}\n";
        assert_eq!(said(one), ["Service x/a 1"]);
    }

    #[test]
    fn items_in_brackets_below_their_key_are_read() {
        let flow = "apiVersion: v1\nkind: List\nitems:\n  [{apiVersion: v1, kind: Service, metadata: {name: a, namespace: x}}]\n";
        assert_eq!(said(flow), ["Service x/a 4"]);
        // Below the key itself the parser does not take them, and says so.
        let told = said(&flow.replace("  [", "["));
        assert!(told.iter().any(|line| line.starts_with("4: ")), "{told:?}");
    }

    #[test]
    fn an_item_without_a_kind_in_a_list_of_anything_is_said() {
        let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  metadata: {name: a}\n";
        assert_eq!(said(text), ["4: is no Kubernetes object: kind is missing"]);
    }

    #[test]
    fn what_was_whole_before_a_text_breaks_off_is_read() {
        struct Breaks;
        impl Read for Breaks {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("gone"))
            }
        }
        let yaml = service("") + "---\n";
        let json =
            "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"a\",\"namespace\":\"x\"}}";
        for (whole, is_json) in [(yaml.as_str(), false), (json, true)] {
            let text = std::io::BufReader::new(whole.as_bytes().chain(Breaks));
            let (mut bundle, mut reader) = (Bundle::default(), ItemReader::default());
            let ended = if is_json {
                super::super::json::read(text, &mut reader, &mut bundle)
            } else {
                read(text, &mut reader, &mut bundle)
            };
            assert_eq!(ended.unwrap_err().to_string(), "gone");
            assert_eq!(bundle.snapshot.objects().count(), 1, "{whole}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let service = "---\napiVersion: v1\nkind: Service\n";
        for (text, wanted) in [
            ("---\napiVersion: v1\nmetadata: {name: a}\n", "2: is no Kubernetes object: kind is missing"),
            (&*format!("{service}metadata: {{namespace: x}}\n"), "2: metadata.name is missing"),
            ("apiVersion: v1\nkind: Sock\nitems: 5\nmetadata: {}\n", "1: metadata.name is missing"),
            (
                "apiVersion: v1\nkind: Sock\nmetadata: {}\nitems:\n- # none\n",
                "1: has items, but is no list: its kind does not end with List",
            ),
        ] {
            assert_eq!(said(text), [wanted], "{text}");
        }
        let odd = said("---\napiVersion: v1\nkind: [Service\nmetadata: {name: a, namespace: x}\n");
        assert!(odd[0].starts_with("Service x/a 2") && odd[1].contains(": Service x/a: "), "{odd:?}");
        let broken = said(&format!("{service}metadata: {{name: a, namespace: x}}\nspec: [\n"));
        assert!(
            broken[0].starts_with("Service x/a 2") && broken[1].contains(": Service x/a: "),
            "{broken:?}"
        );
        let deep = "{apiVersion: v1, kind: List, items: [".repeat(20) + &"]}".repeat(20);
        assert_eq!(said(&deep), ["1: is a list in a list in a list and so on: it was not opened"]);
        let deeper = "{a: ".repeat(2000) + &"}".repeat(2000);
        assert_eq!(said(&deeper), ["1: recursion limit exceeded"]);
    }
}
