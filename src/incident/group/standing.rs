//! What there is of a group for who asks, and not when something is to be said.

use super::super::Clock;
use super::super::notice::{Reason, Status};
use super::super::write::Decision;
use super::{Group, Open, Past, State};

/// How an incident stands for who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It goes on.
    Open,
    /// It goes on, and a silence or a mute keeps it from being told.
    Silenced,
    /// It is over, and not forgotten yet.
    Resolved,
}

impl Group {
    /// The incident that goes on, or that is over and remembered.
    pub fn standing(&self, now: Clock) -> Option<(Standing, &Open, Decision)> {
        if let Some(open) = self.open() {
            let standing = match open.state() {
                State::Open => Standing::Open,
                State::Hushed => Standing::Silenced,
            };
            let (status, reason) = match open.is_told() {
                true => (Status::Ongoing, Reason::Interval),
                false => (Status::Opened, Reason::Threshold),
            };
            return Some((standing, open, Decision { status, reason, now }));
        }
        let Past { last, resolved_ms, resolved_at } = self.stored.past.as_ref()?;
        let now = Clock { wall: *resolved_at, steady_ms: *resolved_ms };
        Some((Standing::Resolved, last, Decision { status: Status::Resolved, reason: last.why_over(), now }))
    }
}
