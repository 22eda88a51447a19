//! The user's own format, in Jinja's language.
//!
//! A template sees `messages` (the rows, with the names of their schemas), `sink`, `host`, `version` and `lang`. A name that is not
//! there is an error, never an empty text. Nothing is escaped by itself; the filter `json` writes a value as JSON, quotes
//! included, and a template for JSON that gives anything else is refused. Steps, output and size are bounded.

use std::io::{self, Write};
use std::path::PathBuf;
use std::{fmt, fs};

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, context};

use super::super::message::Message;
use super::{Context, RenderError, Rendered};
use crate::config;

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

    /// Where a word is first used.
    fn line_of(&self, name: &str) -> Option<usize> {
        self.source.lines().position(|line| line.contains(name)).map(|at| at + 1)
    }

    pub(super) fn render(&self, messages: &[Message<'_>], context: &Context<'_>) -> Result<Rendered, RenderError> {
        let rows = messages.iter().map(|message| serde_json::from_slice(message.raw));
        let rows = rows.collect::<Result<Vec<Value>, _>>()?;
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
        Ok(Rendered { content_type: self.content_type.clone().into(), body: output.bytes, headers: Vec::new() })
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
            kind => error.detail().map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}")),
        };
        TemplateError { file: self.file.clone(), line: error.line(), what }
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("json", |value: Value| {
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
