//! The whole binary, as its users meet it: exit code, standard output and standard error of one run in one snapshot; and the
//! files that people write or read: labs, inventories, README.md, scripts.
//!
//! No test here reaches a node, an engine or the network beyond closed ports of loopback.

mod bad_inventories;
mod bad_labs;
mod bad_selections;
mod bench;
mod building;
mod engine;
mod files;
mod help;
mod hints;
mod htpasswd;
mod images;
mod instances;
mod junit;
mod listings;
mod load;
mod output;
mod readme;
mod report;
mod scripts;

/// Compares a text with its snapshot, which bears the name of the test.
macro_rules! assert_says {
    ($name:expr, $bench:expr, $arguments:expr) => {
        insta::assert_snapshot!($name, $bench.says(&$arguments))
    };
}
use assert_says;
