//! The data and the rules of a lab run, without effects: nothing here prints, waits, or touches a file or a socket.

mod inventory;
mod names;

pub use inventory::{HostKeyPolicy, Inventory, Login, Node, Registry, SecretSource};
pub use names::{InstanceId, InvalidName, NodeName, RunId, StepId, TaskId};
