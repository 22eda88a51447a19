//! The integration tests, one binary. Tests of the built program go by command (`scan_…`); `cli_env` is how they
//! run it.

mod cli_env;
mod scan_input;
mod scan_json;
mod scan_report;
mod scan_setup;
mod schema;
mod shell;
