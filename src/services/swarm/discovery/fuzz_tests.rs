//! How discovery is named, and what a file of addresses holds.

use super::{Discovery, from_file, nodes};
use crate::address::is_address;
use crate::fuzzing::Target;

#[test]
fn fuzz_discovery_names() {
    let seeds = [
        "nodes://10.0.0.1:2375,10.0.0.2:2375",
        "10.0.0.[8:12]:2375",
        "node[01:03]:1,[::1]:5",
        "# two\n10.0.0.2:2375\n10.0.0.[1:9]:2375 # first\n\n",
        "token://10.0.0.1:8443/v1/0123456789abcdef0123456789abcdef",
        "file:///etc/cluster",
        "etcd://a/b",
    ];
    // A range of a few bytes stands for as many nodes as there may be.
    let mut target = Target::new("discovery-names");
    target.memory = 4 << 20;
    target
        .seeds(seeds)
        .words(["[0:4294967295]", "[00001:5]", "[0:255]", "://", "nodes://"])
        .run(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            if let Ok(entries) = from_file(&text) {
                assert!(entries.len() <= nodes::MOST && entries.iter().all(|entry| is_address(entry)));
            }
            let Ok(discovery) = text.parse::<Discovery>() else {
                return false;
            };
            if let Discovery::Nodes(nodes) = &discovery {
                assert!(nodes.iter().all(|node| is_address(node)));
            }
            assert_eq!(discovery.to_string().parse::<Discovery>().as_ref(), Ok(&discovery));
            true
        });
}
