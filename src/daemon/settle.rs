//! How long to wait for more before what was found is reported.

use std::time::Duration;

use crate::pipeline::Pending;

/// Without a new byte for this long, what is complete is reported although its record might go on. One write of a
/// logger arrives at once; a person does not notice the wait.
const SETTLE: Duration = Duration::from_millis(5);
/// The same where the record stops in the middle of something, as a writer leaves it that writes when its buffer is full.
const SETTLE_GROWING: Duration = Duration::from_secs(1);

/// `None` where nothing was found.
pub fn settle_after(pending: Pending) -> Option<Duration> {
    match pending {
        Pending::Nothing => None,
        Pending::Record => Some(SETTLE),
        Pending::Growing => Some(SETTLE_GROWING),
    }
}
