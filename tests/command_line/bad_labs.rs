//! Labs that cannot be used: every fault at its line, exit 2, no node asked.

use super::assert_says;
use super::bench::{Bench, SMALL_LAB};
use rstest::rstest;

#[rstest]
#[case("near_name", "lab3")]
#[case("far_name", "kubernetes")]
#[case("no_such_path", "./labs/mine")]
fn an_unknown_lab_is_answered_with_what_is_there(#[case] name: &str, #[case] lab: &str) {
    let bench = Bench::new();
    bench.write("labs/small/lab.toml", SMALL_LAB);
    let said = bench.says(&["run", lab, "--inventory", "closed"]);
    insta::assert_snapshot!(format!("lab_{name}"), said);
    assert_eq!(bench.says(&["plan", lab, "--inventory", "closed"]), said);
    assert_eq!(bench.says(&["verify", "--lab", lab, "--inventory", "closed"]), said);
    assert_eq!(bench.says(&["show", lab]), said);
}

#[test]
fn a_task_named_in_place_of_a_lab_is_recognised() {
    let bench = Bench::new();
    for verb in ["run", "plan"] {
        let said = bench.says(&[verb, "task1", "--inventory", "closed"]);
        assert!(said.starts_with("exit 2\n"), "{said}");
        assert!(
            said.contains("hint: did you mean `--task task1`? It is a task of lab2"),
            "{said}"
        );
    }
}

#[rstest]
#[case("unknown_node", "on = \"node-0\"", "on = \"node-7\"")]
#[case("without_check", "expect = [{ exit = 0 }]\n", "")]
#[case("unknown_key", "title = \"Greet\"", "tilte = \"Greet\"")]
#[case("two_actions", "undo = []", "shell = \"true\"\nundo = []")]
#[case("undefined_variable", "\"hello\"", "\"{{ vars.greeting }}\"")]
#[case("docker_template", "\"hello\"", "\"{{.Labels}}\"")]
#[case("bad_duration", "undo = []", "timeout = \"5 minuts\"\nundo = []")]
#[case("dangling_after", "undo = []", "after = [\"wave\"]\nundo = []")]
#[case("cycle", "undo = []", "after = [\"greet\"]\nundo = []")]
#[case("newer_format", "format = 1", "format = 9")]
#[case("one_syntax_error", "title = \"Greet\"", "title = Greet")]
#[case(
    "many_syntax_errors",
    "title = \"Greet\"\nrun = [\"echo\", \"hello\"]",
    "title = Greet\nrun = [\"echo\" \"hello\"]\n[[task.step"
)]
fn a_bad_lab_is_told_at_its_line(#[case] name: &str, #[case] from: &str, #[case] to: &str) {
    let bench = Bench::new();
    assert!(SMALL_LAB.contains(from));
    bench.write("labs/small/lab.toml", &SMALL_LAB.replacen(from, to, 1));
    let said = bench.says(&["run", "small", "--inventory", "closed"]);
    insta::assert_snapshot!(format!("lab_{name}"), said);
    assert!(said.starts_with("exit 2\n"), "{said}");
    assert_eq!(bench.says(&["show", "small"]), said);
}

#[test]
fn a_lab_without_tasks_is_no_lab() {
    let bench = Bench::new();
    let head = SMALL_LAB.split("[[task]]").next().unwrap();
    bench.write("labs/small/lab.toml", head);
    assert_says!("lab_without_tasks", bench, ["run", "small", "--inventory", "closed"]);
}
