//! Codes that no entry knows: each is told once, prominently, and after that only counted.

use std::collections::HashSet;

use crate::event::{Event, Kind};

/// Codes remembered; what comes after as many is only counted.
const MAX_CODES: usize = 1000;

/// Which unknown codes were told of.
#[derive(Debug, Default)]
pub struct Unknown {
    told: HashSet<String>,
}

impl Unknown {
    /// Logs the first event of each unknown code. A code's alphabet carries no control characters.
    pub fn tell(&mut self, event: &Event) {
        if event.kind != Kind::UnknownCode || !self.is_new(&event.code) {
            return;
        }
        let provider = event.provider.as_ref().map_or("unknown", |provider| provider.as_str());
        tracing::warn!(
            code = %event.code, provider, path = %event.origin.path, line = event.position.line,
            "a code that no catalogue entry knows; `paytriage catalog draft` makes an entry to fill in of it"
        );
    }

    fn is_new(&mut self, code: &str) -> bool {
        self.told.len() < MAX_CODES && self.told.insert(code.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_once_and_not_without_bound() {
        let mut unknown = Unknown::default();
        assert!(unknown.is_new("A_B") && !unknown.is_new("A_B") && unknown.is_new("C_D"));
        for n in 0..2 * MAX_CODES {
            unknown.is_new(&n.to_string());
        }
        assert_eq!(unknown.told.len(), MAX_CODES);
    }
}
