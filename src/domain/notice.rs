//! What the engine tells whoever watches: events, and what is too fleeting for the journal.

use super::{Event, StepKey, Stream, Verdict};

/// One thing that a reporter may show.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// An event, already in the journal.
    Event(Event),
    /// A word of labctl's own to whoever watches. While a reporter draws, nobody else may write to the terminal.
    Told {
        /// What is said.
        text: String,
    },
    /// Output of a step as it arrives: raw bytes of a node, secrets already masked, control sequences not yet removed.
    Output {
        /// Which step, where.
        step: StepKey,
        /// Which stream.
        stream: Stream,
        /// The next bytes of it.
        bytes: Vec<u8>,
    },
    /// A check was looked at and does not hold yet; it is looked at again until its deadline.
    StillWaiting {
        /// Which step, where.
        step: StepKey,
        /// Which of the step's checks, from 0.
        check: usize,
        /// What was found; `None` where nothing could be looked at.
        verdict: Option<Verdict>,
        /// How often it was looked at so far.
        attempts: u32,
    },
}
