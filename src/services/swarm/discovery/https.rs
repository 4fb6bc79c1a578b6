//! One small request to a discovery service.
//!
//! Responsible for connecting, TLS and bounds on time and size. Authorities are those of the system, or of SSL_CERT_FILE
//! and SSL_CERT_DIR. Without TLS only where the address says http://, which no token can.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::DiscoveryError;

/// How long a whole exchange may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// The largest answer that is read, in bytes.
const LARGEST: usize = 1 << 20;

/// What the service answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Sends `body` to `path` below `base`.
pub(super) async fn request(method: &str, base: &str, path: &str, body: &str) -> Result<Answer, DiscoveryError> {
    let told = |reason: String| DiscoveryError::Unreachable {
        base: base.to_owned(),
        reason,
    };
    match timeout(DEADLINE, exchange(method, base, path, body)).await {
        Ok(answer) => answer.map_err(told),
        Err(_) => Err(told(format!("no answer within {} s", DEADLINE.as_secs()))),
    }
}

async fn exchange(method: &str, base: &str, path: &str, body: &str) -> Result<Answer, String> {
    let uri: Uri = format!("{base}{path}")
        .parse()
        .map_err(|error| format!("no address: {error}"))?;
    let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else {
        return Err("the address names no host".to_owned());
    };
    let is_tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err("the address must begin with https://".to_owned()),
    };
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let bare_host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((bare_host, port))
        .await
        .map_err(|error| error.to_string())?;
    let request = Request::builder()
        .method(method)
        .uri(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(HOST, authority.as_str())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .map_err(|error| error.to_string())?;
    if !is_tls {
        return send(stream, request).await;
    }
    let name = ServerName::try_from(bare_host.to_owned()).map_err(|error| error.to_string())?;
    let stream = connector()?
        .connect(name, stream)
        .await
        .map_err(|error| error.to_string())?;
    send(stream, request).await
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Answer, String> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    // It ends with the answer, as the sender is dropped then.
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), LARGEST).collect().await;
    connection.abort();
    Ok(Answer {
        status,
        body: body.map_err(|error| error.to_string())?.to_bytes().to_vec(),
    })
}

fn connector() -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(
            "no certificate authority is known: name a file with the service's authority in SSL_CERT_FILE".to_owned(),
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
