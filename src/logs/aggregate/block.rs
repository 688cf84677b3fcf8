//! Many lines at once: read on any thread, folded on one.
//!
//! What a line says does not depend on the lines before it, so blocks of lines can be read beside each other. What is
//! counted does (the first samples, the order of groups, joins, limits), so the blocks are folded one after another,
//! and the outcome is the same as line by line. A block keeps, of each plain line, the number of its key and what is
//! counted; all other lines are read while they are folded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::counts::Clock;
use super::evidence::{Failed, may_join};
use super::keys::{KEPT, Keys, LineKey};
use super::table::Key;
use super::{Aggregate, Facts, Sample, SourceId, key_of};
use crate::logs::access_json::parse_ordinary;
use crate::logs::access_line::AccessLine;
use crate::logs::access_text::{ESCAPE, may_begin, ordinary, parse_text};
use crate::logs::format::{Formats, LogFormat, Ranges};
use crate::logs::marks::Places;
use crate::logs::marks::registers::{Narrow, Registers, Task, widest};
use crate::logs::upstream_cluster::Reporter;

/// The number of the next reader. A block that no reader has used has none of them.
static READERS: AtomicU64 = AtomicU64::new(1);

/// Reads the plain lines of one source, on any thread.
#[derive(Debug, Clone)]
pub struct BlockReader {
    /// Formats besides the default layouts, where there are any.
    custom: Option<Arc<Formats>>,
    pod: Option<Arc<str>>,
    /// Nothing goes before the default layouts.
    reads_layouts_first: bool,
    /// No other reader has it.
    number: u64,
}

/// Lines of one source, in their order.
#[derive(Debug, Clone, Default)]
pub struct Block {
    text: Vec<u8>,
    lines: Vec<Line>,
    keys: Keys,
    /// The number of the reader whose lines have those keys.
    reader: u64,
    /// Of the lines that are joined.
    failed: Vec<Failed<Span>>,
}

/// Where something stands in the text of a block.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u32,
    length: u32,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    span: Span,
    what: What,
}

/// What a line is.
#[derive(Debug, Clone, Copy)]
enum What {
    Plain(Plain),
    /// A plain one, of which something is not in the text.
    Again,
    Other,
}

/// What is counted of a plain line.
#[derive(Debug, Clone, Copy)]
struct Plain {
    key: u32,
    reporter: Reporter,
    facts: Facts,
    may_join: bool,
}

impl BlockReader {
    /// Reads the lines of a text. The last one may be without its line feed. `spent` is a block whose memory is used
    /// again.
    pub fn read(&self, text: Vec<u8>, spent: Block) -> Block {
        let mut block = Block { text: Vec::new(), ..spent };
        block.lines.clear();
        if block.reader != self.number || block.keys.len() > KEPT {
            block.keys.clear();
            block.reader = self.number;
        }
        block.failed.clear();
        each_line(
            self,
            &text,
            #[inline(always)]
            |start, length, told| {
                let what = match told {
                    Some(told) => Plain::of(&told, &text, &mut block).map_or(What::Again, What::Plain),
                    None => What::Other,
                };
                let (start, length) = (u32::try_from(start), u32::try_from(length));
                let span = Span { start: start.unwrap_or(0), length: length.unwrap_or(0) };
                block.lines.push(Line { span, what });
            },
        );
        Block { text, ..block }
    }

    /// The first line of a text, by the default layouts if they are looked at first. It says how long the line is.
    #[inline(always)]
    fn by_layout<'a>(
        &'a self,
        registers: impl Registers,
        memory: &mut Memory,
        text: &'a [u8],
        mut each: impl FnMut(usize, Option<Told<'_, 'a>>),
    ) -> usize {
        let Memory { places, clock, .. } = memory;
        if self.reads_layouts_first {
            let read = ordinary::read(
                registers,
                places,
                text,
                #[inline(always)]
                |length, line| {
                    each(length, Some(Told::of(line, self.pod.as_deref(), clock)));
                    length
                },
            );
            if let Some(length) = read {
                return length;
            }
        }
        self.other(text, clock, each)
    }

    /// The first line, if it is an ordinary one of the only format that there is. `goes_first`: before the default
    /// layouts.
    #[inline(always)]
    fn by_format<'a>(
        &'a self,
        registers: impl Registers,
        memory: &mut Memory,
        (format, goes_first): (&LogFormat, bool),
        text: &'a [u8],
        mut each: impl FnMut(usize, Option<Told<'_, 'a>>),
    ) -> usize {
        let Memory { places, ranges, clock } = memory;
        let may_be_layout = !goes_first && !format.begins_otherwise() && may_begin(text);
        if may_be_layout {
            let read = ordinary::read(registers, places, text, |length, line| {
                each(length, Some(Told::of(line, self.pod.as_deref(), clock)));
                length
            });
            if let Some(length) = read {
                return length;
            }
        }
        let read = format.read_ordinary(
            registers,
            (places, ranges),
            text,
            #[inline(always)]
            |length, line| {
                let is_layout = || text.get(..length).is_some_and(|line| parse_text(line).is_some());
                if may_be_layout && is_layout() {
                    return None;
                }
                each(length, Some(Told::of(line, self.pod.as_deref(), clock)));
                Some(length)
            },
        );
        match read.flatten() {
            Some(length) => length,
            None => self.not_by_format(memory, text, each),
        }
    }

    #[inline(never)]
    fn not_by_format<'a>(
        &'a self,
        memory: &mut Memory,
        text: &'a [u8],
        each: impl FnMut(usize, Option<Told<'_, 'a>>),
    ) -> usize {
        self.by_layout(Narrow, memory, text, each)
    }

    /// The same of the first line, whatever it is.
    #[inline(never)]
    fn other<'a>(
        &'a self,
        text: &'a [u8],
        clock: &mut Clock,
        mut each: impl FnMut(usize, Option<Told<'_, 'a>>),
    ) -> usize {
        let length = memchr::memchr(b'\n', text).unwrap_or(text.len());
        let line = text.get(..length).unwrap_or_default();
        let read = with_plain(self.custom.as_deref(), line, |line| {
            each(length, Some(Told::of(line, self.pod.as_deref(), clock)));
        });
        if read.is_none() {
            each(length, None);
        }
        length
    }
}

/// What is used again for each line.
struct Memory {
    places: Places,
    ranges: Ranges,
    clock: Clock,
}

/// Hands on where each line of a text begins, how long it is, and what is counted of it if it is a plain one.
fn each_line<'a>(
    reader: &'a BlockReader,
    text: &'a [u8],
    each: impl FnMut(usize, usize, Option<Told<'_, 'a>>),
) {
    widest(EachLine { reader, text, each });
}

struct EachLine<'a, E> {
    reader: &'a BlockReader,
    text: &'a [u8],
    each: E,
}

impl<'a, E: FnMut(usize, usize, Option<Told<'_, 'a>>)> Task for EachLine<'a, E> {
    type Output = ();

    #[inline(always)]
    fn run(self, registers: impl Registers) {
        let Self { reader, text, mut each } = self;
        let mut memory = Memory { places: Places::new(), ranges: Ranges::new(), clock: Clock::default() };
        let mut start = 0;
        let only = reader.custom.as_deref().and_then(Formats::only_text);
        while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
            let length = match only {
                Some(only) => reader.by_format(
                    registers,
                    &mut memory,
                    only,
                    rest,
                    #[inline(always)]
                    |length, told| each(start, length, told),
                ),
                None => reader.by_layout(
                    registers,
                    &mut memory,
                    rest,
                    #[inline(always)]
                    |length, told| each(start, length, told),
                ),
            };
            start += length + 1;
        }
    }
}

/// What is counted of a plain line, and whether it is joined.
struct Told<'l, 'a> {
    key: Key<'a>,
    hash: u32,
    facts: Facts,
    join: Join<'l, 'a>,
}

/// Whether a line is joined.
#[derive(Clone, Copy)]
enum Join<'l, 'a> {
    No,
    Line(&'l AccessLine<'a>),
    Failed(&'l Failed<&'a [u8]>),
}

impl<'l, 'a> Told<'l, 'a> {
    #[inline(always)]
    fn of(line: &'l AccessLine<'a>, pod: Option<&'a str>, clock: &mut Clock) -> Self {
        let key = key_of(line, pod);
        Self {
            hash: key.hash(),
            facts: Facts::of(line, clock),
            join: if may_join(line, key.fixed.reporter) { Join::Line(line) } else { Join::No },
            key,
        }
    }
}

impl Plain {
    #[inline(always)]
    fn of(told: &Told<'_, '_>, text: &[u8], block: &mut Block) -> Option<Self> {
        let Told { key, hash, facts, join } = *told;
        let failed = match join {
            Join::No => None,
            Join::Line(line) => Some(Failed::of(line).with(|part| span_of(part, text))?),
            Join::Failed(failed) => Some(failed.with(|part| span_of(part, text))?),
        };
        let number = block.keys.number_of(&key, hash)?;
        let may_join = failed.is_some();
        block.failed.extend(failed);
        Some(Self { key: number, reporter: key.fixed.reporter, facts, may_join })
    }
}

/// Reads a line that tells by itself all there is to tell: it is not wrapped, and nothing before it belongs to it. It
/// is handed on where it stands: a line has many fields, and moving it costs as much as finding its group.
#[inline]
pub(super) fn with_plain<'a, R>(
    custom: Option<&Formats>,
    bytes: &'a [u8],
    each: impl FnOnce(&AccessLine<'a>) -> R,
) -> Option<R> {
    if let Some(custom) = custom {
        return by_formats(custom, bytes).as_ref().map(each);
    }
    // Formats of one's own can look like JSON, and give its keys another meaning.
    if bytes.first() == Some(&b'{') {
        return parse_ordinary(bytes).as_ref().map(each);
    }
    // Colours are taken off first.
    if memchr::memchr(ESCAPE, bytes).is_some() {
        return None;
    }
    parse_text(bytes).as_ref().map(each)
}

fn by_formats<'a>(custom: &Formats, bytes: &'a [u8]) -> Option<AccessLine<'a>> {
    if custom.any_configured()
        && let Some(line) = custom.read_configured(bytes)
    {
        return Some(line);
    }
    if let Some(line) = parse_text(bytes) {
        return Some(line);
    }
    custom.read_given(bytes)
}

/// Where a part of a text stands in it. What is empty stands anywhere; `None` for what is no part of it.
#[inline]
fn span_of(part: &[u8], text: &[u8]) -> Option<Span> {
    if part.is_empty() {
        return Some(Span::default());
    }
    let start = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    if start.checked_add(part.len())? > text.len() {
        return None;
    }
    Some(Span { start: u32::try_from(start).ok()?, length: u32::try_from(part.len()).ok()? })
}

impl Block {
    /// How many lines it has.
    pub fn lines(&self) -> u64 {
        self.lines.len() as u64
    }

    /// Whether the last line has its line feed.
    pub fn is_ended(&self) -> bool {
        self.text.last() == Some(&b'\n')
    }

    /// The text, whose memory can be used again.
    pub fn take_text(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.text)
    }
}

#[inline]
fn part(text: &[u8], span: Span) -> &[u8] {
    let start = span.start as usize;
    text.get(start..start + span.length as usize).unwrap_or_default()
}

impl Aggregate {
    /// A reader of the lines of that source.
    pub fn block_reader(&self, source: SourceId) -> BlockReader {
        let pod = self.sources.get(source.0 as usize).and_then(|source| source.pod.clone());
        let custom = self.own_formats();
        let reads_layouts_first = custom.as_ref().is_none_or(|custom| custom.leave_the_default());
        let number = READERS.fetch_add(1, Ordering::Relaxed);
        BlockReader { custom, pod, reads_layouts_first, number }
    }

    /// Counts the lines of a text of that source; the first of them has that number. It says how many lines there are,
    /// and whether the last one is of an access log.
    ///
    /// The outcome is that of [`Aggregate::add_line`] for each of the lines; who watches lines is not told of them.
    pub fn add_text(
        &mut self,
        source: SourceId,
        reader: &BlockReader,
        first: u64,
        text: &[u8],
    ) -> (u64, bool) {
        let (mut number, mut before) = (first, self.counts.lines.parsed);
        each_line(
            reader,
            text,
            #[inline(always)]
            |start, length, told| {
                before = self.counts.lines.parsed;
                let rest = text.get(start..).unwrap_or_default();
                match told {
                    Some(Told { key, hash, facts, join }) => self.add_told(
                        Sample { source, line: number },
                        reader,
                        (rest, length),
                        (key, hash),
                        (facts, key.fixed.reporter),
                        join,
                    ),
                    None => self.add_unlike(source, number, rest.get(..length).unwrap_or_default()),
                }
                number += 1;
            },
        );
        self.settle_joins();
        (number - first, self.counts.lines.parsed > before)
    }

    /// Counts a line: the first of a text, which is so long. Its key is asked for only where groups by fields are
    /// wanted.
    #[inline(always)]
    fn add_told(
        &mut self,
        sample: Sample,
        reader: &BlockReader,
        (text, length): (&[u8], usize),
        mut key: impl LineKey,
        (facts, reporter): (Facts, Reporter),
        join: Join<'_, '_>,
    ) {
        if self.ends_broken(sample.source, facts.format) {
            self.end_broken(sample.source, sample.line, text.get(..length).unwrap_or_default());
        }
        let group = key.group(&mut self.counts, &self.limits);
        let counted = self.counts.count(sample, group, reporter, facts);
        if let Some(by) = &mut self.by_groups
            && let Some(key) = key.key()
        {
            let group = counted.map(|counted| counted.group);
            by.count((&self.sources, sample), (&key, &facts), group, |look| {
                with_plain(reader.custom.as_deref(), text.get(..length).unwrap_or_default(), look);
            });
        }
        let Some(counted) = counted else { return };
        match join {
            Join::No => {}
            Join::Line(line) => {
                self.joins.add(&Failed::of(line), counted, &mut self.counts.groups, &self.limits);
            }
            Join::Failed(failed) => self.joins.add(failed, counted, &mut self.counts.groups, &self.limits),
        }
    }

    /// Counts the lines of a block that was read by [`Aggregate::block_reader`] of that source; the first of them has
    /// that number. It says whether the last line is one of an access log.
    ///
    /// The outcome is that of [`Aggregate::add_line`] for each of the lines; who watches lines is not told of them.
    pub fn add_block(
        &mut self,
        source: SourceId,
        reader: &BlockReader,
        first: u64,
        block: &mut Block,
    ) -> bool {
        let mut before = self.counts.lines.parsed;
        let Block { text, lines, keys, failed, .. } = block;
        let mut failed = failed.iter();
        for (number, line) in (first..).zip(lines) {
            before = self.counts.lines.parsed;
            let Plain { key, reporter, facts, may_join } = match line.what {
                What::Plain(plain) => plain,
                What::Again => {
                    self.add_line(source, number, part(text, line.span));
                    continue;
                }
                What::Other => {
                    self.add_unlike(source, number, part(text, line.span));
                    continue;
                }
            };
            let failed = if may_join { failed.next() } else { None };
            let failed = failed.and_then(|failed| failed.with(|span| Some(part(text, span))));
            let join = failed.as_ref().map_or(Join::No, Join::Failed);
            let rest = text.get(line.span.start as usize..).unwrap_or_default();
            let sample = Sample { source, line: number };
            let length = line.span.length as usize;
            self.add_told(sample, reader, (rest, length), (&mut *keys, key), (facts, reporter), join);
        }
        self.settle_joins();
        self.counts.lines.parsed > before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::aggregate::{Limits, PodName, SourceName};

    fn lines() -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for number in 0..400 {
            let (second, port, service) = (number % 60, 20_000 + number, number % 7);
            let failed = number % 5 == 0;
            let (code, details) = if failed {
                ("503 UC", "upstream_reset_before_response_started{connection_termination}")
            } else {
                ("200 -", "via_upstream")
            };
            lines.push(format!(
                "[2026-11-22T09:09:{second:02}.001Z] \"GET /a HTTP/1.1\" {code} {details} - \"-\" 0 9 {number} 1 \"-\" \"c\" \"id-{number}\" \"h\" \"10.2.0.1:9080\" outbound|9080||s{service}.n.svc.cluster.local 10.1.0.{service}:{port} 10.96.0.1:9080 10.1.0.9:1 - default"
            ).into_bytes());
            if failed {
                lines.push(format!(
                    "[2026-11-22T09:09:{second:02}.002Z] \"- - -\" 0 NR filter_chain_not_found - \"-\" 0 0 0 - \"-\" \"-\" \"-\" \"-\" \"-\" - - 10.2.0.1:9080 10.1.0.{service}:{port} - -"
                ).into_bytes());
            }
            if number % 50 == 0 {
                lines.push(b"2026-11-22T09:09:57.273Z\tinfo\tready".to_vec());
                lines.push(b"{\"start_time\":\"2026-11-22T09:09:57.273Z\",\"response_code\":200,\"response_flags\":\"-\",\"upstream_cluster\":\"inbound|80||\",\"duration\":1,\"method\":\"GET\",\"path\":\"/\",\"protocol\":\"HTTP/1.1\"}".to_vec());
            }
        }
        lines
    }

    fn said(aggregate: &Aggregate) -> String {
        let groups: Vec<_> = aggregate.groups().collect();
        format!("{:?} {} {groups:?}", aggregate.lines(), aggregate.other_groups())
    }

    #[test]
    fn blocks_of_any_size_count_what_lines_do() {
        let lines = lines();
        for pod in [None, Some(PodName { namespace: "n".into(), name: "p".into() })] {
            for limits in [Limits::default(), Limits { groups: 5, joins: 20, ..Limits::default() }] {
                let name = SourceName { file: "a.log".into(), pod: pod.clone() };
                let mut one = Aggregate::with_limits(limits);
                let source = one.add_source(name.clone());
                for (number, line) in (1..).zip(&lines) {
                    one.add_line(source, number, line);
                }
                for size in [1, 7, 1000] {
                    let mut many = Aggregate::with_limits(limits);
                    let source = many.add_source(name.clone());
                    let reader = many.block_reader(source);
                    let (mut first, mut spent) = (1, Block::default());
                    for lines in lines.chunks(size) {
                        let mut block = reader.read(lines.join(&b'\n'), spent);
                        assert_eq!(block.lines(), lines.len() as u64);
                        many.add_block(source, &reader, first, &mut block);
                        first += block.lines();
                        spent = block;
                    }
                    assert_eq!(said(&many), said(&one));
                }
                let mut whole = Aggregate::with_limits(limits);
                let source = whole.add_source(name.clone());
                let reader = whole.block_reader(source);
                let (count, _) =
                    whole.add_text(source, &reader, 1, &[lines.join(&b'\n'), b"\n".to_vec()].concat());
                assert_eq!(count, lines.len() as u64);
                assert_eq!(said(&whole), said(&one));
            }
        }
    }

    #[test]
    fn ordinary_lines_are_read_in_blocks() {
        let mut aggregate = Aggregate::new();
        let source = aggregate.add_source(SourceName { file: "a.log".into(), pod: None });
        let reader = aggregate.block_reader(source);
        let lines: Vec<_> = lines().into_iter().filter(|line| line.starts_with(b"[")).collect();
        let block = reader.read(lines.join(&b'\n'), Block::default());
        assert_eq!(
            block.lines.iter().filter(|line| matches!(line.what, What::Plain(_))).count(),
            lines.len()
        );
    }

    #[test]
    fn empty_lines_are_lines_and_the_end_is_none() {
        let mut aggregate = Aggregate::new();
        let source = aggregate.add_source(SourceName { file: "a.log".into(), pod: None });
        let reader = aggregate.block_reader(source);
        let mut block = reader.read(b"\n\nready\n".to_vec(), Block::default());
        assert!(block.lines() == 3 && block.is_ended());
        assert!(!aggregate.add_block(source, &reader, 1, &mut block));
        assert_eq!(aggregate.lines().other, 3);
    }
}
