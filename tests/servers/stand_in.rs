//! What `GET`, `PUT` and `DELETE /v1/kv/<key>` of Consul do, with `raw`, `index` and `wait`, in a
//! small server that can also be told to misbehave. The same tests run against it and against a
//! real agent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Given instead of an answer, once.
pub enum Misbehave {
    /// These bytes and no more.
    Say(&'static [u8]),
    Close,
}

#[derive(Default)]
struct State {
    index: u64,
    keys: BTreeMap<String, (Vec<u8>, u64)>,
    /// `None`: all may read.
    tokens: Option<BTreeSet<String>>,
    misbehave: VecDeque<Misbehave>,
    /// The queries of all that was asked of keys.
    asked: Vec<String>,
    connections: Vec<TcpStream>,
    down: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

pub struct StandIn {
    shared: Arc<Shared>,
    pub port: u16,
    listener: Option<JoinHandle<()>>,
}

impl StandIn {
    pub fn start(acl: bool) -> Self {
        let [port] = super::ports();
        let mut server = Self { shared: Arc::default(), port, listener: None };
        server.restart();
        if acl {
            server.lock().tokens = Some(BTreeSet::new());
        }
        server
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    /// The same port and tokens; all keys are forgotten.
    pub fn restart(&mut self) {
        assert!(self.listener.is_none(), "it is running");
        let listener = TcpListener::bind(("127.0.0.1", self.port)).expect("the port is free");
        let tokens = self.lock().tokens.take();
        *self.lock() = State { index: 10, tokens, ..State::default() };
        let shared = Arc::clone(&self.shared);
        self.listener = Some(thread::spawn(move || {
            for connection in listener.incoming() {
                let connection = connection.expect("a connection");
                let mut state = shared.state.lock().unwrap();
                if state.down {
                    return;
                }
                state.connections.push(connection.try_clone().expect("a handle"));
                drop(state);
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(&shared, &connection));
            }
        }));
    }

    pub fn kill(&mut self) {
        let Some(listener) = self.listener.take() else { return };
        let mut state = self.lock();
        state.down = true;
        for connection in state.connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        drop(state);
        self.shared.changed.notify_all();
        // It looks up when somebody comes.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        listener.join().expect("it ends");
    }

    /// From now on this token may read.
    pub fn allow(&self, token: &str) {
        self.lock().tokens.get_or_insert_default().insert(token.to_string());
    }

    /// As after a restored backup: an index of another history.
    pub fn set_index(&self, key: &str, value: &str, index: u64) {
        let mut state = self.lock();
        state.index = index;
        state.keys.insert(key.to_string(), (value.into(), index));
    }

    /// Wakes who waits for the key, though it stays what it was.
    pub fn wake(&self, key: &str) {
        let mut state = self.lock();
        state.index += 1;
        let index = state.index;
        state.keys.get_mut(key).expect("the key exists").1 = index;
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Answers so, one after the other, before it behaves again. Who waits now is answered first.
    pub fn misbehave(&self, how: impl IntoIterator<Item = Misbehave>) {
        self.lock().misbehave.extend(how);
        self.shared.changed.notify_all();
    }

    /// Whether it has said all that it was told to.
    pub fn behaves(&self) -> bool {
        self.lock().misbehave.is_empty()
    }

    /// The queries so far.
    pub fn asked(&self) -> Vec<String> {
        self.lock().asked.clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One connection, on which many requests may come.
fn serve(shared: &Shared, mut connection: &TcpStream) -> Option<()> {
    let mut lines = BufReader::new(connection);
    loop {
        let (method, target, token, body) = request(&mut lines)?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let key = decoded(path.strip_prefix("/v1/kv/")?);
        let answer = match method.as_str() {
            "GET" => {
                let (answer, last) = get(shared, &key, query, &token)?;
                if last {
                    let _ = connection.write_all(&answer);
                    // The server itself holds another handle.
                    return connection.shutdown(Shutdown::Both).ok();
                }
                answer
            }
            _ => {
                let mut state = shared.state.lock().unwrap();
                state.index += 1;
                let index = state.index;
                match method.as_str() {
                    "PUT" => state.keys.insert(key, (body, index)),
                    _ => state.keys.remove(&key),
                };
                drop(state);
                shared.changed.notify_all();
                answer("200 OK", None, b"true")
            }
        };
        connection.write_all(&answer).ok()?;
    }
}

/// The answer, and whether it is the connection's last. `None`: the server is gone.
fn get(shared: &Shared, key: &str, query: &str, token: &str) -> Option<(Vec<u8>, bool)> {
    let asked: BTreeMap<_, _> =
        query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    assert!(asked.contains_key("raw"), "only this form is implemented");
    let index: u64 = asked.get("index").map_or(0, |index| index.parse().expect("an index"));
    let wait = asked.get("wait").map_or(300, |wait| {
        wait.strip_suffix('s').and_then(|wait| wait.parse().ok()).expect("seconds")
    });

    let begun = Instant::now();
    let mut state = shared.state.lock().unwrap();
    state.asked.push(query.to_string());
    loop {
        if state.down {
            return None;
        }
        match state.misbehave.pop_front() {
            Some(Misbehave::Close) => return Some((Vec::new(), true)),
            Some(Misbehave::Say(bytes)) => return Some((bytes.to_vec(), true)),
            None => {}
        }
        if state.tokens.as_ref().is_some_and(|tokens| !tokens.contains(token)) {
            return Some((answer("403 Forbidden", None, b"ACL not found"), false));
        }
        // Of a key its own, and of none the newest.
        let current = state.keys.get(key).map_or(state.index, |(_, index)| *index);
        let left = Duration::from_secs(wait).saturating_sub(begun.elapsed());
        if index == 0 || current > index || left.is_zero() {
            let answer = match state.keys.get(key) {
                Some((value, _)) => answer("200 OK", Some(current), value),
                None => answer("404 Not Found", Some(current), b""),
            };
            return Some((answer, false));
        }
        state = shared.changed.wait_timeout(state, left).unwrap().0;
    }
}

/// Method, target, token and body of the next request, if there is one.
fn request(lines: &mut BufReader<&TcpStream>) -> Option<(String, String, String, Vec<u8>)> {
    let mut line = String::new();
    lines.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ').map(str::to_string);
    let (method, target) = (words.next()?, words.next()?);
    let (mut token, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "x-consul-token" => token = value.to_string(),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    Some((method, target, token, body))
}

fn answer(status: &str, index: Option<u64>, body: &[u8]) -> Vec<u8> {
    let index = index.map_or(String::new(), |index| format!("X-Consul-Index: {index}\r\n"));
    let length = body.len();
    let mut bytes =
        format!("HTTP/1.1 {status}\r\n{index}Content-Length: {length}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn decoded(key: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = key.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().expect("a digit"), rest.next().expect("a digit")];
                let digits = std::str::from_utf8(&digits).expect("digits");
                u8::from_str_radix(digits, 16).expect("a byte")
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).expect("a key")
}
