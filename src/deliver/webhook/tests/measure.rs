//! How fast a receiver on this host is served, beside a client that posts the same bodies and remembers nothing.
//!
//! `cargo test --release --lib events_per_second -- --ignored --nocapture`; `TMPDIR` chooses the disk.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::case::*;
use crate::config::Durability;

/// Of a line for a merchant's log and its annotation.
const EXCERPT_BYTES: usize = 1200;

/// Accepts everything on connections that stay open, and looks at nothing.
fn receiver() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(thread::spawn(move || serve(&stream)))));
    at
}

fn serve(stream: &TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::with_capacity(1 << 16, stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line).ok().filter(|&n| n > 0)?;
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body).ok()?;
        (&*stream).write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()?;
    }
}

/// Until all of it is accepted.
fn delivered(max_batch: usize, n_events: u64) -> Duration {
    let mut case = Case::new(receiver());
    case.config.max_batch = max_batch;
    let up = case.up_as(Durability::Full, &[(NAME, case.config.notify)]);
    commit(&up, (0..n_events).map(|n| event(n, &"x".repeat(EXCERPT_BYTES))));
    let began = Instant::now();
    let running = case.run(&up);
    while !is_empty(&up) {
        thread::sleep(Duration::from_millis(1));
    }
    let took = began.elapsed();
    running.stop();
    took
}

/// The same bodies with nothing around them.
fn posted(max_batch: usize, n_events: u64) -> Duration {
    let url = format!("http://{}/hook", receiver());
    let bodies: Vec<Vec<u8>> = (0..n_events)
        .collect::<Vec<_>>()
        .chunks(max_batch)
        .map(|numbers| numbers.iter().flat_map(|&n| event(n, &"x".repeat(EXCERPT_BYTES)).body).collect())
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let provider = rustls::crypto::ring::default_provider();
    let tls =
        rustls::ClientConfig::builder_with_provider(provider.into()).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let client = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls).build().unwrap();
    let began = Instant::now();
    runtime.block_on(async {
        for body in bodies {
            let answer = client.post(&url).header("content-type", "application/json").body(body).send().await.unwrap();
            assert!(answer.status().is_success());
        }
    });
    began.elapsed()
}

#[test]
#[ignore = "measures and proves nothing"]
fn events_per_second_to_a_receiver() {
    for (max_batch, n_events) in [(1, 10_000), (100, 100_000), (1000, 100_000)] {
        let [ours, bare] = [delivered, posted].map(|how| n_events as f64 / how(max_batch, n_events).as_secs_f64());
        println!("{max_batch:4} events a request: {ours:7.0} events/s; posted without a store: {bare:7.0} events/s");
    }
}
