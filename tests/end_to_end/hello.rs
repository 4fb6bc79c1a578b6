//! The small lab that `labs/README.md` builds up, found by its name.

use crate::harness::{Node, bench};

/// Asks for the page as people on the same network do.
fn page(node: &Node) -> String {
    node.root(&format!("curl -fsS --noproxy '*' http://{}:8080/", node.address))
}

#[test]
fn hello_runs_on_one_node_verifies_finds_what_is_broken_and_leaves_nothing() {
    let Some(bench) = bench() else { return };
    let node = bench.nodes[0].clone();
    let path = bench.path("inventory.toml");
    let three = std::fs::read_to_string(&path).unwrap();
    let one = three.split("\n[[node]]\nname = \"node-1\"").next().unwrap();
    assert_ne!(one, three);
    std::fs::write(&path, one).unwrap();

    bench.labctl(&["run", "hello"]).assert_exit(0).assert_says(&[
        &format!("http://{}:8080/", node.address),
        "-<h1>Hello from node-0</h1>",
        "+<h1>Good morning from node-0</h1>",
    ]);
    let container = node.root("docker ps --quiet --filter name=labctl-page");
    let shown = page(&node);
    assert_eq!(
        shown,
        format!("<h1>Good morning from node-0</h1>\n<p>Served by container {container}")
    );
    bench.labctl(&["verify"]).assert_exit(0);

    let again = bench.start_json(&["run", "hello"]).wait();
    again.assert_exit(0);
    for step in ["files", "image", "start", "edit"] {
        assert_eq!(again.outcome(step)["reason"]["why"], "already_holds", "{step}");
    }
    assert_eq!(page(&node), shown);

    node.root("sed -i s/morning/night/ /home/ubuntu/page/index.html");
    let verify = bench.labctl(&["verify"]);
    verify
        .assert_exit(1)
        .assert_says(&["1 finding", "write `Good morning from node-0` into"]);
    bench.labctl(&["run"]).assert_exit(0);
    assert_eq!(page(&node), shown);

    bench.clean_up_to_the_snapshot();
}
