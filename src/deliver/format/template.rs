//! The user's own format, in Jinja's language.
//!
//! A template sees `messages` (the rows, with the names of their schemas), `sink`, `host`, `version` and `lang`. A name that is not
//! there is an error, never an empty text. Nothing is escaped by itself; the filter `json` writes a value as JSON, quotes
//! included, and a template for JSON that gives anything else is refused. Steps, output and size are bounded. Before it is used
//! it is tried with messages of every kind ([`CompiledTemplate::try_out`]).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::{fmt, fs};

use minijinja::filters::tojson;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, context};

use super::super::message::Message;
use super::super::sample::{Extent, Sample, names, samples};
use super::{Context, RenderError, Rendered};
use crate::config::{self, Notify};

/// Of a template, in bytes.
const MAX_SOURCE: u64 = 256 * 1024;
/// Steps of the template engine in one rendering.
const FUEL: u64 = 1_000_000;
/// What a template can use, besides the engine's functions.
const NAMES: [&str; 5] = ["messages", "sink", "host", "version", "lang"];

/// A template without a mistake that can be seen before it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledTemplate {
    file: PathBuf,
    source: String,
    content_type: String,
}

/// What is wrong with a template, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    pub file: PathBuf,
    /// 1-based, where it is known.
    pub line: Option<usize>,
    pub what: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        self.line.map_or(Ok(()), |line| write!(f, "{line}:"))?;
        write!(f, " {}", self.what)
    }
}

impl std::error::Error for TemplateError {}

/// Reads a template and checks its syntax and its names.
///
/// # Errors
/// It cannot be read, is larger than 256 KiB, or has a mistake.
pub fn compile(template: &config::Template) -> Result<CompiledTemplate, TemplateError> {
    let file = &template.file;
    let failed = |what: String| TemplateError { file: file.clone(), line: None, what };
    let size = fs::metadata(file).map_err(|error| failed(format!("cannot be read: {error}")))?.len();
    if size > MAX_SOURCE {
        return Err(failed(format!("is too large: {size} bytes, a template has at most {MAX_SOURCE}")));
    }
    let source = fs::read_to_string(file).map_err(|error| failed(format!("cannot be read: {error}")))?;
    let compiled = CompiledTemplate { file: file.clone(), source, content_type: template.content_type.clone() };
    compiled.check()?;
    Ok(compiled)
}

impl CompiledTemplate {
    fn check(&self) -> Result<(), TemplateError> {
        let environment = environment();
        let template = environment.template_from_str(&self.source).map_err(|error| self.error(&error))?;
        let known = |name: &str| NAMES.contains(&name) || environment.globals().any(|(global, _)| global == name);
        let mut unknown: Vec<_> =
            template.undeclared_variables(false).into_iter().filter(|name| !known(name)).collect();
        unknown.sort();
        match unknown.first() {
            None => Ok(()),
            Some(name) => {
                let what = format!("there is no `{name}`; a template has {}", NAMES.join(", "));
                Err(TemplateError { file: self.file.clone(), line: self.line_of(name), what })
            }
        }
    }

    /// Renders messages of every kind that the sink takes, each alone and, if it takes several at once, all together. What fails
    /// only where a message lacks what not every message has is given back: it may be meant for others.
    ///
    /// # Errors
    /// There is a kind of message that it cannot render, whatever is in it.
    pub fn try_out(&self, trial: &Trial, context: &Context<'_>) -> Result<Option<TemplateError>, TemplateError> {
        let all = samples(trial.notify, Extent::All, &trial.labels);
        let names = names(&all);
        self.try_samples(&all, trial, context).map_err(|failed| failed.explained(&names))?;
        let least = samples(trial.notify, Extent::Least, &trial.labels);
        Ok(self.try_samples(&least, trial, context).map_err(|failed| failed.doubted()).err())
    }

    fn try_samples(&self, samples: &[Sample], trial: &Trial, context: &Context<'_>) -> Result<(), Failed> {
        let mut is_blank = true;
        let together = Some(samples).filter(|samples| trial.max_batch > 1 && samples.len() > 1);
        for tried in samples.chunks(1).chain(together) {
            let what = match tried {
                [one] => one.what,
                _ => "several messages together",
            };
            let rows = tried.iter().map(|sample| serde_json::from_value(sample.row.clone()));
            let body =
                rows.collect::<Result<_, _>>().map_err(RenderError::from).and_then(|rows| self.fill(rows, context));
            let body = body.map_err(|error| {
                let error = match error {
                    RenderError::Template(error) => error,
                    other => TemplateError { file: self.file.clone(), line: None, what: other.to_string() },
                };
                Failed { error, what }
            })?;
            is_blank &= body.trim_ascii().is_empty();
        }
        if is_blank {
            let error = TemplateError { file: self.file.clone(), line: None, what: "gives nothing".into() };
            return Err(Failed { error, what: "every kind of message" });
        }
        Ok(())
    }

    /// Where a word is first used.
    fn line_of(&self, name: &str) -> Option<usize> {
        self.source.lines().position(|line| line.contains(name)).map(|at| at + 1)
    }

    pub(super) fn render(&self, messages: &[Message<'_>], context: &Context<'_>) -> Result<Rendered, RenderError> {
        let rows = messages.iter().map(|message| serde_json::from_slice(message.raw));
        let body = self.fill(rows.collect::<Result<_, _>>()?, context)?;
        Ok(Rendered { content_type: self.content_type.clone().into(), body, headers: Vec::new() })
    }

    fn fill(&self, rows: Vec<Value>, context: &Context<'_>) -> Result<Vec<u8>, RenderError> {
        let values = context! {
            messages => rows,
            sink => context.sink,
            host => context.host,
            version => context.version,
            lang => context.lang.as_str(),
        };
        let mut output = Bounded { bytes: Vec::new(), max_bytes: context.max_bytes, is_full: false };
        let environment = environment();
        let template = environment.template_from_str(&self.source).map_err(|error| self.error(&error))?;
        let rendered = template.render_captured_to(values, &mut output).map(drop);
        if output.is_full {
            return Err(RenderError::TooBig { max_bytes: context.max_bytes });
        }
        rendered.map_err(|error| self.error(&error))?;
        self.check_json(&output.bytes)?;
        Ok(output.bytes)
    }

    /// What says that it is JSON has to be JSON, whatever the log line had in it.
    fn check_json(&self, body: &[u8]) -> Result<(), TemplateError> {
        let media_type = self.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if media_type != "application/json" && !media_type.ends_with("+json") {
            return Ok(());
        }
        serde_json::from_slice::<serde::de::IgnoredAny>(body).map(drop).map_err(|error| TemplateError {
            file: self.file.clone(),
            line: None,
            what: format!("gives no JSON ({error} of the output); write values as {{{{ value|json }}}}"),
        })
    }

    fn error(&self, error: &Error) -> TemplateError {
        let what = match error.kind() {
            ErrorKind::OutOfFuel => format!("takes more than {FUEL} steps"),
            ErrorKind::UndefinedError => error.detail().unwrap_or("a value is undefined").to_owned(),
            kind => error.detail().map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}")),
        };
        TemplateError { file: self.file.clone(), line: error.line(), what }
    }
}

/// What a template is to be tried with.
#[derive(Debug, Clone)]
pub struct Trial {
    pub notify: Notify,
    pub max_batch: usize,
    /// Labels that sources have.
    pub labels: BTreeMap<String, String>,
}

/// A template that failed, and with which messages.
struct Failed {
    error: TemplateError,
    what: &'static str,
}

impl Failed {
    /// With what could be meant; `names` are those that messages have.
    fn explained(self, names: &BTreeSet<String>) -> TemplateError {
        let undefined = self.undefined();
        let hint = match undefined {
            Some(name) if names.contains(name) && self.what.contains("digest") => {
                "; a digest has its incidents in `incidents`: {% for it in message.incidents|default([message]) %}"
                    .to_owned()
            }
            Some(name) if !names.contains(name) => {
                nearest(name, names).map_or(String::new(), |near| format!("; did you mean `{near}`?"))
            }
            _ => String::new(),
        };
        self.told(&hint)
    }

    /// With what helps where a message may lack something.
    fn doubted(self) -> TemplateError {
        let hint = self
            .undefined()
            .map_or("", |_| "; not every message has it: test it with `is defined`, or give a `default`");
        self.told(hint)
    }

    /// The last name of an expression that is undefined.
    fn undefined(&self) -> Option<&str> {
        let expression = self.error.what.split_once("` is undefined")?.0.rsplit('`').next()?;
        let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
        expression.trim_end_matches(|c| !is_of_name(c)).rsplit(|c| !is_of_name(c)).next()
    }

    fn told(&self, hint: &str) -> TemplateError {
        let TemplateError { file, line, what } = self.error.clone();
        TemplateError { file, line, what: format!("{what}{hint} (tried with {})", self.what) }
    }
}

/// The name within a slip or two.
fn nearest<'n>(name: &str, names: &'n BTreeSet<String>) -> Option<&'n str> {
    let limit = (name.chars().count() / 3).clamp(1, 2);
    let near = names.iter().map(|known| (strsim::osa_distance(name, known), known.as_str()));
    near.filter(|&(distance, _)| distance <= limit).min_by_key(|&(distance, _)| distance).map(|(_, known)| known)
}

/// The filters that write JSON would make `null` of what is not there.
fn check_defined(value: &Value) -> Result<(), Error> {
    match value.kind() {
        // That is the engine's own error, which knows the name.
        ValueKind::Undefined => value.get_attr("").map(drop),
        ValueKind::Seq => value.try_iter()?.try_for_each(|item| check_defined(&item)),
        ValueKind::Map => value.try_iter()?.try_for_each(|key| check_defined(&value.get_item(&key)?)),
        _ => Ok(()),
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    // Errors name what is undefined, also in a release.
    environment.set_debug(true);
    // It would print how the engine sees things.
    environment.remove_global("debug");
    environment.add_filter("tojson", |value: Value, indent: Option<Value>, arguments: Kwargs| {
        check_defined(&value)?;
        tojson(&value, indent, arguments)
    });
    environment.add_filter("json", |value: Value| {
        check_defined(&value)?;
        serde_json::to_string(&value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
    });
    environment
}

/// Takes so many bytes and then no more.
struct Bounded {
    bytes: Vec<u8>,
    max_bytes: usize,
    is_full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.max_bytes {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
