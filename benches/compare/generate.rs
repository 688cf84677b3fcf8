//! Writes an access log for `compare.py`, and reads one in the way that nothing can be faster than.
//!
//! `generate text|quotes|custom|json BYTES FILE` writes; `generate newlines FILE` finds the end of each line of a
//! file with `memchr`, and `generate count FILE` only counts them.

#![allow(missing_docs, reason = "it has no public items that anybody would read about")]
#![allow(clippy::print_stdout, reason = "what was counted is printed")]
#![allow(unreachable_pub, reason = "a module of a benchmark")]

use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};

#[path = "../access_log.rs"]
mod access_log;

use access_log::Layout;

fn main() -> std::io::Result<()> {
    // `cargo bench` adds a flag of its own, and `cargo test --benches` starts it with no word at all.
    let words: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let layout = match words.first().map(String::as_str) {
        Some("text") => Layout::Text,
        Some("quotes") => Layout::Quotes,
        Some("custom") => Layout::Custom,
        Some("json") => Layout::Json,
        Some("newlines") => return each_block(words.get(1), find_lines),
        Some("count") => return each_block(words.get(1), count_lines),
        _ => return Ok(()),
    };
    let [_, size, file] = words.as_slice() else {
        return Err(std::io::Error::other("text|quotes|custom|json BYTES FILE"));
    };
    let size = size.parse().map_err(std::io::Error::other)?;
    let mut out = BufWriter::new(File::create(file)?);
    access_log::write(size, 1, layout, &mut out)?;
    out.flush()
}

/// The bound: read in blocks, with nothing done to the lines.
fn each_block(file: Option<&String>, lines_of: impl Fn(&[u8]) -> usize) -> std::io::Result<()> {
    let mut file = File::open(file.ok_or_else(|| std::io::Error::other("newlines|count FILE"))?)?;
    let mut block = vec![0; 256 * 1024];
    let mut lines = 0;
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            break;
        }
        lines += lines_of(block.get(..read).unwrap_or_default());
    }
    println!("{lines}");
    Ok(())
}

/// Finds each line, as whoever reads lines has to.
fn find_lines(mut block: &[u8]) -> usize {
    let mut lines = 0;
    while let Some(end) = memchr::memchr(b'\n', block) {
        let (line, rest) = block.split_at(end);
        std::hint::black_box(line);
        block = rest.get(1..).unwrap_or_default();
        lines += 1;
    }
    lines
}

/// Adds up bits, and finds no line.
fn count_lines(block: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', block).count()
}
