//! The integration tests, one binary. Tests of the built program go by command (`scan_…`); `cli_env` is how they
//! run it.

mod schema;
