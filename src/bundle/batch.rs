//! Items gathered until there are enough of them to read on all processors, in the order they stand in.

use std::sync::mpsc::{Receiver, sync_channel};

use super::item::ItemReader;
use super::{Bundle, Problem};
use crate::model::Object;
use crate::model::decode::Head;

/// So much text is gathered before it is read.
const ENOUGH: usize = 1024 * 1024;

/// Less than this is not worth another processor's while.
const LITTLE: usize = 64 * 1024;

/// What came of items.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) objects: Vec<Object>,
    /// What could not be read, in the order it was met.
    pub(super) problems: Vec<Problem>,
}

/// Reads one item. False when it has no kind and none is given for it: then it waits until one is known.
pub(super) type ReadItem = fn(&[u8], u64, Option<&Head>, &mut ItemReader, &mut Found) -> bool;

/// An item's text, its first line, and what its list says of it.
struct Item {
    text: Vec<u8>,
    line: u64,
    of_list: Option<Head>,
}

/// Items that wait for their turn, and what came of those before them.
pub(super) struct Batch<'a> {
    pub(super) reader: &'a mut ItemReader,
    pub(super) found: Found,
    read: ReadItem,
    /// Whether its items are read where they are met: a list in a list is read where that one is.
    alone: bool,
    items: Vec<Item>,
    bytes: usize,
    /// Parts that are being read by others, while the next ones are gathered.
    under_way: Vec<Receiver<Done>>,
    /// Items without a kind of their own, met before their list's kind was.
    nameless: Vec<(Vec<u8>, u64)>,
    /// Texts that were read, for the next ones.
    free: Vec<Vec<u8>>,
}

impl<'a> Batch<'a> {
    /// The items of a file.
    pub(super) fn new(reader: &'a mut ItemReader, read: ReadItem) -> Self {
        Self {
            reader,
            found: Found::default(),
            read,
            alone: false,
            items: Vec::new(),
            bytes: 0,
            under_way: Vec::new(),
            nameless: Vec::new(),
            free: Vec::new(),
        }
    }

    /// The items of a list in a list.
    pub(super) fn within(reader: &'a mut ItemReader, read: ReadItem) -> Self {
        Self { alone: true, ..Self::new(reader, read) }
    }

    /// An empty text, with the room that another one had.
    pub(super) fn room(&mut self) -> Vec<u8> {
        self.free.pop().unwrap_or_default()
    }

    /// Takes an item up.
    pub(super) fn add(&mut self, text: Vec<u8>, line: u64, of_list: Option<Head>) {
        self.bytes += text.len();
        self.items.push(Item { text, line, of_list });
        if self.bytes >= ENOUGH {
            self.begin();
        }
    }

    /// Says what is the matter with what stands behind the items.
    pub(super) fn problem(&mut self, line: u64, text: &str) {
        self.read_all();
        self.found.problems.push(self.reader.problem(line, text));
    }

    /// Reads all items, and those that have no kind of their own as items of such a list, where it is one.
    pub(super) fn end_of_list(&mut self, of_list: Option<&Head>) {
        self.read_all();
        for (text, line) in std::mem::take(&mut self.nameless) {
            (self.read)(&text, line, of_list, self.reader, &mut self.found);
        }
    }

    /// Reads what was taken up.
    pub(super) fn read_all(&mut self) {
        if self.bytes >= LITTLE {
            self.begin();
        }
        self.wait();
        self.bytes = 0;
        let items = std::mem::take(&mut self.items);
        let part = read_part(self.read, self.reader, items);
        self.take(part);
    }

    /// Has what was taken up read by others, once they have done what they had before.
    fn begin(&mut self) {
        if self.alone {
            return;
        }
        self.wait();
        let items = std::mem::take(&mut self.items);
        let processors = rayon::current_num_threads();
        let parts = parts(items, std::mem::take(&mut self.bytes).div_ceil(processors).max(1));
        for (part, mut helper) in parts.into_iter().zip(self.reader.helpers(processors)) {
            let (sender, receiver) = sync_channel(1);
            self.under_way.push(receiver);
            let read = self.read;
            rayon::spawn(move || {
                let part = read_part(read, &mut helper, part);
                // The other end is gone only where nobody wants to know any more.
                drop(sender.send((helper, part)));
            });
        }
    }

    /// Waits for what is being read.
    fn wait(&mut self) {
        for receiver in std::mem::take(&mut self.under_way) {
            if let Ok((helper, part)) = receiver.recv() {
                self.reader.take_back(helper);
                self.take(part);
            }
        }
    }

    fn take(&mut self, (found, nameless, free): Part) {
        self.found.absorb(found);
        self.nameless.extend(nameless);
        self.free.extend(free);
    }
}

/// Items in their order, cut into parts of so many bytes or somewhat more.
fn parts(items: Vec<Item>, bytes: usize) -> Vec<Vec<Item>> {
    let mut parts: Vec<Vec<Item>> = Vec::new();
    let mut room = 0;
    for item in items {
        let size = item.text.len();
        match parts.last_mut().filter(|_| room > 0) {
            Some(part) => part.push(item),
            None => {
                parts.push(vec![item]);
                room = bytes;
            }
        }
        room = room.saturating_sub(size);
    }
    parts
}

/// What came of a part: the objects, the items without a kind, and the texts that are done with.
type Part = (Found, Vec<(Vec<u8>, u64)>, Vec<Vec<u8>>);

/// Who read a part, and what came of it.
type Done = (ItemReader, Part);

fn read_part(read: ReadItem, reader: &mut ItemReader, items: Vec<Item>) -> Part {
    let mut part = Part::default();
    for Item { mut text, line, of_list } in items {
        if read(&text, line, of_list.as_ref(), reader, &mut part.0) {
            text.clear();
            part.2.push(text);
        } else {
            part.1.push((text, line));
        }
    }
    part
}

impl Found {
    /// Takes over what came of later items.
    pub(super) fn absorb(&mut self, later: Self) {
        self.objects.extend(later.objects);
        self.problems.extend(later.problems);
    }

    /// Puts everything where it belongs.
    pub(super) fn put_into(&mut self, bundle: &mut Bundle) {
        self.objects.drain(..).for_each(|object| bundle.snapshot.add(object));
        bundle.problems.append(&mut self.problems);
    }
}
