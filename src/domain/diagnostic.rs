//! A fault in a file that a person wrote: where it stands and what to do about it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A text that was read, for pointing into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// What to call it: a path, or `lab2 (built in)`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, a lowercase fragment.
    pub message: String,
    /// Where, as a byte range of the source; `None` where the fault has no place.
    pub place: Option<(Arc<SourceText>, Range<usize>)>,
    /// What is wrong with just the marked text.
    pub label: Option<String>,
    /// The next thing to try.
    pub hint: Option<String>,
}

/// All the faults found, in the order of the files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostics {
    /// The faults.
    pub faults: Vec<Diagnostic>,
}

impl Diagnostic {
    /// Makes a fault without a place.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: None,
            label: None,
            hint: None,
        }
    }

    /// Sets the place.
    #[must_use]
    pub fn at(mut self, source: &Arc<SourceText>, range: Range<usize>) -> Self {
        self.place = Some((Arc::clone(source), range));
        self
    }

    /// Sets the label of the marked text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Sets the hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(fault: Diagnostic) -> Self {
        Self { faults: vec![fault] }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages: Vec<&str> = self
            .faults
            .iter()
            .take(20)
            .map(|fault| fault.message.as_str())
            .collect();
        formatter.write_str(&messages.join("; "))
    }
}

impl std::error::Error for Diagnostics {}
