//! The vocabulary everything else speaks.
