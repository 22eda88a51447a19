//! Why an occurrence is a detection, or why it is none: decisions as words.

use crate::record::Level;

/// What made an occurrence a detection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Because {
    /// It is the value of an error field.
    ErrorField(String),
    /// It stands alone in brackets in a record that speaks of a failure.
    Brackets,
    /// Its record has a level of warning or worse.
    Level(Level),
    /// A word before it, on its line, speaks of a failure.
    FailureWord(String),
    /// It is the text of an error-message field.
    MessageField(String),
    /// It is quoted as a message shown to somebody.
    Shown,
}

/// What kept an occurrence from being a detection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNot {
    /// It names a setting or a field, or is the key of a table.
    IsKey,
    /// It stands in a list of codes.
    Listed,
    /// It is part of a path, a link or a file name.
    Path,
    /// It is the label of a metric.
    Metric,
    /// Its line is source code, quoted by a traceback.
    SourceLine,
    /// It is the state of an order, in this field.
    State(String),
    /// It is the value of a field that is not for errors.
    OtherField(String),
    /// Nothing around it speaks of a failure.
    NoFailure,
    /// The code is too general to count here: nothing speaks for its provider.
    NeedsProvider,
    /// The record names another provider than the one whose text this is.
    OtherProvider,
    /// The code is too short to count outside an error field or brackets.
    NeedsField,
    /// It is the text of a table of translations or messages.
    Translation,
    /// Its line talks about codes (help, configuration, handlers) instead of reporting one.
    TalksAboutCodes(String),
}

/// The decision about one occurrence.
pub type Verdict = Result<Because, WhyNot>;
