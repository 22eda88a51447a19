//! paytriage finds payment errors in log files and says what they mean.
//!
//! Data walks in one direction:
//!
//! ```text
//! source ─ bytes ─▶ detect ─ candidates ─▶ record ─ text ─▶ diagnose ─ findings ─▶ event ─▶ store ─▶ deliver
//! (input, for scan)                                            │
//!                                                      catalog ┘            redact, before anything leaves the core
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | [`catalog`] | entries and guides: what each code means, loaded and checked |
//! | [`detect`] | the automaton over whole buffers: where a record is worth a look |
//! | [`record`] | framing, unwrapping, decoding, unescaping; words, level, time |
//! | [`diagnose`] | is it a failure, whose, which entry, which ids; one finding per failed operation |
//! | [`redact`] | masks secrets; the only maker of `Redacted` |
//! | [`event`] | the annotated detection; [`wire`] is its JSON form |
//! | [`pipeline`] | wires the stages above: bytes of one file in, events out |
//! | [`incident`] | groups events in time: what a person is told, once, while it lasts, and when it is over |
//! | [`notice`] | what paytriage reports of itself, as events |
//! | [`source`] | which files, what became of them, when to look (daemon); [`input`] is the same for scan |
//! | [`store`] | offsets and waiting events in one SQLite transaction |
//! | [`deliver`] | from the outbox to the sinks |
//! | [`daemon`] | threads, signals, reload; [`service`] tells the service manager how it goes |
//! | [`http`], [`telemetry`] | what operators and their tools can ask, and the numbers and the log behind it |
//! | [`secret`], [`when`] | secrets are read, and times that people write |
//! | [`doctor`] | what is wrong with a set-up, and what mends it |
//! | [`render`] | reports for people |
//! | [`about`] | which build this is |
//! | [`block`], [`visible`] | sixteen bytes looked at together; what is hidden in text is shown |
//! | [`commands`] | one file per subcommand; [`cli`] is what clap sees, [`config`] the checked configuration |
//!
//! # Invariants
//!
//! - `detect`, `record`, `diagnose`, `redact`, `pipeline` and `incident` know no file, socket, thread, clock or log macro: bytes and
//!   a clock value in, events out. `tests/tidy.rs` checks this, and who may import whom.
//! - Any chunking of the same bytes gives the same events, and a checkpoint taken anywhere goes on without loss or repeat.
//! - Building may fail (with file, line and key); matching cannot.
//! - No log text leaves the core but as `Redacted`, or in an id whose alphabet carries no markup.
//! - What is stored is stored together: offsets, what they account for, and the events.

pub mod about;
pub mod block;
pub mod catalog;
pub mod cli;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod deliver;
pub mod detect;
pub mod diagnose;
pub mod doctor;
pub mod event;
pub mod exit;
pub mod http;
pub mod identity;
pub mod incident;
pub mod input;
pub mod notice;
pub mod pipeline;
pub mod provider;
pub mod record;
pub mod redact;
pub mod render;
pub mod secret;
pub mod service;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod visible;
pub mod when;
pub mod wire;
