//! As much of HTTP/1.1 as the hub's clients speak: a request and an answer for each connection, and the ways in which it may go wrong.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::Mutex,
    thread,
    time::Duration,
};

use super::{answers, repositories::State};

/// A client's request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// Without the question mark and what follows.
    pub path: String,
    pub query: String,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// True if it came to the address of the large files.
    pub at_files: bool,
}

impl Request {
    pub fn line(&self) -> String {
        format!("{} {}?{}", self.method, self.path, self.query)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn token(&self) -> Option<&str> {
        self.header("authorization").strip_prefix("Bearer ")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn json(json: serde_json::Value) -> Self {
        let answer = Self::new(200).header("Content-Type", "application/json");
        Self { body: json.to_string().into_bytes(), ..answer }
    }

    /// An error as the hub tells it.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let answer = Self::json(serde_json::json!({ "error": message })).header("X-Error-Message", message);
        let answer = if code.is_empty() { answer } else { answer.header("X-Error-Code", code) };
        Self { status, ..answer }
    }
}

/// The failure of a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This answer, with these headers.
    Status(u16, Vec<(&'static str, &'static str)>),
    /// A page for people instead of what was asked for.
    Html,
    /// The right answer, of which the connection ends after so many bytes of the body.
    Cut(usize),
    /// The right answer but for the end of the body, as if that were all.
    Short(usize),
    /// No answer at all.
    Drop,
    /// The right answer, later.
    Late(Duration),
    /// The right answer to a request without a range.
    NoRanges,
    /// This text as JSON.
    Json(&'static str),
}

pub fn serve(stream: TcpStream, state: &Mutex<State>, at_files: bool) {
    let mut reader = BufReader::new(stream);
    let Some(mut request) = read(&mut reader) else { return };
    request.at_files = at_files;
    let fault = {
        let mut state = state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        state.requests.push(request.clone());
        state.fault(&request)
    };
    let mut cut = None;
    match fault {
        Some(Fault::Drop) => return,
        Some(Fault::Late(wait)) => thread::sleep(wait),
        Some(Fault::NoRanges) => drop(request.headers.remove("range")),
        Some(Fault::Cut(bytes)) => cut = Some(bytes),
        _ => {}
    }
    let mut answer = {
        let mut state = state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        answers::answer(&mut state, &request)
    };
    match fault {
        Some(Fault::Status(status, headers)) => {
            answer = Answer::error(status, "", "told to fail");
            headers.into_iter().for_each(|(name, value)| answer.headers.push((name.to_owned(), value.to_owned())));
        }
        Some(Fault::Html) => {
            answer.status = 200;
            answer.headers = vec![("Content-Type".to_owned(), "text/html".to_owned())];
            answer.body = b"<!DOCTYPE html><title>Welcome to the hotel's network</title>".to_vec();
        }
        Some(Fault::Json(text)) => {
            answer.status = 200;
            answer.body = text.as_bytes().to_vec();
        }
        Some(Fault::Short(bytes)) if request.method != "HEAD" => answer.body.truncate(bytes),
        _ => {}
    }
    let _client_gone = write(reader.get_mut(), &request, &answer, cut);
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request { method, path: decoded(path), query: query.to_owned(), ..Default::default() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        request.headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length: usize = request.header("content-length").parse().unwrap_or(0);
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

fn write(stream: &mut TcpStream, request: &Request, answer: &Answer, cut: Option<usize>) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Answer\r\nConnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !answer.headers.iter().any(|(name, _)| name == "Content-Length") {
        head.push_str(&format!("Content-Length: {}\r\n", answer.body.len()));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if request.method != "HEAD" {
        stream.write_all(&answer.body[..cut.unwrap_or(answer.body.len()).min(answer.body.len())])?;
    }
    stream.flush()
}

/// Without percent signs.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = (byte == b'%').then(|| tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok())).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) => (bytes.push(value), rest = &tail[2..]),
            None => (bytes.push(byte), rest = tail),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
