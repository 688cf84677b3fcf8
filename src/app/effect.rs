//! Everything the outside can be asked to do.

use super::question::Question;

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Answer a question from what was read, and send [`super::Msg::Answered`].
    Compute {
        /// The revision it is asked at.
        revision: u64,
        /// The question.
        question: Question,
    },
    /// Put a text on the user's clipboard.
    Copy(String),
    /// End.
    Quit,
}
