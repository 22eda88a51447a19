//! `paytriage explain`: what a code, a message or a log line means, and why it would be reported or not.

mod answer;

use std::io::{self, IsTerminal, Read, Write};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::catalog::entry_json;
use super::setup::{Setup, terminal_width};
use crate::catalog::{Catalog, Entry, Lang};
use crate::cli::{ExplainArgs, ExplainFormat};
use crate::diagnose::Occurrence;
use crate::exit::Exit;
use crate::render::{self, View};
use crate::visible::visible;
use crate::wire::entry::EntryJson;
use answer::{Answer, answer};

/// Most that is read from standard input, in bytes: a ticket or a stack trace, not a log file.
const MAX_INPUT: u64 = 1024 * 1024;

/// Answers for the arguments taken together, or for each line of standard input.
///
/// # Errors
/// A catalogue file that is wrong, or streams that cannot be read or written.
pub fn run(args: &ExplainArgs, out: &mut dyn Write) -> Result<Exit> {
    let setup = Setup::load(None, &args.catalog)?;
    let lang = args.lang.into();
    let view = View::new(&setup.catalog, lang, terminal_width());
    let mut exit = Exit::Done;
    for (at, text) in texts(args)?.iter().enumerate() {
        if at > 0 && args.format == ExplainFormat::Pretty {
            writeln!(out)?;
        }
        let answer = answer(text, &setup.catalog, setup.engine.diagnoser());
        if matches!(answer, Answer::Unknown(_)) {
            exit = Exit::Found;
        }
        match args.format {
            ExplainFormat::Pretty => pretty(text, &answer, &setup.catalog, &view, out)?,
            ExplainFormat::Json => json(text, &answer, &setup.catalog, lang, out)?,
        }
    }
    Ok(exit)
}

fn texts(args: &ExplainArgs) -> Result<Vec<String>> {
    let text = args.text.join(" ");
    if !text.trim().is_empty() && text != "-" {
        return Ok(vec![text]);
    }
    let mut stdin = io::stdin().lock();
    if text.is_empty() && stdin.is_terminal() {
        bail!("nothing to explain: give a code, a message or a log line, or pipe them in");
    }
    let mut bytes = Vec::new();
    stdin.by_ref().take(MAX_INPUT).read_to_end(&mut bytes).context("cannot read standard input")?;
    let input = String::from_utf8_lossy(&bytes);
    let lines: Vec<String> = input.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    if lines.is_empty() {
        bail!("nothing to explain: standard input is empty; try `paytriage explain USERPAYING`");
    }
    Ok(lines)
}

fn pretty(text: &str, answer: &Answer, catalog: &Catalog, view: &View, out: &mut dyn Write) -> Result<()> {
    let lang = view.lang();
    match answer {
        Answer::Known(entries) => entries_pretty(entries, view, out)?,
        Answer::Line(occurrences) => line_pretty(occurrences, view, out)?,
        Answer::Partial(entries) => {
            writeln!(out, "{}\n", say(lang, "Part of what this is about:", "与此相关的条目："))?;
            entries_pretty(entries, view, out)?;
        }
        Answer::Unknown(near) => {
            let shown = visible(text.trim());
            match near.is_empty() {
                true => writeln!(out, "{}\n", say(lang, "Nothing is known of", "未收录：").to_owned() + " " + &shown)?,
                false => writeln!(
                    out,
                    "{} {shown}. {} {}?\n",
                    say(lang, "Nothing is known of", "未收录："),
                    say(lang, "Did you mean", "是否想查"),
                    near.join(" / ")
                )?,
            }
            writeln!(
                out,
                "{}",
                say(lang, "What solves most failures of a code that nobody knows:", "遇到未知错误码时的通用步骤：")
            )?;
            out.write_all(render::entry(catalog.fallback(), "", view).as_bytes())?;
        }
    }
    Ok(())
}

fn entries_pretty(entries: &[Arc<Entry>], view: &View, out: &mut dyn Write) -> Result<()> {
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        out.write_all(render::entry(entry, &names(entry), view).as_bytes())?;
    }
    Ok(())
}

/// Each entry once, below the occurrences that stand for it.
fn line_pretty(occurrences: &[Occurrence], view: &View, out: &mut dyn Write) -> Result<()> {
    let mut told: Vec<&Occurrence> = Vec::new();
    for occurrence in occurrences {
        let verdict = render::verdict(&occurrence.verdict, view.lang());
        let provider = occurrence.provider.as_ref().map(|p| format!(" ({p})")).unwrap_or_default();
        writeln!(out, "{}{provider}: {}", visible(&occurrence.code), visible(&verdict))?;
        if !told.iter().any(|other| other.entry.id == occurrence.entry.id) {
            told.push(occurrence);
        }
    }
    let detected = told.iter().any(|occurrence| occurrence.verdict.is_ok());
    for occurrence in told.iter().filter(|occurrence| !detected || occurrence.verdict.is_ok()) {
        writeln!(out)?;
        out.write_all(render::entry(&occurrence.entry, &names(&occurrence.entry), view).as_bytes())?;
    }
    Ok(())
}

fn names(entry: &Entry) -> String {
    let codes: Vec<&str> = entry.codes.iter().map(|code| code.text.as_str()).collect();
    if codes.is_empty() { entry.reported_code().to_owned() } else { codes.join(", ") }
}

fn say<'t>(lang: Lang, en: &'t str, zh: &'t str) -> &'t str {
    match lang {
        Lang::En => en,
        Lang::Zh => zh,
    }
}

/// One line of JSON for one text.
#[derive(Serialize)]
struct AnswerJson<'a> {
    text: &'a str,
    found: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    occurrences: Vec<OccurrenceJson<'a>>,
    entries: Vec<EntryJson<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    near: &'a [String],
}

#[derive(Serialize)]
struct OccurrenceJson<'a> {
    code: &'a str,
    kind: &'static str,
    entry: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    reported: bool,
    why: String,
}

fn json(text: &str, answer: &Answer, catalog: &Catalog, lang: Lang, out: &mut dyn Write) -> Result<()> {
    let (found, occurrences, mut entries, near): (_, &[Occurrence], Vec<Arc<Entry>>, &[String]) = match answer {
        Answer::Known(entries) => ("entry", &[], entries.clone(), &[]),
        Answer::Line(occurrences) => ("line", occurrences, occurrences.iter().map(|o| o.entry.clone()).collect(), &[]),
        Answer::Partial(entries) => ("partial", &[], entries.clone(), &[]),
        Answer::Unknown(near) => ("nothing", &[], vec![catalog.fallback().clone()], near),
    };
    entries.sort_by(|one, other| one.id.cmp(&other.id));
    entries.dedup_by(|one, other| one.id == other.id);
    let view = AnswerJson {
        text,
        found,
        occurrences: occurrences.iter().map(|occurrence| occurrence_json(occurrence, lang)).collect(),
        entries: entries.iter().map(|entry| entry_json(catalog, entry, lang)).collect(),
        near,
    };
    Ok(writeln!(out, "{}", serde_json::to_string(&view)?)?)
}

fn occurrence_json(occurrence: &Occurrence, lang: Lang) -> OccurrenceJson<'_> {
    OccurrenceJson {
        code: &occurrence.code,
        kind: occurrence.kind.as_str(),
        entry: &occurrence.entry.id.0,
        provider: occurrence.provider.as_ref().map(|provider| provider.as_str()),
        reported: occurrence.verdict.is_ok(),
        why: render::verdict(&occurrence.verdict, lang),
    }
}
