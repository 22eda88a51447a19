//! Masks secrets and personal data before anything is stored, shown or sent.
//!
//! [`Redacted`] can be made only here, so that no log text leaves the core unmasked.

use serde::Serialize;

/// Text from a log, with secrets masked and control characters made visible.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Redacted(String);

impl Redacted {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
