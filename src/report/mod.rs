//! Shows people and programs what happens: consumes notices, prints to what it is given. Decides nothing, reads no
//! environment, and never sees a node: colour, width and verbosity are passed in.

mod chronicle;
mod cleaned;
mod closing;
mod describe;
#[cfg(test)]
mod describe_tests;
mod ended;
mod headline;
mod html;
mod json;
mod junit;
mod layout;
mod line;
mod listing;
mod markdown;
mod outcome;
mod plain;
mod reporter;
mod screen;
mod story;
mod style;
mod table;
mod tail;
mod tally;
#[cfg(test)]
mod tests;
mod transcript;
mod turns;
mod verify;

pub use chronicle::{
    CheckChronicle, Chronicle, KeptOutput, LinkChronicle, RunVerdict, ShownCommand, StepChronicle, TaskChronicle,
    UndoneChronicle,
};
pub use describe::{describe_check, describe_check_kind};
pub use html::{RenderError, html_report};
pub use json::JsonReporter;
pub use junit::{JunitReporter, junit_document};
use labctl_masking as sanitise;
pub use labctl_masking::{LineSanitiser, sanitised, sanitised_line};
pub use layout::{duration_for_people, size_for_people};
pub use listing::{
    ClearingRow, FoundOnNode, ImageRow, InventoryRow, LabRow, LabView, LoadEnd, LoadedImage, LoadedRow, PlaygroundRow,
    SecretView, StatusView, TaskView, VariableView, cleanup_listing, clearing_listing, images_listing,
    inventory_check_listing, lab_listing, labs_listing, loaded_listing, plan_listing, playground_listing,
    status_listing,
};
pub use plain::{PlainOptions, PlainReporter, Verbosity};
pub use reporter::{FanOut, Reporter};
pub use screen::{ScreenOptions, ScreenReporter, TerminalSize};
pub use style::Style;
pub use transcript::transcript;
