//! What keeps a saved state from being read.

use super::Problem;
use super::input::Path;

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A path could not be opened.
    #[error("cannot read {path}")]
    Open {
        /// The path as named.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// In a path that was named, nothing could be read as what it claims to be.
    #[error("nothing in {path} could be read{}", Self::detail(.problems))]
    NothingRead {
        /// The path as named.
        path: String,
        /// What was the matter with its parts.
        problems: Vec<String>,
    },
}

impl Error {
    /// What was opened and is not what it claims to be (a packed file that is cut off at its beginning) is no path that
    /// cannot be read.
    pub(super) fn of_content(self, path: &Path) -> Self {
        use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        match self {
            Self::Open { source, .. }
                if matches!(source.kind(), InvalidData | InvalidInput | UnexpectedEof) =>
            {
                Self::NothingRead { path: path.to_string(), problems: vec![source.to_string()] }
            }
            other @ (Self::Open { .. } | Self::NothingRead { .. }) => other,
        }
    }

    pub(super) fn nothing_read(path: &Path, problems: &[Problem]) -> Self {
        let problems = problems.iter().filter(|problem| path.holds(&problem.origin.file));
        let text =
            |problem: &Problem| format!("{}:{}: {}", problem.origin.file, problem.origin.line, problem.text);
        Self::NothingRead { path: path.to_string(), problems: problems.map(text).collect() }
    }

    fn detail(problems: &[String]) -> String {
        if problems.is_empty() {
            return ": no Kubernetes object, no line of an access log and no counter".to_owned();
        }
        let shown: Vec<_> = problems.iter().take(5).map(String::as_str).collect();
        format!(":\n  {}", shown.join("\n  "))
    }
}
