//! A playground that one test has for itself.

use super::bench::{KINDS, bench_with};
use super::{Bench, Lease, Running};
use crate::skipping::skip;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Making a node's image takes this long where nobody has made it yet.
const PATIENCE: Duration = Duration::from_secs(300);

/// A playground that nobody has used before; removed when dropped.
pub struct OwnPlayground {
    state: tempfile::TempDir,
}

impl OwnPlayground {
    /// Starts it; `None` where there is no engine to test with.
    pub fn up() -> Option<Self> {
        if std::env::var_os(KINDS).is_none() {
            skip(&format!(
                "what needs nodes of its own: without {KINDS} nobody says that a Docker Engine runs here"
            ));
            return None;
        }
        let state = tempfile::Builder::new().prefix("labctl-test-").tempdir().unwrap();
        let playground = Self { state };
        let up = Running::spawn(playground.command("up"), PATIENCE).wait();
        up.assert_exit(0);
        Some(playground)
    }

    /// Returns the place for a test on it.
    pub fn bench(&self) -> Bench {
        bench_with(Lease::take(self.state()))
    }

    /// Returns its state directory.
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_labctl"));
        command.args(["playground", verb, "--state-dir"]).arg(self.state());
        command
    }
}

impl Drop for OwnPlayground {
    fn drop(&mut self) {
        // Where the test itself took it down, there is nothing left to do.
        let _ = self.command("down").output();
    }
}
