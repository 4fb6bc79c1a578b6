//! Collects every fault of a definition, so that all of them are told at once.

use crate::domain::{Diagnostic, Diagnostics, SourceText};
use std::ops::Range;
use std::sync::Arc;

/// The faults found so far in one file and in what it refers to.
#[derive(Debug)]
pub(super) struct Faults {
    source: Arc<SourceText>,
    found: Vec<Diagnostic>,
    /// Where secrets stand in the file.
    secrets: Vec<Range<usize>>,
}

impl Faults {
    /// Starts with no faults of `source`.
    pub(super) fn new(source: &Arc<SourceText>) -> Self {
        Self {
            source: Arc::clone(source),
            found: Vec::new(),
            secrets: Vec::new(),
        }
    }

    /// Returns the file that is read.
    pub(super) fn source(&self) -> &Arc<SourceText> {
        &self.source
    }

    /// Makes a fault at `range` of the file; the caller adds a label and a hint and pushes it.
    pub(super) fn fault(&self, range: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(message).at(&self.source, range)
    }

    /// Makes a fault at `range` of the file, where the text is a secret: no fault of the file shows it.
    pub(super) fn secret_fault(&mut self, range: Range<usize>, message: impl Into<String>) -> Diagnostic {
        self.secrets.push(range.clone());
        self.fault(range, message)
    }

    /// Adds `fault`.
    pub(super) fn push(&mut self, fault: Diagnostic) {
        self.found.push(fault);
    }

    /// Adds `faults`.
    pub(super) fn extend(&mut self, faults: impl IntoIterator<Item = Diagnostic>) {
        self.found.extend(faults);
    }

    /// Returns how many there are.
    pub(super) fn count(&self) -> usize {
        self.found.len()
    }

    /// Returns the faults as they were found.
    pub(super) fn into_found(self) -> Vec<Diagnostic> {
        self.found
    }

    /// Returns `value` where there are no faults, else all of them in the order of the files, each once.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Diagnostics> {
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => Err(self.into_diagnostics()),
        }
    }

    fn into_diagnostics(self) -> Diagnostics {
        let Self { source, found, secrets } = self;
        let masked = masked(&source, &secrets);
        let mut found: Vec<Diagnostic> = found.into_iter().map(|fault| placed(fault, &source, &masked)).collect();
        found.sort_by_cached_key(|fault| match &fault.place {
            Some((place, range)) if place.name == source.name => (0, String::new(), range.start),
            Some((place, range)) => (1, place.name.clone(), range.start),
            None => (2, String::new(), 0),
        });
        let start = |fault: &Diagnostic| fault.place.as_ref().map(|(_, range)| range.start);
        let mut faults: Vec<Diagnostic> = Vec::new();
        for fault in found {
            // Two that are the same begin at the same place.
            let mut neighbours = faults.iter().rev().take_while(|other| start(other) == start(&fault));
            if !neighbours.any(|other| *other == fault) {
                faults.push(fault);
            }
        }
        if faults.is_empty() {
            let message = format!("{} could not be read", source.name);
            faults.push(Diagnostic::new(message));
        }
        Diagnostics { faults }
    }
}

/// Returns `source` with `*` where `secrets` stand.
fn masked(source: &Arc<SourceText>, secrets: &[Range<usize>]) -> Arc<SourceText> {
    if secrets.is_empty() {
        return Arc::clone(source);
    }
    let mut bytes = source.text.clone().into_bytes();
    for range in secrets {
        let secret = bytes.get_mut(range.clone()).into_iter().flatten();
        secret.filter(|byte| **byte != b'\n').for_each(|byte| *byte = b'*');
    }
    // Whole characters were taken out, so it is text still.
    Arc::new(SourceText {
        name: source.name.clone(),
        text: String::from_utf8(bytes).unwrap_or_default(),
    })
}

fn placed(mut fault: Diagnostic, source: &Arc<SourceText>, masked: &Arc<SourceText>) -> Diagnostic {
    if let Some((place, _)) = &mut fault.place
        && Arc::ptr_eq(place, source)
    {
        *place = Arc::clone(masked);
    }
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_once_and_in_the_order_of_the_file() {
        let source = Arc::new(SourceText {
            name: "a".into(),
            text: "0123456789".into(),
        });
        let mut faults = Faults::new(&source);
        faults.push(Diagnostic::new("without a place"));
        faults.push(faults.fault(5..6, "second"));
        faults.push(faults.fault(1..2, "first"));
        faults.push(faults.fault(5..6, "second"));
        let found = faults.finish(Some(())).unwrap_err();
        let messages: Vec<&str> = found.faults.iter().map(|fault| fault.message.as_str()).collect();
        assert_eq!(messages, ["first", "second", "without a place"]);
    }
}
