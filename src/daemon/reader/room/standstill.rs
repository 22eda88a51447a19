//! Which sinks stand still while another one has taken everything there is. Pure: how the sinks get on and a clock value in, names out.
//!
//! Where all sinks wait, nobody stands still: it may be the network, or the night. Nor does that nothing waits for a sink say that its
//! receiver works, since nothing may have been for it: it has to have accepted something when the other one was far behind already. From
//! then on the other one has a minute in which it is tried often, and each row that it takes begins the minute anew.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::store::Progress;

/// A sink may stand still for so long before others are worth more than its oldest rows.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is tried meanwhile, however long its pauses are by now.
const TRY_EVERY: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
pub(super) struct Standstill {
    /// How often each sink had got on at the last look.
    moves: BTreeMap<String, i64>,
    /// Who stands still, and since when.
    since: BTreeMap<String, Instant>,
    /// When a sink was at work last.
    worked: Option<Instant>,
    next_try: Option<Instant>,
}

impl Standstill {
    /// Takes a look; gives those who have stood still for too long. `last` is the number of the last row.
    pub fn look<'a>(&mut self, sinks: &'a [Progress], last: i64, clock: Instant) -> Vec<&'a str> {
        self.since.retain(|name, _| sinks.iter().any(|sink| sink.sink == *name));
        let mut is_work = false;
        for Progress { sink, first, moves, .. } in sinks {
            let has_moved = self.moves.insert(sink.clone(), *moves).is_some_and(|before| before != *moves);
            is_work |= has_moved;
            if has_moved || first.is_none() {
                self.since.remove(sink);
            }
        }
        let left_behind: Vec<&str> =
            sinks.iter().filter(|it| is_left_behind(it, sinks, last)).map(|it| &*it.sink).collect();
        // For a moment another one may be behind as well, while it is at work.
        if is_work || !left_behind.is_empty() {
            self.worked = Some(clock);
        } else if self.worked.is_none_or(|at| clock.saturating_duration_since(at) >= PATIENCE) {
            self.since.clear();
        }
        let mut over = Vec::new();
        for sink in left_behind {
            let since = *self.since.entry(sink.to_owned()).or_insert(clock);
            if clock.saturating_duration_since(since) >= PATIENCE {
                over.push(sink);
            }
        }
        over
    }

    /// Who is to be tried now, so that nobody loses anything to a pause.
    pub fn due_for_a_try(&mut self, clock: Instant) -> Vec<&str> {
        if self.since.is_empty() || self.next_try.is_some_and(|at| clock < at) {
            return Vec::new();
        }
        self.next_try = Some(clock + TRY_EVERY);
        self.since.keys().map(String::as_str).collect()
    }
}

/// Whether a sink has rows before it, and another one has none, and accepted something when at least half of those were there.
fn is_left_behind(sink: &Progress, sinks: &[Progress], last: i64) -> bool {
    let Some(first) = sink.first else { return false };
    sinks.iter().any(|other| other.first.is_none() && other.accepted_at >= first + (last - first) / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sink(name: &str, first: Option<i64>, moves: i64, accepted_at: i64) -> Progress {
        Progress { sink: name.to_owned(), first, moves, accepted_at }
    }

    fn at(seconds: u64) -> Instant {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *START.get_or_init(Instant::now) + Duration::from_secs(seconds)
    }

    #[test]
    fn who_takes_nothing_for_a_minute_while_another_takes_everything_stands_still() {
        let mut still = Standstill::default();
        let dead = sink("dead", Some(1), 4, 1);
        let good = |moves, last| sink("good", None, moves, last);
        let busy = |moves| sink("good", Some(95), moves, 90);
        assert!(still.look(&[dead.clone(), good(1, 100)], 100, at(0)).is_empty());
        assert_eq!(still.due_for_a_try(at(0)), ["dead"]);
        assert!(still.due_for_a_try(at(19)).is_empty());
        // Another one at work has more before it for a moment; nobody loses anything to it meanwhile.
        assert!(still.look(&[dead.clone(), busy(2)], 100, at(59)).is_empty());
        assert!(still.look(&[dead.clone(), busy(3)], 100, at(61)).is_empty());
        assert_eq!(still.look(&[dead.clone(), good(4, 101)], 101, at(62)), ["dead"]);
        // It has lost half of what it had, and that the other one works was not seen since.
        assert_eq!(still.look(&[sink("dead", Some(70), 4, 1), good(4, 101)], 132, at(63)), ["dead"]);
        assert!(still.look(&[sink("dead", Some(71), 4, 1), good(4, 101)], 134, at(64)).is_empty());
    }

    #[test]
    fn who_takes_rows_has_another_minute_and_who_has_taken_all_is_none_of_them() {
        let mut still = Standstill::default();
        let good = sink("good", None, 1, 100);
        for (second, moves, expected) in [(0, 0, 0), (59, 1, 0), (118, 2, 0), (177, 2, 0), (178, 2, 1)] {
            let slow = sink("slow", Some(5), moves, 100);
            assert_eq!(still.look(&[good.clone(), slow], 100, at(second)).len(), expected, "{second}");
        }
        assert!(still.look(&[good.clone(), sink("slow", None, 2, 100)], 100, at(179)).is_empty());
        assert!(still.look(&[good, sink("slow", Some(5), 2, 100)], 100, at(180)).is_empty());
        assert!(still.look(&[], 100, at(181)).is_empty());
        assert!(still.due_for_a_try(at(181)).is_empty());
    }

    #[test]
    fn the_time_in_which_all_wait_does_not_count() {
        let mut still = Standstill::default();
        let (events, people) =
            (|moves| sink("events", Some(1), moves, 0), |first, moves, at| sink("people", first, moves, at));
        for second in 0..1000 {
            assert!(still.look(&[events(0), people(Some(2), 0, 0)], 100, at(second)).is_empty());
        }
        assert!(still.due_for_a_try(at(1000)).is_empty());
        // The first one is back, and then the other.
        assert!(still.look(&[events(0), people(None, 1, 100)], 100, at(1000)).is_empty());
        assert_eq!(still.due_for_a_try(at(1000)), ["events"]);
        assert!(still.look(&[events(1), people(None, 1, 100)], 100, at(1059)).is_empty());
        assert!(still.look(&[events(1), people(None, 1, 100)], 100, at(1118)).is_empty());
        assert_eq!(still.look(&[events(1), people(None, 1, 100)], 100, at(1119)), ["events"]);
        // Down again together for longer than a minute: from the beginning.
        for second in 1120..1200 {
            assert!(still.look(&[events(1), people(Some(101), 1, 100)], 101, at(second)).is_empty());
        }
        assert!(still.look(&[events(1), people(None, 2, 101)], 101, at(1200)).is_empty());
    }

    #[test]
    fn a_sink_for_which_nothing_comes_proves_nothing() {
        for accepted_at in [0, 1, 49] {
            let mut still = Standstill::default();
            for second in 0..200 {
                let rare = sink("rare", None, second as i64, accepted_at);
                assert!(still.look(&[rare, sink("all", Some(1), 0, 0)], 100, at(second)).is_empty());
            }
        }
    }

    proptest! {
        #[test]
        fn nobody_loses_who_took_something_within_the_minute_or_without_one_who_took_all(
            script in prop::collection::vec((0..40_u64, prop::collection::vec((0..3_u8, 0..4_u8), 3)), 1..60)
        ) {
            let (mut still, mut second, mut last) = (Standstill::default(), 0, 100);
            let mut sinks: Vec<Progress> = ["a", "b", "c"].map(|name| sink(name, Some(1), 0, 0)).to_vec();
            let mut moved = [0; 3];
            for (pause, steps) in script {
                second += pause;
                last += 10;
                for (n, (how, rows)) in steps.into_iter().enumerate() {
                    let sink = &mut sinks[n];
                    match how {
                        // It takes some of what waits, or everything, or nothing.
                        0 => sink.first = sink.first.map(|first| (first + i64::from(rows)).min(last)),
                        1 => sink.first = None,
                        _ => {
                            sink.first = sink.first.or(Some(last));
                            continue;
                        }
                    }
                    (sink.moves, sink.accepted_at, moved[n]) = (sink.moves + 1, last, second);
                }
                for name in still.look(&sinks, last, at(second)) {
                    let n = sinks.iter().position(|sink| sink.sink == name).unwrap();
                    prop_assert!(sinks[n].first.is_some() && second - moved[n] >= 60);
                    prop_assert!(sinks.iter().any(|other| other.first.is_none() && other.accepted_at > 0));
                }
            }
        }
    }
}
