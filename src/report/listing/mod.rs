//! What is printed at once: plans, states and tables, as text.

mod clearing;
mod images;
mod inventory;
mod labs;
mod owed;
mod plan;
mod playground;
mod run;
mod status;

pub use clearing::{ClearingRow, clearing_listing};
pub use images::{ImageRow, LoadEnd, LoadedImage, LoadedRow, images_listing, loaded_listing};
pub use inventory::{FoundOnNode, InventoryRow, inventory_check_listing};
pub use labs::{LabRow, LabView, SecretView, TaskView, VariableView, lab_listing, labs_listing};
pub use plan::plan_listing;
pub use playground::{PlaygroundRow, playground_listing};
pub use run::cleanup_listing;
pub use status::{StatusView, status_listing};
