//! A manager in memory: its running containers, and the stream of its events.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// What it has.
#[derive(Default)]
struct Kept {
    containers: Vec<Value>,
    listeners: Vec<TcpStream>,
    is_away: bool,
}

/// A manager to follow.
pub struct Manager {
    pub address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

impl Manager {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Arc::<Mutex<Kept>>::default();
        let serving = kept.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = serving.clone();
                std::thread::spawn(move || answer(stream, &kept));
            }
        });
        Self { address, kept }
    }

    /// Runs the container `name` with its web server at `port`.
    pub fn run(&self, name: &str, port: u16, data: &str) {
        let mut kept = self.kept.lock().unwrap();
        let id = format!("{:064x}", port);
        kept.containers.push(json!({
            "Id": id, "Name": format!("/node-2/{name}"), "State": { "Running": true },
            "Config": { "Env": [format!("INTERLOCK_DATA={data}")] },
            "NetworkSettings": { "Ports": { "5000/tcp": [{ "HostIp": "127.0.0.1", "HostPort": port.to_string() }] } },
        }));
        tell(&mut kept, &json!({ "status": "start", "id": id }));
    }

    /// Ends the container `name`.
    pub fn end(&self, name: &str) {
        let mut kept = self.kept.lock().unwrap();
        let before = kept.containers.len();
        kept.containers.retain(|one| one["Name"] != format!("/node-2/{name}"));
        assert_eq!(kept.containers.len(), before - 1, "{name} did not run");
        tell(&mut kept, &json!({ "status": "die", "id": "0" }));
    }

    /// Ends every connection and answers nothing, or answers again.
    pub fn be_away(&self, is_away: bool) {
        let mut kept = self.kept.lock().unwrap();
        kept.is_away = is_away;
        for listener in kept.listeners.drain(..) {
            // It may have gone by itself.
            let _ = listener.shutdown(Shutdown::Both);
        }
    }

    /// Tells whether somebody follows its events.
    pub fn is_followed(&self) -> bool {
        !self.kept.lock().unwrap().listeners.is_empty()
    }
}

fn tell(kept: &mut Kept, event: &Value) {
    let line = format!("{event}\n");
    let chunk = format!("{:x}\r\n{line}\r\n", line.len());
    kept.listeners
        .retain_mut(|listener| listener.write_all(chunk.as_bytes()).is_ok());
}

fn answer(mut stream: TcpStream, kept: &Mutex<Kept>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    // The rest of the head; nobody sends a body.
    while lines.next().is_some_and(|line| !line.is_empty()) {}
    let mut kept = kept.lock().unwrap();
    if kept.is_away {
        return;
    }
    if path == "/events" {
        // Who asked may have gone.
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        kept.listeners.push(stream);
        return;
    }
    let is_it = |one: &&Value| path == format!("/containers/{}/json", one["Id"].as_str().unwrap_or_default());
    let (status, body) = match kept.containers.iter().find(is_it) {
        _ if path == "/containers/json" => ("200 OK", Value::from(kept.containers.clone())),
        Some(one) => ("200 OK", one.clone()),
        None => ("404 Not Found", json!({ "message": "no such container" })),
    };
    let body = body.to_string();
    let length = body.len();
    // Who asked may have gone.
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
}
