//! The HTTP server: `/metrics`, `/healthz`, `/readyz` and the API below `/api/v1`, GET and HEAD only.
//!
//! Whatever a client does, it holds a connection for at most ten seconds and there are at most 64 of them; nothing of a
//! request is kept, and no question waits for the reader's work or holds it up. `guard` decides who may ask; each room below answers one
//! kind of question from what the daemon has published, from short reads of the store, or, for files, from the reader's
//! own answer. Text from logs goes out as JSON strings and nothing else.

mod answer;
mod catalog;
mod events;
mod files;
mod guard;
mod health;
mod incidents;
mod lang;
mod listen;
mod listener;
mod page;
mod query;
mod status;
mod token;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::timeout;

use answer::Failure;
use files::Files;
pub use listen::{Bound, ListenError, bind};
use listener::Limited;
pub use token::{Token, TokenError};

use crate::catalog::{Catalog, Lang};
use crate::config::{Incident, Listen};
use crate::store::{Outbox, StateError};
use crate::telemetry::Metrics;
use crate::telemetry::file::File;

/// Reads of the store at a time.
const MAX_READS: usize = 4;
/// How long a question waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// What of the configuration answers depend on; replaced when it is loaded again.
#[derive(Debug, Clone)]
pub struct InForce {
    pub catalog: Arc<Catalog>,
    pub lang: Lang,
    pub incident: Incident,
    /// What whoever asks has to show.
    pub token: Option<Token>,
}

/// What the daemon gives the server to answer from.
pub struct Sources {
    pub metrics: Arc<Metrics>,
    /// Where the store is.
    pub state_dir: PathBuf,
    /// Asks the reader how far each file is read.
    pub ask_files: Box<dyn Fn(oneshot::Sender<Vec<File>>) + Send + Sync>,
}

/// Tells a running server of a configuration that was loaded again.
#[derive(Debug)]
pub struct Control {
    in_force: watch::Sender<Arc<InForce>>,
    is_loopback: bool,
}

impl Control {
    /// These answers from now on. The address stays, so where other hosts can ask, a token stays in force.
    pub fn replace(&self, mut new: InForce) {
        if new.token.is_none() && !self.is_loopback {
            new.token.clone_from(&self.in_force.borrow().token);
        }
        self.in_force.send_replace(Arc::new(new));
    }
}

/// What all rooms share.
struct Server {
    sources: Sources,
    in_force: watch::Receiver<Arc<InForce>>,
    /// As configured.
    address: Listen,
    reads: Arc<Semaphore>,
    files: Files,
}

/// A server on this address, not yet serving, and what tells it of reloads.
pub fn server(address: Listen, in_force: InForce, sources: Sources) -> (Control, Serve) {
    let is_loopback = address.is_of_this_host();
    let (sender, in_force) = watch::channel(Arc::new(in_force));
    let reads = Arc::new(Semaphore::new(MAX_READS));
    let server = Server { sources, in_force, address, reads, files: Files::default() };
    (Control { in_force: sender, is_loopback }, Serve(Arc::new(server)))
}

/// A server that is ready to serve.
pub struct Serve(Arc<Server>);

impl Serve {
    /// Serves until the runtime ends.
    ///
    /// # Errors
    /// The listener is of no use.
    pub async fn on(self, bound: Bound) -> io::Result<()> {
        match bound {
            Bound::Tcp(listener) => axum::serve(Limited::new(TcpListener::from_std(listener)?), router(self.0)).await,
            Bound::Unix(listener) => axum::serve(Limited::new(UnixListener::from_std(listener)?), router(self.0)).await,
        }
    }
}

fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/api/v1/status", get(status::status))
        .route("/api/v1/files", get(files::files))
        .route("/api/v1/events", get(events::events))
        .route("/api/v1/incidents", get(incidents::incidents))
        .route("/api/v1/incidents/{id}", get(incidents::incident))
        .route("/api/v1/catalog", get(catalog::search))
        .route("/api/v1/catalog/{id}", get(catalog::entry))
        .fallback(async || Failure::no_such_path())
        .layer(from_fn_with_state(Arc::clone(&server), guard::guard))
        .with_state(server)
}

impl Server {
    fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.borrow())
    }

    /// Reads from the store on a thread that may wait for the disk.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Outbox) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, Failure> {
        let turn = timeout(TURN, Arc::clone(&self.reads).acquire_owned()).await;
        let Ok(Ok(permit)) = turn else { return Err(Failure::busy("too many questions at a time")) };
        let dir = self.sources.state_dir.clone();
        let read = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            Outbox::open(&dir)?.map(|outbox| work(&outbox)).transpose()
        });
        match read.await {
            Ok(Ok(Some(found))) => Ok(found),
            Ok(Ok(None)) => Err(Failure::unavailable("the state is not there")),
            Ok(Err(error)) => Err(Failure::unavailable(&format!("the state cannot be read: {error}"))),
            Err(_) => Err(Failure::unavailable("the answer could not be made")),
        }
    }
}
