//! Gives a program a terminal of its own: sudo may be told to want one (`requiretty`).

use rustix::fs::{Mode, OFlags, open};
use rustix::process::setsid;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use signal_hook::consts::{SIGTTIN, SIGTTOU};
use signal_hook::flag;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

/// A terminal that nobody sits at.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// The path of the end that programs see.
    pub(crate) path: OsString,
    /// Both ends. With the last that is closed, it is nobody's terminal any more.
    _ends: [OwnedFd; 2],
}

impl Terminal {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// Where the node has none.
    pub(crate) fn open() -> io::Result<Self> {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&near)?;
        unlockpt(&near)?;
        let path = ptsname(&near, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let far = open(&path, flags, Mode::empty())?;
        let path = path.into_string().map_err(io::Error::other)?;
        Ok(Self {
            path: path.into(),
            _ends: [near, far],
        })
    }
}

/// Makes the terminal `words[0]` that of a session of its own, and becomes the program that the other words are. Returns only where
/// that did not work.
pub(crate) fn become_on_terminal(words: &[OsString]) -> io::Result<()> {
    let [path, program, arguments @ ..] = words else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    setsid()?;
    // A leader's first terminal becomes its session's. Without one, sudo says what it misses.
    let terminal = OpenOptions::new().read(true).write(true).open(path);
    let error = Command::new(program).args(arguments).exec();
    drop(terminal);
    Err(error)
}

/// Gives commands the signals of terminals as they usually are: sudo-rs ignores them where it has a terminal, and with it all that it starts.
/// A signal that is handled here has its default in whatever program this process starts.
///
/// # Errors
///
/// Where signals cannot be handled.
pub(crate) fn restore_signals() -> io::Result<()> {
    for signal in [SIGTTIN, SIGTTOU] {
        flag::register(signal, Arc::default())?;
    }
    Ok(())
}
