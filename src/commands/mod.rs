//! What each subcommand does: one file per command, called by `main` with its arguments and its streams.

pub mod catalog;
pub mod config;
mod in_force;

pub use in_force::{CatalogError, catalog_in_force};
