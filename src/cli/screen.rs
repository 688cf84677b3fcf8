//! The screen, on files or on the demo.

use super::{Common, Outcome, Refusal, source};
use crate::settings;

pub(super) fn run(common: &Common) -> anyhow::Result<Outcome> {
    if !settings::is_interactive() {
        let text = "the screen needs a terminal; without one, name a command: `meshscope check -f PATH` (see --help)";
        return Err(Refusal::Usage(text.to_owned()).into());
    }
    let read = source::read(common)?;
    drop(read);
    Ok(Outcome::Fine)
}

pub(super) fn demo(common: &Common) -> anyhow::Result<Outcome> {
    run(common)
}
