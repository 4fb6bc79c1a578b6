//! What a fake node knows and remembers.

use super::{FakeAnswer, FakeCall};
use crate::node::{NodeError, Place};
use labctl_agent::{Answer, Request};
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

pub(super) type Script = Box<dyn FnMut(&str) -> Option<FakeAnswer> + Send>;
pub(super) type Server = Box<dyn FnMut(&Request) -> Option<Answer> + Send>;

#[derive(Default)]
pub(super) struct State {
    pub(super) scripts: Vec<Script>,
    pub(super) queues: Vec<(String, VecDeque<FakeAnswer>)>,
    pub(super) calls: Vec<FakeCall>,
    pub(super) records: HashMap<String, FakeAnswer>,
    pub(super) write_error: Option<NodeError>,
    pub(super) sockets: HashMap<Place, PathBuf>,
    pub(super) server: Option<Server>,
}
