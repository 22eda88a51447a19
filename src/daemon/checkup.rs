//! Beside the start, and beside each reload, the set-up is looked at once: what is wrong with it, and what mends it, goes to the log, and the
//! number of faults to the status.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use jiff::Timestamp;

use crate::config::Config;
use crate::doctor::{self, Finding, Level, Subject};
use crate::pipeline::Engine;
use crate::telemetry::Metrics;

/// What is looked at: the configuration that was just taken.
pub struct Checkup {
    pub config: Config,
    pub engine: Arc<Engine>,
    pub state: Option<PathBuf>,
    pub cwd: PathBuf,
    pub metrics: Arc<Metrics>,
}

impl Checkup {
    /// Looks on a thread of its own, for which nobody waits.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn begin(self) -> io::Result<()> {
        thread::Builder::new().name("checkup".into()).spawn(move || self.run()).map(drop)
    }

    /// Takes as long as a walk over all directories.
    fn run(&self) {
        let Checkup { config, engine, state, cwd, metrics } = self;
        let (state, now) = (state.as_deref(), Timestamp::now());
        // The reader works by the same globs: one that cannot be read has ended the start.
        let Ok(findings) = (Subject { config, file: None, engine, state, cwd, now }).at_start() else { return };
        findings.iter().filter(|finding| finding.level >= Level::Warning).for_each(log);
        metrics.setup_faults.store(doctor::faults(&findings) as u64, Relaxed);
    }
}

fn log(finding: &Finding) {
    let Finding { id, text, remedies, .. } = finding;
    let about = finding.about();
    match remedies.first() {
        Some(remedy) => tracing::warn!(id, about, remedy = remedy.command, "{text}"),
        None => tracing::warn!(id, about, "{text}"),
    }
}
