//! The protocol over HTTPS.
//!
//! Responsible for connections, routes and bounds: on clients at once, on how long each may take, on what it sends. It may
//! not decide what is kept.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{interval, timeout};
use tokio_rustls::TlsAcceptor;

use super::options::Options;
use super::store::{Refusal, Store};
use super::{SERVICE, ServeError};
use crate::address::is_address;
use crate::console::say;
use crate::random;
use crate::signals::StopSignals;

/// How many clients are served at once.
const MOST_CONNECTIONS: usize = 200;
/// How long a client may take for one connection, all of its requests together.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a client may take for a handshake or the head of a request.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// The largest body of a request, in bytes: an address.
const LARGEST: usize = 300;
/// The pause after the system refused a connection.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves until it is told to stop.
pub(super) async fn run(options: &Options) -> Result<(), ServeError> {
    let mut stop = StopSignals::listen().map_err(ServeError::Signals)?;
    let tls = TlsAcceptor::from(Arc::new(tls_config(options)?));
    // A directory that cannot be written is told at once, and not by the first client.
    let store = Store::open(&options.data).and_then(|store| store.save().map(|()| store));
    let store = store.map_err(|source| ServeError::Data {
        path: options.data.clone(),
        source,
    })?;
    let address = options.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Listen { address, source })?;
    let listening = listener.local_addr().unwrap_or(address);
    say(SERVICE, &format!("waiting for connections on {listening}"));
    let store = Arc::new(Mutex::new(store));
    tokio::select! {
        () = accept(&listener, &tls, &store) => {}
        signal = stop.wait() => say(SERVICE, &format!("told to stop by {signal}")),
    }
    Ok(())
}

fn tls_config(options: &Options) -> Result<ServerConfig, ServeError> {
    let told = |path: &std::path::Path, reason: String| ServeError::Certificate {
        path: path.to_owned(),
        reason,
    };
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&options.certificate).and_then(Iterator::collect);
    let certificates = certificates.map_err(|error| told(&options.certificate, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&options.key).map_err(|error| told(&options.key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(|error| told(&options.certificate, error.to_string()))
}

async fn accept(listener: &TcpListener, tls: &TlsAcceptor, store: &Arc<Mutex<Store>>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut again = interval(ACCEPT_AGAIN);
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let Ok((stream, peer)) = listener.accept().await else {
            again.tick().await;
            continue;
        };
        let (tls, store) = (tls.clone(), Arc::clone(store));
        tokio::spawn(async move {
            // A client that goes away or says nonsense is no event of ours.
            let _ = timeout(PATIENCE, serve(stream, peer.ip(), tls, store)).await;
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, peer: IpAddr, tls: TlsAcceptor, store: Arc<Mutex<Store>>) -> io::Result<()> {
    let stream = timeout(HEAD_PATIENCE, tls.accept(stream)).await??;
    serve_plain(stream, peer, store).await
}

/// Serves a client behind the encryption.
pub(super) async fn serve_plain(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: IpAddr,
    store: Arc<Mutex<Store>>,
) -> io::Result<()> {
    let service = service_fn(move |request| {
        let store = Arc::clone(&store);
        async move { Ok::<_, Infallible>(answer(request, peer, &store).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_headers(50)
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}

async fn answer(request: Request<Incoming>, peer: IpAddr, store: &Mutex<Store>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let path = path
        .strip_prefix("/v1")
        .unwrap_or(&path)
        .trim_end_matches('/')
        .to_owned();
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let route = (&head.method, parts.next().unwrap_or_default(), parts.next());
    if matches!(route, (&Method::GET, "" | "health", None)) {
        return text(StatusCode::OK, "ok");
    }
    let (method, "clusters", token) = route else {
        return text(StatusCode::NOT_FOUND, "there is /clusters and /clusters/TOKEN");
    };
    let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
    match (method, token) {
        (&Method::POST, None) => {
            // 32 digits, as the tokens of Docker Hub had.
            let Ok(token) = random::hex::<16>() else {
                return text(StatusCode::INTERNAL_SERVER_ERROR, "no token can be made");
            };
            change(store, |store| store.create(token.clone(), now)).map_or_else(refused, |()| {
                say(SERVICE, &format!("{peer} made a cluster"));
                text(StatusCode::OK, &token)
            })
        }
        (&Method::POST, Some(token)) => {
            let Ok(body) = Limited::new(body, LARGEST).collect().await else {
                return text(StatusCode::PAYLOAD_TOO_LARGE, "the body is ip:port, and nothing more");
            };
            let address = String::from_utf8_lossy(&body.to_bytes()).trim().to_owned();
            if !is_address(&address) {
                return text(StatusCode::BAD_REQUEST, "the body is ip:port");
            }
            let query = head.uri.query().unwrap_or_default();
            let ttl = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "ttl");
            let ttl = match ttl.map(|(_, value)| value.parse::<u64>()).transpose() {
                Ok(ttl) => ttl,
                Err(_) => return text(StatusCode::BAD_REQUEST, "ttl is a number of seconds"),
            };
            change(store, |store| store.register(token, &address, ttl, now))
                .map_or_else(refused, |()| text(StatusCode::OK, "OK"))
        }
        (&Method::GET, Some(token)) => match lock(store).list(token, now) {
            Ok(entries) => {
                let mut answer = text(StatusCode::OK, &serde_json::json!(entries).to_string());
                let json = hyper::header::HeaderValue::from_static("application/json");
                answer.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
                answer
            }
            Err(refusal) => refused(refusal),
        },
        (&Method::DELETE, Some(token)) => {
            change(store, |store| store.remove(token)).map_or_else(refused, |()| text(StatusCode::OK, "OK"))
        }
        _ => text(StatusCode::METHOD_NOT_ALLOWED, "there are GET, POST and DELETE"),
    }
}

fn lock(store: &Mutex<Store>) -> std::sync::MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Changes what is kept, and answers for it only once it is on disk.
fn change(store: &Mutex<Store>, work: impl FnOnce(&mut Store) -> Result<(), Refusal>) -> Result<(), Refusal> {
    let mut store = lock(store);
    work(&mut store)?;
    store.save().map_err(|error| {
        say(SERVICE, &format!("what is known could not be kept: {error}"));
        Refusal::NotKept
    })
}

fn refused(refusal: Refusal) -> Response<Full<Bytes>> {
    match refusal {
        Refusal::Unknown => text(StatusCode::NOT_FOUND, "no such cluster: make one with `swarm create`"),
        Refusal::Full => text(StatusCode::INSUFFICIENT_STORAGE, "there is no room for one more"),
        Refusal::NotKept => text(StatusCode::INSUFFICIENT_STORAGE, "this could not be kept on disk"),
    }
}

fn text(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    *answer.status_mut() = status;
    answer
}
