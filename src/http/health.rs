//! Is it alive, is it ready, and the numbers: plain text, for probes and for Prometheus.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::Server;

pub(super) async fn healthz(State(server): State<Arc<Server>>) -> (StatusCode, &'static str) {
    match server.sources.metrics.is_alive(Instant::now()) {
        true => (StatusCode::OK, "ok\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "the reader is stuck\n"),
    }
}

/// Why it is not ready, or that it is; below that what is not as it should be.
pub(super) async fn readyz(State(server): State<Arc<Server>>) -> (StatusCode, String) {
    let metrics = &server.sources.metrics;
    let (reasons, remarks) = (metrics.unready(Instant::now()), metrics.remarks());
    match reasons.is_empty() {
        true => (StatusCode::OK, [vec!["ready".to_owned()], remarks].concat().join("\n") + "\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, [reasons, remarks].concat().join("\n") + "\n"),
    }
}

pub(super) async fn metrics(State(server): State<Arc<Server>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], server.sources.metrics.render())
}
