//! More nodes than there are descriptors for.

use super::server::{Server, look};
use labctl::node::{Gate, SshNode, SshOptions, Transport};
use std::num::NonZeroUsize;

/// Descriptors for two connections, as the gate counts them.
const FOR_TWO: u64 = 128 + 2 * 8;

fn options(server: &Server, gate: &Gate) -> SshOptions {
    let mut options = server.options();
    options.gate = gate.clone();
    options
}

#[tokio::test]
async fn nodes_take_turns_where_not_all_can_be_connected_at_once() {
    let server = Server::start();
    let gate = Gate::with_descriptors(NonZeroUsize::MIN, FOR_TWO);
    let mut nodes = Vec::new();
    for _ in 0..4 {
        let node = SshNode::connect(&server.node(), &options(&server, &gate))
            .await
            .unwrap();
        node.look(&look("true")).await.unwrap();
        nodes.push(node);
        let open = server.masters();
        assert!(open <= 2, "{open} connections are open");
    }
    // Each is opened again when it is its turn.
    for node in nodes.iter().chain(&nodes) {
        assert_eq!(node.look(&look("echo here")).await.unwrap().stdout, b"here\n");
        assert!(server.masters() <= 2);
    }
    for node in &nodes {
        node.close().await;
    }
    assert_eq!(server.masters(), 0);
}
