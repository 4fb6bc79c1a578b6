//! What a keeper tells whoever started it, so that nobody has to look again and again.

use crate::channel::lock;
use crate::threads;
use labctl_agent::{Exec, encode};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

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
    pipe: Option<Arc<OwnedFd>>,
    /// What the pipe had no room for.
    untold: BTreeMap<u32, News>,
    /// Whether a thread waits for room.
    is_waiting: bool,
}

impl Teller {
    /// Takes the pipe that standard output is.
    ///
    /// # Errors
    ///
    /// Where the process has no descriptor left.
    pub(crate) fn on_standard_output() -> io::Result<Arc<Self>> {
        let pipe = fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
        fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
        let state = State {
            pipe: Some(Arc::new(pipe)),
            untold: BTreeMap::new(),
            is_waiting: false,
        };
        Ok(Arc::new(Self {
            state: Mutex::new(state),
        }))
    }

    /// Tells `news` about order `number`.
    pub(crate) fn tell(self: &Arc<Self>, number: u32, news: News) {
        let mut state = lock(&self.state);
        state.untold.insert(number, news);
        state.flush();
        if state.untold.is_empty() || state.is_waiting {
            return;
        }
        let teller = Arc::clone(self);
        // Without a thread, whatever is told next tells this, too.
        state.is_waiting = threads::start(move || teller.tell_when_there_is_room()).is_ok();
    }

    fn tell_when_there_is_room(&self) {
        loop {
            let pipe = {
                let mut state = lock(&self.state);
                state.flush();
                let Some(pipe) = state.pipe.clone().filter(|_| !state.untold.is_empty()) else {
                    state.is_waiting = false;
                    return;
                };
                pipe
            };
            // One that nobody reads any more is ready, too.
            let _ = poll(&mut [PollFd::new(&*pipe, PollFlags::OUT)], None);
        }
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
        if self.pipe.is_none() {
            self.untold.clear();
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
