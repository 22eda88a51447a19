//! Whether a rule of the configuration means an incident.

use std::collections::BTreeMap;

use crate::catalog::Severity;
use crate::config::Matcher;

/// What of an incident can be matched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub code: &'a str,
    pub entry: &'a str,
    pub provider: Option<&'a str>,
    pub source: &'a str,
    pub labels: &'a BTreeMap<String, String>,
    pub severity: Severity,
}

/// True if the subject passes all of it; what is empty passes everything.
pub(super) fn matches(matcher: &Matcher, subject: &Subject<'_>) -> bool {
    let Matcher { codes, providers, sources, labels, max_severity } = matcher;
    let is_code = |pattern: &String| fits(pattern, subject.code) || fits(pattern, subject.entry);
    let is_provider = |name: &String| subject.provider == Some(name);
    (codes.is_empty() || codes.iter().any(is_code))
        && (providers.is_empty() || providers.iter().any(is_provider))
        && (sources.is_empty() || sources.iter().any(|name| name == subject.source))
        && labels.iter().all(|(name, value)| subject.labels.get(name) == Some(value))
        && subject.severity <= *max_severity
}

/// `*` at the end stands for anything.
pub fn fits(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => text == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(change: impl FnOnce(&mut Matcher)) -> bool {
        let labels = [("env".to_owned(), "prod".to_owned())].into();
        let subject = Subject {
            code: "SYSTEM_BUSY",
            entry: "system-busy",
            provider: Some("alipay"),
            source: "shop",
            labels: &labels,
            severity: Severity::Error,
        };
        let mut matcher = Matcher::default();
        change(&mut matcher);
        matches(&matcher, &subject)
    }

    #[test]
    fn an_empty_matcher_means_everything() {
        assert!(passes(|_| {}));
    }

    #[test]
    fn each_condition_is_kept() {
        let list = |items: &[&str]| items.iter().map(|item| item.to_string()).collect::<Vec<_>>();
        for (code, expected) in [
            ("SYSTEM_BUSY", true),
            ("SYSTEM_*", true),
            ("system-*", true),
            ("*", true),
            ("SYSTEM", false),
            ("X*", false),
        ] {
            assert_eq!(passes(|m| m.codes = list(&["Y", code])), expected, "{code}");
        }
        assert!(passes(|m| m.providers = list(&["issuer", "alipay"])) && !passes(|m| m.providers = list(&["issuer"])));
        assert!(passes(|m| m.sources = list(&["shop"])) && !passes(|m| m.sources = list(&["kiosk"])));
        let label = |value: &str| [("env".to_owned(), value.to_owned())].into();
        assert!(passes(|m| m.labels = label("prod")) && !passes(|m| m.labels = label("test")));
        assert!(passes(|m| m.max_severity = Severity::Error) && !passes(|m| m.max_severity = Severity::Warning));
        assert!(!passes(|m| (m.codes, m.sources) = (list(&["SYSTEM_BUSY"]), list(&["kiosk"]))), "all have to pass");
    }
}
