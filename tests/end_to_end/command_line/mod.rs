//! The whole binary as its users meet it, as in `tests/command_line`, where that needs a real node: runs, their exit codes, and what
//! is said of them.

mod hosts;
mod superseded;

use crate::command_line_bench::{Bench, code};
use crate::harness::{self, bench};
use rstest::rstest;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A lab that writes a file, looks at it, and takes its time where it is asked to.
const LAB: &str = r#"
[lab]
format = 1
id = "small"
title = "A small lab"
nodes = ["node-0"]

[vars.greeting]
default = "hello"
help = "what the file says"

[vars.pause]
default = "0"
help = "how many seconds the lab pauses"

[[task]]
id = "task1"
title = "Task 1: a greeting"
on = "node-0"

[[task.step]]
id = "greet"
title = "1.1 Write a greeting"
write = { path = "~/labctl-cli/greeting", content = "{{ vars.greeting }}\n" }
expect = [{ file = { path = "~/labctl-cli/greeting", contains = ["hello"] }, hint = "the greeting must say hello" }]

[[task.step]]
id = "pause"
title = "1.2 Pause"
run = ["sleep", "{{ vars.pause }}"]
undo = []
expect = [{ exit = 0 }]

[[task.verify]]
id = "greeting"
title = "The greeting is there"
file = { path = "~/labctl-cli/greeting", contains = ["hello"] }
hint = "step 1.1: write `hello` to ~/labctl-cli/greeting"
"#;

struct Lab {
    bench: Bench,
    _nodes: harness::Bench,
}

impl Drop for Lab {
    fn drop(&mut self) {
        // A test that failed must not spoil the next one.
        let _ = self.run(&["cleanup"]);
        let _ = self.run(&["ssh", "--inventory", "nodes", "node-0", "rm -rf labctl-cli"]);
    }
}

impl Lab {
    fn new() -> Option<Self> {
        let nodes = bench()?;
        let bench = Bench::new();
        bench.write("labs/small/lab.toml", LAB);
        bench.write("inventories/nodes.toml", &inventory(&nodes.nodes[0].playground));
        Some(Self { bench, _nodes: nodes })
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.bench.command(arguments).output().unwrap()
    }

    /// Runs the lab on the nodes.
    fn run_lab(&self, more: &[&str]) -> Output {
        self.run(&[&["run", "small", "--inventory", "nodes"], more].concat())
    }

    /// Runs a command on node-0.
    fn on_node(&self, command: &str) -> String {
        let output = self.run(&["ssh", "--inventory", "nodes", "node-0", command]);
        assert_eq!(code(&output), 0, "{command}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn shown(&self, output: &Output) -> String {
        let text = self.bench.shown(output);
        regex::Regex::new(r"\b10\.\d+\.\d+\.1(\d)\b")
            .unwrap()
            .replace_all(&text, "10.0.0.1$1")
            .into_owned()
    }

    fn assert_nothing_is_left(&self) {
        assert_eq!(
            self.on_node("ls -d labctl-cli 2>&1 || true; sudo ls -A /var/lib/labctl 2>/dev/null || true"),
            "ls: cannot access 'labctl-cli': No such file or directory\n"
        );
        assert_eq!(code(&self.run(&["status"])), 0);
        assert_eq!(self.run(&["status", "--json"]).stdout, b"[]\n");
    }
}

/// Writes the playground's nodes as an inventory.
fn inventory(directory: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_labctl"))
        .args(["playground", "status", "--json", "--state-dir"])
        .arg(directory)
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{output:?}");
    let nodes: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let node = |node: &Value| {
        let login = &node["login"];
        format!(
            "[[node]]\nname = {:?}\nprivate_ip = {:?}\nuser = {:?}\nidentity_file = {:?}\nknown_hosts = {:?}\nhost_key = \"strict\"\n\n",
            text(&node["name"]),
            text(&node["address"]),
            text(&login["user"]),
            text(&login["identity_file"]),
            text(&login["known_hosts"]),
        )
    };
    nodes.iter().map(node).collect()
}

#[test]
fn a_lab_is_run_verified_and_cleaned_up() {
    let Some(lab) = Lab::new() else { return };
    for (name, arguments) in [
        ("plan", &["plan", "small", "--inventory", "nodes"][..]),
        ("run", &["run", "small", "--inventory", "nodes"]),
        ("status", &["status"]),
        ("verify", &["verify"]),
        ("run_again", &["run"]),
        ("cleanup", &["cleanup"]),
        ("cleanup_again", &["cleanup"]),
    ] {
        let output = lab.run(arguments);
        insta::assert_snapshot!(format!("nodes_{name}"), lab.shown(&output));
        assert_eq!(code(&output), 0, "{name}");
    }
    lab.assert_nothing_is_left();
}

#[test]
fn a_check_that_fails_is_1() {
    let Some(lab) = Lab::new() else { return };
    let output = lab.run_lab(&["--var", "greeting=good bye"]);
    insta::assert_snapshot!("nodes_check_failed", lab.shown(&output));
    assert_eq!(code(&output), 1);
    let output = lab.run(&["verify"]);
    insta::assert_snapshot!("nodes_verify_failed", lab.shown(&output));
    assert_eq!(code(&output), 1);
    let output = lab.run(&["verify", "--quiet"]);
    insta::assert_snapshot!("nodes_verify_failed_quiet", lab.shown(&output));
    assert_eq!(code(&lab.run(&["cleanup"])), 0);
    lab.assert_nothing_is_left();
}

#[rstest]
#[case("file", "")]
#[case("directory", "undo = [{ directory = \"~/labctl-cli\" }]\n")]
fn something_of_ours_that_is_left_is_4_until_it_is_gone(#[case] name: &str, #[case] undo: &str) {
    let Some(lab) = Lab::new() else { return };
    let text = LAB.replacen("expect = ", &format!("{undo}expect = "), 1);
    lab.bench.write("labs/small/lab.toml", &text);
    assert_eq!(code(&lab.run_lab(&[])), 0);
    lab.on_node("echo mine >>labctl-cli/greeting");
    let output = lab.run(&["cleanup"]);
    insta::assert_snapshot!(format!("nodes_left_{name}"), lab.shown(&output));
    assert_eq!(code(&output), 4);
    assert_eq!(lab.on_node("cat labctl-cli/greeting"), "hello\nmine\n");
    lab.on_node("sed -i /mine/d labctl-cli/greeting");
    let output = lab.run(&["cleanup"]);
    assert_eq!(code(&output), 0, "{}", lab.shown(&output));
    lab.assert_nothing_is_left();
}

#[test]
fn a_lost_journal_is_made_up_for_by_the_nodes() {
    let Some(lab) = Lab::new() else { return };
    assert_eq!(code(&lab.run_lab(&[])), 0);
    let mut instances = fs::read_dir(lab.bench.state().join("instances")).unwrap().flatten();
    let journal = instances.next().unwrap().path().join("journal.jsonl");
    fs::write(&journal, "{}\n{}\n").unwrap();
    let output = lab.run(&["cleanup"]);
    assert_eq!(code(&output), 3, "{output:?}");
    fs::remove_file(journal).unwrap();
    let output = lab.run(&["cleanup", "--inventory", "nodes"]);
    assert_eq!(code(&output), 0, "{}", lab.shown(&output));
    lab.assert_nothing_is_left();
}

#[test]
fn nodes_that_another_labctl_owes_something_are_6() {
    let Some(lab) = Lab::new() else { return };
    assert_eq!(code(&lab.run_lab(&[])), 0);
    let output = lab.run_lab(&["--state-dir", "elsewhere"]);
    insta::assert_snapshot!("nodes_of_another_labctl", lab.shown(&output));
    assert_eq!(code(&output), 6);
    assert_eq!(code(&lab.run(&["cleanup", "--state-dir", "elsewhere"])), 0);
    assert_eq!(code(&lab.run(&["cleanup"])), 0);
    lab.assert_nothing_is_left();
}

#[test]
fn an_interrupt_is_130_and_leaves_nothing_running() {
    let Some(lab) = Lab::new() else { return };
    // An odd number of seconds, so that it is found again.
    let mut command = lab
        .bench
        .command(&["run", "small", "--inventory", "nodes", "--var", "pause=4321"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the lab pauses", || {
        lab.on_node("pgrep -fx 'sleep 4321' | wc -l") == "1\n"
    });
    let output = interrupt(child);
    insta::assert_snapshot!("nodes_interrupted", lab.shown(&output));
    assert_eq!(code(&output), 130);
    assert_eq!(lab.on_node("pgrep -fx 'sleep 4321' | wc -l"), "0\n");
    let output = lab.run(&["status"]);
    insta::assert_snapshot!("nodes_interrupted_status", lab.shown(&output));
    assert_eq!(code(&lab.run(&["cleanup"])), 0);
    lab.assert_nothing_is_left();
}

fn interrupt(child: Child) -> Output {
    let sent = Command::new("kill")
        .args(["-s", "INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    child.wait_with_output().unwrap()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
    }
}

#[test]
fn with_json_every_line_is_an_event() {
    let Some(lab) = Lab::new() else { return };
    let plan = lab.run(&["plan", "small", "--inventory", "nodes", "--json"]);
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    let output = lab.run_lab(&["--json"]);
    assert_eq!((code(&output), output.stderr.len()), (0, 0), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["event"], "run_started");
    assert_eq!(
        events[0]["plan"]["steps"], plan["steps"],
        "a run does what the plan shows"
    );
    assert_eq!(events.last().unwrap()["event"], "run_finished");
    for output in [lab.run(&["verify", "--json"]), lab.run(&["cleanup", "--json"])] {
        assert_eq!(code(&output), 0, "{output:?}");
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            serde_json::from_str::<Value>(line).unwrap();
        }
    }
}

#[test]
fn a_node_that_is_down_stops_a_run_before_it_begins_and_spoils_no_look_at_the_others() {
    let Some(lab) = Lab::new() else { return };
    let both = LAB
        .replace("nodes = [\"node-0\"]", "nodes = [\"node-0\", \"node-1\"]")
        .replace("[[task.verify]]", "[[task.verify]]\non = \"all\"");
    lab.bench
        .write("labs/both/lab.toml", &both.replace("id = \"small\"", "id = \"both\""));
    let nodes = fs::read_to_string(lab.bench.path("desk/inventories/nodes.toml")).unwrap();
    let down = nodes.replace(
        "name = \"node-1\"",
        "name = \"node-1\"\naddress = \"127.0.0.1\"\nport = 1",
    );
    lab.bench.write("inventories/down.toml", &down);
    assert_eq!(code(&lab.run_lab(&[])), 0);
    for (name, arguments) in [("run", &["run", "both"][..]), ("verify", &["verify", "--lab", "both"])] {
        let output = lab.run(&[arguments, &["--inventory", "down", "--state-dir", "elsewhere"]].concat());
        insta::assert_snapshot!(format!("nodes_one_down_{name}"), lab.shown(&output));
        assert_eq!(code(&output), 3, "{name}");
    }
}

#[test]
fn junit_has_the_results_of_a_run_and_of_a_verify_that_fails() {
    let Some(lab) = Lab::new() else { return };
    let read = || {
        let text = fs::read_to_string(lab.bench.path("desk/results.xml")).unwrap();
        regex::Regex::new(r#" time="[0-9.]+""#)
            .unwrap()
            .replace_all(&text, "")
            .into_owned()
    };
    let output = lab.run_lab(&["--junit", "results.xml"]);
    assert_eq!(code(&output), 0, "{output:?}");
    insta::assert_snapshot!("nodes_junit_run", read());
    lab.on_node("echo good bye >labctl-cli/greeting");
    let output = lab.run(&["verify", "--junit", "results.xml", "--json"]);
    // Cleanup takes away only what is as the lab left it.
    lab.on_node("echo hello >labctl-cli/greeting");
    assert_eq!(code(&output), 1, "{output:?}");
    insta::assert_snapshot!("nodes_junit_verify", read());
    let lines = String::from_utf8(output.stdout).unwrap();
    let found = lines.lines().find(|line| line.contains("causes_found")).unwrap();
    let found: Value = serde_json::from_str(found).unwrap();
    insta::assert_snapshot!(
        "nodes_json_findings",
        serde_json::to_string_pretty(&found["findings"]).unwrap()
    );
}

#[test]
fn a_command_on_a_node_ends_labctl_with_its_own_status() {
    let Some(lab) = Lab::new() else { return };
    for status in [0, 1, 7, 255] {
        let command = format!("echo out; exit {status}");
        let output = lab.run(&["ssh", "--inventory", "nodes", "node-0", "--", &command]);
        assert_eq!(code(&output), status, "{output:?}");
        assert_eq!(output.stdout, b"out\n");
    }
}
