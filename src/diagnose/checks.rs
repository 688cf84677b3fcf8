//! The checks, one a file: the function, and its examples beside it.

pub mod conflicts;
pub mod not_understood;
pub mod two_origins;

mod root;
