//! A terminal for tests: understands what a real one does, and can be resized.

use crate::report::TerminalSize;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

#[derive(Clone)]
pub(super) struct FakeTerminal {
    parser: Arc<Mutex<vt100::Parser>>,
}

impl FakeTerminal {
    pub(super) fn new(rows: u16, columns: u16) -> Self {
        Self {
            parser: Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 1000))),
        }
    }

    pub(super) fn size(&self) -> TerminalSize {
        let (rows, columns) = self.parser.lock().unwrap().screen().size();
        TerminalSize { rows, columns }
    }

    pub(super) fn resize(&self, rows: u16, columns: u16) {
        self.parser.lock().unwrap().screen_mut().set_size(rows, columns);
    }

    /// Returns what is visible.
    pub(super) fn visible(&self) -> String {
        let parser = self.parser.lock().unwrap();
        let columns = parser.screen().size().1;
        let rows: Vec<String> = parser
            .screen()
            .rows(0, columns)
            .map(|row| row.trim_end().to_owned())
            .collect();
        rows.join("\n").trim_end().to_owned()
    }

    /// Returns everything that was ever written for good, scrolled away or not.
    pub(super) fn everything(&self) -> String {
        let mut parser = self.parser.lock().unwrap();
        let (height, columns) = parser.screen().size();
        parser.screen_mut().set_scrollback(usize::MAX);
        let mut left = parser.screen().scrollback();
        let mut rows: Vec<String> = Vec::new();
        while left > 0 {
            parser.screen_mut().set_scrollback(left);
            let count = left.min(usize::from(height));
            rows.extend(parser.screen().rows(0, columns).take(count));
            left -= count;
        }
        parser.screen_mut().set_scrollback(0);
        rows.extend(parser.screen().rows(0, columns));
        let rows: Vec<&str> = rows.iter().map(|row| row.trim_end()).collect();
        rows.join("\n").trim_end().to_owned()
    }

    /// Says whether any line was too long for the terminal.
    pub(super) fn wrapped(&self) -> bool {
        let parser = self.parser.lock().unwrap();
        let rows = parser.screen().size().0;
        (0..rows).any(|row| parser.screen().row_wrapped(row))
    }
}

impl Write for FakeTerminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.parser.lock().unwrap().process(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
