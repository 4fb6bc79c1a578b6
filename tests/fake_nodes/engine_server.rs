//! Serves a fake engine's table over HTTP on a unix socket, as a Docker Engine does.

use super::engine::{Answer, Contents};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// An engine that answers as long as the value lives.
pub struct EngineServer {
    contents: Arc<Mutex<Contents>>,
    requests: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Drop for EngineServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl EngineServer {
    pub fn start(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let contents: Arc<Mutex<Contents>> = Arc::default();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let (served, noted) = (Arc::clone(&contents), Arc::clone(&requests));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (served, noted) = (Arc::clone(&served), Arc::clone(&noted));
                tokio::spawn(async move {
                    // A client that hangs up in the middle is no fault of the engine.
                    let _ = serve(stream, &served, &noted).await;
                });
            }
        });
        Self {
            contents,
            requests,
            serving,
        }
    }

    /// Changes the table, or looks at it.
    pub fn with<T>(&self, work: impl FnOnce(&mut Contents) -> T) -> T {
        work(&mut self.contents.lock().unwrap())
    }

    /// Returns the table itself, for scripts of commands that change it.
    pub fn table(&self) -> Arc<Mutex<Contents>> {
        Arc::clone(&self.contents)
    }

    /// Returns every request that was not only a look.
    pub fn changes(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .filter(|line| !line.starts_with("GET"))
            .cloned()
            .collect()
    }
}

async fn serve(stream: UnixStream, contents: &Mutex<Contents>, requests: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let (length, chunked) = read_headers(&mut stream).await?;
        let body = if chunked {
            read_chunks(&mut stream).await?
        } else {
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await?;
            body
        };
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = decoded(without_version(path));
        requests.lock().unwrap().push(format!("{method} {path}"));
        let query = query.split('&').filter_map(|pair| pair.split_once('='));
        let query: BTreeMap<String, String> = query.map(|(name, value)| (name.to_owned(), decoded(value))).collect();
        let answer = contents.lock().unwrap().answer(method, &path, &query, &body);
        stream.write_all(&written(answer)).await?;
    }
}

async fn read_headers(stream: &mut BufReader<UnixStream>) -> std::io::Result<(usize, bool)> {
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            return Ok((length, chunked));
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        chunked |= line.starts_with("transfer-encoding: chunked");
    }
}

async fn read_chunks(stream: &mut BufReader<UnixStream>) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let size = usize::from_str_radix(line.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk).await?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

fn written((status, body): Answer) -> Vec<u8> {
    let body = if body == Value::Null {
        String::new()
    } else {
        body.to_string()
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Told\r\napi-version: 1.45\r\ncontent-type: application/json\r\n");
    // An answer without content must not say how long it is.
    match status {
        204 => format!("{head}\r\n"),
        _ => format!("{head}content-length: {length}\r\n\r\n{body}"),
    }
    .into_bytes()
}

fn without_version(path: &str) -> &str {
    match path.strip_prefix("/v") {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => &rest[rest.find('/').unwrap()..],
        _ => path,
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
                rest = after;
            }
            (byte, after) => {
                bytes.push(if byte == b'+' { b' ' } else { byte });
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}
