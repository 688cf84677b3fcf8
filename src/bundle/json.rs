//! JSON: one object, many behind one another, or a list, cut into items without parsing what is between them.

use std::io::BufRead;

use super::Bundle;
use super::batch::{Batch, Found};
use super::item::{ItemReader, Text};
use super::yaml::LONGEST;
use crate::model::decode::Head;

/// Where in a value the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// Between strings.
    #[default]
    Structure,
    /// Inside a string.
    String,
    /// Behind a backslash in a string.
    Escape,
}

/// Cuts a stream of bytes into items.
#[derive(Default)]
struct Cutter {
    /// The value in hand: of the depth at which items stand, or of a list without its items.
    item: Vec<u8>,
    list: Vec<u8>,
    item_line: u64,
    list_line: u64,
    line: u64,
    depth: usize,
    place: Place,
    /// The depth at which items begin: 0 outside a list, 1 in a bare array, 2 in the `items` of a list.
    base: usize,
    in_list: bool,
    /// The last string at depth 1 of a list's object, to know the key `items`.
    key: Vec<u8>,
    is_list: bool,
    /// What the list in hand says of its items, from when the first of them was met.
    of_list: Option<Head>,
    broken: bool,
    /// The line of something that is no object and stands where an item would.
    stray: Option<u64>,
}

/// Reads a stream of JSON values.
pub(super) fn read(
    mut text: impl BufRead,
    reader: &mut ItemReader,
    bundle: &mut Bundle,
) -> std::io::Result<()> {
    let mut cutter = Cutter { line: 1, ..Cutter::default() };
    let mut batch = Batch::new(reader, read_item);
    let read = loop {
        let block = match text.fill_buf() {
            Ok(block) => block,
            Err(error) => break Err(error),
        };
        if block.is_empty() {
            cutter.end(&mut batch);
            break Ok(());
        }
        let length = block.len();
        cutter.block(block, &mut batch);
        cutter.refuse_endless(&mut batch);
        batch.found.put_into(bundle);
        if cutter.broken {
            break Ok(());
        }
        text.consume(length);
    };
    // What stands before the place where a text ends too soon is read all the same.
    batch.read_all();
    batch.found.put_into(bundle);
    read
}

/// Reads a part of a text that is at hand and begins at a line: a list that stands in another one.
pub(super) fn read_part(text: &[u8], line: u64, reader: &mut ItemReader, found: &mut Found) {
    let mut cutter = Cutter { line, ..Cutter::default() };
    let mut batch = Batch::within(reader, read_item);
    cutter.block(text, &mut batch);
    if !cutter.broken {
        cutter.end(&mut batch);
    }
    found.absorb(batch.found);
}

fn read_item(
    text: &[u8],
    line: u64,
    of_list: Option<&Head>,
    reader: &mut ItemReader,
    found: &mut Found,
) -> bool {
    reader.item(Text::Json(text), line, 0, of_list, found)
}

impl Cutter {
    fn block(&mut self, mut block: &[u8], batch: &mut Batch<'_>) {
        while let Some((&byte, rest)) = block.split_first() {
            if self.place == Place::String {
                // Strings are most of an object: everything up to the next quote or backslash is taken at once.
                let end = memchr::memchr2(b'"', b'\\', block).unwrap_or(block.len());
                let (inside, after) = block.split_at(end);
                self.line += memchr::memchr_iter(b'\n', inside).count() as u64;
                self.take(inside);
                block = after;
                let Some((&byte, rest)) = block.split_first() else { return };
                self.place = if byte == b'"' { Place::Structure } else { Place::Escape };
                self.take(&[byte]);
                block = rest;
                continue;
            }
            block = rest;
            if self.place == Place::Escape {
                self.place = Place::String;
                self.take(&[byte]);
                continue;
            }
            self.structure(byte, batch);
            if self.broken {
                return;
            }
        }
    }

    /// Where bytes go: to the item in hand, else to the list around it.
    fn take(&mut self, bytes: &[u8]) {
        if self.base == 0 && self.depth == 1 {
            self.key.extend_from_slice(bytes);
        }
        if self.depth > self.base {
            self.item.extend_from_slice(bytes);
        } else if self.in_list {
            self.stray.get_or_insert(self.line);
        } else {
            self.list.extend_from_slice(bytes);
        }
    }

    /// Says that something among the items was none.
    fn end_stray(&mut self, batch: &mut Batch<'_>) {
        if let Some(line) = self.stray.take() {
            batch.problem(line, "is no object, and stands among the items of a list");
        }
    }

    fn structure(&mut self, byte: u8, batch: &mut Batch<'_>) {
        match byte {
            b'\n' => {
                self.line += 1;
                // An item keeps its lines, so that a place in it can be told.
                if self.depth > self.base {
                    self.item.push(b'\n');
                }
            }
            b'"' => {
                if self.base == 0 && self.depth == 1 {
                    self.key.clear();
                }
                self.place = Place::String;
                self.take(b"\"");
            }
            b'{' | b'[' => self.open(byte),
            b'}' | b']' => self.close(byte, batch),
            b' ' | b'\t' | b'\r' => {}
            // Documents of YAML can be JSON, and `---` stands between them.
            b'-' if self.depth == 0 => {}
            b',' if self.depth == self.base && (self.in_list || self.base == 0) => self.end_stray(batch),
            _ if self.depth == 0 => {
                self.broken = true;
                let text = format!("expected an object, found {:?}", char::from(byte));
                batch.problem(self.line, &text);
            }
            _ => self.take(&[byte]),
        }
    }

    fn open(&mut self, byte: u8) {
        let opens_items = byte == b'[' && self.depth == 1 && self.base == 0 && self.key == b"\"items\":";
        let opens_array = byte == b'[' && self.depth == 0;
        if opens_items {
            // What was taken as an item so far was the list itself.
            self.list = std::mem::take(&mut self.item);
            self.list_line = self.item_line;
            self.list.extend_from_slice(b"[");
            self.is_list = true;
        }
        if opens_items || opens_array {
            self.depth += 1;
            self.base = self.depth;
            self.in_list = true;
            return;
        }
        if self.depth == self.base {
            self.item_line = self.line;
            self.item.clear();
        }
        self.depth += 1;
        self.take(&[byte]);
        if self.depth == 1 {
            self.key.clear();
        }
    }

    fn close(&mut self, byte: u8, batch: &mut Batch<'_>) {
        if self.depth == 0 {
            self.broken = true;
            batch.problem(self.line, "closes more than was opened");
            return;
        }
        if self.in_list && self.depth == self.base {
            // The list's end: what follows belongs to the object around it.
            self.end_stray(batch);
            self.depth -= 1;
            self.in_list = false;
            self.base = 0;
            if self.is_list {
                self.item = std::mem::take(&mut self.list);
                self.item.extend_from_slice(b"]");
            } else {
                batch.end_of_list(None);
            }
            return;
        }
        self.take(&[byte]);
        self.depth -= 1;
        if self.depth == self.base {
            self.emit(batch);
        }
    }

    fn emit(&mut self, batch: &mut Batch<'_>) {
        let text = std::mem::take(&mut self.item);
        if self.is_list && !self.in_list {
            self.is_list = false;
            let head: Head = serde_json::from_slice(&text).unwrap_or_default();
            self.of_list = None;
            let items = head.items();
            batch.end_of_list(items.as_ref());
            if items.is_some() {
                batch.reader.list_was_read();
            } else {
                let text = "has items, but is no list: its kind does not end with List";
                batch.problem(self.list_line, text);
            }
            return;
        }
        if self.in_list && self.of_list.is_none() {
            self.of_list = Some(self.items_head());
        }
        batch.add(text, self.item_line, self.of_list.clone().filter(|_| self.in_list));
        self.item = batch.room();
    }

    /// What the list's head says of its items, as far as it was read: `{"kind":"PodList",…,"items":[` closed again.
    fn items_head(&self) -> Head {
        if !self.is_list {
            return Head::default();
        }
        let mut text = self.list.clone();
        text.extend_from_slice(b"]}");
        serde_json::from_slice::<Head>(&text).ok().and_then(|head| head.items()).unwrap_or_default()
    }

    /// Gives a text up in which something is longer than any object.
    fn refuse_endless(&mut self, batch: &mut Batch<'_>) {
        if self.item.len().max(self.list.len()).max(self.key.len()) > LONGEST {
            self.broken = true;
            let line = if self.item.is_empty() { self.list_line.max(1) } else { self.item_line };
            batch.problem(line, "is longer than any object, and is refused");
        }
    }

    fn end(self, batch: &mut Batch<'_>) {
        if self.depth > 0 {
            let line = if self.item.is_empty() { self.list_line.max(1) } else { self.item_line };
            let text = "ends in the middle of an object: it is cut off";
            batch.problem(line, text);
        }
        batch.end_of_list(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of the objects read, each with its line, then the problems.
    fn said(text: &str) -> Vec<String> {
        let mut bundle = Bundle::default();
        let mut reader = ItemReader::default();
        reader.begin("x.json".into());
        // A reader that gives one byte at a time shows what blocks hide.
        let slow = std::io::BufReader::with_capacity(1, text.as_bytes());
        read(slow, &mut reader, &mut bundle).unwrap();
        let objects = bundle.snapshot.objects().map(|one| format!("{} {}", one.id, one.origin.line));
        let problems = bundle.problems.iter().map(|one| format!("{}: {}", one.origin.line, one.text));
        objects.chain(problems).collect()
    }

    const POD: &str = r#"{"metadata":{"name":"a \"{[\" b","namespace":"x"}"#;

    #[test]
    fn one_object_many_objects_and_arrays_are_cut_into_items() {
        let whole = format!("{POD},\"apiVersion\":\"v1\",\"kind\":\"Pod\"}}");
        let one = ["Pod x/a \"{[\" b 1"];
        assert_eq!(said(&whole), one);
        assert_eq!(said(&format!("[{whole}]")), one);
        assert_eq!(said(&format!("\n\n{whole}\n")), ["Pod x/a \"{[\" b 3"]);
        let list = format!("{{\"apiVersion\":\"v1\",\"items\":[\n{whole}],\"kind\":\"List\"}}");
        assert_eq!(said(&list), ["Pod x/a \"{[\" b 2"]);
    }

    #[test]
    fn items_without_a_kind_take_their_lists_even_when_it_comes_last() {
        let first = format!("{{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"items\":[{POD}}}]}}");
        let last = format!("{{\"items\":[{POD}}}],\"kind\":\"PodList\",\"apiVersion\":\"v1\"}}");
        assert_eq!(said(&first), ["Pod x/a \"{[\" b 1"]);
        assert_eq!(said(&last), ["Pod x/a \"{[\" b 1"]);
    }

    #[test]
    fn a_text_that_is_cut_off_keeps_what_was_whole() {
        let text =
            format!("{{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"items\":[{POD}}},\n{{\"metadata\":{{");
        assert_eq!(said(&text), ["Pod x/a \"{[\" b 1", "2: ends in the middle of an object: it is cut off"]);
        for end in 0..text.len() {
            drop(said(text.get(..end).unwrap()));
        }
    }

    #[test]
    fn a_list_in_a_list_is_opened_and_an_empty_one_is_no_fault() {
        let list = |items: &str| format!("{{\"apiVersion\":\"v1\",\"kind\":\"List\",\n\"items\":{items}}}");
        let pod = format!("{POD},\"apiVersion\":\"v1\",\n\"kind\":\"Pod\"}}");
        let nested =
            list(&format!("[\n{},\n{pod}]", list(&format!("[\n{}]", pod.replace("\"x\"", "\"y\"")))));
        assert_eq!(said(&nested), ["Pod x/a \"{[\" b 7", "Pod y/a \"{[\" b 5"]);
        assert!(said(&list("[]")).is_empty() && said(&list("null")).is_empty());
        let wrong = pod.replace("\"x\"", "\n\n5");
        let said = said(&list(&format!("[{wrong}]")));
        assert!(said.iter().any(|text| text.starts_with("4: ")), "{said:?}");
    }

    #[test]
    fn what_is_no_item_of_a_list_is_said() {
        let nameless = POD.to_owned() + ",\"apiVersion\":\"v1\"}";
        let missing = "1: is no Kubernetes object: kind is missing";
        assert_eq!(
            said(&format!("{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[{nameless}]}}")),
            [missing]
        );
        // A list that comes later says nothing of an array before it.
        let later = format!("[{nameless}]\n{{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"items\":[]}}");
        assert_eq!(said(&later), [missing]);
        let pod = format!("{POD},\"apiVersion\":\"v1\",\"kind\":\"Pod\"}}");
        for stray in ["null", "5", "\"s\""] {
            let list = format!("{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[{stray},\n{pod}]}}");
            let wanted = ["Pod x/a \"{[\" b 2", "1: is no object, and stands among the items of a list"];
            assert_eq!(said(&list), wanted, "{stray}");
        }
    }

    #[test]
    fn lines_are_counted_in_strings_too() {
        let broken = format!("{POD},\"apiVersion\":\"v1\n\n\",\"kind\":\"Pod\"}}");
        let pod = format!("{POD},\"apiVersion\":\"v1\",\"kind\":\"Pod\"}}");
        let said = said(&format!("[{broken},\n{pod}]"));
        assert!(said.contains(&"Pod x/a \"{[\" b 4".to_owned()), "{said:?}");
    }

    #[test]
    fn garbage_is_said_with_its_line() {
        assert_eq!(said("{}\nnonsense"), ["2: expected an object, found 'n'"]);
        assert_eq!(said("}"), ["1: closes more than was opened"]);
    }
}
