//! A web server that says its name.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A container's web server; with the value it is gone, as its container would be.
pub struct Backend {
    pub port: u16,
    gone: Arc<AtomicBool>,
}

impl Backend {
    /// Starts one that answers each request with `name`.
    pub fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let gone = Arc::new(AtomicBool::new(false));
        let (name, is_gone) = (name.to_owned(), gone.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if is_gone.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(mut stream), name) = (stream, name.clone()) else {
                    continue;
                };
                std::thread::spawn(move || {
                    let mut seen = Vec::new();
                    let mut part = [0; 1024];
                    while !seen.ends_with(b"\r\n\r\n") {
                        match stream.read(&mut part) {
                            Ok(0) | Err(_) => return,
                            Ok(size) => seen.extend_from_slice(&part[..size]),
                        }
                    }
                    let length = name.len();
                    let answer =
                        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{name}");
                    // Who asked may have gone.
                    let _ = stream.write_all(answer.as_bytes());
                });
            }
        });
        Self { port, gone }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::SeqCst);
        // It waits for the next connection.
        let _ = std::net::TcpStream::connect(("127.0.0.1", self.port));
    }
}
