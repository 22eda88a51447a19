//! The integration tests, one binary. `samples` compares with labels; tests of the built program go by command
//! (`scan_…`), and `cli_env` is how they
//! run it.

mod cli_env;
mod samples;
mod scan_input;
mod scan_json;
mod scan_report;
mod scan_setup;
mod schema;
mod shell;
