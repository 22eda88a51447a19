//! The worker of one sink: look into the store, attempt what is due, store what came of it (`settle`), wait.

mod settle;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use super::batch::{Member, name};
use super::budget::Budget;
use super::client::Outgoing;
use super::filter;
use super::health::Health;
use super::outcome::Outcome;
use super::verdict::{Verdict, judge};
use super::{Sink, SinkState};
use crate::config::{Filter, Notify};
use crate::deliver::format::{self, Limits};
use crate::store::{Delivery, Heard, Request, Standing, StateError, Store};

/// Between two looks into the store at most: an operator may have changed something.
const LOOK: Duration = Duration::from_secs(2);
/// After the store could not be used.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// Rows that are not for a sink are recorded so often at most.
const SKIP_INTERVAL: Duration = Duration::from_secs(1);
/// A clock that was set back makes nothing wait for longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Rows in one look at most.
const SCAN: usize = 500;
/// Requests that are made at once at most: storing them costs one sync together. Those of a target that takes few of them are made
/// one by one, and what comes meanwhile goes into the next.
const AHEAD: usize = 50;

pub struct Worker<'a, T> {
    sink: &'a Sink,
    store: &'a Store,
    tell: T,
    stop: watch::Receiver<bool>,
    arrivals: watch::Receiver<()>,
    limits: Limits,
    budget: Budget,
    /// No row up to here is for this sink, or it is delivered.
    looked_at: i64,
    /// When that was recorded last.
    recorded: Instant,
    next_due: Due,
    apart_due: Due,
    sink_due: Due,
    health: Health,
    n_apart: u64,
    /// The last attempt was of a request that stands apart: the next one is not.
    was_apart: bool,
    /// Its receiver wants nothing any more, as of the last look.
    gone: bool,
    /// Whether that is forgotten which an earlier worker was told so.
    resumed: bool,
}

/// When something is due whose time is stored, by a clock that nobody sets: an id, that time, and what it came to.
#[derive(Default)]
struct Due(Option<(String, i64, Instant)>);

impl Due {
    /// Found out once for each time: setting the clock neither hastens nor delays it.
    fn at(&mut self, id: &str, ms: i64, now: Instant) -> Instant {
        match &self.0 {
            Some((known, known_ms, at)) if known == id && *known_ms == ms => *at,
            _ => self.0.insert((id.to_owned(), ms, now + until(ms))).2,
        }
    }
}

/// What the worker waits for.
enum Pause {
    /// Something else may be due already.
    None,
    /// Rows, or a time.
    Rows(Instant),
    Until(Instant),
}

impl<'a, T: FnMut(SinkState)> Worker<'a, T> {
    pub fn new(sink: &'a Sink, store: &'a Store, stop: watch::Receiver<bool>, tell: T) -> Worker<'a, T> {
        let limits = format::limits(&sink.config.format);
        Worker {
            sink,
            store,
            tell,
            stop,
            arrivals: store.arrivals(),
            limits,
            budget: Budget::of(&limits),
            looked_at: 0,
            recorded: Instant::now(),
            next_due: Due::default(),
            apart_due: Due::default(),
            sink_due: Due::default(),
            health: Health::new(sink.failing_after),
            n_apart: 0,
            was_apart: false,
            gone: false,
            resumed: false,
        }
    }

    pub async fn run(mut self) {
        self.remember_failing();
        while !self.is_stopped() {
            let pause = self.step().await.unwrap_or_else(|error| {
                tracing::warn!(sink = self.name(), %error, "cannot use the outbox; trying again");
                Pause::Until(Instant::now() + STORE_RETRY)
            });
            self.wait(pause).await;
        }
    }

    fn name(&self) -> &'a str {
        &self.sink.config.name
    }

    /// Also if nobody is left who could ask for it.
    fn is_stopped(&self) -> bool {
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }

    async fn wait(&mut self, pause: Pause) {
        let look = Instant::now() + LOOK;
        let (until, rows) = match pause {
            Pause::None => return,
            Pause::Rows(at) => (at.min(look), true),
            Pause::Until(at) => (at.min(look), false),
        };
        tokio::select! {
            _ = self.stop.changed() => {}
            _ = self.arrivals.changed(), if rows => {}
            () = tokio::time::sleep_until(until.into()) => {}
        }
    }

    /// Does what is due, if something is.
    async fn step(&mut self) -> Result<Pause, StateError> {
        if let Some(news) = self.health.news(Instant::now()) {
            (self.tell)(news);
        }
        if !self.resumed {
            self.store.resume_sink(self.name())?;
            self.resumed = true;
        }
        if self.gone || self.health.is_failing() {
            self.expire()?;
        }
        // What arrives from here on is not overlooked.
        self.arrivals.mark_unchanged();
        let standing = self.store.standing(self.name())?;
        self.skip(&standing)?;
        self.gone = standing.is_stopped;
        if self.gone {
            return Ok(Pause::Until(Instant::now() + LOOK));
        }
        self.n_apart = standing.n_apart;
        let now = Instant::now();
        let paused_until = self.sink_due.at("", standing.paused_ms, now);
        if paused_until > now {
            return Ok(Pause::Until(paused_until));
        }
        match self.choose(standing, now)? {
            Choice::Attempt(delivery) => {
                let Some(delivery) = self.current(*delivery)? else { return Ok(Pause::None) };
                let pause = self.spend()?;
                if pause > Duration::ZERO {
                    return Ok(Pause::Until(now + pause));
                }
                self.attempt(delivery).await
            }
            Choice::Wait(pause) => Ok(pause),
        }
    }

    /// The request, unless something later was accepted of what it speaks of. Then it is told without that, or no more.
    fn current(&mut self, mut delivery: Delivery) -> Result<Option<Delivery>, StateError> {
        if delivery.row.is_none() || delivery.incidents.is_empty() {
            return Ok(Some(delivery));
        }
        let superseded = self.store.superseded(self.name(), &delivery)?;
        if superseded.is_empty() {
            return Ok(Some(delivery));
        }
        let mut old = delivery.clone();
        old.incidents.retain(|incident, _| superseded.contains(incident));
        delivery.incidents.retain(|incident, _| !superseded.contains(incident));
        let is_missed = |it: &&Member| filter::is_missed(&it.body, self.name(), &Filter::default(), &Heard::default());
        let missed =
            self.members(&old)?.iter().filter(is_missed).map(|it| it.body.len() as u64).reduce(u64::saturating_add);
        let rest = match delivery.incidents.is_empty() {
            true => Vec::new(),
            false => self.sink.maker().anew(&delivery, &self.members(&delivery)?),
        };
        self.store.supersede(self.name(), &old, &rest, missed)?;
        (self.tell)(SinkState::Superseded { id: old.id, incidents: superseded });
        Ok(None)
    }

    /// Takes one request from what the receiver takes of all its sinks together; how long to wait, where that is used up.
    fn spend(&self) -> Result<Duration, StateError> {
        if !self.budget.is_limited() {
            return Ok(Duration::ZERO);
        }
        self.store.spend(self.sink.client.receiver(), |ages| self.budget.pause(ages))
    }

    /// Records rows that are not for this sink; not each time, since that costs a sync.
    fn skip(&mut self, standing: &Standing) -> Result<(), StateError> {
        let is_ahead = self.looked_at > standing.delivered && standing.next.is_none();
        if is_ahead && self.recorded.elapsed() >= SKIP_INTERVAL {
            self.store.pass_over(self.name(), self.sink.config.notify, self.looked_at)?;
            self.recorded = Instant::now();
        }
        self.looked_at = self.looked_at.max(standing.delivered);
        Ok(())
    }

    /// What is to be tried now. New requests are made only when no other waits: so they stay in order.
    fn choose(&mut self, standing: Standing, now: Instant) -> Result<Choice, StateError> {
        let look = now + LOOK;
        let Standing { next, apart, .. } = &standing;
        let apart_at = apart.as_ref().map(|apart| self.apart_due.at(&apart.id, apart.tries.next_ms, now));
        let next_at = next.as_ref().map(|next| self.next_due.at(&next.id, next.tries.next_ms, now));
        // Whether it still fails is seen when others should know, however long the pause is.
        let doubt = self.health.in_doubt_until();
        let sooner = |at: Instant| doubt.map_or(at, |doubt| doubt.min(at));
        let is_judged_by_apart = next.is_none() && !self.health.has_accepted();
        let apart_at = apart_at.map(|at| if is_judged_by_apart { sooner(at) } else { at });
        let next_at = next_at.map(sooner);
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let has_next = standing.next.is_some();
        match (standing.next.filter(|_| is_due(next_at)), standing.apart.filter(|_| is_due(apart_at))) {
            (Some(_), Some(apart)) if !self.was_apart => Ok(Choice::Attempt(Box::new(apart))),
            (Some(next), _) => Ok(Choice::Attempt(Box::new(next))),
            (None, apart) => {
                if !has_next && self.make()? {
                    return Ok(Choice::Wait(Pause::None));
                }
                if !has_next && apart_at.is_none() {
                    self.health.nothing_waits();
                }
                Ok(match apart {
                    Some(apart) => Choice::Attempt(Box::new(apart)),
                    None => {
                        let at = [apart_at, next_at].into_iter().flatten().fold(look, Instant::min);
                        Choice::Wait(if has_next { Pause::Until(at) } else { Pause::Rows(at) })
                    }
                })
            }
        }
    }

    /// Makes requests of rows that wait; false if there are none for this sink.
    fn make(&mut self) -> Result<bool, StateError> {
        let (name, kind) = (self.name(), self.sink.config.notify);
        let max = self.sink.config.max_batch.min(self.limits.max_batch).max(1);
        let (members, seen) = self.gather(max)?;
        if members.is_empty() {
            self.looked_at = seen;
            return Ok(false);
        }
        let maker = self.sink.maker();
        let mut deliveries = Vec::new();
        // What fills no request waits for company, unless it is all there is.
        let n_requests = (members.len() / max).clamp(1, if self.budget.is_limited() { 1 } else { AHEAD });
        for (n, part) in members.chunks(max).take(n_requests).enumerate() {
            let through = members.get((n + 1) * max).map_or(seen, |next| next.seq - 1);
            deliveries.extend(maker.deliveries(part, through));
        }
        self.store.put_deliveries(name, kind, &deliveries)
    }

    /// The next rows for this sink, at least `max` if there are so many, and the last row that was looked at.
    fn gather(&self, max: usize) -> Result<(Vec<Member>, i64), StateError> {
        let config = &self.sink.config;
        let keeps_open = config.notify == Notify::Incident && format::keeps_open(&config.format);
        let (mut members, mut seen, mut heard) = (Vec::new(), self.looked_at, None);
        loop {
            let rows = self.store.rows_after(config.notify, seen, SCAN)?;
            let heard = match &mut heard {
                Some(heard) => heard,
                None if rows.is_empty() || config.filter == Filter::default() && !keeps_open => &mut Heard::default(),
                None => heard.insert(self.store.heard(&config.name)?),
            };
            seen = rows.last().map_or(seen, |row| row.seq);
            for row in &rows {
                let Some(member) = Member::of(row, config, heard) else { continue };
                if keeps_open {
                    // Of what is told with it the end may be in the same look.
                    heard.extend(member.incidents().into_iter().filter(|(_, is_over)| !is_over).map(|(it, _)| it));
                }
                members.push(member);
            }
            if rows.len() < SCAN || members.len() >= max {
                return Ok((members, seen));
            }
        }
    }

    async fn attempt(&mut self, mut delivery: Delivery) -> Result<Pause, StateError> {
        self.was_apart = delivery.row.is_some();
        let format = &self.sink.config.format;
        if delivery.request.is_some() && delivery.format != name(format) {
            self.tell_anew(&delivery)?;
            return Ok(Pause::None);
        }
        let verdict = match self.request(&mut delivery)? {
            Ready::Request(request) => {
                let Request { content_type, headers, body } = &request;
                let (id, now) = (&*delivery.id, Timestamp::now());
                let outgoing = Outgoing { id, content_type, headers, body, now };
                match self.sink.client.send(outgoing).await {
                    Ok(answer) => judge(format, &answer, Timestamp::now()),
                    Err(error) => Verdict::Retry { after: None, reason: error.to_string() },
                }
            }
            // Nobody was asked, so this says nothing of the receiver.
            Ready::Nothing => {
                self.keep(&delivery, &Outcome::Accepted, now_ms()).await;
                return Ok(Pause::None);
            }
            Ready::Several => {
                self.tell_anew(&delivery)?;
                return Ok(Pause::None);
            }
            Ready::Not(reason) => Verdict::Unfit { reason },
        };
        self.settle(&delivery, verdict).await;
        Ok(Pause::None)
    }

    /// The request's bytes; rendered now, if that was not possible before.
    fn request(&self, delivery: &mut Delivery) -> Result<Ready, StateError> {
        if let Some(request) = &delivery.request {
            return Ok(Ready::Request(request.clone()));
        }
        let members = self.members(delivery)?;
        if members.is_empty() {
            return Ok(Ready::Nothing);
        }
        match self.sink.maker().request(&members) {
            Ok(None) => Ok(Ready::Several),
            Ok(Some(request)) => {
                delivery.request = Some(request.clone());
                delivery.format = name(&self.sink.config.format).to_owned();
                self.store.set_request(self.name(), delivery)?;
                Ok(Ready::Request(request))
            }
            Err(reason) => Ok(Ready::Not(reason)),
        }
    }

    /// What a request is about. Incidents of which it was made are in it whatever the filter says by now.
    fn members(&self, delivery: &Delivery) -> Result<Vec<Member>, StateError> {
        let (rows, config) = (self.store.rows_of(delivery)?, &self.sink.config);
        let member = |row| match delivery.incidents.is_empty() {
            true => Member::of(row, config, &Heard::default()),
            false => Member::about(row, config, &delivery.incidents),
        };
        Ok(rows.iter().filter_map(member).collect())
    }

    /// The sink was given another format since the request was made, or the request is about less than it was.
    fn tell_anew(&self, old: &Delivery) -> Result<(), StateError> {
        let anew = self.sink.maker().anew(old, &self.members(old)?);
        self.store.replace_delivery(self.name(), &old.id, &anew)
    }

    /// Gives up what has waited for too long. Only while nothing is accepted: what can be delivered is, however old.
    fn expire(&mut self) -> Result<(), StateError> {
        if self.store.steady_for() < self.sink.config.max_age {
            return Ok(());
        }
        let max_age = i64::try_from(self.sink.config.max_age.as_millis()).unwrap_or(i64::MAX);
        let is_lost = |row: &[u8], heard: &Heard| filter::is_missed(row, self.name(), &self.sink.config.filter, heard);
        let dropped = self.store.expire_before(self.name(), now_ms().saturating_sub(max_age), is_lost)?;
        if dropped.waiting.rows > 0 {
            (self.tell)(SinkState::Expired(dropped));
        }
        Ok(())
    }
}

enum Choice {
    Attempt(Box<Delivery>),
    Wait(Pause),
}

enum Ready {
    Request(Request),
    /// None of its rows is for this sink any more.
    Nothing,
    /// In this form its rows are more than one.
    Several,
    /// It cannot be rendered.
    Not(String),
}

fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// From now until a stored time.
fn until(ms: i64) -> Duration {
    Duration::from_millis(ms.saturating_sub(now_ms()).max(0).cast_unsigned()).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::super::tests::case::{Case, NAME, Up, commit, event};
    use super::*;
    use crate::store::{Batch, Tries};

    /// A sink whose receiver is nowhere: what it answers is said by the test.
    fn case() -> Case {
        Case::new(([127, 0, 0, 1], 1).into())
    }

    fn request(up: &Up, seq: i64) -> Delivery {
        let delivery = Delivery {
            id: format!("msg_{seq}"),
            members: vec![seq],
            part: 0,
            through: seq,
            format: "json".into(),
            request: None,
            tries: Tries::default(),
            row: None,
            incidents: Default::default(),
        };
        commit(up, [event(seq.cast_unsigned(), "")]);
        up.store.put_deliveries(NAME, crate::config::Notify::Event, std::slice::from_ref(&delivery)).unwrap();
        delivery
    }

    fn worker<'a>(sink: &'a Sink, up: &'a Up) -> Worker<'a, impl FnMut(SinkState)> {
        Worker::new(sink, &up.store, watch::channel(false).1, |_| {})
    }

    fn tries(up: &Up) -> Tries {
        up.store.standing(NAME).unwrap().next.expect("it waits").tries
    }

    #[tokio::test]
    async fn one_row_that_a_receiver_does_not_want_is_no_failure_of_its_sink() {
        let (case, unfit) = (case(), || Verdict::Unfit { reason: "HTTP 422".into() });
        let (up, sink) = (case.up(), case.sink());
        let mut worker = worker(&sink, &up);
        let accepted = request(&up, 1);
        worker.settle(&accepted, Verdict::Accepted).await;
        let mut one = request(&up, 2);
        for _ in 0..2 {
            worker.settle(&one, unfit()).await;
            one.tries = tries(&up);
            assert!(worker.health.is_failing());
        }
        worker.settle(&one, unfit()).await;
        assert!(up.store.standing(NAME).unwrap().apart.is_some());
        assert!(!worker.health.is_failing());
        assert_eq!(worker.health.news(Instant::now() + LONGEST_WAIT), None);
    }

    #[tokio::test]
    async fn a_request_of_which_nothing_is_left_says_nothing_of_its_receiver() {
        let mut case = case();
        let (up, sink) = (case.up(), case.sink());
        let down = Verdict::Retry { after: None, reason: "HTTP 500".into() };
        worker(&sink, &up).settle(&request(&up, 1), down.clone()).await;
        // From now on only errors are for it, and that row is none.
        case.config.filter.min_severity = crate::catalog::Severity::Critical;
        let sink = case.sink();
        let mut told = Vec::new();
        let mut worker = Worker::new(&sink, &up.store, watch::channel(false).1, |state| told.push(state));
        worker.settle(&request(&up, 2), down).await;
        let next = up.store.standing(NAME).unwrap().next.expect("it waits");
        worker.attempt(next).await.unwrap();
        assert!(worker.health.is_failing());
        drop(worker);
        assert_eq!(told, [SinkState::Failed { reason: "HTTP 500".into() }]);
        let standing = up.store.standing(NAME).unwrap();
        assert_eq!((standing.delivered, standing.next.map(|next| next.id)), (1, Some("msg_2".into())));
    }

    #[tokio::test]
    async fn a_clock_that_was_set_back_makes_nothing_that_stands_apart_wait_for_ever() {
        let case = case();
        let (up, sink) = (case.up(), case.sink());
        let tries = Tries { next_ms: now_ms() + 10 * 24 * 3600 * 1000, ..Tries::default() };
        let mut one = request(&up, 1);
        up.store.put_apart(NAME, &one, &tries).unwrap();
        let mut worker = worker(&sink, &up);
        let mut choose = |now| worker.choose(up.store.standing(NAME).unwrap(), now).unwrap();
        let now = Instant::now();
        assert!(matches!(choose(now), Choice::Wait(_)));
        one.tries = tries;
        let Choice::Attempt(chosen) = choose(now + LONGEST_WAIT) else { panic!("it waits for ever") };
        assert_eq!((chosen.id, chosen.tries), (one.id, one.tries));
    }

    #[tokio::test]
    async fn a_pause_that_is_asked_for_holds_also_for_what_arrives_in_it() {
        let case = case();
        let (up, sink) = (case.up(), case.sink());
        let one = request(&up, 1);
        up.store.put_apart(NAME, &one, &Tries::default()).unwrap();
        let apart = up.store.standing(NAME).unwrap().apart.expect("it stands apart");
        let mut worker = worker(&sink, &up);
        let after = Some(Duration::from_secs(600));
        worker.settle(&apart, Verdict::Retry { after, reason: "HTTP 429".into() }).await;
        commit(&up, [event(2, "")]);
        for _ in 0..2 {
            assert!(matches!(worker.step().await.unwrap(), Pause::Until(at) if at > Instant::now()));
        }
        assert_eq!(up.store.standing(NAME).unwrap().next, None, "nothing was begun");
        assert!(case.outbox().sinks().unwrap()[0].next_ms.is_none());
        // An operator need not wait.
        case.operator().retry(Some(NAME)).unwrap();
        assert_eq!(up.store.standing(NAME).unwrap().paused_ms, 0);
    }

    #[tokio::test]
    async fn what_others_were_told_is_known_to_the_next_worker() {
        let case = case();
        let (up, sink) = (case.up(), case.sink());
        let since = Timestamp::from_millisecond(now_ms() - 3_600_000).unwrap();
        let down = |ms| vec![(NAME.to_owned(), ms)];
        up.store.commit(&Batch { down: down(Some(since.as_millisecond())), ..Batch::default() }).unwrap();
        let failed = || Verdict::Retry { after: None, reason: "HTTP 500".into() };
        for _ in 0..2 {
            let mut worker = worker(&sink, &up);
            worker.remember_failing();
            assert!(!worker.health.is_failing());
            let one = request(&up, 1);
            worker.settle(&one, failed()).await;
            assert!(worker.health.is_failing());
            assert_eq!(worker.health.news(Instant::now()), None, "it is no news");
            assert_eq!(worker.health.accepted(), Some(SinkState::Recovered { since }));
        }
        up.store.commit(&Batch { down: down(None), ..Batch::default() }).unwrap();
        assert_eq!(up.store.standing(NAME).unwrap().down_ms, None);
    }
}
