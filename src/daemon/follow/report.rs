//! What an operator is told of a followed file.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use super::Follow;
use crate::source::step::Place;
use crate::telemetry::file::File;

impl Follow {
    /// As it stands at this moment, by both clocks.
    pub fn report(&self, clock: Instant, now: Timestamp) -> File {
        let checkpoint = self.state.checkpoint();
        // Lines before the place where reading began are counted when something follows.
        let are_counted = checkpoint.line > 0 || checkpoint.offset == 0;
        let at = |read: Instant| {
            let ago = SignedDuration::try_from(clock.saturating_duration_since(read)).ok()?;
            now.checked_sub(ago).ok()
        };
        let moved_to = self.moved_to.as_deref().filter(|_| self.place != Place::Listed);
        File {
            key: self.tail.key,
            source: self.source.config.name.clone(),
            path: moved_to.unwrap_or(&self.path).to_path_buf(),
            size: self.size.max(self.tail.position()),
            position: self.tail.position(),
            lag: self.lag(),
            lines: are_counted.then_some(checkpoint.line),
            place: self.place,
            charset: checkpoint.charset,
            last_read: self.last_read.and_then(at),
        }
    }
}
