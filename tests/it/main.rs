//! The one integration binary: the real program on real input.

mod bad_input;
mod cases;
mod layers;
mod scenarios;
mod screens;
mod support;
mod terminal;
