//! `--junit FILE`: refused before a node is asked where it cannot be written, and there whatever was found.

use super::bench::{Bench, code};
use rstest::rstest;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const LAB: &str = "\
[lab]
format = 1
id = \"looking\"
title = \"Looking\"
nodes = [\"node-0\", \"node-1\"]

[[task]]
id = \"task1\"
title = \"Task 1\"
on = \"all\"

[[task.step]]
id = \"wait\"
title = \"Wait\"
wait = true
expect = [{ port = 80 }]

[[task.verify]]
id = \"answers\"
title = \"It answers\"
port = 80
";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("labs/looking/lab.toml", LAB);
    bench
}

#[rstest]
#[case("missing_directory", "nowhere/results.xml")]
#[case("directory", "inventories")]
#[case("device", "/dev/null")]
fn a_file_that_cannot_be_written_is_wrong_usage(#[case] name: &str, #[case] file: &str) {
    let bench = bench();
    for verb in [&["verify", "--lab", "looking"][..], &["run", "looking"]] {
        let output = bench.command(&[verb, &["--inventory", "closed", "--junit", file]].concat());
        let output = { output }.output().unwrap();
        assert_eq!(code(&output), 2, "{verb:?}: {output:?}");
        insta::assert_snapshot!(format!("junit_{name}"), bench.shown(&output));
    }
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn nodes_that_do_not_answer_are_in_the_results() {
    let bench = bench();
    bench.write("results.xml", "old");
    let arguments = [
        "verify",
        "--lab",
        "looking",
        "--inventory",
        "closed",
        "--junit",
        "results.xml",
    ];
    let output = bench.command(&arguments).output().unwrap();
    insta::assert_snapshot!("junit_unreachable", bench.shown(&output));
    assert_eq!(code(&output), 3);
    let path = bench.path("desk/results.xml");
    let text = fs::read_to_string(&path).unwrap();
    let text = regex::Regex::new(r#" time="[0-9.]+""#).unwrap().replace_all(&text, "");
    insta::assert_snapshot!("junit_unreachable_results", text);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    let entries = fs::read_dir(bench.path("desk")).unwrap().flatten();
    let names: Vec<_> = entries
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().starts_with('.'))
        .collect();
    assert!(names.is_empty(), "left beside it: {names:?}");
}

#[test]
fn a_plan_has_no_results() {
    let bench = bench();
    let output = bench
        .command(&["plan", "looking", "--junit", "results.xml"])
        .output()
        .unwrap();
    assert_eq!(code(&output), 2, "{output:?}");
    let output = bench
        .command(&["run", "looking", "--dry-run", "--junit", "results.xml"])
        .output()
        .unwrap();
    assert_eq!(code(&output), 2, "{output:?}");
    assert!(!bench.path("desk/results.xml").exists());
}
