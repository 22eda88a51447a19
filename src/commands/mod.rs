//! What each subcommand does: one file per command, called by `main` with its arguments.
//!
//! Each ends with an [`Exit`](crate::exit::Exit). An error is what kept the command from doing anything at all; what
//! merely went wrong on the way is told on standard error.

pub mod catalog;
pub mod completions;
pub mod config;
pub mod doctor;
pub mod explain;
mod in_force;
pub mod man;
pub mod outbox;
pub mod redact;
pub mod run;
pub mod scan;
mod setup;
pub mod silence;
mod state;
pub mod webhook;

pub use in_force::{CatalogError, catalog_in_force};
