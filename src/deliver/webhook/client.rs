//! Stands in for the client: a plain request.

use jiff::Timestamp;

use crate::config::{Secret, Webhook};

#[derive(Debug)]
pub struct Client {
    inner: reqwest::Client,
    url: String,
}

#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    pub id: &'a str,
    pub content_type: &'a str,
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
    pub now: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// The header as it was.
    pub retry_after: Option<String>,
    pub body: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ClientError(String);

#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct SendError {
    pub text: String,
}

impl Client {
    pub fn new(sink: &Webhook) -> Result<Client, ClientError> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let builder = reqwest::Client::builder().timeout(sink.timeout).no_proxy();
        let inner = builder.redirect(reqwest::redirect::Policy::none()).build();
        let Secret::Plain(url) = &sink.url else { return Err(ClientError("no plain url".into())) };
        Ok(Client { inner: inner.map_err(|error| ClientError(error.to_string()))?, url: url.clone() })
    }

    pub async fn send(&self, request: Outgoing<'_>) -> Result<Answer, SendError> {
        let failed = |error: reqwest::Error| SendError { text: error.without_url().to_string() };
        let mut post = self.inner.post(&self.url).header("webhook-id", request.id);
        post = post.header("content-type", request.content_type);
        let answer = post.body(request.body.to_vec()).send().await.map_err(failed)?;
        let retry_after = answer.headers().get("retry-after").and_then(|it| it.to_str().ok()).map(str::to_owned);
        let status = answer.status().as_u16();
        Ok(Answer { status, retry_after, body: answer.bytes().await.map_err(failed)?.to_vec() })
    }
}
