//! Items gathered until there are enough of them to read on all processors, in the order they stand in.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, sync_channel};

use super::item::ItemReader;
use super::{Bundle, Problem};
use crate::model::Object;
use crate::model::decode::Head;

/// So much text is gathered before it is given to another processor: enough to be worth its while, and so little that
/// it need not leave the processors' own memory.
const ENOUGH: usize = 256 * 1024;

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
    under_way: VecDeque<Receiver<Done>>,
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
            under_way: VecDeque::new(),
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
        let of_list = of_list.filter(|head| !head.kind.is_empty());
        for (text, line) in std::mem::take(&mut self.nameless) {
            if of_list.is_none() {
                // A plain List says nothing of its items, which have to say it themselves.
                let text = "is no Kubernetes object: kind is missing";
                self.found.problems.push(self.reader.problem(line, text));
            } else {
                (self.read)(&text, line, of_list, self.reader, &mut self.found);
            }
        }
    }

    /// Reads what was taken up.
    pub(super) fn read_all(&mut self) {
        while !self.under_way.is_empty() {
            self.wait();
        }
        self.bytes = 0;
        let items = std::mem::take(&mut self.items);
        let part = read_part(self.read, self.reader, items);
        self.take(part);
    }

    /// Has what was taken up read by another one, while the next items are gathered.
    fn begin(&mut self) {
        if self.alone {
            return;
        }
        // One more than there are processors, so that none has to wait for the next part.
        if self.under_way.len() > rayon::current_num_threads() {
            self.wait();
        }
        self.bytes = 0;
        let items = std::mem::take(&mut self.items);
        let (read, mut helper) = (self.read, self.reader.helper());
        let (sender, receiver) = sync_channel(1);
        self.under_way.push_back(receiver);
        rayon::spawn(move || {
            let part = read_part(read, &mut helper, items);
            // The other end is gone only where nobody wants to know any more.
            drop(sender.send((helper, part)));
        });
    }

    /// Waits for the part that was begun first.
    fn wait(&mut self) {
        let done = self.under_way.pop_front().and_then(|receiver| receiver.recv().ok());
        if let Some((helper, part)) = done {
            self.reader.take_back(helper);
            self.take(part);
        }
    }

    fn take(&mut self, (found, nameless, free): Part) {
        self.found.absorb(found);
        self.nameless.extend(nameless);
        if self.free.is_empty() {
            self.free = free;
        }
    }
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
