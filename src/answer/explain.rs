//! `explain`: what a code, flag, detail or cause means.

use serde::Serialize;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// [`super::common::API_VERSION`].
    pub api_version: &'static str,
    /// `Explanation`.
    pub kind: &'static str,
    /// What was asked about, as it is written.
    pub code: String,
    /// Its name.
    pub title: String,
    /// The page.
    pub text: String,
    /// What is near to it.
    pub see_also: Vec<String>,
}

/// The page of what is asked about.
pub fn explain(_asked: &str) -> Option<Explanation> {
    None
}

/// The name of a page that is spelt nearly so.
pub fn nearest(_asked: &str) -> Option<String> {
    None
}
