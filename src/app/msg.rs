//! Everything that can happen.

use super::key::Key;
use super::question::{Answer, Question};
use crate::answer::Read;
use crate::logs::SourceName;

/// A line of a log that is being followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Where it comes from.
    pub source: SourceName,
    /// Its number there, from 1.
    pub number: u64,
    /// Its bytes, without the line's end.
    pub text: Vec<u8>,
}

/// Something that happened. Times are milliseconds since the epoch: no other clock reaches the screen.
#[derive(Debug, Clone)]
pub enum Msg {
    /// A key was pressed.
    Key(Key),
    /// The terminal has another size.
    Resize(u16, u16),
    /// Time has passed.
    Tick(i64),
    /// Reading the source has come this far.
    SourceProgress {
        /// What is being read.
        text: String,
    },
    /// The source was read.
    SourceRead(Box<Read>),
    /// The source cannot be read.
    SourceFailed(String),
    /// Lines of logs that are being followed.
    LogLines {
        /// When they came.
        at: i64,
        /// The lines.
        lines: Vec<LogLine>,
        /// How many were dropped since the start, because they came too fast.
        dropped: u64,
    },
    /// A question was answered.
    Answered {
        /// The revision it was asked at.
        revision: u64,
        /// The question.
        question: Question,
        /// The answer.
        answer: Box<Answer>,
    },
    /// Parts of the source were left out or could not be read.
    LeftOut(String),
    /// Something outside went wrong that ends nothing.
    Trouble(String),
}
