//! HTTP and TCP as seen from a node, through a tunnel: no port needs to be open on the operator's side.

use crate::domain::{Command, HttpMethod, HttpProbe, HttpSeen, Observation, ProbeError};
use crate::node::{Look, Transport};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How many bytes of a body are kept.
const BODY: usize = 1 << 20;

pub(super) async fn observe_http(transport: &dyn Transport, probe: &HttpProbe) -> Result<Observation, ProbeError> {
    let tunnel = transport.tunnel(&probe.host, probe.port).await?;
    let exchange = async {
        let stream = UnixStream::connect(&tunnel.socket)
            .await
            .map_err(|error| error.to_string())?;
        exchange(stream, probe).await
    };
    Ok(match timeout(probe.timeout, exchange).await {
        Ok(Ok(seen)) => Observation::Http(seen),
        Ok(Err(reason)) => Observation::HttpSilent { reason },
        Err(_) => Observation::HttpSilent {
            reason: format!("no answer within {} s", probe.timeout.as_secs()),
        },
    })
}

pub(super) async fn exchange(stream: UnixStream, probe: &HttpProbe) -> Result<HttpSeen, String> {
    let refused = |error: hyper::Error| {
        // A tunnel to a closed port is accepted here and ends at once.
        let ended = error.is_incomplete_message() || error.is_closed() || error.is_canceled();
        if ended {
            "connection refused".to_owned()
        } else {
            error.to_string()
        }
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(refused)?;
    let driving = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(connection));
    let response = sender.send_request(request(probe)?).await.map_err(refused)?;
    let seen = read(response).await;
    drop(driving);
    seen
}

fn request(probe: &HttpProbe) -> Result<Request<Full<Bytes>>, String> {
    let host = probe
        .host_header
        .clone()
        .unwrap_or_else(|| format!("{}:{}", probe.host, probe.port));
    let mut builder = Request::builder().uri(&probe.path).header(HOST, host);
    if let Some(user) = &probe.user {
        let pair = STANDARD.encode(format!("{}:{}", user.name, user.password));
        builder = builder.header(AUTHORIZATION, format!("Basic {pair}"));
    }
    let built = match &probe.method {
        HttpMethod::Get => builder.method(Method::GET).body(Full::default()),
        HttpMethod::PostForm(fields) => builder
            .method(Method::POST)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form(fields))),
    };
    built.map_err(|error| error.to_string())
}

/// Encodes form fields; every byte but letters and digits is escaped, which is always right.
fn form(fields: &[(String, String)]) -> String {
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect()
    };
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect();
    pairs.join("&")
}

async fn read(response: Response<Incoming>) -> Result<HttpSeen, String> {
    let status = response.status().as_u16();
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in response.headers() {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|all| all.push_str(&format!(", {value}")))
            .or_insert(value);
    }
    let mut body = response.into_body();
    let (mut kept, mut dropped) = (Vec::new(), 0_u64);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the answer broke off: {error}"))?;
        let Some(data) = frame.data_ref() else { continue };
        let room = BODY - kept.len();
        kept.extend_from_slice(&data[..data.len().min(room)]);
        dropped += data.len().saturating_sub(room) as u64;
    }
    Ok(HttpSeen {
        status,
        headers,
        body: kept,
        dropped,
    })
}

/// Prints whether host `$1` accepts connections on port `$2`, where bash can tell.
const KNOCK: &str = r#"
command -v bash >/dev/null 2>&1 || { echo unknown; exit 0; }
if bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash "$1" "$2" 2>/dev/null; then echo open; else echo closed; fi
"#;

/// Looks whether a port accepts connections.
pub(super) async fn observe_port(
    transport: &dyn Transport,
    host: &str,
    port: u16,
    patience: Duration,
) -> Result<Observation, ProbeError> {
    let look = Look {
        command: Command::Argv(
            ["sh", "-c", KNOCK, "sh", host, &port.to_string()]
                .map(str::to_owned)
                .to_vec(),
        ),
        as_root: false,
        deadline: patience,
        keep: 64,
    };
    let looked = transport.look(&look).await?;
    let open = match looked.stdout.as_slice() {
        b"unknown\n" => knock(transport, host, port, patience).await?,
        // A packet that nobody answers, until the deadline, is no open port either.
        said => said == b"open\n",
    };
    Ok(Observation::Port { open })
}

/// Knocks through a tunnel. One to a closed port is accepted on this side and closed at once, so the connection is
/// watched for a moment: one that stays open, or speaks, is open.
async fn knock(transport: &dyn Transport, host: &str, port: u16, patience: Duration) -> Result<bool, ProbeError> {
    let tunnel = transport.tunnel(host, port).await?;
    let knock = async {
        let mut stream = UnixStream::connect(&tunnel.socket).await.ok()?;
        let mut first = [0; 1];
        match timeout(patience / 4, stream.read(&mut first)).await {
            Ok(Ok(0) | Err(_)) => None,
            Ok(Ok(_)) | Err(_) => Some(()),
        }
    };
    Ok(matches!(timeout(patience, knock).await, Ok(Some(()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_survives_every_character() {
        let fields = [("na me".to_owned(), "a&b=c ä".to_owned())];
        assert_eq!(form(&fields), "na%20me=a%26b%3Dc%20%C3%A4");
    }
}
