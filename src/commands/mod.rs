//! What each subcommand does: one file per command, called by `main` with its arguments and its streams.

pub mod config;
