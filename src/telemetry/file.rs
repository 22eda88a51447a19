//! One followed file as an operator asks for it.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::identity::FileKey;
use crate::record::Charset;
use crate::source::step::Place;

/// How far a file is read, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub key: FileKey,
    /// The name of its source.
    pub source: String,
    /// Where it is, or was seen last.
    pub path: PathBuf,
    /// Bytes, when it was last looked at.
    pub size: u64,
    /// Bytes that were read.
    pub position: u64,
    /// Bytes that are known to be there and were not read.
    pub lag: u64,
    /// Lines that were read, up to the record in the making; not known where reading began at the end and nothing was read since.
    pub lines: Option<u64>,
    pub place: Place,
    /// As configured, or what its first bytes showed.
    pub charset: Charset,
    /// When something new was last read; not since this start of the process where it is absent.
    pub last_read: Option<Timestamp>,
}
