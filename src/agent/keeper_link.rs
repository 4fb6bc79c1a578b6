//! The way to the keeper of this connection's recorded commands, which is started with the first of them.

use crate::cgroup;
use crate::channel::{self, CHUNK, lock, read_some};
use crate::faults::{failed, failed_at};
use crate::mailbox::Mailbox;
use crate::news::{Message, News, Order};
use crate::threads;
use labctl_agent::{Exec, Fault, Frames, encode};
use std::collections::HashMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

/// How often a keeper is started for a command: the first may have been killed since it was last spoken to.
const ATTEMPTS: usize = 2;

/// The way to a keeper.
#[derive(Debug, Default)]
pub(crate) struct KeeperLink {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u32,
    keeper: Option<Keeper>,
}

#[derive(Debug)]
struct Keeper {
    stdin: ChildStdin,
    listeners: Arc<Listeners>,
}

/// Whom a keeper's news are for.
#[derive(Debug, Default)]
struct Listeners(Mutex<HashMap<u32, Arc<Mailbox>>>);

impl KeeperLink {
    /// Has `exec` kept. What the keeper says of it comes to `mailbox`.
    ///
    /// # Errors
    ///
    /// Where no keeper is to be had.
    pub(crate) fn order(&self, exec: Exec, mailbox: &Arc<Mailbox>) -> Result<(), Fault> {
        cgroup::leave_session();
        let mut state = lock(&self.state);
        state.last = state.last.wrapping_add(1);
        let number = state.last;
        let frame = encode(&Order { number, exec }).map_err(|error| failed(error.to_string()))?;
        for _ in 0..ATTEMPTS {
            let keeper = match state.keeper.take() {
                Some(keeper) => keeper,
                None => Keeper::start().map_err(|error| failed_at("the keeper of a command", error))?,
            };
            lock(&keeper.listeners.0).insert(number, Arc::clone(mailbox));
            if channel::write_all(&keeper.stdin, &frame).is_ok() {
                state.keeper = Some(keeper);
                return Ok(());
            }
            lock(&keeper.listeners.0).remove(&number);
        }
        Err(failed("the keeper of a command was killed"))
    }
}

impl Keeper {
    fn start() -> io::Result<Self> {
        let mut child = Command::new("/proc/self/exe")
            .arg0("labctl-agent")
            .arg("keep")
            .env_clear()
            // One heap for all its threads; each would have one of its own.
            .env("MALLOC_ARENA_MAX", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let listeners = Arc::new(Listeners::default());
        let hearing = Arc::clone(&listeners);
        threads::start(move || hearing.hear(stdout, child))?;
        Ok(Self { stdin, listeners })
    }
}

impl Listeners {
    /// Brings what `child` says on `stdout` to whom it is for, until it has ended.
    fn hear(&self, stdout: ChildStdout, mut child: Child) {
        let (mut frames, mut buffer) = (Frames::default(), vec![0; CHUNK]);
        while let Ok(Some(message)) = next_message(&mut frames, &stdout, &mut buffer) {
            self.bring(message);
        }
        for (_, mailbox) in lock(&self.0).drain() {
            mailbox.bring(News::Complete);
        }
        // Whatever becomes of it: it is gone then.
        let _ = child.wait();
    }

    fn bring(&self, Message { number, news }: Message) {
        let mut listeners = lock(&self.0);
        let listener = match news {
            News::Complete | News::Refused(_) => listeners.remove(&number),
            News::Kept | News::Output => listeners.get(&number).cloned(),
        };
        drop(listeners);
        if let Some(listener) = listener {
            listener.bring(news);
        }
    }
}

/// Returns the next message; `None` where no more come.
fn next_message(frames: &mut Frames, stdout: &ChildStdout, buffer: &mut [u8]) -> io::Result<Option<Message>> {
    loop {
        if let Some(message) = frames.next().map_err(io::Error::other)? {
            return Ok(Some(message));
        }
        match read_some(stdout, buffer)? {
            0 => return Ok(None),
            read => frames.push(&buffer[..read]),
        }
    }
}
