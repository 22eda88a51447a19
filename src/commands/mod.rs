//! One module per command: reads what it needs, calls the library, writes the answer, says how it ended.

pub mod catalog;
