//! One connection: reads what labctl says, and has it done, each request by a thread of its own.

use crate::accounts::Accounts;
use crate::cgroup;
use crate::channel::{CHUNK, lock, read_some};
use crate::faults::{Outcome, failed_at};
use crate::greeting;
use crate::groups::Groups;
use crate::keeper_link::KeeperLink;
use crate::mailbox::Mailbox;
use crate::own_file::{self, OwnFile};
use crate::requests;
use crate::root_part::RootPart;
use crate::threads;
use crate::voice::Voice;
use labctl_agent::{Fault, FaultKind, Frames, Hello, Request, ToAgent, ToLabctl};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long a file that is being written is waited for at the end.
const FINISHING: Duration = Duration::from_secs(10);

/// Who does what root is asked to.
#[derive(Debug)]
pub(crate) enum RootWay {
    /// This process: it is root's.
    Itself,
    /// Nobody.
    Never,
    /// A second agent behind sudo.
    Sudo(Arc<RootPart>),
}

/// What the threads of a connection share.
#[derive(Debug)]
pub(crate) struct Session {
    hello: Hello,
    accounts: Accounts,
    groups: Groups,
    keepers: KeeperLink,
    voice: Arc<Voice>,
    root: RootWay,
    open: Mutex<HashMap<u32, Arc<Mailbox>>>,
    /// How many are at something that must not be broken off.
    busy: Mutex<usize>,
    idle: Condvar,
}

/// Serves the login user. `root` says what reaches root; `directory` holds the program's file.
///
/// # Errors
///
/// Where the process cannot even begin.
pub(crate) fn serve_user(directory: &Path, root: &str) -> io::Result<()> {
    let signals = Signals::new([SIGTERM, SIGHUP, SIGINT])?;
    let voice = Arc::new(Voice::new(signals.handle()));
    let own_file = OwnFile::new(directory);
    let accounts = Accounts::default();
    let hello = greeting::hello(&accounts);
    voice.greet(&hello);
    let way = match root {
        "sudo" => RootWay::Sudo(Arc::new(RootPart::new(own_file, &hello.home, Arc::clone(&voice)))),
        other => {
            drop(own_file);
            if other == "already" {
                RootWay::Itself
            } else {
                RootWay::Never
            }
        }
    };
    let beside = directory.to_owned();
    threads::start(move || own_file::sweep(&beside))?;
    Session::new(hello, accounts, voice, way).serve(signals)
}

/// Serves as root, for the agent of the login user.
///
/// # Errors
///
/// Where the process cannot even begin.
pub(crate) fn serve_root() -> io::Result<()> {
    let signals = Signals::new([SIGTERM, SIGHUP, SIGINT])?;
    let voice = Arc::new(Voice::new(signals.handle()));
    let accounts = Accounts::default();
    let hello = greeting::hello(&accounts);
    voice.greet(&hello);
    Session::new(hello, accounts, voice, RootWay::Itself).serve(signals)
}

impl Session {
    fn new(hello: Hello, accounts: Accounts, voice: Arc<Voice>, root: RootWay) -> Arc<Self> {
        Arc::new(Self {
            hello,
            accounts,
            groups: Groups::default(),
            keepers: KeeperLink::default(),
            voice,
            root,
            open: Mutex::default(),
            busy: Mutex::default(),
            idle: Condvar::new(),
        })
    }

    /// Returns what was said of this process.
    pub(crate) fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Returns the names of users.
    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Returns the commands that end with the connection.
    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Returns the way to the keeper of recorded commands.
    pub(crate) fn keepers(&self) -> &KeeperLink {
        &self.keepers
    }

    /// Returns what speaks to labctl.
    pub(crate) fn voice(&self) -> &Voice {
        &self.voice
    }

    /// Does `work`, which the end of the connection waits for.
    pub(crate) fn unbroken(&self, work: impl FnOnce() -> Outcome) -> Outcome {
        *lock(&self.busy) += 1;
        let outcome = work();
        *lock(&self.busy) -= 1;
        self.idle.notify_all();
        outcome
    }

    fn serve(self: Arc<Self>, mut signals: Signals) -> io::Result<()> {
        let (reading, end) = (Arc::clone(&self), signals.handle());
        threads::start(move || {
            reading.read();
            end.close();
        })?;
        // Recorded commands wait for it; nothing else does.
        threads::start(cgroup::leave_session)?;
        // Until a signal comes, or labctl is gone.
        signals.forever().next();
        self.end();
        Ok(())
    }

    fn end(&self) {
        self.groups.end();
        let busy = lock(&self.busy);
        let waited = self.idle.wait_timeout_while(busy, FINISHING, |busy| *busy > 0);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        if let RootWay::Sudo(root) = &self.root {
            root.remove_file();
        }
    }

    /// Reads what labctl says, until it says nothing more or what cannot be understood.
    fn read(self: &Arc<Self>) {
        let (mut frames, mut buffer) = (Frames::default(), vec![0; CHUNK]);
        while let Ok(read) = read_some(rustix::stdio::stdin(), &mut buffer) {
            if read == 0 {
                return;
            }
            frames.push(&buffer[..read]);
            loop {
                match frames.next::<ToAgent>() {
                    Ok(Some(message)) => self.take(message),
                    Ok(None) => break,
                    Err(_) => return,
                }
            }
        }
    }

    fn take(self: &Arc<Self>, message: ToAgent) {
        match message {
            ToAgent::Request { id, as_root, request } => match &self.root {
                RootWay::Sudo(root) if as_root => root.request(id, &ToAgent::Request { id, as_root, request }),
                RootWay::Never if as_root => self.say_answer(id, Err(no_root())),
                _ => self.start(id, request),
            },
            ToAgent::Data { id, bytes } => match self.mailbox(id) {
                Some(mailbox) => mailbox.push(bytes),
                None => self.forward(id, &ToAgent::Data { id, bytes }),
            },
            ToAgent::End { id } => self.tell(id, &message, Mailbox::end),
            ToAgent::Grant { id, bytes } => self.tell(id, &message, |mailbox| mailbox.grant(bytes)),
            ToAgent::Cancel { id } => self.tell(id, &message, Mailbox::cancel),
        }
    }

    fn tell(&self, id: u32, message: &ToAgent, tell: impl FnOnce(&Mailbox)) {
        match self.mailbox(id) {
            Some(mailbox) => tell(&mailbox),
            None => self.forward(id, message),
        }
    }

    fn mailbox(&self, id: u32) -> Option<Arc<Mailbox>> {
        lock(&self.open).get(&id).cloned()
    }

    /// Gives `message` to root's part, where the request is there. It may have been answered already.
    fn forward(&self, id: u32, message: &ToAgent) {
        if let RootWay::Sudo(root) = &self.root {
            root.forward(id, message);
        }
    }

    fn start(self: &Arc<Self>, id: u32, request: Request) {
        let mailbox = Arc::new(Mailbox::new());
        lock(&self.open).insert(id, Arc::clone(&mailbox));
        let session = Arc::clone(self);
        let started = threads::start(move || {
            let answer = requests::answer(&session, id, &mailbox, request);
            session.finish(id, answer);
        });
        if let Err(error) = started {
            self.finish(id, Err(failed_at("a thread for the request", error)));
        }
    }

    fn finish(&self, id: u32, answer: Outcome) {
        // First forgotten: the number may be used again once it is answered.
        lock(&self.open).remove(&id);
        self.say_answer(id, answer);
    }

    fn say_answer(&self, id: u32, answer: Outcome) {
        self.voice.say(&ToLabctl::Answer { id, answer });
    }
}

fn no_root() -> Fault {
    Fault {
        kind: FaultKind::NoRoot,
        message: "root is needed, and the inventory says `sudo = false`".to_owned(),
    }
}
