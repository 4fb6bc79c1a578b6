//! Events as JSON lines, in exactly the journal's form, and nothing else.

use super::Reporter;
use crate::domain::Notice;
use std::io::Write;

/// Writes each event as one line of JSON.
pub struct JsonReporter<W: Write> {
    writer: Option<W>,
}

impl<W: Write> JsonReporter<W> {
    /// Writes to `writer`.
    pub fn new(writer: W) -> Self {
        Self { writer: Some(writer) }
    }
}

impl<W: Write + Send> Reporter for JsonReporter<W> {
    fn notice(&mut self, notice: &Notice) {
        let (Notice::Event(event), Some(writer)) = (notice, &mut self.writer) else {
            return;
        };
        let Ok(mut line) = serde_json::to_vec(event) else {
            return;
        };
        line.push(b'\n');
        // A reader that went away wants no more lines: half of one would be worse than none.
        if writer.write_all(&line).and_then(|()| writer.flush()).is_err() {
            self.writer = None;
        }
    }

    fn finish(&mut self) {}
}
