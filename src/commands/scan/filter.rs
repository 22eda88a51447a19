//! Which events a scan is asked for.

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::catalog::{Catalog, Severity};
use crate::cli::ScanArgs;
use crate::event::Event;
use crate::provider::Provider;
use crate::when::{Edge, parse};

#[derive(Debug, Default)]
pub struct Filter {
    provider: Option<Provider>,
    min_severity: Option<Severity>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Keep,
    /// Asked for as far as can be told: it has no time, and times were asked for.
    KeepUntimed,
    LeaveOut,
}

impl Filter {
    /// # Errors
    /// A provider that no entry has, a time that cannot be read, or times that leave nothing between them.
    pub fn new(args: &ScanArgs, catalog: &Catalog, now: Timestamp) -> Result<Filter> {
        let time = |text: &Option<String>, edge, flag| {
            let parsed = text.as_deref().map(|text| parse(text, now, &TimeZone::system(), edge));
            parsed.transpose().context(flag)
        };
        let since = time(&args.since, Edge::Since, "--since")?;
        let until = time(&args.until, Edge::Until, "--until")?;
        if since.zip(until).is_some_and(|(since, until)| since > until) {
            bail!("--since is later than --until: no event can be in between");
        }
        let provider = args.provider.as_deref().map(|name| provider(name, catalog)).transpose()?;
        Ok(Filter { provider, min_severity: args.min_severity.map(Severity::from), since, until })
    }

    pub fn judge(&self, event: &Event) -> Verdict {
        let is_provider = self.provider.is_none() || self.provider == event.provider;
        let is_severe = self.min_severity.is_none_or(|severity| event.entry.severity >= severity);
        if !is_provider || !is_severe {
            return Verdict::LeaveOut;
        }
        let in_time =
            |time| self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time <= until);
        match event.time {
            Some(time) if in_time(time) => Verdict::Keep,
            Some(_) => Verdict::LeaveOut,
            None if self.since.is_some() || self.until.is_some() => Verdict::KeepUntimed,
            None => Verdict::Keep,
        }
    }
}

fn provider(name: &str, catalog: &Catalog) -> Result<Provider> {
    let of_catalog = catalog.entries().iter().filter_map(|entry| entry.provider.as_ref());
    let known: Vec<&Provider> = Provider::KNOWN.iter().chain(of_catalog).collect();
    match Provider::parse(name).filter(|provider| known.contains(&provider)) {
        Some(provider) => Ok(provider),
        None => {
            let mut names: Vec<&str> = known.iter().map(|provider| provider.as_str()).collect();
            let mut seen = std::collections::HashSet::new();
            names.retain(|name| seen.insert(*name));
            bail!("--provider: `{name}` is not a provider of the catalogue; there are {}", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::samples;

    fn time(text: &str) -> Option<Timestamp> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn both_ends_of_the_time_are_in_it() {
        let event = samples::full();
        let judge = |since, until| Filter { since, until, ..Filter::default() }.judge(&event);
        assert_eq!(judge(event.time, event.time), Verdict::Keep);
        assert_eq!(judge(time("2026-03-01T08:00:01Z"), None), Verdict::LeaveOut);
        assert_eq!(judge(None, time("2026-03-01T08:00:00Z")), Verdict::LeaveOut);
        assert_eq!(judge(None, None), Verdict::Keep);
    }

    #[test]
    fn an_event_without_a_time_is_kept_and_told_apart() {
        let event = samples::bare();
        let filter = Filter { since: time("2026-03-01T08:00:01Z"), ..Filter::default() };
        assert_eq!(filter.judge(&event), Verdict::KeepUntimed);
        let filter = Filter { min_severity: Some(Severity::Critical), ..filter };
        assert_eq!(filter.judge(&event), Verdict::LeaveOut);
    }

    #[test]
    fn provider_and_severity_must_both_fit() {
        let event = samples::full();
        let judge = |provider, min_severity| {
            Filter { provider: Some(provider), min_severity: Some(min_severity), ..Filter::default() }.judge(&event)
        };
        assert_eq!(judge(Provider::Issuer, Severity::Error), Verdict::Keep);
        assert_eq!(judge(Provider::Issuer, Severity::Critical), Verdict::LeaveOut);
        assert_eq!(judge(Provider::Alipay, Severity::Info), Verdict::LeaveOut);
    }
}
