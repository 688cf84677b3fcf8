//! The text of `explain`.

use std::io::{self, Write};

use super::Report;
use super::table::{Style, Tone};
use crate::answer::explain::Explanation;

impl Report for Explanation {
    fn table(&self, out: &mut dyn Write, style: Style, _wide: bool) -> io::Result<()> {
        writeln!(out, "{}", style.paint(&format!("{} {}", self.code, self.title), Tone::Strong))?;
        for line in self.text.lines() {
            writeln!(out, "{}", style.paint(line, Tone::Plain))?;
        }
        if !self.see_also.is_empty() {
            writeln!(
                out,
                "\n{}",
                style.paint(&format!("See also: {}", self.see_also.join(", ")), Tone::Dim)
            )?;
        }
        Ok(())
    }

    fn names(&self) -> Vec<String> {
        vec![self.code.clone()]
    }
}
