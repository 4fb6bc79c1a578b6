//! What a keeper tells whoever started it, so that nobody has to look again and again.

use crate::channel::lock;
use labctl_agent::{Exec, encode};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;

/// How many bytes a reason may have: a message of less than 4096 bytes goes into a pipe whole or not at all.
const REASON: usize = 3 << 10;

/// What a keeper is told: to keep a command.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// What the keeper calls it.
    pub(crate) number: u32,
    /// The command.
    pub(crate) exec: Exec,
}

/// What a keeper says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Message {
    /// The number of the order.
    pub(crate) number: u32,
    /// What there is to say about it.
    pub(crate) news: News,
}

/// What there is to say about a command. Each stands for those above it, too.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum News {
    /// Its record is there.
    Kept,
    /// There is output.
    Output,
    /// Its record is complete, or not this keeper's.
    Complete,
    /// It has no record, and why.
    Refused(String),
}

/// Tells news, and never waits for who reads them: deadlines must be held.
#[derive(Debug)]
pub(crate) struct Teller {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` once nobody listens any more.
    pipe: Option<OwnedFd>,
    /// What the pipe had no room for. Whoever reads nothing looks by itself after a while.
    untold: BTreeMap<u32, News>,
}

impl Teller {
    /// Takes the pipe that standard output is.
    ///
    /// # Errors
    ///
    /// Where the process has no descriptor left.
    pub(crate) fn on_standard_output() -> io::Result<Self> {
        let pipe = fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
        fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
        let state = State {
            pipe: Some(pipe),
            untold: BTreeMap::new(),
        };
        Ok(Self {
            state: Mutex::new(state),
        })
    }

    /// Tells `news` about order `number`.
    pub(crate) fn tell(&self, number: u32, news: News) {
        let mut state = lock(&self.state);
        state.untold.insert(number, news);
        state.flush();
    }

    /// Says nothing from now on.
    pub(crate) fn close(&self) {
        lock(&self.state).pipe = None;
    }
}

impl State {
    fn flush(&mut self) {
        while let (Some(pipe), Some((number, news))) = (&self.pipe, self.untold.pop_first()) {
            match tell_one(pipe, number, &news) {
                Ok(()) => {}
                Err(Errno::AGAIN | Errno::INTR) => {
                    self.untold.insert(number, news);
                    return;
                }
                Err(_) => self.pipe = None,
            }
        }
    }
}

fn tell_one(pipe: &OwnedFd, number: u32, news: &News) -> Result<(), Errno> {
    let news = match news {
        News::Refused(reason) => News::Refused(reason.chars().take(REASON / 4).collect()),
        other => other.clone(),
    };
    let frame = encode(&Message { number, news }).map_err(|_| Errno::MSGSIZE)?;
    rustix::io::write(pipe, &frame).map(|_| ())
}
