//! What every test on real nodes stands on.

mod bench;
mod dice;
mod ended;
mod lease;
mod node;
mod own_playground;
mod running;
mod snapshot;
mod stage;

pub use bench::{Bench, InventoryText, bench, bench_of_today};
pub use dice::Dice;
pub use ended::Ended;
pub use lease::{Lease, Left};
pub use node::Node;
pub use own_playground::OwnPlayground;
pub use running::{Event, Running};
pub use snapshot::Snapshot;
pub use stage::Stage;

use std::time::{Duration, Instant};

/// Asks `question` again and again until it answers; fails the test after `patience`.
#[track_caller]
pub fn wait_for<T>(what: &str, patience: Duration, mut question: impl FnMut() -> Option<T>) -> T {
    let limit = Instant::now() + patience;
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(Instant::now() < limit, "waited {patience:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
