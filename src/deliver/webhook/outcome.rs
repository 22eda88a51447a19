//! What becomes of a request after an attempt. Pure: what was known, the verdict, a time and a random number in; what to store out.
//!
//! A request that cannot be delivered now is tried again. One that its receiver refuses is halved until the row that it does not
//! want is alone; that one steps aside, so that the others go on, and is given up after a day, never sooner. Where everything is
//! refused, or too much stands apart, it waits where it is. How often it has to be refused before depends on how sure it is that this is about the row: too large is clear at once, a wrong URL refuses everything.

use std::time::Duration;

use super::retry;
use super::verdict::Verdict;
use crate::store::{Delivery, Tries};

/// Refusals after which a request is halved, or a single row steps aside, where it may be nothing about this one: a proxy that is
/// being set up is waited for.
const MAX_REFUSALS: u32 = 8;
/// The same where the receiver says that it is.
const MAX_UNFIT: u32 = 3;
/// Halves of a refused request need so many more: they need not prove all of it again.
const OF_HALVES: u32 = 2;
/// For so long a single row is tried although it is refused.
const REFUSED_FOR: Duration = Duration::from_secs(24 * 3600);
/// Between attempts of what stepped aside, at most.
const APART_PAUSE: Duration = Duration::from_secs(15 * 60);
/// So many rows wait apart at most; then the next one has to wait in its place.
pub const MAX_APART: u64 = 100;

#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Accepted,
    /// To be tried again, as it is.
    Again(Tries),
    /// The same, and nothing else of its sink before this moment (milliseconds since 1970): the receiver asks for a pause.
    Pause {
        tries: Tries,
        until_ms: i64,
    },
    /// To be halved; both halves begin with this.
    Halve(Tries),
    /// The rows behind it go first from now on.
    Apart(Tries),
    /// To be given up.
    Dead {
        reason: String,
    },
    /// Neither this nor any other is wanted.
    Gone(Tries),
}

/// When and among what it happened.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// From 0 to 1.
    pub random: f64,
    /// Nothing waits for longer.
    pub max_age: Duration,
    /// Nor has anything waited for longer by now, whatever the clock says that may have been set on.
    pub steady_for: Duration,
    pub room: Room,
}

/// Whether a refused row may step aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    Free,
    /// Too many stand apart.
    Full,
    /// The receiver refuses everything: that is no row's fault, and none is given up before all that waits is.
    NoUse,
}

pub fn decide(delivery: &Delivery, verdict: Verdict, moment: Moment) -> Outcome {
    let alone = delivery.members.len() == 1;
    match verdict {
        Verdict::Accepted => Outcome::Accepted,
        Verdict::Gone { reason } => Outcome::Gone(tried(delivery, reason, None, moment)),
        Verdict::Retry { after: None, reason } => Outcome::Again(tried(delivery, reason, None, moment)),
        Verdict::Retry { after: Some(after), reason } => Outcome::Pause {
            tries: tried(delivery, reason, Some(after), moment),
            until_ms: moment.now_ms.saturating_add_unsigned(after.as_millis() as u64),
        },
        Verdict::TooLarge { reason } if !alone => {
            Outcome::Halve(Tries { last_error: Some(reason), ..halved(&delivery.tries) })
        }
        Verdict::TooLarge { reason } => refused(delivery, reason, 1, moment),
        Verdict::Unfit { reason } => refused(delivery, reason, MAX_UNFIT, moment),
        Verdict::Refused { reason } => refused(delivery, reason, MAX_REFUSALS, moment),
    }
}

/// One more refusal; `enough` of them say that it is about this request.
fn refused(delivery: &Delivery, reason: String, enough: u32, moment: Moment) -> Outcome {
    let mut tries = tried(delivery, reason, None, moment);
    tries.refusals = tries.refusals.saturating_add(1);
    let since = *tries.first_refused_ms.get_or_insert(moment.now_ms);
    // What stands apart was refused often enough before.
    let often = tries.refusals >= enough || delivery.row.is_some();
    if delivery.members.len() > 1 {
        let begin = Tries { refusals: enough.saturating_sub(OF_HALVES), ..halved(&tries) };
        return if often { Outcome::Halve(begin) } else { Outcome::Again(tries) };
    }
    let refused_for = Duration::from_millis(moment.now_ms.saturating_sub(since).max(0).cast_unsigned());
    let refused_for = refused_for.min(moment.steady_for);
    let given_up_after = match moment.room {
        Room::Free | Room::Full => REFUSED_FOR.min(moment.max_age),
        Room::NoUse => moment.max_age,
    };
    match moment.room {
        _ if !often => Outcome::Again(tries),
        _ if refused_for >= given_up_after => Outcome::Dead { reason: tries.last_error.unwrap_or_default() },
        Room::Free if delivery.row.is_none() => Outcome::Apart(tries),
        Room::Free | Room::Full | Room::NoUse => Outcome::Again(tries),
    }
}

/// One more attempt that came to nothing.
fn tried(delivery: &Delivery, reason: String, after: Option<Duration>, moment: Moment) -> Tries {
    let attempts = delivery.tries.attempts.saturating_add(1);
    let own = match delivery.row {
        None => retry::pause(attempts, moment.random),
        // Never at once: it had its chance.
        Some(_) => APART_PAUSE.mul_f64(0.5 + moment.random.clamp(0.0, 1.0) / 2.0),
    };
    let pause = after.unwrap_or_default().max(own);
    Tries {
        attempts,
        first_tried_ms: Some(delivery.tries.first_tried_ms.unwrap_or(moment.now_ms)),
        next_ms: moment.now_ms.saturating_add_unsigned(pause.as_millis() as u64),
        last_error: Some(reason),
        ..delivery.tries.clone()
    }
}

/// What the halves of a request begin with: they are new requests, due at once.
fn halved(tries: &Tries) -> Tries {
    Tries { attempts: 0, next_ms: 0, ..tries.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(members: i64) -> Delivery {
        Delivery {
            id: "msg_1".into(),
            members: (1..=members).collect(),
            part: 0,
            through: members,
            format: "json".into(),
            request: None,
            tries: Tries::default(),
            row: None,
            incidents: Default::default(),
        }
    }

    fn moment(now_ms: i64) -> Moment {
        Moment {
            now_ms,
            random: 1.0,
            max_age: Duration::from_secs(7 * 86400),
            steady_for: Duration::MAX,
            room: Room::Free,
        }
    }

    fn refusal() -> Verdict {
        Verdict::Refused { reason: "no".into() }
    }

    fn again(outcome: Outcome) -> Tries {
        match outcome {
            Outcome::Again(tries) => tries,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_fails_is_tried_again_later_and_later_and_for_ever() {
        let mut delivery = delivery(3);
        for (n, seconds) in [(1, 1), (2, 2), (3, 4), (4, 8)] {
            let verdict = Verdict::Retry { after: None, reason: "down".into() };
            delivery.tries = again(decide(&delivery, verdict, moment(5000)));
            assert_eq!((delivery.tries.attempts, delivery.tries.next_ms), (n, 5000 + 1000 * seconds));
        }
        delivery.tries.attempts = 100_000;
        assert_eq!((delivery.tries.refusals, delivery.tries.first_tried_ms), (0, Some(5000)));
    }

    #[test]
    fn a_pause_that_is_asked_for_is_one_for_the_whole_sink() {
        let asked = |seconds| Verdict::Retry { after: Some(Duration::from_secs(seconds)), reason: "busy".into() };
        let apart = Delivery { row: Some(b"{}".to_vec()), ..delivery(1) };
        for (delivery, seconds, own) in [(delivery(3), 900, 900), (apart, 60, 15 * 60)] {
            let Outcome::Pause { tries, until_ms } = decide(&delivery, asked(seconds), moment(5)) else {
                panic!("it pauses")
            };
            assert_eq!((until_ms, tries.next_ms), (5 + 1000 * seconds as i64, 5 + 1000 * own));
            assert_eq!((tries.attempts, tries.refusals), (1, 0));
        }
    }

    #[test]
    fn what_is_refused_eight_times_is_halved_and_its_halves_sooner() {
        let mut refused = delivery(5);
        for n in 1..8 {
            refused.tries = again(decide(&refused, refusal(), moment(n)));
        }
        let Outcome::Halve(begin) = decide(&refused, refusal(), moment(9)) else { panic!("it is halved") };
        assert_eq!((begin.attempts, begin.refusals, begin.next_ms, begin.first_refused_ms), (0, 6, 0, Some(1)));
        let half = Delivery { tries: begin, ..delivery(2) };
        let half = Delivery { tries: again(decide(&half, refusal(), moment(10))), ..half };
        assert!(matches!(decide(&half, refusal(), moment(11)), Outcome::Halve(_)));
    }

    #[test]
    fn what_is_too_large_is_halved_at_once_and_one_row_steps_aside_at_once() {
        let large = || Verdict::TooLarge { reason: "413".into() };
        let begin = Tries { last_error: Some("413".into()), ..Tries::default() };
        assert_eq!(decide(&delivery(2), large(), moment(1)), Outcome::Halve(begin));
        let Outcome::Apart(tries) = decide(&delivery(1), large(), moment(1)) else { panic!("it steps aside") };
        assert_eq!((tries.refusals, tries.first_refused_ms), (1, Some(1)));
        let apart = Delivery { tries, row: Some(b"{}".to_vec()), ..delivery(1) };
        assert_eq!(again(decide(&apart, large(), moment(2))).next_ms, 2 + 15 * 60 * 1000);
        // Where everything is too large it is the receiver.
        let waiting = Moment { room: Room::NoUse, ..moment(1) };
        assert_eq!(again(decide(&delivery(1), large(), waiting)).next_ms, 1001);
    }

    #[test]
    fn what_is_unfit_need_not_prove_it_as_often() {
        let unfit = || Verdict::Unfit { reason: "HTTP 422".into() };
        let mut batch = delivery(5);
        for n in 1..3 {
            batch.tries = again(decide(&batch, unfit(), moment(n)));
        }
        let Outcome::Halve(begin) = decide(&batch, unfit(), moment(3)) else { panic!("it is halved") };
        let mut one = Delivery { tries: begin, ..delivery(1) };
        one.tries = again(decide(&one, unfit(), moment(4)));
        assert!(matches!(decide(&one, unfit(), moment(5)), Outcome::Apart(_)));
        // A refusal that says nothing of this request proves less.
        assert!(matches!(decide(&one, refusal(), moment(5)), Outcome::Again(_)));
    }

    #[test]
    fn a_row_that_is_refused_steps_aside_and_is_given_up_after_a_day() {
        let mut one = delivery(1);
        one.tries = Tries { refusals: 7, first_refused_ms: Some(0), ..Tries::default() };
        let Outcome::Apart(tries) = decide(&one, refusal(), moment(1000)) else { panic!("it steps aside") };
        one = Delivery { tries, row: Some(b"{}".to_vec()), ..one };
        let day = 24 * 3600 * 1000;
        assert_eq!(again(decide(&one, refusal(), moment(day - 1))).next_ms, day - 1 + 15 * 60 * 1000);
        assert_eq!(decide(&one, refusal(), moment(day)), Outcome::Dead { reason: "no".into() });
        // A day without a refusal is none.
        let down = Verdict::Retry { after: None, reason: "down".into() };
        assert!(matches!(decide(&one, down, moment(2 * day)), Outcome::Again(_)));
        let day_of = |steady_for| Moment { steady_for, ..moment(day) };
        assert!(matches!(decide(&one, refusal(), day_of(Duration::from_secs(86_399))), Outcome::Again(_)));
        assert!(matches!(decide(&one, refusal(), day_of(Duration::from_secs(86_400))), Outcome::Dead { .. }));
        let short = Moment { max_age: Duration::from_secs(60), ..moment(60_000) };
        assert!(matches!(decide(&one, refusal(), short), Outcome::Dead { .. }));
    }

    #[test]
    fn where_everything_is_refused_or_too_much_stands_apart_nothing_more_steps_aside_and_nothing_is_given_up() {
        let tries = Tries { refusals: 50, first_refused_ms: Some(0), ..Tries::default() };
        let one = Delivery { tries, ..delivery(1) };
        let apart = Delivery { row: Some(b"{}".to_vec()), ..one.clone() };
        let with = |one: &Delivery, room, now_ms| decide(one, refusal(), Moment { room, ..moment(now_ms) });
        let day = 24 * 3600 * 1000;
        assert!(matches!(with(&one, Room::Free, day - 1), Outcome::Apart(_)));
        for one in [&one, &apart] {
            for room in [Room::Full, Room::NoUse] {
                assert!(matches!(with(one, room, day - 1), Outcome::Again(_)), "{room:?}");
            }
            assert!(matches!(with(one, Room::Full, day), Outcome::Dead { .. }));
            assert!(matches!(with(one, Room::NoUse, 7 * day - 1), Outcome::Again(_)));
            assert!(matches!(with(one, Room::NoUse, 7 * day), Outcome::Dead { .. }));
        }
    }
}
