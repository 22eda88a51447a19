//! `/api/v1/files`: how far each followed file is read.
//!
//! The reader owns the files, so it is asked; it answers between two rounds. One question at a time, and what it said is good
//! for a second: however many ask, the reader is not kept from its work.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::{Mutex, oneshot};
use tokio::time::{sleep, timeout};

use super::Server;
use super::answer::{Failure, json};
use super::page::{Page, page};
use super::query::{Query, among};
use crate::record::Charset;
use crate::source::step::Place;
use crate::telemetry::file::File;

const GOOD_FOR: Duration = Duration::from_secs(1);
/// A round of the reader takes a tenth of a second, a look at everything may take longer.
const PATIENCE: Duration = Duration::from_secs(4);

const STATES: [&str; 4] = ["listed", "rotated", "deleted", "unmounted"];

type Answer = Arc<Vec<File>>;

/// What the reader said last, while it is good.
#[derive(Debug, Default)]
pub(super) struct Files(Arc<Mutex<Option<Answer>>>);

#[derive(Serialize)]
struct Listed {
    files: Vec<Box<RawValue>>,
    /// All that were asked for, on this page or not.
    total: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
struct FileJson {
    source: String,
    path: String,
    state: &'static str,
    size: u64,
    position: u64,
    lag: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<u64>,
    encoding: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_read: Option<String>,
}

pub(super) async fn files(State(server): State<Arc<Server>>, uri: Uri) -> Result<Response, Failure> {
    let query = Query::read(&uri, &["source", "state", "limit", "cursor"])?;
    let (sources, states) = (query.list("source")?, query.words("state", &STATES)?);
    let (limit, cursor) = (query.limit()?, query.cursor::<Cursor>()?);
    let files = server.files.ask(&server).await?;
    let is_meant = |file: &&File| among(&sources, Some(&file.source)) && among(&states, Some(state(file.place)));
    let mut meant: Vec<&File> = files.iter().filter(is_meant).collect();
    meant.sort_by_cached_key(|file| Cursor::of(file));
    let total = meant.len();
    let Page { items, next } = page(meant, |file| Cursor::of(file), cursor, limit, file_json);
    Ok(json(&Listed { files: items, total, next }))
}

impl Files {
    async fn ask(&self, server: &Server) -> Result<Answer, Failure> {
        let mut last = self.0.lock().await;
        if let Some(files) = &*last {
            return Ok(Arc::clone(files));
        }
        let (ask, answer) = oneshot::channel();
        (server.sources.ask_files)(ask);
        let Ok(Ok(files)) = timeout(PATIENCE, answer).await else {
            return Err(Failure::busy("the reader is at work and did not answer in time"));
        };
        let files = Arc::new(files);
        *last = Some(Arc::clone(&files));
        let kept = Arc::clone(&self.0);
        tokio::spawn(async move {
            sleep(GOOD_FOR).await;
            *kept.lock().await = None;
        });
        Ok(files)
    }
}

fn file_json(file: &File) -> FileJson {
    FileJson {
        source: file.source.clone(),
        path: file.path.to_string_lossy().into_owned(),
        state: state(file.place),
        size: file.size,
        position: file.position,
        lag: file.lag,
        lines: file.lines,
        encoding: encoding(file.charset),
        last_read: file.last_read.map(|time| time.to_string()),
    }
}

fn state(place: Place) -> &'static str {
    match place {
        Place::Listed => "listed",
        Place::Moved => "rotated",
        Place::Deleted => "deleted",
        Place::Unmounted => "unmounted",
    }
}

fn encoding(charset: Charset) -> &'static str {
    match charset {
        Charset::Auto => "auto",
        Charset::Utf8 => "utf-8",
        Charset::Gbk => "gbk",
        Charset::Utf16Le => "utf-16le",
        Charset::Utf16Be => "utf-16be",
    }
}

/// By their paths; several files may have had the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    path: Vec<u8>,
    inode: u64,
    device: u64,
}

impl Cursor {
    fn of(file: &File) -> Cursor {
        let path = file.path.as_os_str().as_encoded_bytes().to_vec();
        Cursor { path, inode: file.key.inode, device: file.key.device }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Cursor { path, inode, device } = self;
        f.write_str(&URL_SAFE_NO_PAD.encode([&inode.to_be_bytes()[..], &device.to_be_bytes(), path].concat()))
    }
}

impl std::str::FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Cursor, ()> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(drop)?;
        let (&inode, rest) = bytes.split_first_chunk().ok_or(())?;
        let (&device, path) = rest.split_first_chunk().ok_or(())?;
        Ok(Cursor { path: path.to_vec(), inode: u64::from_be_bytes(inode), device: u64::from_be_bytes(device) })
    }
}
