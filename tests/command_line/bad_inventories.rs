//! Inventories that cannot be used: one clear message, exit 2, no node asked.

use super::assert_says;
use super::bench::{Bench, CLOSED, code};
use rstest::rstest;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[rstest]
#[case("near_name", "clsoed.toml")]
#[case("no_such_path", "machines/aws.toml")]
#[case("a_folder", "inventories")]
fn a_missing_inventory_is_answered_with_what_is_there(#[case] name: &str, #[case] inventory: &str) {
    assert_says!(
        format!("inventory_{name}"),
        Bench::new(),
        ["run", "--inventory", inventory]
    );
}

#[test]
fn a_missing_inventory_where_there_is_none_is_answered_with_how_to_write_one() {
    let bench = Bench::new();
    fs::remove_dir_all(bench.path("desk/inventories")).unwrap();
    assert_says!("inventory_none", bench, ["run", "--inventory", "aws.toml"]);
}

#[rstest]
#[case("without_private_ip", "private_ip = \"127.0.0.2\"\n", "")]
#[case("public_private_ip", "127.0.0.2", "8.8.8.8")]
#[case("mistyped_address", "127.0.0.2", "127.0.0")]
#[case("two_of_one_name", "node-2", "node-1")]
#[case("node_missing", "node-2", "node-3")]
#[case("unknown_key", "port = 1", "prot = 1")]
#[case("wrong_type", "port = 1", "port = \"one\"")]
#[case("ipv6_private_ip", "127.0.0.2", "[fd00::2]")]
#[case("jump_with_a_path", "port = 1", "port = 1\nproxy_jump = \"ssh://bastion/lab\"")]
#[case(
    "jump_in_a_list",
    "port = 1",
    "port = 1\nproxy_jump = [\"bastion\", \"me@10.0.0.1:x\"]"
)]
#[case("jumps_and_none", "port = 1", "port = 1\nproxy_jump = [\"bastion\", \"none\"]")]
#[case("no_jump", "port = 1", "port = 1\nproxy_jump = []")]
#[case("path_ssh_would_expand", "port = 1", "port = 1\nknown_hosts = \"${HOME}/known\"")]
#[case("unknown_variable", "[defaults]", "[vars]\ndockchat_rep = \"x\"\n\n[defaults]")]
#[case("plain_secret", "[defaults]", "[secrets]\npassword = \"hunter22\"\n\n[defaults]")]
#[case("no_such_key", "port = 1", "port = 1\nidentity_file = \"keys/lab\"")]
#[case("one_syntax_error", "port = 1", "port = ")]
#[case(
    "many_syntax_errors",
    "user = \"ubuntu\"\nport = 1\n\n[[node]]",
    "user = ubuntu\nport = \n\n[[node]"
)]
fn a_bad_inventory_is_told_at_its_line(#[case] name: &str, #[case] from: &str, #[case] to: &str) {
    let bench = Bench::new();
    bench.inventory("bad.toml", from, to);
    let said = bench.says(&["run", "--inventory", "bad.toml"]);
    insta::assert_snapshot!(format!("inventory_{name}"), said);
    assert!(said.starts_with("exit 2\n"), "{said}");
    assert!(!said.contains("hunter22"), "a secret is shown");
    for verb in [
        &["plan"][..],
        &["verify"],
        &["inventory", "check"],
        &["ssh", "node-0"],
        &["cleanup"],
    ] {
        // What the lab wants of an inventory does not concern those that need no lab.
        if ["node_missing", "unknown_variable"].contains(&name) && !["plan", "verify"].contains(&verb[0]) {
            continue;
        }
        let again = bench.says(&[verb, &["--inventory", "bad.toml"]].concat());
        assert_eq!(again, said, "{verb:?}");
    }
}

#[test]
fn a_key_that_others_may_read_is_refused_with_the_remedy() {
    let bench = Bench::new();
    let key = bench.write("key", "x");
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    bench.inventory("bad.toml", "port = 1", "port = 1\nidentity_file = \"key\"");
    assert_says!("inventory_open_key", bench, ["run", "--inventory", "bad.toml"]);
}

#[test]
fn a_key_that_cannot_be_read_is_told() {
    let bench = Bench::new();
    let key = bench.write("key", "x");
    fs::set_permissions(key, fs::Permissions::from_mode(0o000)).unwrap();
    bench.inventory("bad.toml", "port = 1", "port = 1\nidentity_file = \"key\"");
    let output = bench
        .unprivileged(&["run", "--inventory", "bad.toml"])
        .output()
        .unwrap();
    insta::assert_snapshot!("inventory_unreadable_key", bench.shown(&output));
}

#[test]
fn an_inventory_that_cannot_be_read_is_told() {
    let bench = Bench::new();
    let inventory = bench.write("secret.toml", CLOSED);
    fs::set_permissions(inventory, fs::Permissions::from_mode(0o000)).unwrap();
    let output = bench
        .unprivileged(&["run", "--inventory", "secret.toml"])
        .output()
        .unwrap();
    insta::assert_snapshot!("inventory_unreadable", bench.shown(&output));
    fs::write(bench.path("desk/binary.toml"), b"user = \"\xff\xfe\"").unwrap();
    assert_says!("inventory_not_text", bench, ["run", "--inventory", "binary.toml"]);
}

#[test]
fn no_inventory_is_written_that_could_not_be_read() {
    let bench = Bench::new();
    let init = [
        "inventory",
        "init",
        "8.8.8.8",
        "10.0.0.11",
        "10.0.0.12",
        "--output",
        "mine.toml",
    ];
    assert_says!("init_refused", bench, init);
    assert!(!bench.path("desk/mine.toml").exists());
}

#[rstest]
#[case("run", &["run"])]
#[case("plan", &["plan"])]
#[case("verify", &["verify"])]
#[case("cleanup", &["cleanup"])]
#[case("check", &["inventory", "check"])]
#[case("check_json", &["inventory", "check", "--json"])]
fn nodes_that_do_not_answer_are_named_together(#[case] name: &str, #[case] arguments: &[&str]) {
    let bench = Bench::new();
    let output = bench
        .command(&[arguments, &["--inventory", "closed"]].concat())
        .output()
        .unwrap();
    insta::assert_snapshot!(format!("unreachable_{name}"), bench.shown(&output));
    assert_eq!(code(&output), 3);
    assert!(!bench.state().join("instances").exists(), "an instance was left");
}

#[test]
fn a_node_that_ssh_does_not_reach_is_no_status_of_the_command() {
    let bench = Bench::new();
    let said = bench.says(&["ssh", "--inventory", "closed", "node-0", "--", "exit 7"]);
    assert!(said.starts_with("exit 3\n"), "{said}");
    assert!(said.contains("error: ssh to node-0 did not work"), "{said}");
}

#[test]
fn a_machine_without_ssh_is_told_so() {
    let mut bench = Bench::new();
    bench.set("PATH", "/nonexistent");
    assert_says!("no_ssh_client", bench, ["run", "--inventory", "closed"]);
}
