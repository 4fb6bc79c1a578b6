//! Opens ways to sockets and ports, and copies bytes both ways.

use crate::channel::{self, CHUNK};
use crate::faults::{Outcome, failed_at, plain};
use crate::follow::Listener;
use crate::groups::Groups;
use crate::mailbox::Mailbox;
use labctl_agent::{Answer, Dial, Fault, FaultKind, PIECE, Place, Stream, ToLabctl};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::sockopt::{set_tcp_nodelay, socket_error};
use rustix::net::{AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType, connect, shutdown, socket_with};
use rustix::process::Pid;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ChildStdout, Command, Stdio};
use std::thread::{Builder, scope};
use std::time::{Duration, Instant};

/// How often is tried whether a socket has room for another connection.
const TRYING: Duration = Duration::from_millis(10);

/// Connects to the place of `order`, and copies until both sides have ended.
pub(crate) fn dial(order: &Dial, listener: Listener<'_>, groups: &Groups) -> Outcome {
    let deadline = Duration::from_millis(order.deadline_ms);
    let connecting = Connecting {
        mailbox: listener.mailbox,
        groups,
        started: Instant::now(),
        deadline,
    };
    let connected = match &order.place {
        Place::Socket(path) => connecting.connect_socket(path),
        Place::Port(host, port) => connecting.connect_port(host, *port),
    };
    let socket = connected.map_err(|error| refused(&order.place, deadline, &error))?;
    listener.voice.say(&ToLabctl::Connected { id: listener.id });
    Copying { socket, listener }.copy()
}

fn refused(place: &Place, deadline: Duration, error: &io::Error) -> Fault {
    let place = match place {
        Place::Socket(path) => path.clone(),
        Place::Port(host, port) => format!("{host}:{port}"),
    };
    let reason = match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            format!("no answer within {} s", deadline.as_secs_f64())
        }
        io::ErrorKind::ConnectionAborted => "labctl wants it no longer".to_owned(),
        _ => plain(error),
    };
    Fault {
        kind: FaultKind::Refused,
        message: format!("{place}: {reason}"),
    }
}

/// An attempt to reach a place. It ends with its deadline, and when labctl wants it no longer.
struct Connecting<'a> {
    mailbox: &'a Mailbox,
    groups: &'a Groups,
    started: Instant,
    deadline: Duration,
}

impl Connecting<'_> {
    fn connect_socket(&self, path: &str) -> io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let address = SocketAddrUnix::new(path)?;
        loop {
            match connect(&socket, &address) {
                Ok(()) => break,
                // Too many wait already. Nothing tells when there is room.
                Err(Errno::AGAIN) => {
                    self.wait(None, TRYING)?;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        fcntl_setfl(&socket, OFlags::empty())?;
        Ok(socket)
    }

    fn connect_port(&self, host: &str, port: u16) -> io::Result<OwnedFd> {
        let mut last = io::Error::other(format!("the node does not know {host}"));
        for address in self.addresses(host)? {
            match self.connect_address(SocketAddr::new(address, port)) {
                Ok(socket) => return Ok(socket),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn connect_address(&self, address: SocketAddr) -> io::Result<OwnedFd> {
        let family = if address.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        match connect(&socket, &address) {
            Ok(()) => {}
            Err(Errno::INPROGRESS | Errno::INTR) => {
                while !self.wait(Some((socket.as_fd(), PollFlags::OUT)), self.deadline)? {}
                socket_error(&socket)??;
            }
            Err(error) => return Err(error.into()),
        }
        fcntl_setfl(&socket, OFlags::empty())?;
        // Without it, small messages wait for each other; they arrive all the same.
        let _ = set_tcp_nodelay(&socket, true);
        Ok(socket)
    }

    /// Returns the addresses of `host`. A static program cannot look them up as the node does, so `getent` is asked.
    fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        if host == "localhost" {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let mut getent = Command::new("getent");
        getent
            .args(["ahosts", "--", host])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut addresses: Vec<IpAddr> = Vec::new();
        // A node without getent knows no names.
        let Ok(mut getent) = self.groups.start(&mut getent) else {
            return Ok(addresses);
        };
        let text = self.read_all(getent.stdout.take());
        // One that has said everything is about to end; nobody wants the other to go on.
        let _ = if text.is_ok() { Ok(()) } else { getent.kill() };
        self.groups.forget(Pid::from_child(&getent));
        let _ = getent.wait();
        for line in String::from_utf8_lossy(&text?).lines() {
            let address = line.split_whitespace().next().and_then(|word| word.parse().ok());
            addresses.extend(address.filter(|address| !addresses.contains(address)));
        }
        Ok(addresses)
    }

    /// Reads what comes from `pipe` to its end.
    fn read_all(&self, pipe: Option<ChildStdout>) -> io::Result<Vec<u8>> {
        let pipe = pipe.ok_or(io::ErrorKind::BrokenPipe)?;
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            while !self.wait(Some((pipe.as_fd(), PollFlags::IN)), self.deadline)? {}
            match channel::read_some(&pipe, &mut buffer)? {
                0 => return Ok(bytes),
                read => bytes.extend_from_slice(&buffer[..read]),
            }
        }
    }

    /// Waits for `what`, at most for `time`; says whether it has come.
    ///
    /// # Errors
    ///
    /// Where the deadline has passed, or labctl wants the place no longer.
    fn wait(&self, what: Option<(BorrowedFd<'_>, PollFlags)>, time: Duration) -> io::Result<bool> {
        let bell = self.mailbox.bell()?;
        // Asked after there is a bell: what is told from now on rings.
        if self.mailbox.is_cancelled() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let left = self.deadline.saturating_sub(self.started.elapsed());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let time = Timespec::try_from(time.min(left)).map_err(io::Error::other)?;
        let mut polled = vec![PollFd::new(&bell, PollFlags::IN)];
        polled.extend(what.iter().map(|(what, flags)| PollFd::new(what, *flags)));
        match poll(&mut polled, Some(&time)) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let mut has_come = polled.iter().map(|polled| !polled.revents().is_empty());
        if has_come.next() == Some(true) {
            // What it says is looked at at every turn.
            let _ = rustix::io::read(bell, &mut [0; 8]);
        }
        Ok(has_come.next() == Some(true))
    }
}

struct Copying<'a> {
    socket: OwnedFd,
    listener: Listener<'a>,
}

impl Copying<'_> {
    fn copy(&self) -> Outcome {
        let trouble = |error: io::Error| failed_at("a dialled place", error);
        // Whoever waits at the socket when it is cancelled is woken by that.
        self.listener
            .mailbox
            .shut_on_cancel(self.socket.try_clone().map_err(trouble)?);
        scope(|scope| {
            let thread = Builder::new().stack_size(4 * CHUNK);
            thread.spawn_scoped(scope, || self.copy_from_place()).map_err(trouble)?;
            self.copy_to_place();
            Ok(Answer::Done)
        })
    }

    /// Brings what the place sends to labctl.
    fn copy_from_place(&self) {
        let (mailbox, id) = (self.listener.mailbox, self.listener.id);
        let mut buffer = vec![0; PIECE.min(CHUNK)];
        while mailbox.await_credit() {
            let credit = mailbox.take_credit(buffer.len() as u64);
            let room = usize::try_from(credit).unwrap_or(buffer.len());
            // Whatever ends it: nothing more comes.
            let read = channel::read_some(&self.socket, &mut buffer[..room]).unwrap_or(0);
            mailbox.return_credit(credit - read as u64);
            if read == 0 {
                break;
            }
            self.listener.voice.say(&ToLabctl::Data {
                id,
                stream: Stream::Stdout,
                bytes: buffer[..read].to_vec(),
            });
        }
        self.listener.voice.say(&ToLabctl::End { id });
    }

    /// Brings what labctl sends to the place.
    fn copy_to_place(&self) {
        let (mailbox, id) = (self.listener.mailbox, self.listener.id);
        while let Some(bytes) = mailbox.next_data() {
            if channel::write_all(&self.socket, &bytes).is_err() {
                break;
            }
            // A piece is far smaller.
            let bytes = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            self.listener.voice.say(&ToLabctl::Grant { id, bytes });
        }
        // One that is closed already needs none.
        let _ = shutdown(&self.socket, Shutdown::Write);
    }
}
