//! `paytriage webhook test`: does a message reach its receiver, and what does that say?

use std::io::Write;
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use jiff::Timestamp;

use super::setup::{config_from, host};
use super::state::config_file;
use crate::cli::{StateArgs, WebhookCommand};
use crate::config::{Config, DEFAULT_FILE, Format, Notify, Webhook};
use crate::deliver::sample;
use crate::deliver::webhook::batch;
use crate::deliver::webhook::client::Kind;
use crate::deliver::webhook::trial::{Answered, Trial};
use crate::deliver::webhook::verdict::Verdict;
use crate::deliver::webhook::{Sender, Sink};
use crate::event::EventId;
use crate::exit::Exit;
use crate::store::{Operator, OutboxEvent};
use crate::visible::visible;

/// Ids of tests begin like this; the rest is random, so that no receiver takes a test for the repeat of another.
const ID: u128 = 0x7e57 << 112;

/// Runs the subcommand.
///
/// # Errors
/// Nothing was sent: the configuration, or what the sink needs, cannot be used.
pub fn run(command: &WebhookCommand, out: &mut dyn Write) -> Result<Exit> {
    let WebhookCommand::Test { name, state: StateArgs { state, config } } = command;
    let mut config = configuration(config.as_deref())?;
    config.state.dir = state.clone().or(config.state.dir);
    test(name, &config, out)
}

fn configuration(named: Option<&Path>) -> Result<Config> {
    let file = config_file(named).ok_or_else(|| anyhow!("there is no {DEFAULT_FILE}: give --config FILE"))?;
    config_from(Some(&file))
}

fn test(name: &str, config: &Config, out: &mut dyn Write) -> Result<Exit> {
    let Some(webhook) = config.webhooks.iter().find(|webhook| webhook.name == name) else {
        return unknown(name, config);
    };
    let sender = Sender::new(config, host());
    let row = row(webhook, &sender);
    let sink = Sink::new(webhook.clone(), sender)?;
    count(&sink, config);
    let trial = sink.attempt_once(row)?;
    let exit = report(&trial, webhook, out)?;
    if let Some(note) = sink.unused_proxy() {
        writeln!(out, "note     {note}")?;
    }
    Ok(exit)
}

/// The message, as the outbox would hold it.
fn row(webhook: &Webhook, sender: &Sender) -> OutboxEvent {
    let Sender { lang, host, labels, .. } = sender;
    let id = EventId((ID | fastrand::u128(..) >> 16).to_be_bytes());
    let (now, host, sink) = (Timestamp::now(), host.as_deref(), &*webhook.name);
    let is_for_template = matches!(webhook.format, Format::Template(_));
    let test = sample::Test { is_for_template, id, now, lang: *lang, host, sink, labels };
    let row = sample::test(webhook.notify, &test);
    OutboxEvent { id, body: row.to_string().into_bytes() }
}

/// Lets a daemon beside us know that its receiver gets one request more, so that it keeps within what that takes. Who may not
/// write the state can test all the same.
fn count(sink: &Sink, config: &Config) {
    if let (Some(receiver), Some(dir)) = (sink.limited_receiver(), &config.state.dir)
        && let Ok(Some(mut operator)) = Operator::open(dir)
    {
        drop(operator.spend(receiver));
    }
}

fn unknown(name: &str, config: &Config) -> Result<Exit> {
    let names: Vec<_> = config.webhooks.iter().map(|webhook| webhook.name.as_str()).collect();
    match names.as_slice() {
        [] => bail!(
            "no webhook is called {name:?}: the configuration has no [[sink.webhook]]; `paytriage config show` prints what is in force"
        ),
        _ => bail!("no webhook is called {name:?}; there are: {}", names.join(", ")),
    }
}

fn report(trial: &Trial, webhook: &Webhook, out: &mut dyn Write) -> Result<Exit> {
    let what = match webhook.notify {
        Notify::Event => "an event",
        Notify::Incident => "an incident",
    };
    let format = batch::name(&webhook.format);
    writeln!(out, "webhook  {} ({format}) at {}", visible(&webhook.name), trial.to)?;
    let Trial { id, content_type, bytes, .. } = trial;
    writeln!(out, "sent     {what} marked as a test: {bytes} bytes of {content_type}, id {id}{}", signed(webhook))?;
    let took = trial.took.as_millis();
    let answered = match &trial.outcome {
        Ok(answered) => answered,
        Err(error) => {
            match error.kind {
                Kind::Timeout => writeln!(out, "answer   none within {took} ms")?,
                _ => writeln!(out, "answer   none")?,
            }
            writeln!(out, "verdict  failed: {}{}", visible(&error.text), no_answer(error.kind))?;
            return Ok(Exit::Found);
        }
    };
    writeln!(out, "answer   HTTP {} after {took} ms", answered.status)?;
    match answered.text.as_str() {
        "" => writeln!(out, "         (no text)")?,
        text => writeln!(out, "         {text}")?,
    }
    let (exit, verdict) = judged(answered, webhook);
    writeln!(out, "verdict  {verdict}")?;
    Ok(exit)
}

/// What to do, where the error does not say it.
fn no_answer(kind: Kind) -> &'static str {
    match kind {
        Kind::Connect => "; see that the receiver runs, and that host and port of the url are right",
        Kind::Timeout => "; see what holds the receiver up, or set a longer timeout",
        Kind::Reset => "; the receiver's logs may say why",
        Kind::Proxy => "; check proxy, and that it lets this host through",
        Kind::Protocol => "; check scheme and port of the url",
        Kind::Refused | Kind::Dns | Kind::Tls | Kind::Request => "",
    }
}

fn signed(webhook: &Webhook) -> &'static str {
    match (&webhook.format, webhook.secrets.is_empty()) {
        (Format::PagerDuty, _) => ", with the routing key",
        (Format::Slack | Format::WeCom, _) => "",
        (_, true) => ", not signed",
        (_, false) => ", signed",
    }
}

/// What it means, and what to do.
fn judged(answered: &Answered, webhook: &Webhook) -> (Exit, String) {
    let verdict = match &answered.verdict {
        Verdict::Accepted => return (Exit::Done, format!("accepted{}", afterwards(webhook))),
        Verdict::Retry { after: Some(after), .. } => {
            format!("not accepted now; the daemon would try again after {} s", after.as_secs())
        }
        Verdict::Retry { after: None, .. } => "not accepted; the daemon would try again".to_owned(),
        Verdict::Refused { .. } | Verdict::Unfit { .. } => "refused".to_owned(),
        Verdict::TooLarge { .. } => "refused as too large".to_owned(),
        Verdict::Gone { .. } => "refused for good; the daemon would stop this sink".to_owned(),
    };
    (Exit::Found, format!("{verdict}: {}", remedy(answered)))
}

/// What is left to do after the receiver has said yes.
fn afterwards(webhook: &Webhook) -> &'static str {
    match (&webhook.format, webhook.notify) {
        (Format::PagerDuty, _) => "; an incident is open in PagerDuty now: resolve it there",
        (Format::Alertmanager, _) => "; the receiver has an alert that fires now: resolve it there",
        (Format::AlertmanagerAlerts, Notify::Incident) => {
            "; Alertmanager shows it for 5 h, unless it is silenced there"
        }
        _ => "",
    }
}

fn remedy(answered: &Answered) -> &'static str {
    match (&answered.verdict, answered.status) {
        (Verdict::TooLarge { .. }, _) => "let the receiver take larger requests, or set a smaller max_batch",
        (Verdict::Gone { .. }, _) => "get a new URL from the receiver, or remove the sink",
        (_, 200..=299) => "the answer says why; check format, secret and the settings of the robot or integration",
        (_, 300..=399) => "redirects are not followed; set the last address as the url",
        (_, 401 | 403) => "check the secret, secret_headers, and this host's clock, which signatures depend on",
        (_, 404 | 405) => "check the path of the url",
        (_, 400..=499 | 501) if !matches!(answered.verdict, Verdict::Retry { .. }) => {
            "check that format is what this receiver takes"
        }
        (_, 408 | 425 | 429) => "the receiver is busy or limits how often it is called; try later",
        _ => "the fault is at the receiver, or at a proxy before it; see its logs",
    }
}
