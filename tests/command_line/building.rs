//! The build script, with an environment that somebody who installs labctl from another directory may have.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the build script as Cargo built it the last time.
fn build_script() -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_labctl"));
    // Below the target directory: the target where one is given, the profile. Build scripts run on this machine, whatever the target is.
    let profile = binary.parent().unwrap();
    let places = [profile.to_owned(), profile.parent().unwrap().with_file_name("debug")];
    let found = places.iter().filter_map(|place| fs::read_dir(place.join("build")).ok());
    let mut found: Vec<PathBuf> = found
        .flat_map(|entries| entries.flatten())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("labctl-"))
        .map(|entry| entry.path().join("build-script-build"))
        .filter(|path| path.exists())
        .collect();
    found.sort_by_key(|path| path.metadata().unwrap().modified().unwrap());
    found
        .pop()
        .expect("the build script of labctl is not below its target directory")
}

#[test]
fn the_agent_is_built_whatever_the_environment_says_of_how_labctl_is() {
    let out = tempfile::tempdir().unwrap();
    let architecture = std::env::consts::ARCH;
    let built = Command::new(build_script())
        .current_dir("/")
        .env("CARGO", env!("CARGO"))
        .env("RUSTC", "rustc")
        .env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"))
        .env("OUT_DIR", out.path())
        .env("TARGET", format!("{architecture}-unknown-linux-gnu"))
        .env("CARGO_CFG_TARGET_OS", "linux")
        .env("CARGO_CFG_TARGET_ARCH", architecture)
        .env("CARGO_CFG_TARGET_FEATURE", "fxsr,sse")
        // Nothing of these is for the agent; with any of them it would not be built, or not where it is looked for.
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_TARGET_DIR", "/proc/nowhere")
        .env("CARGO_BUILD_TARGET", "no-such-target")
        .env("CARGO_BUILD_TARGET_DIR", "/proc/nowhere")
        .env("RUSTFLAGS", "--no-such-flag")
        .env("CARGO_ENCODED_RUSTFLAGS", "--no-such-flag")
        .env("RUSTC_WRAPPER", "/bin/false")
        .env("RUSTC_WORKSPACE_WRAPPER", "/bin/false")
        .env("CARGO_PROFILE_AGENT_STRIP", "no-such-value")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stdout);
    assert!(
        built.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    assert!(
        said.contains("cargo::warning=this labctl will make no images"),
        "{said}"
    );
    let table = fs::read_to_string(out.path().join("agents.rs")).unwrap();
    assert!(table.contains(&format!("machine: \"{architecture}\"")), "{table}");
    let targets = fs::read_dir(out.path().join("agent")).unwrap().flatten();
    let programs: Vec<PathBuf> = targets
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(architecture))
        .map(|entry| entry.path().join("agent/labctl-agent"))
        .collect();
    assert_eq!(programs.len(), 1, "{programs:?}");
    assert!(Command::new(&programs[0]).arg("version").status().unwrap().success());
}
