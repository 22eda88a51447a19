//! What a user can say of incidents: when one begins, how often it is spoken of, and when nobody wants to hear of it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::catalog::{Severity, Threshold};

/// `[incident]`
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// Labels of the source whose values keep incidents apart, besides entry and source.
    pub group_by: Vec<String>,
    /// `[[incident.threshold]]`, the first that matches decides; where none does, the entry's own, else the built-in rules.
    pub thresholds: Vec<ThresholdRule>,
    /// Times between notices while it goes on; the last one is repeated.
    pub repeat: Vec<Duration>,
    /// Without an event for so long, it is over.
    pub resolve_after: Duration,
    /// What is due within this time after a message goes out with the next one.
    pub batch_wait: Duration,
    pub silences: Vec<Silence>,
    pub mutes: Vec<Mute>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdRule {
    pub matcher: Matcher,
    pub threshold: Threshold,
}

/// What incidents are meant: those that pass all of it. Empty: all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Matcher {
    /// Codes or entry ids; `*` at the end stands for anything.
    pub codes: Vec<String>,
    pub providers: Vec<String>,
    /// Names of sources.
    pub sources: Vec<String>,
    pub labels: BTreeMap<String, String>,
    /// Only those that are no worse than this.
    pub max_severity: Severity,
}

/// `[[incident.silence]]`
#[derive(Debug, Clone, PartialEq)]
pub struct Silence {
    pub matcher: Matcher,
    pub until: Timestamp,
    pub comment: String,
}

/// `[[incident.mute]]`: every week at these times.
#[derive(Debug, Clone, PartialEq)]
pub struct Mute {
    pub matcher: Matcher,
    /// Empty: every day.
    pub days: Vec<Weekday>,
    pub from: Time,
    /// Before `from`: of the next day.
    pub to: Time,
    pub timezone: TimeZone,
}

impl Default for Matcher {
    fn default() -> Matcher {
        Matcher {
            codes: Vec::new(),
            providers: Vec::new(),
            sources: Vec::new(),
            labels: BTreeMap::new(),
            max_severity: Severity::Critical,
        }
    }
}

impl Default for Incident {
    fn default() -> Incident {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Incident {
            group_by: Vec::new(),
            thresholds: Vec::new(),
            repeat: [5, 15, 30, 60, 120, 240].map(minutes).to_vec(),
            resolve_after: minutes(10),
            batch_wait: Duration::from_secs(30),
            silences: Vec::new(),
            mutes: Vec::new(),
        }
    }
}
