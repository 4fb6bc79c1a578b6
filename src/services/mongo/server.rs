//! The service as a whole.
//!
//! Responsible for opening the data, listening, telling what happens in the log and ending quickly when told to.
//! It may not know the protocol.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::commands::StandIn;
use super::connection::{self, Shared};
use super::error::MongoError;
use super::options::{Invocation, Options};
use super::store::Store;
use crate::console::say;
use crate::signals::StopSignals;

/// What every line of the log names.
const SERVICE: &str = "mongo";
/// How many clients are served at once.
const MOST_CONNECTIONS: usize = 500;
/// How long a stop waits for requests that are being carried out.
const LAST_REQUESTS: Duration = Duration::from_secs(3);
/// How long to wait before accepting again after the system refused.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Does what `arguments` ask for; serving ends with SIGTERM or SIGINT.
pub async fn run(arguments: &[String]) -> Result<(), MongoError> {
    let options = match Invocation::parse(arguments)? {
        Invocation::Serve(options) => options,
        Invocation::Help => {
            say(SERVICE, &Invocation::help());
            return Ok(());
        }
        Invocation::Version => {
            say(
                SERVICE,
                concat!(
                    "labctl ",
                    env!("CARGO_PKG_VERSION"),
                    ", a stand-in for MongoDB and not MongoDB"
                ),
            );
            return Ok(());
        }
    };
    let mut stop = StopSignals::listen().map_err(MongoError::Signals)?;
    let server = Server::bind(&options).await?;
    let stopped = async { say(SERVICE, &format!("told to stop by {}", stop.wait().await)) };
    server.serve(stopped).await;
    Ok(())
}

/// A stand-in that has its data and its addresses.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    listeners: Vec<TcpListener>,
    connections: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Server {
    /// Opens the data and listens, as `options` say.
    pub async fn bind(options: &Options) -> Result<Self, MongoError> {
        say(
            SERVICE,
            "this is labctl's stand-in for MongoDB: as much of it as DockChat needs, and not MongoDB",
        );
        if !options.ignored.is_empty() {
            say(SERVICE, &format!("without effect here: {}", options.ignored.join(" ")));
        }
        let mut notes = Vec::new();
        let store = Store::open(&options.dbpath, &mut notes).map_err(|source| MongoError::Data {
            path: options.dbpath.clone(),
            source,
        })?;
        notes.iter().for_each(|note| say(SERVICE, note));
        let mut listeners = Vec::new();
        for host in &options.bind {
            let address = format!("{host}:{}", options.port);
            let listening = TcpListener::bind((host.as_str(), options.port)).await;
            listeners.push(listening.map_err(|source| MongoError::Listen { address, source })?);
        }
        Ok(Self {
            shared: Arc::new(Shared::new(StandIn::new(store))),
            listeners,
            connections: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
            tasks: TaskTracker::new(),
        })
    }

    /// The addresses listened on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// Serves until `stop` is ready, then lets go of all clients.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        for address in self.addresses() {
            say(SERVICE, &format!("waiting for connections on {address}"));
        }
        let accepting = futures_util::future::join_all(self.listeners.iter().map(|listener| self.accept(listener)));
        tokio::select! {
            _ = accepting => {}
            () = stop => {}
        }
        self.shared.stop.cancel();
        self.tasks.close();
        if timeout(LAST_REQUESTS, self.tasks.wait()).await.is_err() {
            say(SERVICE, "some requests were not finished in time");
        }
        say(SERVICE, "stopped");
    }

    async fn accept(&self, listener: &TcpListener) {
        let mut number = 0_i32;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    number = number.wrapping_add(1);
                    self.start(stream, peer, number);
                }
                Err(error) => {
                    say(SERVICE, &format!("cannot accept a connection: {error}"));
                    // Out of descriptors: not a wait for a condition, but a pause to not spin on it.
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    fn start(&self, stream: TcpStream, peer: SocketAddr, number: i32) {
        let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
            say(
                SERVICE,
                &format!("{peer} turned away: {MOST_CONNECTIONS} clients are connected"),
            );
            return;
        };
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            if let Err(error) = connection::serve(shared, stream, number).await {
                say(SERVICE, &format!("connection to {peer} closed: {error}"));
            }
            drop(permit);
        });
    }
}
