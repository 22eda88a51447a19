//! A receiver of webhooks that misbehaves as it is told, and remembers what it was sent.
//!
//! Each request takes the next step of the script; when that is used up, what [`Receiver::otherwise`] says, else it is
//! accepted. It listens on 127.0.0.1 and ends with
//! the test.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What becomes of one request.
#[derive(Debug, Clone)]
pub enum Step {
    Answer(Reply),
    /// Nothing comes, and the connection stays.
    Hang,
    /// A good answer, one byte at a time with this much time between two.
    Drip(Duration),
    /// The connection ends without a word.
    Close,
    /// The connection is torn down (RST) in the middle of the body.
    Reset,
    /// A body without end.
    Endless,
    /// Bytes that are no HTTP.
    Garbage,
}

#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// What came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// As it stands in the request line.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub at: Instant,
    /// Counts connections from 0.
    pub connection: usize,
}

pub struct Receiver {
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    state: Arc<State>,
    /// While it listens.
    listening: Option<Listening>,
}

struct Listening {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

type Decide = dyn Fn(&Request) -> Step + Send;

#[derive(Default)]
struct State {
    script: Mutex<VecDeque<Step>>,
    otherwise: Mutex<Option<Box<Decide>>>,
    /// And what became of each.
    requests: Mutex<Vec<(Request, Step)>>,
    came: Condvar,
    connections: Mutex<Vec<TcpStream>>,
}

impl State {
    fn step(&self, request: &Request) -> Step {
        let scripted = self.script.lock().unwrap().pop_front();
        scripted.unwrap_or_else(|| match &*self.otherwise.lock().unwrap() {
            Some(decide) => decide(request),
            None => Step::status(200),
        })
    }
}

impl Step {
    pub fn status(status: u16) -> Step {
        Step::Answer(Reply { status, headers: Vec::new(), body: Vec::new() })
    }

    pub fn body(status: u16, body: &str) -> Step {
        Step::Answer(Reply { status, headers: Vec::new(), body: body.into() })
    }

    pub fn header(status: u16, name: &'static str, value: &str) -> Step {
        Step::Answer(Reply { status, headers: vec![(name, value.into())], body: Vec::new() })
    }
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Does the official library of Standard Webhooks take it as signed with this key just now?
    pub fn is_signed_with(&self, key: &str) -> bool {
        let headers = self.headers.iter().map(|(name, value)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        });
        let headers: HeaderMap = headers.collect();
        standardwebhooks::Webhook::new(key).unwrap().verify(&self.body, &headers).is_ok()
    }
}

impl Receiver {
    pub fn start() -> Receiver {
        Receiver::listen(None)
    }

    pub fn with_tls(config: Arc<ServerConfig>) -> Receiver {
        Receiver::listen(Some(config))
    }

    fn listen(tls: Option<Arc<ServerConfig>>) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut receiver = Receiver { address, tls, state: Arc::default(), listening: None };
        receiver.serve(listener);
        receiver
    }

    pub fn url(&self, path: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds to the script.
    pub fn then(&self, steps: impl IntoIterator<Item = Step>) -> &Receiver {
        self.state.script.lock().unwrap().extend(steps);
        self
    }

    /// What happens when the script is used up.
    pub fn otherwise(&self, decide: impl Fn(&Request) -> Step + Send + 'static) -> &Receiver {
        *self.state.otherwise.lock().unwrap() = Some(Box::new(decide));
        self
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().iter().map(|(request, _)| request.clone()).collect()
    }

    /// Those that it did not answer with a refusal: whether or not its answer got through, it has them.
    pub fn taken(&self) -> Vec<Request> {
        let is_taken = |step: &Step| !matches!(step, Step::Answer(reply) if !(200..300).contains(&reply.status));
        let requests = self.state.requests.lock().unwrap();
        requests.iter().filter(|(_, step)| is_taken(step)).map(|(request, _)| request.clone()).collect()
    }

    /// All requests, when there are so many.
    ///
    /// # Panics
    /// They do not come within 30 s.
    pub fn wait_for(&self, n: usize) -> Vec<Request> {
        let requests = self.state.requests.lock().unwrap();
        let few = |requests: &mut Vec<(Request, Step)>| requests.len() < n;
        let (requests, late) = self.state.came.wait_timeout_while(requests, Duration::from_secs(30), few).unwrap();
        assert!(!late.timed_out(), "{} requests instead of {n}: {requests:#?}", requests.len());
        requests.iter().map(|(request, _)| request.clone()).collect()
    }

    /// From now on connections are refused; those that are open end.
    pub fn refuse(&mut self) {
        let Some(Listening { thread, stop }) = self.listening.take() else { return };
        stop.store(true, Ordering::SeqCst);
        // Wakes it.
        drop(TcpStream::connect(self.address));
        thread.join().unwrap();
        for connection in self.state.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Listens again, at the same address.
    pub fn resume(&mut self) {
        self.refuse();
        self.serve(TcpListener::bind(self.address).unwrap());
    }

    /// Listens again as somebody else.
    pub fn resume_with(&mut self, tls: Arc<ServerConfig>) {
        self.tls = Some(tls);
        self.resume();
    }

    fn serve(&mut self, listener: TcpListener) {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, state, tls) = (stop.clone(), self.state.clone(), self.tls.clone());
        let thread = std::thread::spawn(move || {
            for (number, connection) in listener.incoming().enumerate() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(connection) = connection else { continue };
                state.connections.lock().unwrap().push(connection.try_clone().unwrap());
                let (state, tls) = (state.clone(), tls.clone());
                // A connection that breaks off is what many tests are about.
                std::thread::spawn(move || drop(converse(connection, number, &state, tls)));
            }
        });
        self.listening = Some(Listening { thread, stop });
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.refuse();
    }
}

/// All requests of one connection.
fn converse(tcp: TcpStream, number: usize, state: &State, tls: Option<Arc<ServerConfig>>) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let raw = tcp.try_clone()?;
    match tls {
        Some(config) => {
            let session = ServerConnection::new(config).map_err(io::Error::other)?;
            answer_all(BufReader::new(StreamOwned::new(session, tcp)), &raw, number, state)
        }
        None => answer_all(BufReader::new(tcp), &raw, number, state),
    }
}

fn answer_all<S: Read + Write>(
    mut stream: BufReader<S>,
    raw: &TcpStream,
    number: usize,
    state: &State,
) -> io::Result<()> {
    while let Some(request) = read_request(&mut stream, number)? {
        let step = state.step(&request);
        state.requests.lock().unwrap().push((request, step.clone()));
        state.came.notify_all();
        if !act(step, stream.get_mut(), raw)? {
            return raw.shutdown(Shutdown::Both);
        }
    }
    Ok(())
}

/// Does what the step says; the connection goes on if that leaves it whole.
fn act(step: Step, stream: &mut (impl Read + Write), raw: &TcpStream) -> io::Result<bool> {
    match step {
        Step::Answer(reply) => {
            write_reply(stream, &reply)?;
            return Ok(true);
        }
        Step::Hang => drop(stream.read(&mut [0])),
        Step::Drip(pause) => {
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" {
                stream.write_all(&[*byte])?;
                stream.flush()?;
                std::thread::sleep(pause);
            }
            return Ok(true);
        }
        Step::Close => {}
        Step::Reset => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")?;
            stream.flush()?;
            rustix::net::sockopt::set_socket_linger(raw, Some(Duration::ZERO))?;
        }
        Step::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            let chunk = [b"1000\r\n".as_slice(), &[b'x'; 0x1000], b"\r\n"].concat();
            while stream.write_all(&chunk).is_ok() {}
        }
        Step::Garbage => {
            stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n")?;
            stream.flush()?;
        }
    }
    Ok(false)
}

fn write_reply(stream: &mut impl Write, reply: &Reply) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Reason\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(&reply.body)?;
    stream.flush()
}

/// `None`: the connection ended between two requests.
fn read_request(stream: &mut impl BufRead, connection: usize) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok(Some(Request { method, target, headers, body, at: Instant::now(), connection }))
}
