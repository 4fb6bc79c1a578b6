//! Reads lab and inventory files and makes domain types of them.
//!
//! Loading is in passes, and every fault of a definition is told together with the others, at its line, before a node
//! is touched: TOML, then written values with their places, then the lab as a whole, then its templates.
//! Nothing here connects to a node, and no secret's value gets into a lab.

mod address;
mod context;
mod duration;
mod faults;
mod fields;
mod files;
#[cfg(test)]
mod fuzz_tests;
mod go_template;
mod graph;
mod inventory_file;
mod inventory_login;
mod inventory_node;
mod inventory_text;
mod lab;
mod marks;
mod position;
mod read_action;
mod read_check;
mod read_docker_check;
mod read_http_check;
mod read_lab;
mod read_step;
mod references;
#[cfg(test)]
mod registry_tests;
mod resolve;
mod resolve_action;
mod resolve_check;
mod resolve_engine;
mod resolve_login;
mod resolve_order;
mod sample;
mod secret;
mod selection;
mod shell_values;
mod signs;
mod size;
mod source;
mod step_order;
mod structure;
mod suggest;
mod template;
mod template_engine;
mod template_limits;
mod verifications;
mod written;

pub use inventory_file::{
    InventoryFile, InventoryPlaces, find_inventory, inventories, parse_inventory, read_inventory,
};
pub use inventory_text::{InventoryDraft, NodeDraft, inventory_toml};
pub use lab::{
    Declared, DeclaredSecret, LabDefinition, ResolveContext, StepOutline, TaskOutline, parse_lab, resolve, validate,
};
pub use sample::assumed_facts;
pub use secret::{SecretError, read_secret};
pub use source::{DEFAULT_LAB, LabListing, LabSource, built_in_lab, find_lab, list_labs};
pub(crate) use suggest::hint as suggestion;
