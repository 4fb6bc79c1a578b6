//! What indicatif draws on: collects a frame and writes it at once, lines for good above it.
//!
//! indicatif fills each line to the terminal's edge and lets it wrap, so a terminal that changes its width would garble
//! them. Here lines end before the edge with a line feed, and the last frame is taken away by the rows it takes *now*.

use super::super::layout::columns;
use indicatif::TermLike;
use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How big a terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Its lines.
    pub rows: u16,
    /// Its columns.
    pub columns: u16,
}

/// Asks for the size of the terminal, which changes while a run goes on.
pub(crate) type SizeSource = Arc<dyn Fn() -> TerminalSize + Send + Sync>;

/// A terminal, shared by whoever draws on it.
#[derive(Clone)]
pub(crate) struct Terminal {
    size: SizeSource,
    frame: Arc<Mutex<Frame>>,
}

struct Frame {
    /// Gone once writing failed.
    writer: Option<Box<dyn Write + Send>>,
    /// Lines to be written for good.
    above: Vec<String>,
    /// The lines of the frame that is being collected.
    lines: Vec<String>,
    line: String,
    /// The columns that the collected line takes so far.
    used: usize,
    /// The columns that each line of the frame on the terminal takes.
    shown: Vec<usize>,
}

impl Terminal {
    /// Draws on `writer`, which is as big as `size` says.
    pub(crate) fn new(writer: Box<dyn Write + Send>, size: SizeSource) -> Self {
        let frame = Frame {
            writer: Some(writer),
            above: Vec::new(),
            lines: Vec::new(),
            line: String::new(),
            used: 0,
            shown: Vec::new(),
        };
        Self {
            size,
            frame: Arc::new(Mutex::new(frame)),
        }
    }

    /// Returns its size; the last column stays free, so that no line ever wraps.
    pub(crate) fn usable(&self) -> TerminalSize {
        let TerminalSize { rows, columns } = (self.size)();
        TerminalSize {
            rows: rows.max(1),
            columns: columns.saturating_sub(1).max(2),
        }
    }

    /// Takes `lines` to be written for good with the next frame.
    pub(crate) fn push_above(&self, lines: impl IntoIterator<Item = String>) {
        self.frame().above.extend(lines);
    }

    fn frame(&self) -> MutexGuard<'_, Frame> {
        // A frame is only text: whoever panicked while holding it left nothing that could do harm.
        self.frame.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Erases from the start of the row to the end of the screen. Not in one: tmux keeps in its history what is erased from the very first
/// place of the screen, which it takes for the whole of it.
const ERASE_BELOW: &str = "\x1b[K\x1b[C\x1b[J\r";

impl Frame {
    /// Collects `text`; a line ends where it fills `width` columns, because indicatif fills each to its end.
    fn collect(&mut self, text: &str, width: usize) {
        self.line.push_str(text);
        self.used += columns(&console::strip_ansi_codes(text));
        if self.used >= width {
            self.used = 0;
            let line = mem::take(&mut self.line);
            self.lines.push(line.trim_end().to_owned());
        }
    }

    /// Writes what takes the last frame away, the lines above, and the new frame, in one go.
    fn write(&mut self, size: TerminalSize) {
        let mut out = self.erasure(size);
        for line in self.above.drain(..) {
            out.push_str(&line);
            out.push_str("\r\n");
        }
        let lines = mem::take(&mut self.lines);
        out.push_str(&lines.join("\r\n"));
        if !lines.is_empty() {
            // A terminal echoes Ctrl-C where the cursor stands: at the end of a line it would go on in the next row.
            out.push('\r');
        }
        self.shown = lines
            .iter()
            .map(|line| columns(&console::strip_ansi_codes(line)))
            .collect();
        if out.is_empty() {
            return;
        }
        let Some(writer) = &mut self.writer else { return };
        if writer.write_all(out.as_bytes()).and_then(|()| writer.flush()).is_err() {
            self.writer = None;
        }
    }

    fn erasure(&self, size: TerminalSize) -> String {
        let width = usize::from(size.columns) + 1;
        let rows: usize = self.shown.iter().map(|used| used.div_ceil(width).max(1)).sum();
        match rows.min(usize::from(size.rows)) {
            0 => String::new(),
            1 => format!("\r{ERASE_BELOW}"),
            rows => format!("\r\x1b[{}A{ERASE_BELOW}", rows - 1),
        }
    }
}

impl fmt::Debug for Terminal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Terminal").finish_non_exhaustive()
    }
}

/// The last frame is taken away as a whole when the next one is written, so moves of the cursor mean nothing.
impl TermLike for Terminal {
    fn width(&self) -> u16 {
        self.usable().columns
    }

    fn height(&self) -> u16 {
        self.usable().rows
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.frame().lines.push(text.to_owned());
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let width = usize::from(self.usable().columns);
        self.frame().collect(text, width);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let size = self.usable();
        self.frame().write(size);
        Ok(())
    }
}
