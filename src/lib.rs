//! paytriage finds payment errors in log files and says what they mean.

pub mod catalog;
pub mod cli;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod deliver;
pub mod detect;
pub mod diagnose;
pub mod event;
pub mod exit;
pub mod http;
pub mod identity;
pub mod input;
pub mod pipeline;
pub mod provider;
pub mod record;
pub mod redact;
pub mod render;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod visible;
pub mod wire;
