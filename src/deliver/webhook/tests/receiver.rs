//! A receiver that misbehaves as it is told, and remembers everything.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    pub id: String,
    pub body: String,
}

impl Got {
    /// Numbers of the events in it, in whatever form.
    pub fn events(&self) -> Vec<u64> {
        let excerpts = self.body.split(r#""excerpt":""#).skip(1);
        let number = |text: &str| text.split('"').next()?.trim_start_matches("poison ").parse().ok();
        excerpts.map(|text| number(text).expect("a number")).collect()
    }
}

pub enum Reply {
    Status(u16),
    /// With a header and a body.
    Full(u16, &'static str, &'static str),
    /// Nothing, for longer than anybody waits.
    Hang,
    Reset,
    /// The beginning of an answer.
    Half,
    Garbage,
}

/// A receiver that answers as it is told, by the number of the request and what is in it.
pub struct Receiver {
    pub at: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Receiver {
    pub fn new(script: impl FnMut(usize, &Got) -> Reply + Send + 'static) -> Receiver {
        Receiver::on(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    pub fn on(listener: TcpListener, mut script: impl FnMut(usize, &Got) -> Reply + Send + 'static) -> Receiver {
        let (at, got) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let all = Arc::clone(&got);
        thread::spawn(move || {
            // Connections that are left open.
            let mut hanging = Vec::new();
            for stream in listener.incoming().flatten() {
                let Some(request) = read(&stream) else { continue };
                let n = all.lock().unwrap().len();
                let reply = script(n, &request);
                all.lock().unwrap().push(request);
                answer(stream, reply, &mut hanging);
            }
        });
        Receiver { at, got }
    }

    pub fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Got> {
    let mut reader = BufReader::new(stream);
    let (mut id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|&n| n > 0)?;
        match line.trim_end().split_once(": ") {
            Some(("webhook-id", value)) => id = value.to_owned(),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Got { id, body: String::from_utf8(body).ok()? })
}

fn answer(mut stream: TcpStream, reply: Reply, hanging: &mut Vec<TcpStream>) {
    let text = match reply {
        Reply::Status(status) => format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        Reply::Full(status, header, body) => {
            let length = body.len();
            format!("HTTP/1.1 {status} X\r\n{header}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        }
        Reply::Hang => return hanging.push(stream),
        Reply::Reset => String::new(),
        Reply::Half => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhal".into(),
        Reply::Garbage => "SSH-2.0-OpenSSH_9.2\r\n".into(),
    };
    drop(stream.write_all(text.as_bytes()));
}
