//! Names that lead to nodes, in a hosts file.

use super::{LAB, Lab};
use crate::command_line_bench::code;
use std::fs;

/// The hosts file of this machine, as the tests of `--hosts` have it.
const HOSTS: &str = "127.0.0.1 localhost";

/// A lab whose only task wants a name in a hosts file of the test's own.
fn naming_lab() -> Option<Lab> {
    let mut lab = Lab::new()?;
    let named = "on = \"node-0\"\nhosts = [{ name = \"dockchat.test\", address = \"10.9.8.7\" }]\n";
    lab.bench
        .write("labs/small/lab.toml", &LAB.replacen("on = \"node-0\"\n", named, 1));
    let file = lab.bench.write("hosts", HOSTS);
    lab.bench.set("LABCTL_HOSTS_FILE", file.display().to_string());
    Some(lab)
}

fn hosts(lab: &Lab) -> String {
    fs::read_to_string(lab.bench.path("desk/hosts")).unwrap()
}

#[test]
fn a_name_is_told_written_where_it_is_asked_for_and_taken_out_again() {
    let Some(lab) = naming_lab() else { return };
    let plan = lab.run(&["plan", "small", "--inventory", "nodes", "--hosts"]);
    let mut said = lab.shown(&plan);
    for arguments in [&[][..], &["--hosts"], &[]] {
        let output = lab.run_lab(arguments);
        assert_eq!(code(&output), 0, "{output:?}");
        let shown = lab.shown(&output);
        let told = shown.lines().filter(|line| line.contains("dockchat.test"));
        said += &format!("--- run {arguments:?}\n{}\n", told.collect::<Vec<_>>().join("\n"));
    }
    let with_line =
        regex::Regex::new("^127.0.0.1 localhost\n10.9.8.7 dockchat.test # labctl small-[0-9a-f]{8}$").unwrap();
    assert!(with_line.is_match(&hosts(&lab)), "{}", hosts(&lab));
    said += &lab.shown(&lab.run(&["status"]));
    // Its journal lost, the line is known by its mark.
    let mut instances = fs::read_dir(lab.bench.state().join("instances")).unwrap().flatten();
    fs::remove_file(instances.next().unwrap().path().join("journal.jsonl")).unwrap();
    let cleanup = lab.run(&["cleanup"]);
    assert_eq!(code(&cleanup), 0, "{cleanup:?}");
    said += &lab.shown(&cleanup);
    assert_eq!(hosts(&lab), HOSTS);
    insta::assert_snapshot!("nodes_hosts", said);
    lab.assert_nothing_is_left();
}

#[test]
fn a_hosts_file_that_says_something_else_or_cannot_be_written_touches_nothing() {
    let Some(mut lab) = naming_lab() else { return };
    let other = format!("{HOSTS}\n10.9.8.6 dockchat.test\n");
    lab.bench.write("hosts", &other);
    let refused = lab.run_lab(&["--hosts"]);
    insta::assert_snapshot!("nodes_hosts_refused", lab.shown(&refused));
    assert_eq!(code(&refused), 2);
    assert_eq!(hosts(&lab), other);
    lab.bench.set("LABCTL_HOSTS_FILE", "/nowhere/hosts");
    let refused = lab.run_lab(&["--hosts"]);
    insta::assert_snapshot!("nodes_hosts_unwritable", lab.shown(&refused));
    assert_eq!(code(&refused), 3);
    lab.assert_nothing_is_left();
}

#[test]
fn a_hosts_line_that_is_left_is_4_where_somebody_changed_it_and_3_where_it_cannot_be_taken_out() {
    let Some(lab) = naming_lab() else { return };
    assert_eq!(code(&lab.run_lab(&["--hosts"])), 0);
    let with_line = hosts(&lab);
    lab.bench.write("hosts", &with_line.replace("10.9.8.7", "10.9.8.8"));
    let left = lab.run(&["cleanup"]);
    insta::assert_snapshot!("nodes_hosts_changed", lab.shown(&left));
    assert_eq!(code(&left), 4);
    fs::remove_file(lab.bench.path("desk/hosts")).unwrap();
    fs::create_dir(lab.bench.path("desk/hosts")).unwrap();
    assert_eq!(code(&lab.run(&["cleanup"])), 3);
    fs::remove_dir(lab.bench.path("desk/hosts")).unwrap();
    lab.bench.write("hosts", &with_line);
    assert_eq!(code(&lab.run(&["cleanup"])), 0);
    assert_eq!(hosts(&lab), HOSTS);
    lab.assert_nothing_is_left();
}
