//! What is decided once for a whole invocation: colour, terminal, verbosity, directories.

use super::failure::Failure;
use super::interrupts::Interrupts;
use crate::cli::{Color, Common};
use crate::journal::Store;
use console::Term;
use etcetera::BaseStrategy;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

/// How much a person wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Amount {
    Quiet,
    Normal,
    Verbose,
}

/// The decisions of an invocation.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) common: Common,
    /// Whether standard output is a terminal that a progress display may draw on.
    pub(super) terminal: bool,
    pub(super) colour_on_stdout: bool,
    pub(super) colour_on_stderr: bool,
    pub(super) width: Option<usize>,
    pub(super) amount: Amount,
    pub(super) store: Store,
    pub(super) working_directory: PathBuf,
    pub(super) interrupts: Interrupts,
    /// When the program began.
    pub(super) began: Instant,
}

/// The settings of the terminal, where there is one.
pub(super) struct KeptTerminal(Option<(File, Termios)>);

impl Drop for KeptTerminal {
    fn drop(&mut self) {
        if let Some((terminal, settings)) = &self.0 {
            // A terminal that is gone has none.
            let _ = tcsetattr(terminal, OptionalActions::Now, settings);
        }
    }
}

/// A line that says what is being waited for; it goes when this is dropped.
pub(super) struct Waiting(Option<Term>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(term) = &self.0 {
            let _ = term.clear_line();
        }
    }
}

impl Session {
    /// Decides; a failure comes with whether it may be shown in colour.
    pub(super) fn new(common: &Common) -> Result<Self, (Failure, bool)> {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = |is_terminal: bool| match common.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal && !no_color && !dumb,
        };
        let terminal = std::io::stdout().is_terminal() && !dumb;
        let colour_on_stderr = colour(std::io::stderr().is_terminal());
        let working_directory = std::env::current_dir()
            .map_err(|error| (Failure::new(crate::exit::Exit::Usage, error), colour_on_stderr))?;
        let amount = match (common.quiet, common.verbose) {
            (true, _) => Amount::Quiet,
            (_, true) => Amount::Verbose,
            _ => Amount::Normal,
        };
        Ok(Self {
            common: common.clone(),
            terminal,
            colour_on_stdout: colour(terminal),
            colour_on_stderr,
            width: terminal.then(|| usize::from(Term::stdout().size().1)),
            amount,
            store: Store::new(state_directory(common).map_err(|failure| (failure, colour_on_stderr))?),
            working_directory,
            interrupts: Interrupts::listen(),
            began: Instant::now(),
        })
    }

    /// Prints on standard output.
    pub(super) fn print(&self, text: &str) {
        // A reader that has gone away wants no more.
        let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
    }

    /// Prints a document as JSON on standard output.
    pub(super) fn print_json(&self, document: &impl serde::Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(document)
            .map_err(|error| Failure::new(crate::exit::Exit::CouldNotRun, error))?;
        self.print(&text);
        Ok(())
    }

    /// Tells a person something beside the data.
    pub(super) fn tell(&self, text: &str) {
        if self.amount != Amount::Quiet {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Tells a person what must be known before anything else, also one who wants to be told little.
    pub(super) fn warn(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Shows a person at a terminal what is being waited for, until the returned value is dropped.
    pub(super) fn wait_for(&self, what: &str) -> Waiting {
        let term = Term::stderr();
        if self.amount == Amount::Quiet || !term.is_term() {
            return Waiting(None);
        }
        let room = usize::from(term.size().1).saturating_sub(1);
        // A terminal that is gone shows nothing.
        let _ = term.write_str(&console::truncate_str(what, room, "…"));
        Waiting(Some(term))
    }

    /// Says whether somebody is there who can be asked.
    pub(super) fn can_ask(&self) -> bool {
        !self.common.no_input && std::io::stdin().is_terminal() && Term::stderr().is_term()
    }

    /// Asks the user a question.
    pub(super) fn ask(&self, question: &str) -> std::io::Result<String> {
        let term = Term::stderr();
        term.write_str(&format!("{question}: "))?;
        term.read_line()
    }

    /// Asks the user for a secret, without showing what is typed.
    pub(super) fn ask_secret(&self, question: &str) -> std::io::Result<SecretString> {
        let term = Term::stderr();
        if self.common.no_input || !term.is_term() {
            return Err(std::io::Error::other("nobody can be asked here"));
        }
        term.write_str(&format!("{question}: "))?;
        Ok(SecretString::from(term.read_secure_line()?))
    }

    /// Returns what puts the terminal's settings back to what they are now, when it is dropped.
    pub(super) fn keep_terminal(&self) -> KeptTerminal {
        let terminal = File::open("/dev/tty").ok();
        KeptTerminal(terminal.and_then(|terminal| {
            let settings = tcgetattr(&terminal).ok()?;
            Some((terminal, settings))
        }))
    }

    /// Returns where the playground keeps its keys.
    pub(super) fn playground_directory(&self) -> PathBuf {
        self.store.root().join("playground")
    }
}

fn state_directory(common: &Common) -> Result<PathBuf, Failure> {
    if let Some(directory) = &common.state_dir {
        return std::path::absolute(directory).map_err(|error| Failure::new(crate::exit::Exit::Usage, error));
    }
    let strategy = etcetera::base_strategy::Xdg::new().map_err(|error| {
        Failure::new(crate::exit::Exit::Usage, error).hint("set HOME, or name a directory with --state-dir")
    })?;
    let base = strategy
        .state_dir()
        .unwrap_or_else(|| strategy.home_dir().join(".local/state"));
    Ok(base.join("labctl"))
}
