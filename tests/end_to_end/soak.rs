//! labctl is killed at moments that nobody chose.
//!
//! `LABCTL_SOAK_SEEDS` lists the seeds, numbers with blanks between them; three by default. `scripts/soak` runs many.

use crate::harness::bench_of_today;
use std::time::Duration;

/// A splitmix64: the same seed kills at the same moments.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number below `below`.
    pub fn throw(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

#[test]
fn soak_kills_at_random_times() {
    let seeds = std::env::var("LABCTL_SOAK_SEEDS").unwrap_or_else(|_| "1 2 3".to_owned());
    let Some(bench) = bench_of_today() else { return };
    for seed in seeds.split_whitespace() {
        let mut dice = Dice::new(seed.parse().expect("LABCTL_SOAK_SEEDS holds numbers"));
        let runs = 1 + dice.throw(2);
        let cleanups = dice.throw(3);
        for (verb, count, longest) in [("run", runs, 22_000), ("cleanup", cleanups, 4_000)] {
            for _ in 0..count {
                let after = Duration::from_millis(dice.throw(longest));
                eprintln!("seed {seed}: {verb} killed after {after:?}");
                let words = if verb == "run" {
                    &["run", "lab2", "--task", "task1"][..]
                } else {
                    &["cleanup"]
                };
                let running = bench.start(words);
                // The very thing under test: a moment that nothing else decides.
                std::thread::sleep(after);
                running.kill();
            }
        }
        bench.clean_up_to_the_snapshot();
    }
}
