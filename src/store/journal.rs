//! How far each journal was read. A journal is known by its directory; that of this host has none.

use std::path::{Path, PathBuf};

use rusqlite::types::Type;
use rusqlite::{Connection, Error, Transaction, params};
use serde::{Deserialize, Serialize};

use super::delivery::json;
use crate::pipeline::Checkpoint;

/// How far a journal was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalState {
    pub directory: Option<PathBuf>,
    pub at: JournalPlace,
}

/// A place in a journal: everything up to there is accounted for, but for what the streams begin with anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalPlace {
    /// Cursor of the last entry that was read.
    pub read: String,
    /// Streams whose last record may go on, the one that goes back furthest first.
    #[serde(default)]
    pub streams: Vec<StreamPlace>,
}

/// From where one stream of lines is read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPlace {
    pub stream: String,
    /// Cursor of the entry that has the first byte behind the checkpoint.
    pub from: String,
    pub checkpoint: Checkpoint,
}

pub(super) fn write(transaction: &Transaction, journals: &[JournalState]) -> rusqlite::Result<()> {
    let mut put = transaction.prepare_cached("INSERT OR REPLACE INTO journal (directory, place) VALUES (?1, ?2)")?;
    for JournalState { directory, at } in journals {
        put.execute(params![bytes(directory.as_deref()), json(at)?])?;
    }
    Ok(())
}

pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<JournalState>> {
    let mut select = connection.prepare("SELECT directory, place FROM journal")?;
    let states = select.query_map([], |row| {
        let directory = super::rows::path(row.get(0)?);
        let place: String = row.get(1)?;
        let place = serde_json::from_str(&place);
        let at = place.map_err(|error| Error::FromSqlConversionFailure(1, Type::Text, Box::new(error)))?;
        Ok(JournalState { directory: Some(directory).filter(|directory| !directory.as_os_str().is_empty()), at })
    })?;
    states.collect()
}

fn bytes(directory: Option<&Path>) -> &[u8] {
    directory.map_or(&[], |directory| directory.as_os_str().as_encoded_bytes())
}
