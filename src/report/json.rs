//! JSON as it is made: no document stands in memory as a whole, neither as values nor as text.

use std::io::{self, Write};

use serde::Serialize;

use crate::text::visible_json;

/// So many bytes are looked at together: most of what is written comes in a few bytes at a time.
const PIECE: usize = 16 << 10;

/// Writes a value as an indented document with a line feed behind it, in which nothing is left that a terminal would act on.
///
/// # Errors
///
/// What the writer says, and what the value says that cannot be written as JSON.
pub(super) fn write_pretty(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut visible = Visible { out, piece: Vec::with_capacity(PIECE) };
    serde_json::to_writer_pretty(&mut visible, value)?;
    visible.write_all(b"\n")?;
    visible.flush()
}

/// Passes JSON on as [`visible_json`] shows it.
struct Visible<'a> {
    out: &'a mut dyn Write,
    /// What has not been passed on.
    piece: Vec<u8>,
}

impl Visible<'_> {
    /// Passes on all that is whole: the first bytes of a character wait for its others.
    fn pass_on(&mut self) -> io::Result<()> {
        let whole = match std::str::from_utf8(&self.piece) {
            Ok(text) => {
                self.out.write_all(visible_json(text).as_bytes())?;
                text.len()
            }
            Err(broken) if broken.error_len().is_none() => {
                let (whole, _) = self.piece.split_at_checked(broken.valid_up_to()).unwrap_or_default();
                let text = std::str::from_utf8(whole).map_err(io::Error::other)?;
                self.out.write_all(visible_json(text).as_bytes())?;
                text.len()
            }
            Err(broken) => return Err(io::Error::other(broken)),
        };
        self.piece.drain(..whole);
        Ok(())
    }
}

impl Write for Visible<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.pass_on()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on()?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: &serde_json::Value) -> String {
        let mut out = Vec::new();
        write_pretty(value, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Counts the largest piece that comes.
    struct Largest(usize);

    impl Write for Largest {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.max(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_long_document_goes_out_in_pieces() {
        let mut largest = Largest(0);
        write_pretty(&vec!["outbound|80||cart.shop.svc.cluster.local"; 10_000], &mut largest).unwrap();
        assert!((1..2 * PIECE).contains(&largest.0), "{}", largest.0);
    }

    #[test]
    fn what_a_terminal_acts_on_is_escaped_whatever_stands_beside_it() {
        assert_eq!(written(&"a\u{7f}\u{1b}".into()), "\"a\\u007f\\u001b\"\n");
        assert_eq!(written(&"ä\u{7f}\u{202e}".into()), "\"ä\\u007f\\u202e\"\n");
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_document(ahead in PIECE - 12..PIECE + 4, text in "\\PC{0,4}[\u{7f}\u{e9}\u{202e}\u{e0001}]{0,6}") {
            let value = serde_json::json!({ "a": "x".repeat(ahead), "b": [text, 1, null] });
            let whole = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(written(&value), format!("{}\n", visible_json(&whole)));
        }
    }
}
