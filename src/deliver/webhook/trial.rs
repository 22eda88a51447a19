//! One attempt beside the outbox: what a receiver says to a sample, before anything depends on it.
//!
//! The same bytes, signature and connection as a worker's, and the same judgement. What is shown of the answer holds no secret
//! of the sink, also where the receiver sends back what it got.

use std::io;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Sink;
use super::batch::Member;
use super::client::{Outgoing, SendError};
use super::verdict::{Verdict, judge};
use crate::store::OutboxEvent;
use crate::visible::visible;

/// Of an answer, in characters.
const SHOWN: usize = 500;

/// An attempt and what came of it.
#[derive(Debug)]
pub struct Trial {
    /// The webhook-id.
    pub id: String,
    /// Scheme, host and port of the receiver.
    pub to: String,
    pub content_type: String,
    /// Of the request's body, without what is added when it is sent.
    pub bytes: usize,
    pub took: Duration,
    pub outcome: Result<Answered, SendError>,
}

#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    /// The beginning of the answer in one line, safe to show.
    pub text: String,
    pub verdict: Verdict,
}

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    #[error("sink {sink:?}: the sample cannot be rendered: {reason}")]
    Unrendered { sink: String, reason: String },
    #[error("cannot begin: {0}")]
    Runtime(#[from] io::Error),
}

impl Sink {
    /// Sends one row, whatever the sink's filters, and waits for the answer as long as its timeout says.
    ///
    /// # Errors
    /// Nothing was sent. That there was no answer is an outcome.
    pub fn attempt_once(&self, row: OutboxEvent) -> Result<Trial, TrialError> {
        let id = format!("msg_test_{}", row.id);
        let member = Member { seq: 0, id: row.id, body: row.body };
        let unrendered = |reason| TrialError::Unrendered { sink: self.name().to_owned(), reason };
        let request = self.maker().request(&[member]).map_err(unrendered)?;
        let request = request.ok_or_else(|| unrendered("the sample makes more than one request".to_owned()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let began = Instant::now();
        let (content_type, headers, body) = (&request.content_type, &request.headers, &request.body);
        let outgoing = Outgoing { id: &id, content_type, headers, body, now: Timestamp::now() };
        let answer = runtime.block_on(self.client.send(outgoing));
        let took = began.elapsed();
        runtime.shutdown_background();
        let outcome = answer.map(|answer| Answered {
            status: answer.status,
            text: visible(answer.beginning(SHOWN)).into_owned(),
            verdict: judge(&self.config.format, &answer, Timestamp::now()),
        });
        let (to, bytes) = (self.client.shown().to_owned(), request.body.len());
        Ok(Trial { id, to, content_type: request.content_type, bytes, took, outcome })
    }
}
