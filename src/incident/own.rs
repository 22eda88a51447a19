//! What paytriage says of itself, as far as it is told otherwise than failed payments: it is about no order, and that a sink is down
//! lasts, however quiet it is, until the sink is up.

use crate::event::Event;
use crate::notice::{PROVIDER, SINK, SINK_DOWN, SINK_UP};

/// By the provider.
pub fn is_own(provider: Option<&str>) -> bool {
    provider == Some(PROVIDER)
}

/// By the entry: quiet is no end of it.
pub fn lasts(entry: &str) -> bool {
    entry == SINK_DOWN
}

/// The sink that is up again, where an event says so.
pub(super) fn is_up(event: &Event) -> Option<&str> {
    event.origin.labels.get(SINK).filter(|_| *event.entry.id.0 == *SINK_UP).map(String::as_str)
}
