//! HTTP and TCP as seen from a node: no port needs to be open to the operator's machine.

use crate::domain::{HttpMethod, HttpProbe, HttpSeen, Observation, ProbeError};
use crate::node::{NodeError, NodeErrorKind, Transport};
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
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How many bytes of a body are kept.
const BODY: usize = 1 << 20;

pub(super) async fn observe_http(transport: &dyn Transport, probe: &HttpProbe) -> Result<Observation, ProbeError> {
    let asked = async {
        match transport.dial(&probe.host, probe.port, probe.timeout).await {
            Ok(stream) => Ok(exchange(stream, probe).await),
            Err(error) if error.kind == NodeErrorKind::Refused => Ok(Err(refusal(transport, &error))),
            Err(error) => Err(error),
        }
    };
    Ok(match timeout(probe.timeout, asked).await {
        Ok(Ok(Ok(seen))) => Observation::Http(seen),
        Ok(Ok(Err(reason))) => Observation::HttpSilent { reason },
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => Observation::HttpSilent {
            reason: format!("no answer within {} s", probe.timeout.as_secs()),
        },
    })
}

/// Returns why a place takes no connections, without the node's name before it.
fn refusal(transport: &dyn Transport, error: &NodeError) -> String {
    let name = format!("{}: ", transport.node());
    error.message.strip_prefix(&name).unwrap_or(&error.message).to_owned()
}

pub(super) async fn exchange(stream: UnixStream, probe: &HttpProbe) -> Result<HttpSeen, String> {
    let refused = |error: hyper::Error| error.to_string();
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

/// Looks whether a port accepts connections.
pub(super) async fn observe_port(
    transport: &dyn Transport,
    host: &str,
    port: u16,
    patience: Duration,
) -> Result<Observation, ProbeError> {
    match transport.dial(host, port, patience).await {
        Ok(_) => Ok(Observation::Port { open: true }),
        // A packet that nobody answers, until the deadline, is no open port either.
        Err(error) if error.kind == NodeErrorKind::Refused => Ok(Observation::Port { open: false }),
        Err(error) => Err(error.into()),
    }
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
