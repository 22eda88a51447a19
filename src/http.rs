//! The HTTP server: `/healthz`, `/readyz` and `/metrics`, GET and HEAD only.
//!
//! Whatever a client does, it holds a connection for at most ten seconds and there are at most
//! 64 of them; nothing of a request is kept.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

use crate::telemetry::Metrics;

const CONNECTION: Duration = Duration::from_secs(10);
const MAX_CONNECTIONS: usize = 64;

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("[http] listen = \"{address}\": {error}; choose another address, or end what uses this one")]
pub struct ListenError {
    address: SocketAddr,
    error: io::Error,
}

/// Takes the address, so that a port in use is known before anything else is done.
///
/// # Errors
/// The address is in use, or not ours to use.
pub fn bind(address: SocketAddr) -> Result<std::net::TcpListener, ListenError> {
    let listen = || {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    listen().map_err(|error| ListenError { address, error })
}

/// Serves until the runtime ends.
pub async fn serve(listener: std::net::TcpListener, metrics: Arc<Metrics>) -> io::Result<()> {
    let inner = TcpListener::from_std(listener)?;
    let limited = Limited { inner, free: Arc::new(Semaphore::new(MAX_CONNECTIONS)) };
    axum::serve(limited, router(metrics)).await
}

fn router(metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .with_state(metrics)
}

async fn healthz(State(metrics): State<Arc<Metrics>>) -> (StatusCode, &'static str) {
    match metrics.is_alive(Instant::now()) {
        true => (StatusCode::OK, "ok\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "the reader is stuck\n"),
    }
}

async fn readyz(State(metrics): State<Arc<Metrics>>) -> (StatusCode, String) {
    let (reasons, remarks) = (metrics.unready(Instant::now()), metrics.remarks());
    match reasons.is_empty() {
        true => (StatusCode::OK, ["ready"].into_iter().chain(remarks).collect::<Vec<_>>().join("\n") + "\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, [reasons, remarks].concat().join("\n") + "\n"),
    }
}

async fn render(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
}

/// A listener that takes no more than so many connections at a time.
struct Limited {
    inner: TcpListener,
    free: Arc<Semaphore>,
}

/// A connection that ends by itself.
struct Timed {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Listener for Limited {
    type Io = Timed;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Timed, SocketAddr) {
        // The semaphore is never closed, so there always comes a permit.
        let permit = Arc::clone(&self.free).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.inner).await;
        (Timed { stream, end: Box::pin(tokio::time::sleep(CONNECTION)), _permit: permit }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

impl Timed {
    /// The stream, as long as its time has not run out.
    fn stream(&mut self, cx: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        match self.end.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(Pin::new(&mut self.stream)),
        }
    }
}

impl AsyncRead for Timed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream(cx)?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Timed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.stream(cx)?.poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(cx)?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(cx)?.poll_shutdown(cx)
    }
}
