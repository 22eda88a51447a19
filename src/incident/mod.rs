//! Groups events in time: what a person should be told, once, while it lasts, and when it is over.
//!
//! Pure: events and a clock value in, notices out.

pub mod notice;
