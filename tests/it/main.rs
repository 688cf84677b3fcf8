//! The one integration binary.

mod screens;
