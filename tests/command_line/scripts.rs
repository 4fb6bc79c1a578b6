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

/// What quickstart finds installed already; each does nothing, and well.
const PROGRAMS: [&str; 8] = [
    "docker",
    "dockerd",
    "ssh",
    "ssh-keygen",
    "git",
    "mmdebstrap",
    "newuidmap",
    "cc",
];
/// As `cargo install --root DIRECTORY`, of a labctl that only says how it was called.
const CARGO: &str = r#"#!/bin/sh
[ "$1" = install ] || { echo "cargo 9.9.9"; exit; }
for root; do :; done
mkdir -p "$root/bin"
printf '#!/bin/sh\necho "ran $0 $*"\n' >"$root/bin/labctl"
chmod 755 "$root/bin/labctl"
"#;

/// Runs quickstart in a world of stand-ins; returns what it said, with `HOME` for the home directory.
fn quickstart(has_cargo_bin_on_path: bool) -> String {
    use std::os::unix::fs::PermissionsExt;
    let world = tempfile::tempdir().unwrap();
    let program = |name: &str, text: &str| {
        let path = world.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    };
    for name in PROGRAMS.into_iter().chain(["dpkg-query"]) {
        program(name, "#!/bin/sh\nexit 0\n");
    }
    program("cargo", CARGO);
    let home = world.path().join("home");
    let mut path = format!("{}:/usr/bin:/bin", world.path().display());
    if has_cargo_bin_on_path {
        path = format!("{}/.cargo/bin:{path}", home.display());
    }
    let mut command = Command::new("bash");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/quickstart"));
    command.arg("--yes").env("PATH", path).env("HOME", &home);
    for variable in ["CARGO_HOME", "CARGO_INSTALL_ROOT", "DOCKER_HOST"] {
        command.env_remove(variable);
    }
    let output = command.write_stdin("").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).replace(home.to_str().unwrap(), "HOME");
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn quickstart_leaves_a_labctl_that_can_be_called_as_labctl_says() {
    let said = quickstart(true);
    assert!(said.contains("ran HOME/.cargo/bin/labctl run lab2\n"), "{said}");
    assert!(said.contains("\n  labctl verify\n") && !said.contains("PATH"), "{said}");
}

#[test]
fn quickstart_says_where_labctl_is_when_that_is_not_on_the_path() {
    let said = quickstart(false);
    assert!(said.contains("export PATH=\"$PATH:HOME/.cargo/bin\""), "{said}");
    assert!(said.contains("\n  HOME/.cargo/bin/labctl verify\n"), "{said}");
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
