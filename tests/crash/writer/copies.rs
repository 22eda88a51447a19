//! Rotation by copytruncate, with a writer that pauses meanwhile.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Writer;

impl Writer {
    /// Copies and truncates while no daemon runs (then the copy has lines that nobody has read), or when all that was
    /// written came back.
    pub(super) fn copies(&mut self) {
        let mut log = self.open(self.dir.join("app.log"));
        let mut n = 0;
        while !self.is_over() {
            self.append_some(&mut log);
            let ledger = Arc::clone(&self.ledger);
            let down = ledger.hold();
            if ledger.pid.load(Ordering::Relaxed) != 0 {
                drop(down);
                if self.rng.once_in(2) || !ledger.wait_for(&log.numbers, Duration::from_millis(300)) {
                    continue;
                }
            }
            fs::copy(&log.path, self.dir.join(format!("app.log.{n}"))).unwrap();
            log.file.set_len(0).unwrap();
            log.numbers.clear();
            self.note(format_args!("copies {} to app.log.{n} and truncates it", log.path.display()));
            self.ledger.rotated();
            n += 1;
        }
    }
}
