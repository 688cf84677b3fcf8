//! Pieces that screens are drawn with.

pub mod footer;
pub mod header;
pub mod lines;
pub mod pen;
pub mod table;
pub mod title;
pub mod too_small;
