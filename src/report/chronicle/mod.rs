//! What a run was, from its first event to its last: one fold over the journal, and everything that is made of a run when it
//! is over is rendered from it. So no two of them can tell different numbers.

mod command;
mod fold;
mod kept;
mod model;

pub use kept::KeptOutput;
pub use model::{
    CheckChronicle, Chronicle, HostChronicle, LinkChronicle, RunVerdict, StepChronicle, TaskChronicle, UndoneChronicle,
};

pub use command::ShownCommand;
