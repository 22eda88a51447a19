//! `[incident]` and its tables.

use super::super::kind;
use super::super::parse::{DAYS, SEVERITIES};
use super::super::{CatalogConfig, Incident, Matcher, Mute, Silence, ThresholdRule};
use super::Toml;

impl Toml {
    pub(super) fn incident(&mut self, incident: &Incident, catalog: &CatalogConfig) {
        let Incident { group_by, thresholds, repeat, resolve_after, batch_wait, silences, mutes } = incident;
        self.header("[incident]");
        self.key("group_by", &kind::list(kind::text()), Some(group_by));
        self.key("repeat", &kind::list(kind::duration()), Some(repeat));
        self.key("resolve_after", &kind::duration(), Some(resolve_after));
        self.key("batch_wait", &kind::duration(), Some(batch_wait));
        for ThresholdRule { matcher, threshold } in thresholds {
            self.header("[[incident.threshold]]");
            self.matcher(matcher, catalog);
            self.key("count", &kind::count(), Some(&threshold.count));
            self.key("within", &kind::duration(), Some(&threshold.within));
        }
        for Silence { matcher, until, comment } in silences {
            self.header("[[incident.silence]]");
            self.matcher(matcher, catalog);
            self.key("until", &kind::moment(), Some(until));
            self.key("comment", &kind::text(), Some(comment));
        }
        for Mute { matcher, days, from, to, timezone } in mutes {
            self.header("[[incident.mute]]");
            self.matcher(matcher, catalog);
            self.key("days", &kind::list(kind::word(DAYS)), Some(days));
            self.key("from", &kind::time_of_day(), Some(from));
            self.key("to", &kind::time_of_day(), Some(to));
            self.key("timezone", &kind::timezone(), Some(timezone));
        }
    }

    fn matcher(&mut self, matcher: &Matcher, catalog: &CatalogConfig) {
        let Matcher { codes, providers, sources, labels, max_severity } = matcher;
        self.key("codes", &kind::list(kind::code_pattern()), Some(codes));
        self.key("providers", &kind::list(kind::provider_name(&catalog.extra)), Some(providers));
        self.key("sources", &kind::list(kind::text()), Some(sources));
        self.key("labels", &kind::labels(), Some(labels));
        self.key("max_severity", &kind::word(SEVERITIES), Some(max_severity));
    }
}
