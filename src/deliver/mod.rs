//! Takes events out of the outbox and to their sinks, each sink on a thread of its own.

pub mod format;
pub mod message;
pub mod pretty;
pub mod sample;
pub mod stdout;
pub mod webhook;
