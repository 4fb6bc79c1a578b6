//! Answers, whole or as they come.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::swarm::manager::cluster::{EngineError, LookupError, ScheduleError};
use crate::swarm::manager::scheduler::RequestError;

/// The largest refusal that is read, in bytes.
const LARGEST_REFUSAL: usize = 1 << 20;

/// How much of a list is sent at once, in bytes.
const FRAME: usize = 64 << 10;

/// What a body can fail with.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The body of an answer.
pub(super) type Body = UnsyncBoxBody<Bytes, BoxError>;
/// An answer.
pub(super) type Answer = Response<Body>;

/// An answer that says what went wrong, as an engine says it.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Refused {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// What has no meaning on a cluster, and what to use.
    pub(super) fn not_here(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            format!("Not supported in clustering mode: {what}"),
        )
    }

    pub(super) fn answer(self) -> Answer {
        whole(self.status, json!({ "message": self.message }).to_string().into_bytes())
    }
}

impl From<LookupError> for Refused {
    fn from(error: LookupError) -> Self {
        let status = match error {
            LookupError::NotFound(_) => StatusCode::NOT_FOUND,
            LookupError::Ambiguous { .. } => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

impl From<EngineError> for Refused {
    fn from(error: EngineError) -> Self {
        let status = match &error {
            EngineError::Refused { status, .. } => {
                StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<ScheduleError> for Refused {
    fn from(error: ScheduleError) -> Self {
        let status = match error {
            ScheduleError::NameTaken(_) => StatusCode::CONFLICT,
            ScheduleError::NoCandidate(_) | ScheduleError::EngineLeft(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<RequestError> for Refused {
    fn from(error: RequestError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.to_string())
    }
}

/// An answer of JSON bytes.
pub(super) fn whole(status: StatusCode, bytes: Vec<u8>) -> Answer {
    let body = Full::new(Bytes::from(bytes))
        .map_err(|never| match never {})
        .boxed_unsync();
    json_headed(status, body)
}

fn json_headed(status: StatusCode, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// An answer of one JSON value.
pub(super) fn json_answer(value: &Value) -> Answer {
    whole(StatusCode::OK, value.to_string().into_bytes())
}

/// An answer of a list whose entries are JSON texts; each is let go of when it is sent.
pub(super) fn list_answer(entries: impl Iterator<Item = Box<[u8]>> + Send + 'static) -> Answer {
    let mut entries = entries.enumerate();
    let (mut is_open, mut has_begun) = (true, false);
    let frames = std::iter::from_fn(move || {
        if !is_open {
            return None;
        }
        let mut bytes = Vec::with_capacity(FRAME);
        while bytes.len() < FRAME {
            let Some((number, entry)) = entries.next() else {
                is_open = false;
                break;
            };
            bytes.push(if number == 0 { b'[' } else { b',' });
            bytes.extend_from_slice(&entry);
        }
        if !is_open {
            // One without entries has not begun yet.
            let is_empty = bytes.is_empty() && !has_begun;
            bytes.extend_from_slice(if is_empty { b"[]" } else { b"]" });
        }
        has_begun = true;
        Some(Ok::<_, BoxError>(Frame::data(Bytes::from(bytes))))
    });
    let body = StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
    json_headed(StatusCode::OK, body)
}

/// An answer of JSON lines that are sent as they come through the returned channel.
pub(super) fn lines() -> (mpsc::Sender<Value>, Answer) {
    let (sender, receiver) = mpsc::channel::<Value>(64);
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let value = receiver.recv().await?;
        let line = Bytes::from(format!("{value}\n"));
        Some((Ok::<_, BoxError>(Frame::data(line)), receiver))
    });
    (
        sender,
        json_headed(StatusCode::OK, StreamBody::new(stream).boxed_unsync()),
    )
}

/// A refusal as clients before API 1.24 read it: the bare message.
pub(super) async fn as_text(answer: Answer) -> Answer {
    let (mut head, mut stream) = answer.into_parts();
    let mut body = Vec::new();
    while let Some(Ok(frame)) = stream.frame().await {
        body.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if body.len() > LARGEST_REFUSAL {
            break;
        }
    }
    body.truncate(LARGEST_REFUSAL);
    let refusal: Option<Value> = serde_json::from_slice(&body).ok();
    let message = refusal.and_then(|refusal| refusal["message"].as_str().map(str::to_owned));
    let text = message.map_or(Bytes::from(body), |message| Bytes::from(format!("{message}\n")));
    head.headers.remove(CONTENT_LENGTH);
    head.headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Response::from_parts(head, Full::new(text).map_err(|never| match never {}).boxed_unsync())
}

/// An engine's answer, passed on as it comes.
pub(super) fn passed_on(answer: Response<Incoming>) -> Answer {
    answer.map(|body| body.map_err(Into::into).boxed_unsync())
}
