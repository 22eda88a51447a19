//! `catalog draft`: turns the unknown codes of logs into entries to fill in.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::Timestamp;

use crate::commands::setup::Setup;
use crate::detect::FAMILIES;
use crate::event::{Event, Kind};
use crate::exit::Exit;
use crate::input::{self, BUFFER_BYTES, Input, Reading};
use crate::pipeline::{Checkpoint, Stream};

/// Lines kept of one code.
const MAX_SAMPLES: usize = 2;

/// What was seen of one code.
#[derive(Debug, Default)]
struct Seen {
    n_events: u64,
    samples: Vec<String>,
}

/// Unknown codes by provider and code.
type Codes = BTreeMap<(String, String), Seen>;

/// Scans `paths` and writes a catalogue file with one entry for each code that no entry knows. Texts are left empty:
/// `catalog check` names every one that is still to be written.
///
/// # Errors
/// A failure to write.
pub(super) fn draft(setup: &Setup, paths: &[String], out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let expansion = input::expand(paths);
    let mut exit = if expansion.problems.is_empty() { Exit::Done } else { Exit::Unreadable };
    for problem in &expansion.problems {
        writeln!(err, "paytriage: {problem}")?;
    }
    let mut codes = Codes::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    for input in &expansion.inputs {
        if let Err(error) = read(setup, input, &mut buffer, &mut codes) {
            writeln!(err, "paytriage: {input}: {error}")?;
            exit = Exit::Unreadable;
        }
    }
    match codes.is_empty() {
        true => writeln!(err, "no unknown codes: the catalogue has them all")?,
        false => write(&codes, out)?,
    }
    Ok(exit)
}

fn read(setup: &Setup, input: &Input, buffer: &mut [u8], codes: &mut Codes) -> Result<(), input::ReadError> {
    let reading = Reading::open(input)?;
    let context = setup.file_context(input, reading.identity.clone());
    let mut stream = Stream::new(Arc::clone(&setup.engine), context, Checkpoint::default());
    let mut events = Vec::new();
    let ending = reading.read_to_end(buffer, &|_| {}, |bytes| {
        stream.push(bytes, Timestamp::now(), &mut events);
        events.drain(..).for_each(|event| note(&event, codes));
        ControlFlow::Continue(())
    });
    stream.finish(Timestamp::now(), &mut events);
    events.iter().for_each(|event| note(event, codes));
    ending.map(|_| ())
}

fn note(event: &Event, codes: &mut Codes) {
    if event.kind != Kind::UnknownCode {
        return;
    }
    let provider = event.provider.as_ref().map_or("", |provider| provider.as_str());
    let seen = codes.entry((provider.to_owned(), event.code.clone())).or_default();
    seen.n_events += 1;
    if seen.samples.len() < MAX_SAMPLES && event.excerpt.as_str().len() < 400 {
        seen.samples.push(event.excerpt.as_str().to_owned());
    }
}

fn write(codes: &Codes, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "# Codes that no entry knows. Fill in what is empty, then run: paytriage catalog check FILE")?;
    writeln!(out, "# One language is enough. Name the file under [catalog] extra in the configuration.")?;
    for ((provider, code), seen) in codes {
        let id = format!("{provider}.{}", code.to_ascii_lowercase().replace(['_', '.'], "-"));
        let times = if seen.n_events == 1 { "time" } else { "times" };
        writeln!(out, "\n# Seen {} {times}.\n[[entry]]", seen.n_events)?;
        writeln!(out, "id = {}\nprovider = {}\ncodes = [{}]", quoted(&id), quoted(provider), quoted(code))?;
        let specificity = match code {
            _ if FAMILIES.iter().any(|family| code.starts_with(family)) => "distinctive",
            _ if code.len() < 6 => "field",
            _ => "generic",
        };
        writeln!(
            out,
            "specificity = \"{specificity}\"\ncategory = \"other\"\nseverity = \"error\"\nact = \"merchant\""
        )?;
        writeln!(
            out,
            "advice = \"query_first\"      # whether money moved decides what is safe\nretry = \"after_query\""
        )?;
        for key in ["title.en", "cause.en"] {
            writeln!(out, "{key} = \"\"")?;
        }
        writeln!(out, "operator.en = [\"\"]\npayer.en = [\"\"]")?;
        let samples: Vec<String> = seen.samples.iter().map(|line| format!("    {},\n", quoted(line))).collect();
        writeln!(out, "match = [\n{}]", samples.concat())?;
        writeln!(out, "near_miss = [{}]", quoted(&format!("INFO flag {code}_ENABLED=true")))?;
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
