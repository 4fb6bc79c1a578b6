//! The playground where there is no Docker Engine, or one that is not for us.

use super::assert_says;
use super::bench::{Bench, is_root};
use rstest::rstest;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

#[rstest]
#[case("up", &["playground", "up"])]
#[case("status", &["playground", "status"])]
#[case("run", &["run"])]
fn no_engine_is_told_with_how_to_get_one(#[case] name: &str, #[case] arguments: &[&str]) {
    let mut bench = Bench::new();
    bench.set("DOCKER_HOST", "tcp://127.0.0.1:1");
    assert_says!(format!("no_engine_{name}"), bench, arguments);
}

#[test]
fn no_socket_is_told_with_how_to_get_an_engine() {
    assert_says!("no_engine_socket", Bench::new(), ["playground", "up"]);
}

#[test]
fn an_engine_that_cannot_be_reached_that_way_is_told() {
    let mut bench = Bench::new();
    bench.set("DOCKER_HOST", "ssh://somewhere");
    assert_says!("engine_over_ssh", bench, ["playground", "up"]);
}

#[test]
fn an_engine_that_is_not_for_this_user_is_told_with_the_group_to_join() {
    let mut bench = Bench::new();
    let socket = bench.path("docker.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let mode = if is_root() { 0o600 } else { 0o000 };
    fs::set_permissions(&socket, fs::Permissions::from_mode(mode)).unwrap();
    bench.set("DOCKER_HOST", format!("unix://{}", socket.display()));
    // Root may read nobody's state, and nobody has a state yet: a directory of its own.
    let state = bench.path("nobodys");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o777)).unwrap();
    bench.set("XDG_STATE_HOME", state.display().to_string());
    let output = bench.unprivileged(&["run"]).output().unwrap();
    insta::assert_snapshot!("engine_not_for_us", bench.shown(&output));
}

#[rstest]
#[case("verify", &["verify"])]
#[case("plan", &["plan"])]
#[case("dry_run", &["run", "--dry-run"])]
#[case("check", &["inventory", "check"])]
fn only_run_starts_a_playground(#[case] name: &str, #[case] arguments: &[&str]) {
    assert_says!(format!("no_machines_{name}"), Bench::new(), arguments);
}
