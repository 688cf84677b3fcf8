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

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Move.
    Move(Motion),
    /// One layer deeper.
    Open,
    /// Back, and out at the root.
    Back,
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
    /// The next pair of the finding.
    NextPair,
    /// The pair before.
    PreviousPair,
    /// Copy the name, or the command of a remedy.
    CopyName,
    /// Copy the namespace.
    CopyNamespace,
    /// Copy the command line that gives this view.
    CopyCommandLine,
    /// All columns.
    ToggleWide,
    /// Faults only.
    ToggleFaults,
    /// The header.
    ToggleHeader,
    /// One namespace by its number from 1, or all with 0.
    Namespace(u8),
    /// Stop the picture, or let it go on.
    Freeze,
    /// The command given before.
    OlderCommand,
    /// The command given after.
    NewerCommand,
    /// The last view.
    LastView,
    /// While a line is typed.
    Typing(Typing),
}
