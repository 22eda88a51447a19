//! What the service manager is told, as sd_notify(3) has it: ready, reloading, ending, how it goes, and that it is alive.
//!
//! Without `$NOTIFY_SOCKET` nobody is told anything, and nothing wakes up for it. The watchdog is fed only while the
//! reader makes progress: being alive is not enough.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::telemetry::Metrics;

/// Until everything was looked at once: how soon that is told, and by how much the start may take longer each time.
const STARTING: Duration = Duration::from_millis(50);
const MORE_TIME: Duration = Duration::from_secs(30);
/// How often it is told how it goes, if that has changed.
const STATUS: Duration = Duration::from_secs(5);
/// Of the time that the manager waits for a sign of life, before it gets one.
const WATCHDOG_SHARE: u32 = 3;

/// The longest status that is sent: one line of `systemctl status`.
const MAX_STATUS: usize = 200;

pub struct Service {
    metrics: Arc<Metrics>,
    is_managed: bool,
    /// After so long without a sign of life it is killed.
    watchdog: Option<Duration>,
    is_ready: bool,
    /// When there may be something to tell: whatever else happens meanwhile does not put it off.
    next: Instant,
    /// Why the configuration that was asked for last is not in force.
    not_reloaded: Option<String>,
    told: String,
}

impl Service {
    pub fn new(metrics: Arc<Metrics>) -> Service {
        let is_managed = std::env::var_os("NOTIFY_SOCKET").is_some();
        let watchdog = sd_notify::watchdog_enabled().filter(|_| is_managed);
        let (next, told) = (Instant::now(), String::new());
        Service { metrics, is_managed, watchdog, is_ready: false, next, not_reloaded: None, told }
    }

    /// Comes back when there may be something to tell; never without a service manager.
    pub async fn due(&self) {
        if !self.is_managed {
            return std::future::pending().await;
        }
        tokio::time::sleep_until(self.next.into()).await;
    }

    /// Tells what there is to tell.
    pub fn tell(&mut self) {
        let now = Instant::now();
        let is_alive = self.metrics.is_alive(now);
        let mut states = Vec::new();
        if !self.is_ready && self.metrics.are_sources_open() {
            self.is_ready = true;
            states.push(NotifyState::Ready);
        }
        if !self.is_ready && is_alive {
            // The first look at a large tree, or at a slow disk, takes its time.
            states.push(NotifyState::ExtendTimeoutUsec(MORE_TIME.as_micros() as u32));
        }
        if self.watchdog.is_some() && is_alive {
            states.push(NotifyState::Watchdog);
        }
        let status = self.status(now);
        if status != self.told {
            states.push(NotifyState::Status(&status));
        }
        send(&states);
        self.told = status;
        let pause = if self.is_ready { STATUS } else { STARTING };
        self.next = now + self.watchdog.map_or(pause, |limit| pause.min(limit / WATCHDOG_SHARE));
    }

    /// The configuration is about to be loaded again.
    pub fn reloads(&self) {
        let mut states = vec![NotifyState::Reloading];
        states.extend(NotifyState::monotonic_usec_now());
        send(&states);
    }

    /// It was, or was not for these reasons; then the old one stays in force.
    pub fn reloaded(&mut self, problems: &[String]) {
        self.not_reloaded = problems.first().cloned();
        send(&[NotifyState::Ready]);
        self.tell();
    }

    pub fn ends(&self) {
        send(&[NotifyState::Stopping, NotifyState::Status("Storing what was read, and delivering what can be")]);
    }

    fn status(&self, now: Instant) -> String {
        let status = match &self.not_reloaded {
            Some(problem) => format!("The old configuration stays in force: {problem}"),
            None => self.metrics.in_short(now),
        };
        // In one line.
        status.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_STATUS).collect()
    }
}

/// A manager that cannot be reached is one more thing that nobody could be told of.
fn send(states: &[NotifyState]) {
    if !states.is_empty()
        && let Err(error) = sd_notify::notify(states)
    {
        tracing::debug!(%error, "cannot tell the service manager");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_reload_is_said_in_one_line_until_a_good_one() {
        let metrics = Arc::new(Metrics::default());
        metrics.sources_opened();
        let mut service = Service::new(Arc::clone(&metrics));
        let now = Instant::now();
        assert_eq!(service.status(now), metrics.in_short(now));
        service.reloaded(&["p.toml:4:1: unknown key\n`hello`".into(), "another".into()]);
        assert_eq!(service.status(now), "The old configuration stays in force: p.toml:4:1: unknown key `hello`");
        service.reloaded(&[]);
        assert_eq!(service.status(now), metrics.in_short(now));
    }
}
