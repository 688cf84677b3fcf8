//! Writes an access log for `compare.py`, and reads one in the way that nothing can be faster than.
//!
//! `generate text|quotes|custom|json BYTES FILE` writes; `generate newlines FILE` counts the lines of a file with `memchr`.

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
        Some("newlines") => return count(words.get(1)),
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

/// The bound: read in blocks, with nothing done to the lines but finding their ends.
fn count(file: Option<&String>) -> std::io::Result<()> {
    let mut file = File::open(file.ok_or_else(|| std::io::Error::other("newlines FILE"))?)?;
    let mut block = vec![0; 256 * 1024];
    let mut lines = 0;
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            break;
        }
        lines += memchr::memchr_iter(b'\n', block.get(..read).unwrap_or_default()).count();
    }
    println!("{lines}");
    Ok(())
}
