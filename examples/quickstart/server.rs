//! A real HTTP server on a loopback port, which fails by a script.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// The answer to a request.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// `503 Service Unavailable`, with or without a delay in seconds.
    Busy { retry_after: Option<u32> },
    /// The first half of the requested bytes; then the connection is reset.
    Reset,
    /// Nothing, until the client closes the connection.
    Silence,
    /// The page, or the requested part of it.
    Page,
}

/// A server that answers requests by a script, and with the page after the end of the script.
pub(crate) struct Server {
    address: SocketAddr,
    script: Vec<Answer>,
    page: &'static str,
    calls: Arc<AtomicU32>,
}

impl Server {
    /// A server that is up.
    pub(crate) fn up(page: &'static str, script: &[Answer]) -> io::Result<Self> {
        let server = Self::down(page, script)?;
        server.start()?;
        Ok(server)
    }

    /// A server that has an address but is not up: until [`start`](Server::start), connections to
    /// it are refused.
    pub(crate) fn down(page: &'static str, script: &[Answer]) -> io::Result<Self> {
        // The system picks a free port, which is closed again at the end of this line.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        Ok(Server { address, script: script.to_vec(), page, calls: Arc::default() })
    }

    /// Brings the server up: it listens when this returns, and until the program ends.
    pub(crate) fn start(&self) -> io::Result<()> {
        let listener = TcpListener::bind(self.address)?;
        let (script, page, calls) = (self.script.clone(), self.page, self.calls.clone());
        thread::spawn(move || {
            let answers = script.into_iter().chain(std::iter::repeat(Answer::Page));
            for (stream, answer) in listener.incoming().zip(answers) {
                // The client may have closed the connection; it makes another request then.
                let _ = stream.and_then(|stream| serve(stream, answer, page, &calls));
            }
        });
        Ok(())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The number of requests that arrived.
    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }
}

/// Reads one request, and answers it.
fn serve(mut stream: TcpStream, answer: Answer, page: &str, calls: &AtomicU32) -> io::Result<()> {
    let head = read_head(&mut stream)?;
    calls.fetch_add(1, Ordering::SeqCst);
    let rest = page.get(range_start(&head)..).unwrap_or_default();
    match answer {
        Answer::Reset => {
            write!(stream, "{}{}", head_of(rest), &rest[..rest.len() / 2])
            // A socket that is closed with unread data resets the connection; the last newline of
            // the request is unread.
        }
        Answer::Silence => {
            stream.read_exact(&mut [0])?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream.read_to_end(&mut Vec::new()).map(drop)
        }
        Answer::Busy { retry_after } => {
            stream.read_exact(&mut [0])?;
            let header = retry_after.map(|seconds| format!("Retry-After: {seconds}\r\n"));
            write!(
                stream,
                "HTTP/1.1 503 Service Unavailable\r\n{}Content-Length: 0\r\nConnection: close\r\n\r\n",
                header.unwrap_or_default(),
            )
        }
        Answer::Page => {
            stream.read_exact(&mut [0])?;
            write!(stream, "{}{rest}", head_of(rest))
        }
    }
}

/// Reads the head of a request except for its last byte, a newline.
fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).to_lowercase())
}

/// The start of the requested range: `Range: bytes=470-`.
fn range_start(head: &str) -> usize {
    let (_, range) = head.split_once("\r\nrange: bytes=").unwrap_or_default();
    range.split('-').next().and_then(|start| start.parse().ok()).unwrap_or(0)
}

/// The head of an answer with the page.
fn head_of(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())
}
