//! A task whose result a later one has changed, by hand.

use super::Lab;
use crate::command_line_bench::code;

/// A file that task2 renames.
const RENAMING_LAB: &str = r#"
[lab]
format = 1
id = "renaming"
title = "A file that is renamed"
nodes = ["node-0"]

[[task]]
id = "task1"
title = "Task 1"
on = "node-0"

[[task.step]]
id = "old"
title = "Look"
wait = true
expect = [{ file = "/" }]

[[task.verify]]
id = "old-name"
title = "The file has its old name"
file = { path = "/tmp/labctl-cli-old" }
superseded_by = "task2"

[[task]]
id = "task2"
title = "Task 2"
on = "node-0"

[[task.step]]
id = "new"
title = "Look"
wait = true
expect = [{ file = "/" }]

[[task.verify]]
id = "new-name"
title = "The file has its new name"
file = { path = "/tmp/labctl-cli-new" }
begun = true
"#;

#[test]
fn what_a_later_task_has_changed_by_hand_is_0_and_no_failure() {
    let Some(lab) = Lab::new() else { return };
    lab.bench.write("labs/renaming/lab.toml", RENAMING_LAB);
    let verify = || lab.run(&["verify", "task1", "--lab", "renaming", "--inventory", "nodes"]);
    assert_eq!(code(&verify()), 1, "task2 has not begun");
    lab.on_node("touch /tmp/labctl-cli-new");
    let output = verify();
    lab.on_node("rm /tmp/labctl-cli-new");
    insta::assert_snapshot!("nodes_verify_superseded", lab.shown(&output));
    assert_eq!(code(&output), 0, "all that is looked at is superseded");
}
