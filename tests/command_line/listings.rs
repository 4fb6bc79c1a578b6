//! What `list`, `show`, `status`, `cleanup` and `inventory init` say where all is well.

use super::assert_says;
use super::bench::{Bench, SMALL_LAB, code};
use rstest::rstest;

#[rstest]
#[case("list", &["list"])]
#[case("list_json", &["list", "--json"])]
#[case("show_lab2", &["show", "lab2"])]
#[case("show_lab2_json", &["show", "lab2", "--json"])]
#[case("status_with_nothing_open", &["status"])]
#[case("status_with_nothing_open_json", &["status", "--json"])]
#[case("cleanup_with_nothing_open", &["cleanup"])]
#[case("inventory_init", &["inventory", "init", "10.0.0.10", "node-b.internal", "10.0.0.12", "--user", "admin"])]
fn listings(#[case] name: &str, #[case] arguments: &[&str]) {
    assert_says!(name, Bench::new(), arguments);
}

#[test]
fn a_lab_of_ones_own_is_listed_beside_the_built_in_one() {
    let bench = Bench::new();
    bench.write("labs/small/lab.toml", SMALL_LAB);
    assert_says!("list_own", bench, ["list"]);
    assert_says!("show_own", bench, ["show", "small"]);
    for path in ["labs/small", "./labs/small/", "labs/small/lab.toml"] {
        let output = bench.command(&["show", path]).output().unwrap();
        assert_eq!(code(&output), 0, "{path}");
    }
}

#[test]
fn a_broken_lab_hides_no_other() {
    let bench = Bench::new();
    bench.write("labs/broken/lab.toml", "[lab\n");
    assert_says!("list_broken", bench, ["list"]);
}

#[test]
fn a_new_inventory_is_written_once_and_can_be_read() {
    let bench = Bench::new();
    let init = [
        "inventory",
        "init",
        "127.0.0.1",
        "127.0.0.2",
        "127.0.0.3",
        "--output",
        "mine.toml",
    ];
    assert_says!("init_written", bench, init);
    assert_says!("init_again", bench, init);
    bench.write("labs/small/lab.toml", SMALL_LAB);
    let output = bench
        .command(&["verify", "--lab", "small", "--inventory", "mine.toml"])
        .output()
        .unwrap();
    // It was read: what is missing is something to look at, or the machines.
    assert!([3, 5].contains(&code(&output)), "{output:?}");
}
