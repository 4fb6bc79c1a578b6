//! Task 3 of lab2: DockChat on staging and production, from a registry that wants a password.
//!
//! What `built` deploys as its own subject `undone` takes back.

mod built;
mod undone;

use crate::harness::Stage;

/// What does task 3.
pub const TASK: [&str; 4] = ["run", "lab2", "--task", "task3"];

/// DockChat on both nodes.
const DEPLOYED: Stage = Stage {
    name: "deployed",
    make: |bench| {
        bench.labctl(&TASK).assert_exit(0);
    },
};
