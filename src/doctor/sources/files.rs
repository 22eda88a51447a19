//! Judges the files of a source: can they be read, are they written to, and what does their last part say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::super::Subject;
use super::super::access::{Need, Place, describe, mend, quoted};
use super::super::finding::{FileFacts, Finding, LastMatch, Rate, RateBy, Remedy, parent, since};
use super::super::tail::Sample;
use super::super::user::Me;
use super::{FileSeen, SourceSeen};
use crate::config::Source;
use crate::record::Charset;
use crate::render::bytes;

/// Nothing was written for so long: worth a look, or worth a warning.
const QUIET: i64 = 24 * 3600;
const STALE: i64 = 7 * 24 * 3600;

pub fn judge(seen: &SourceSeen, source: &Source, subject: &Subject, me: &Me) -> Vec<Finding> {
    let mut findings = unreadable(&seen.files, me);
    findings.extend(summary(&seen.files, subject.now));
    let sampled = seen.files.iter().filter_map(|file| Some((file, file.sample.as_ref()?)));
    for (file, sample) in sampled {
        match sample {
            Ok(sample) => {
                findings.push(of_file(file, sample, subject));
                findings.extend(doubt(file, sample, source, subject));
            }
            Err(reason) => {
                let finding = Finding::fault("file.unreadable", format!("cannot be read: {reason}")).path(&file.path);
                findings.push(
                    finding
                        .remedy(format!("sudo tail -c 100 {}", quoted(&file.path)), "shows whether root can read it"),
                );
            }
        }
    }
    findings
}

/// Files of one directory are told together.
fn unreadable(files: &[FileSeen], me: &Me) -> Vec<Finding> {
    let mut by_dir: BTreeMap<PathBuf, Vec<(&FileSeen, &Place)>> = BTreeMap::new();
    for (file, place) in files.iter().filter_map(|file| Some((file, file.denied.as_ref()?))) {
        by_dir.entry(parent(&file.path)).or_default().push((file, place));
    }
    let of_dir = |(dir, denied): (PathBuf, Vec<(&FileSeen, &Place)>)| {
        let (first, place) = denied.first().copied()?;
        let what = describe(place, Need::Read, me);
        let id = if matches!(place, Place::Blocked(_)) { "path.blocked" } else { "file.unreadable" };
        if denied.len() == 1 {
            return Some(Finding::fault(id, what).path(&first.path).remedies(mend(place, Need::Read, me)));
        }
        let who = me.shown();
        let name = first.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let what = format!("{} files here cannot be read; {} {what}", denied.len(), crate::visible::visible(&name));
        let mut remedies = mend(place, Need::Read, me);
        if matches!(place, Place::Denied(_)) {
            // For each of them; a group that may read them helps with all.
            remedies.retain(|remedy| remedy.command.starts_with("sudo usermod"));
            let all = format!("sudo setfacl -R -m u:{who}:rX,d:u:{who}:rX {}", quoted(&dir));
            let why = format!("lets {who} read them and those that follow (package acl)");
            remedies.push(Remedy::new(all, why));
        }
        Some(Finding::fault(id, what).path(&dir).remedies(remedies))
    };
    by_dir.into_iter().filter_map(of_dir).collect()
}

/// How many there are, and when one of them was written to last.
fn summary(files: &[FileSeen], now: Timestamp) -> Option<Finding> {
    let newest = files.iter().max_by_key(|file| file.written)?;
    let size: u64 = files.iter().map(|file| file.bytes).sum();
    let sort = if files.len() == 1 { "1 file".to_owned() } else { format!("{} files", files.len()) };
    let Some(written) = newest.written else {
        return Some(Finding::ok("source.ok", format!("{sort}, {}", bytes(size))));
    };
    let ago = since(written, now);
    let text = format!("{sort}, {}; written to last {ago} ago", bytes(size));
    let look = |finding: Finding| {
        let open = format!("sudo lsof {}", quoted(&newest.path));
        finding.path(&newest.path).remedy(open, "shows who writes to it; the log may be elsewhere now")
    };
    Some(match now.duration_since(written).as_secs() {
        ..QUIET => Finding::ok("source.ok", text),
        QUIET..STALE => look(Finding::note("source.quiet", text)),
        STALE.. => look(Finding::warning("source.stale", format!("nothing of it was written to for {ago}"))),
    })
}

fn of_file(file: &FileSeen, sample: &Sample, subject: &Subject) -> Finding {
    let facts = FileFacts {
        bytes: file.bytes,
        written: file.written.unwrap_or(subject.now),
        encoding: sample.encoding,
        lines: sample.lines.or_else(|| by_age(file, sample.line_bytes?)),
        last_match: sample.last_match.clone(),
        read_bytes: file.read,
        lag_bytes: file.read.map(|read| file.bytes.saturating_sub(read)),
    };
    let text = sentence(&facts, &subject.config.timezone, subject.now);
    if sample.is_binary {
        let finding = Finding::warning("file.binary", format!("does not look like text; {text}"));
        return finding
            .path(&file.path)
            .file(facts)
            .remedy(format!("file {}", quoted(&file.path)), "says what it is; exclude = [\"…\"] leaves it out");
    }
    Finding::ok("file.ok", text).path(&file.path).file(facts)
}

/// An average over the life of a file.
fn by_age(file: &FileSeen, line_bytes: f64) -> Option<Rate> {
    let seconds = file.written?.duration_since(file.born?).as_secs_f64();
    (seconds >= 60.0).then(|| Rate { per_minute: file.bytes as f64 / line_bytes * 60.0 / seconds, by: RateBy::Age })
}

fn sentence(facts: &FileFacts, zone: &TimeZone, now: Timestamp) -> String {
    let mut parts = vec![bytes(facts.bytes)];
    parts.extend(facts.encoding.map(str::to_owned));
    parts.extend(facts.lines.map(|Rate { per_minute, by }| {
        let digits = usize::from(per_minute < 10.0);
        let how = match by {
            RateBy::Times => "by the times in its last 64 KiB",
            RateBy::Age => "by its size and age",
        };
        format!("{per_minute:.digits$} lines/min ({how})")
    }));
    parts.push(match &facts.last_match {
        Some(LastMatch { code, time: Some(time) }) => {
            format!("last match {code} at {}", time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S"))
        }
        Some(LastMatch { code, time: None }) => format!("last match {code}, without a time"),
        None if facts.bytes == 0 => "empty".to_owned(),
        None => "no match in its last 64 KiB".to_owned(),
    });
    parts.push(format!("written {} ago", since(facts.written, now)));
    parts.extend(facts.lag_bytes.map(|lag| match lag {
        0 => "all read".to_owned(),
        lag => format!("{} not read yet", bytes(lag)),
    }));
    parts.join("; ")
}

/// It is written in another way than the source says.
fn doubt(file: &FileSeen, sample: &Sample, source: &Source, subject: &Subject) -> Option<Finding> {
    let (configured, is_other) = match source.encoding {
        Charset::Utf8 => ("utf-8", sample.encoding.is_some_and(|found| found.contains("gbk"))),
        Charset::Gbk => ("gbk", sample.encoding.is_some_and(|found| found.contains("utf-8"))),
        _ => return None,
    };
    let found = sample.encoding.filter(|_| is_other)?;
    let what = format!("is written in {found}, and source.encoding says {configured}: messages are not found");
    let finding = Finding::warning("file.encoding", what).path(&file.path);
    let why = "then set encoding = \"auto\" in the [[source]], which tells them apart";
    Some(finding.remedies(subject.file.map(|file| Remedy::new(crate::doctor::edit(file), why))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;
    use crate::doctor::access::Node;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn file(path: &str, written: i64, denied: bool) -> FileSeen {
        let node = Node { path: path.into(), mode: 0o640, uid: 0, gid: 4, is_dir: false };
        FileSeen {
            path: path.into(),
            bytes: 2000,
            written: Some(at(written)),
            born: Some(at(written - 600)),
            denied: denied.then_some(Place::Denied(node)),
            read: None,
            sample: None,
        }
    }

    fn me() -> Me {
        let names = crate::doctor::user::Names::parse("paytriage:x:998:\n", "adm:x:4:\n");
        Me { uid: 998, gids: vec![998], names }
    }

    #[test]
    fn unreadable_files_of_a_directory_are_one_finding() {
        let files = [
            file("/a/1.log", 0, true),
            file("/a/2.log", 0, true),
            file("/b/1.log", 0, true),
            file("/b/2.log", 0, false),
        ];
        let findings = unreadable(&files, &me());
        let paths: Vec<_> = findings.iter().filter_map(|finding| finding.path.as_deref()).collect();
        assert_eq!(paths, ["/a", "/b/1.log"]);
        assert!(findings[0].text.starts_with("2 files here cannot be read; 1.log cannot be read by paytriage"));
        let commands: Vec<_> = findings[0].remedies.iter().map(|remedy| remedy.command.as_str()).collect();
        assert_eq!(
            commands,
            ["sudo usermod -aG adm paytriage", "sudo setfacl -R -m u:paytriage:rX,d:u:paytriage:rX /a"]
        );
    }

    #[test]
    fn what_nobody_writes_to_is_told() {
        let level = |ago: i64| summary(&[file("/a", -ago, false), file("/b", -ago - 9, false)], at(0)).unwrap().level;
        assert_eq!([level(60), level(QUIET), level(STALE)], [Level::Ok, Level::Note, Level::Warning]);
        assert_eq!(summary(&[], at(0)), None);
    }

    #[test]
    fn a_file_is_summed_up_in_a_sentence() {
        let facts = FileFacts {
            bytes: 2048,
            written: at(-180),
            encoding: Some("gbk"),
            lines: Some(Rate { per_minute: 12.34, by: RateBy::Times }),
            last_match: Some(LastMatch { code: "SYSTEM_BUSY".into(), time: Some(at(-200)) }),
            read_bytes: Some(1024),
            lag_bytes: Some(1024),
        };
        let expected = "2.0 KiB; gbk; 12 lines/min (by the times in its last 64 KiB); last match SYSTEM_BUSY at \
                        2027-01-15 07:56:40; written 180 s ago; 1.0 KiB not read yet";
        let text = sentence(&facts, &TimeZone::UTC, at(0));
        assert_eq!(text, expected.replace("180 s", "3 min"));
    }

    #[test]
    fn without_times_its_age_gives_an_average() {
        let rate = by_age(&file("/a", 0, false), 20.0).unwrap();
        assert_eq!(rate, Rate { per_minute: 10.0, by: RateBy::Age });
        assert_eq!(by_age(&FileSeen { born: None, ..file("/a", 0, false) }, 20.0), None);
    }
}
