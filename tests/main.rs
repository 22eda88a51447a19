//! The integration tests, one binary. `samples` compares with labels, `tidy` looks at the source; tests of the built program go by command
//! (`scan_…`, `run_…`), `cli_env` and `daemon` are how they run it, and `shim` makes its system calls fail.

mod authority;
mod catalog;
mod cli_env;
mod daemon;
mod formats;
mod process;
mod readme;
mod receiver;
mod run_clock;
mod run_content;
mod run_control;
mod run_damage;
mod run_follow;
mod run_hostile;
mod run_identity;
mod run_limits;
mod run_logrotate;
mod run_outbox;
mod run_places;
mod run_poll;
mod run_read;
mod run_rotation;
mod run_signals;
mod run_state;
mod samples;
mod scan_input;
mod scan_json;
mod scan_report;
mod scan_setup;
mod schema;
mod shell;
mod shim;
mod soak;
mod tidy;
mod webhook_client;
