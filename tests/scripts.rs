//! The shell scripts that come with labctl: what can be told of them without changing the machine.

use assert_cmd::Command;

fn script(name: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg(format!("{}/scripts/{name}", env!("CARGO_MANIFEST_DIR")));
    command
}

#[test]
fn engine_explains_itself_when_asked_for_something_else() {
    let refused = script("engine").arg("dance").assert().code(1);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert_eq!(said, "error: usage: engine [--yes] up | stop | status\n");
}

#[test]
fn engine_installs_nothing_when_nobody_can_be_asked() {
    let empty = tempfile::tempdir().unwrap();
    let apt = empty.path().join("apt-get");
    std::fs::write(&apt, "#!/bin/sh\nexit 9\n").unwrap();
    std::fs::set_permissions(&apt, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    // No docker in the PATH, an apt-get that would fail, and no terminal to ask on.
    let shell = std::fs::canonicalize("/bin/sh").unwrap();
    let mut command = Command::new(shell);
    command
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/engine"))
        .arg("up");
    let refused = command
        .env("PATH", empty.path())
        .env_remove("CI")
        .env_remove("DOCKER_HOST")
        .write_stdin("")
        .assert();
    let refused = refused.code(1);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(
        said.contains("apt-get install docker.io") && said.contains("--yes"),
        "it said: {said}"
    );
}

#[test]
fn base_image_explains_itself_when_asked_for_something_else() {
    let empty = tempfile::tempdir().unwrap();
    let docker = empty.path().join("docker");
    std::fs::write(&docker, "#!/bin/sh\nexit 9\n").unwrap();
    std::fs::set_permissions(&docker, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", empty.path().display());
    let refused = script("base-image").arg("dance").env("PATH", path).assert().code(1);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert_eq!(said, "error: usage: base-image [debian|node [SUITE]] | version\n");
    let refused = script("base-image").args(["node", "woody"]).assert().code(1);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert_eq!(said, "error: there is no recipe for woody: bookworm or trixie\n");
}
