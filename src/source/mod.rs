//! Finds the files of the sources, notices when they change, and reads them on.
//!
//! The decisions are pure and take what was observed as arguments: `proof` (is its content the one that was read),
//! `step` (what to do next), `pattern` and `selection` (is it meant at all),
//! `lineage` (was it, under another name), `kin` (is it a copy of one that was read).
//! Around them is as little I/O as can be: `walk`, `watch`, `tail`; and `journal` and `stdin`, for what is in no file. Which file is read when, and what happens to
//! its bytes, is the daemon's business.

pub mod blank;
pub mod journal;
pub mod kin;
mod letterbox;
pub mod lineage;
pub mod pattern;
pub mod proof;
pub mod selection;
pub mod stdin;
pub mod step;
pub mod tail;
pub mod wake;
pub mod walk;
pub mod watch;
