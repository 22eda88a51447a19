//! Silences that were asked for while the daemon runs, beside those of the configuration.

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, params};

use super::{StateError, Store};
use crate::config::Matcher;

/// Nothing is said of these incidents for a while.
#[derive(Debug, Clone, PartialEq)]
pub struct Silence {
    pub id: String,
    pub matcher: Matcher,
    pub until: Timestamp,
    pub comment: String,
    pub created: Timestamp,
    /// Who asked for it.
    pub by: String,
}

impl Store {
    /// Also those that are over.
    pub fn silences(&self) -> Result<Vec<Silence>, StateError> {
        self.lock().with(|connection| all(connection))
    }

    /// Forgets those that ended before a time.
    pub fn forget_silences_before(&self, time: Timestamp) -> Result<usize, StateError> {
        let before = [time.as_millisecond()];
        self.lock().with(|connection| connection.execute("DELETE FROM silence WHERE until_ms < ?1", before))
    }
}

pub fn all(connection: &Connection) -> rusqlite::Result<Vec<Silence>> {
    let select = "SELECT id, matcher, until_ms, comment, created_ms, by FROM silence ORDER BY until_ms, id";
    connection.prepare_cached(select)?.query_map([], from_row)?.collect()
}

pub fn put(connection: &Connection, silence: &Silence) -> rusqlite::Result<()> {
    let Silence { id, matcher, until, comment, created, by } = silence;
    let matcher = serde_json::to_string(matcher).map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))?;
    connection.execute(
        "INSERT OR REPLACE INTO silence (id, matcher, until_ms, comment, created_ms, by) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![id, matcher, until.as_millisecond(), comment, created.as_millisecond(), by],
    )?;
    Ok(())
}

fn from_row(row: &rusqlite::Row) -> rusqlite::Result<Silence> {
    let time = |column| {
        let ms: i64 = row.get(column)?;
        Timestamp::from_millisecond(ms).map_err(|_| Error::IntegralValueOutOfRange(column, ms))
    };
    let matcher = serde_json::from_str(&row.get::<_, String>(1)?);
    Ok(Silence {
        id: row.get(0)?,
        matcher: matcher.map_err(|error| Error::FromSqlConversionFailure(1, Type::Text, Box::new(error)))?,
        until: time(2)?,
        comment: row.get(3)?,
        created: time(4)?,
        by: row.get(5)?,
    })
}
