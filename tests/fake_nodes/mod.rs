//! The engine over nodes that exist only in memory: planner, runner, journal and state, from a lab to the last event.
//!
//! Responsible for what no real node does on request: every way a step can end, a journal that cannot be written, a crash
//! after every event. What ssh, sshd and the Docker Engine do is tested where they are real.

mod builds;
mod checks;
mod clearing;
mod clock;
mod containers;
mod crashes;
mod disk;
mod elsewhere;
mod endings;
mod engine;
mod engine_options;
pub mod engine_server;
mod findings;
mod hints;
mod hosts;
mod image_names;
mod journal;
mod labs;
mod login;
mod machine;
mod order;
mod outputs;
mod ownership;
mod picture;
mod provide;
mod random;
mod report;
mod selection;
mod stage;
mod superseded;
mod undo;
mod undo_directories;
mod values;
mod verify;
mod write;
