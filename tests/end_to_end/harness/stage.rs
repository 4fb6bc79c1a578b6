//! What several tests need on the nodes, made by the first of them and kept for the next: a cluster takes longer to make and to undo
//! than most of what is tried on it.
//!
//! Each of those tests can run alone: it makes what it does not find. The last of them undoes all of it and compares the nodes, as its
//! own subject; a test of something else that comes before that has it undone without comparing.

use super::bench::{Bench, KINDS};
use super::lease::{Lease, Left};

/// What several tests need on the nodes.
pub struct Stage {
    /// Its name.
    pub name: &'static str,
    /// Makes it on clean nodes.
    pub make: fn(&Bench),
}

impl Stage {
    /// Returns the place of a test on this stage, which is made where the test before did not leave it.
    pub fn bench(&self) -> Option<Bench> {
        let lease = Lease::of(KINDS)?;
        if lease.found == Some(Left::Stage(self.name.to_owned())) {
            return Some(Bench::on_stage(lease));
        }
        let mut bench = Bench::before_stage(lease);
        (self.make)(&bench);
        bench.leave(Left::Stage(self.name.to_owned()));
        Some(bench)
    }

    /// Returns the place of a test that makes this stage as its own subject, on clean nodes, and leaves it to the next.
    pub fn bench_to_make_it(&self) -> Option<Bench> {
        let mut bench = Bench::before_stage(Lease::of(KINDS)?);
        bench.leave(Left::Stage(self.name.to_owned()));
        Some(bench)
    }
}
