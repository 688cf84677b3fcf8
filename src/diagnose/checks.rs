//! The checks, one a file: the function, and its examples beside it.

pub mod conflicts;
pub mod not_understood;
pub mod reasons;
pub mod two_origins;

#[cfg(test)]
mod examples;
mod root;
