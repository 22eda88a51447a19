//! The integration tests, one binary. Tests of the built program go by command (`scan_…`, `run_…`); `cli_env` is
//! how they run it, `daemon` how they watch it run.

mod cli_env;
mod daemon;
mod run_control;
mod run_follow;
mod run_rotation;
mod run_state;
mod scan_input;
mod scan_json;
mod scan_report;
mod scan_setup;
mod schema;
mod shell;
