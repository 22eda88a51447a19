//! One module per command: what the command line asked for, done.
//!
//! Each takes its arguments as clap read them and ends with an [`Exit`](crate::exit::Exit). An error is what
//! kept the command from doing anything at all; what merely went wrong on the way is told on standard error.

pub mod scan;
mod setup;
pub mod shell;
