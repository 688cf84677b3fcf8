//! Everything a user can ask for.

/// A movement in a list or a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Motion {
    /// One up.
    Up,
    /// One down.
    Down,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the first.
    First,
    /// To the last.
    Last,
}

/// What can be done while a line is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Typing {
    /// Take the line.
    Accept,
    /// Leave it.
    Cancel,
    /// Complete the word.
    Complete,
    /// The line typed before.
    Older,
    /// The line typed after.
    Newer,
}

/// What is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Copied {
    /// The name of the selected row, or the command of a remedy.
    Name,
    /// Its namespace.
    Namespace,
    /// The command line that gives the view.
    CommandLine,
}

/// Which of the commands that were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Again {
    /// The one before.
    Older,
    /// The one after.
    Newer,
    /// The last but one, and back.
    LastView,
}

/// What only the log view can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogKey {
    /// Whole lines, or columns.
    Wrap,
    /// With the date, or without.
    Date,
    /// Nothing but lines, or with what is around them.
    Full,
    /// Stay at the newest line, or on the selected one.
    Autoscroll,
    /// Mark the selected line, or take its mark away.
    Mark,
    /// Mark all lines from the last mark on.
    MarkRange,
    /// Take all marks away.
    Unmark,
    /// Lines of a range of time, by its number.
    Range(u8),
}

/// What rows of rules are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SortBy {
    /// The order of evaluation.
    #[default]
    Number,
    /// Hits.
    Hits,
    /// Denials.
    Denials,
    /// The last hit.
    LastHit,
    /// The action.
    Action,
    /// The policy.
    Policy,
}

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Move.
    Move(Motion),
    /// One layer deeper.
    Open,
    /// Back.
    Back,
    /// Back, and out at the root.
    Leave,
    /// Out.
    Quit,
    /// Type a command.
    CommandLine,
    /// Type a filter.
    Filter,
    /// The keys.
    Help,
    /// What this code, flag or outcome means.
    Explain,
    /// What would end the finding.
    Fix,
    /// The object's YAML.
    Yaml,
    /// The table of pairs.
    Tls,
    /// The last lines of logs.
    Log,
    /// Why what failed did.
    Causes,
    /// All of the selected row.
    Describe,
    /// Something of the log view.
    InLog(LogKey),
    /// The next pair of the finding.
    NextPair,
    /// The pair before.
    PreviousPair,
    /// Put a text on the clipboard.
    Copy(Copied),
    /// All columns.
    ToggleWide,
    /// Faults only.
    ToggleFaults,
    /// The order of the rows.
    Sort(SortBy),
    /// The policies that decide about the selected row.
    Authorization,
    /// Count from now on.
    Reset,
    /// The header.
    ToggleHeader,
    /// One namespace by its number from 1, or all with 0.
    Namespace(u8),
    /// Stop the picture, or let it go on.
    Freeze,
    /// Give a command again.
    Again(Again),
    /// While a line is typed.
    Typing(Typing),
}
