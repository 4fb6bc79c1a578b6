//! Turns lab, state and selection into a [`Plan`](crate::domain::Plan). Pure: the same input gives the same plan, and
//! nothing is left to decide while it is carried out.

mod cleanup;
mod left_out;
mod order;
mod run;
mod selection;
mod verify;

pub use cleanup::{cleanup_step_title, clear_everything, plan_cleanup};
pub use run::plan_run;
pub use selection::{Outline, PlanError, Selection};
pub use verify::{nothing_to_check, plan_verify};
