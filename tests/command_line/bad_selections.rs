//! Parts of a lab that are not there, variables it does not have, nothing to check: told before a node is asked.

use super::bench::{Bench, SMALL_LAB};
use rstest::rstest;

#[rstest]
#[case("unknown_task", &["run", "--task", "taks1"])]
#[case("unknown_only", &["run", "--only", "swarm"])]
#[case("unknown_from", &["run", "--from", "biuld"])]
#[case("unknown_until", &["plan", "--until", "everything"])]
#[case("from_after_until", &["run", "--from", "up", "--until", "build"])]
#[case("unknown_verify", &["verify", "task7"])]
#[case("unknown_variable", &["run", "--var", "dockchat_repositry=x"])]
#[case("variable_without_value", &["run", "--var", "dockchat_repo"])]
#[case("unknown_ssh_node", &["ssh", "node-7"])]
fn what_is_not_there_is_told_with_what_is(#[case] name: &str, #[case] arguments: &[&str]) {
    let bench = Bench::new();
    let said = bench.says(&[arguments, &["--inventory", "closed"]].concat());
    insta::assert_snapshot!(format!("selection_{name}"), said);
    assert!(said.starts_with("exit 2\n"), "{said}");
}

#[test]
fn a_bad_selection_starts_no_playground() {
    let said = Bench::new().says(&["run", "lab2", "--task", "taks1"]);
    assert!(
        said.contains("did you mean `task1`?") && !said.contains("playground"),
        "{said}"
    );
}

#[rstest]
#[case("lab", &["verify", "--lab", "small"])]
#[case("task", &["verify", "task1", "--lab", "small"])]
fn nothing_to_check_is_neither_good_nor_bad(#[case] name: &str, #[case] arguments: &[&str]) {
    let bench = Bench::new();
    bench.write("labs/small/lab.toml", SMALL_LAB);
    let said = bench.says(&[arguments, &["--inventory", "closed"]].concat());
    insta::assert_snapshot!(format!("nothing_to_check_{name}"), said);
    assert!(said.starts_with("exit 5\n"), "{said}");
}
