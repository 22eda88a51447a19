//! What people read: events counted by entry, shown at the end of a scan.
//!
//! Nothing from outside reaches the terminal but through [`visible`](crate::visible::visible). What is kept for the report is bounded,
//! however much was read.

mod distinct;
mod entry;
mod page;
mod pretty;
mod summary;
mod tally;
mod timeline;
mod verdict;
pub(crate) mod words;

use std::collections::HashMap;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::catalog::{Catalog, Lang};

pub use distinct::Count;
pub use entry::entry;
pub use pretty::pretty;
pub use summary::summary;
pub use tally::{Group, Sample, Tally};
pub use verdict::verdict;
pub use words::bytes;

/// What was read to make a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Inputs read, standard input among them.
    pub n_files: u64,
    /// Bytes scanned, after unpacking.
    pub n_bytes: u64,
    /// What directories and globs held that is no text file: programs, archives, pipes, devices.
    pub n_skipped: u64,
    /// Events that the filters left out.
    pub n_left_out: u64,
}

impl Totals {
    pub fn add(&mut self, other: &Totals) {
        self.n_files += other.n_files;
        self.n_bytes += other.n_bytes;
        self.n_skipped += other.n_skipped;
        self.n_left_out += other.n_left_out;
    }
}

/// How a report is to look.
#[derive(Debug)]
pub struct View {
    lang: Lang,
    /// Columns of the terminal; `None` where there is none.
    width: Option<usize>,
    /// In which times are shown.
    timezone: TimeZone,
    glyphs: Glyphs,
    /// Titles of guides, by id.
    guides: HashMap<String, String>,
}

/// Which characters may be drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glyphs {
    Unicode,
    Ascii,
}

impl Glyphs {
    /// What the locale of the environment allows: the first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set.
    pub fn of_locale() -> Glyphs {
        let set = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_ascii_lowercase();
        match locale.contains("utf-8") || locale.contains("utf8") {
            true => Glyphs::Unicode,
            false => Glyphs::Ascii,
        }
    }

    fn bars(self) -> &'static [char] {
        match self {
            Glyphs::Unicode => &['▁', '▂', '▃', '▅', '▇'],
            Glyphs::Ascii => &['.', ':', '-', '=', '#'],
        }
    }

    fn dash(self) -> &'static str {
        match self {
            Glyphs::Unicode => "–",
            Glyphs::Ascii => "-",
        }
    }

    /// What stands left and right of a timeline.
    fn frame(self) -> (&'static str, &'static str) {
        match self {
            Glyphs::Unicode => ("▕", "▏"),
            Glyphs::Ascii => ("|", "|"),
        }
    }
}

impl View {
    pub fn new(catalog: &Catalog, lang: Lang, width: Option<usize>) -> View {
        let title = |guide: &crate::catalog::Guide| (guide.id.clone(), guide.title.get(lang).to_owned());
        View {
            lang,
            width,
            timezone: TimeZone::system(),
            glyphs: Glyphs::of_locale(),
            guides: catalog.guides().iter().map(title).collect(),
        }
    }

    pub fn lang(&self) -> Lang {
        self.lang
    }

    fn zoned(&self, time: Timestamp) -> Zoned {
        time.to_zoned(self.timezone.clone())
    }

    fn time(&self, time: Timestamp) -> String {
        self.zoned(time).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// `2026-03-01 08:00:02 – 09:41:10`; the second date only where it differs.
    fn span(&self, (first, last): (Timestamp, Timestamp)) -> String {
        let (start, end) = (self.time(first), self.zoned(last));
        if first.as_second() == last.as_second() {
            return start;
        }
        let format = match self.zoned(first).date() == end.date() {
            true => "%H:%M:%S",
            false => "%Y-%m-%d %H:%M:%S",
        };
        format!("{start} {} {}", self.glyphs.dash(), end.strftime(format))
    }

    /// `UTC+08:00`, at the time of an event.
    fn offset(&self, time: Timestamp) -> String {
        format!("UTC{}", self.zoned(time).strftime("%:z"))
    }
}

#[cfg(test)]
mod samples {
    use super::*;

    /// A view that does not depend on where the tests run.
    pub(super) fn view(lang: Lang, glyphs: Glyphs) -> View {
        let guides = [("issuer-declined".to_owned(), "Issuer declined".to_owned())].into();
        View { lang, width: Some(80), timezone: TimeZone::fixed(jiff::tz::offset(8)), glyphs, guides }
    }
}
