//! The end of the cluster that all these tests used.

use super::CLUSTER;
use crate::harness::Left;

#[test]
fn a_cluster_that_was_used_is_undone_to_the_last_byte() {
    let Some(mut bench) = CLUSTER.bench() else { return };
    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_but_engines_restarted();
    bench.leave(Left::Clean);
}
