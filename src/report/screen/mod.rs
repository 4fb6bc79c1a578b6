//! The picture of a run on a terminal: finished steps stay above, running ones move below them.

mod board;
mod reporter;
mod terminal;

pub use reporter::{ScreenOptions, ScreenReporter};
pub use terminal::TerminalSize;
