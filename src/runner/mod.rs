//! Carries a plan out: decides nothing, emits events, and never shows anything.
//!
//! The dispatcher owns the journal and the order of steps; an executor does one step on one node. They talk through a
//! channel: an executor that must not go on before an event is on disk waits for the dispatcher's word.

mod action;
mod baseline;
mod builds;
mod checks;
mod clear;
mod comparison;
mod dispatcher;
mod elsewhere;
mod engine;
mod engine_hand;
mod engine_options;
mod executor;
mod heard;
mod hosts;
mod last_look;
mod login;
mod notices;
mod output;
mod own_image;
mod ownership;
mod printed;
mod provide;
mod queue;
mod quieten;
mod reports;
mod reset;
mod second_look;
mod shared;
mod stand_in;
mod undo;
mod undo_files;
mod undo_options;
mod undo_steps;
mod write;

pub use clear::{Everything, look_at_everything};
pub use dispatcher::{RunError, RunSummary, carry_out};
pub use engine::EngineFault;
pub use hosts::take_out as take_out_host_line;
pub use notices::{NoticeReceiver, NoticeSender, notice_channel};
pub use own_image::{Brought, bring_own_image};
pub use shared::{NodeAccess, ReportPlace, Run};
pub use stand_in::StandInImages;
