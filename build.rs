//! Builds the agents that labctl carries, one for each architecture whose target is installed, and has labctl built again when a file
//! is added to a lab: labs are built into it, and the compiler itself only watches the files that were there the last time.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::env;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The architectures of most nodes, as the kernel and as the compiler call them; labctl's own comes besides.
const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

fn main() -> Result<(), Box<dyn Error>> {
    if env::var("CARGO_CFG_TARGET_OS")? != "linux" {
        return Err("labctl is built for Linux; on Windows, build it in WSL".into());
    }
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    if !features.split(',').any(|feature| feature == "crt-static") {
        // Cargo reads .cargo/config.toml of the directory that it is called in, and not where RUSTFLAGS is set.
        println!(
            "cargo::warning=this labctl will make no images: it is not linked statically. Build it in its own directory with RUSTFLAGS unset, \
             or with `-C target-feature=+crt-static` in it"
        );
    }
    println!("cargo::rerun-if-changed=labs");
    for path in ["build.rs", "src/agent", "Cargo.lock", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("Cargo names no OUT_DIR")?);
    let mut table = String::from("&[\n");
    let own = env::var("CARGO_CFG_TARGET_ARCH")?;
    let mut architectures = ARCHITECTURES.to_vec();
    if !architectures.contains(&own.as_str()) {
        architectures.push(&own);
    }
    for architecture in architectures {
        let Some(target) = target_for(architecture)? else {
            continue;
        };
        let program = build(&target, &out)?;
        let packed = out.join(format!("agent-{architecture}.gz"));
        let bytes = fs::read(program)?;
        let mut encoder = GzEncoder::new(fs::File::create(&packed)?, Compression::best());
        encoder.write_all(&bytes)?;
        encoder.finish()?;
        table += &format!(
            "    Program {{ machine: {architecture:?}, size: {}, packed: include_bytes!({packed:?}) }},\n",
            bytes.len()
        );
    }
    table.push_str("]\n");
    fs::write(out.join("agents.rs"), table)?;
    Ok(())
}

/// Returns the installed target for `architecture`, one that links statically without a compiler for C where there is one.
fn target_for(architecture: &str) -> Result<Option<String>, Box<dyn Error>> {
    let is_own = env::var("CARGO_CFG_TARGET_ARCH")? == architecture && env::var("CARGO_CFG_TARGET_OS")? == "linux";
    let mut candidates = vec![format!("{architecture}-unknown-linux-musl")];
    if is_own {
        candidates.push(env::var("TARGET")?);
    }
    for target in candidates {
        let rustc = env::var_os("RUSTC").ok_or("Cargo names no RUSTC")?;
        let told = Command::new(rustc)
            .args(["--print", "target-libdir", "--target", &target])
            .output()?;
        let library = String::from_utf8_lossy(&told.stdout).trim().to_owned();
        let has_std = fs::read_dir(Path::new(&library)).is_ok_and(|mut entries| entries.next().is_some());
        if told.status.success() && has_std {
            return Ok(Some(target));
        }
    }
    Ok(None)
}

/// Builds the agent for `target` below `out`; returns the program.
fn build(target: &str, out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    // A directory of its own: Cargo holds the lock of the one that labctl is built in.
    let directory = out.join("agent");
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("Cargo names no manifest")?);
    // At a fixed address nothing is to be relocated when it starts, twice for every step.
    let mut flags = "-C target-feature=+crt-static -C relocation-model=static".to_owned();
    if target.ends_with("musl") {
        flags.push_str(" -C linker=rust-lld");
    }
    let mut cargo = Command::new(env::var_os("CARGO").ok_or("Cargo does not name itself")?);
    cargo
        .args([
            "build",
            "--locked",
            "--package",
            "labctl-agent",
            "--bin",
            "labctl-agent",
        ])
        .args(["--profile", "agent", "--target", target])
        .arg("--manifest-path")
        .arg(manifest.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&directory);
    // How labctl itself is built says nothing about the agent.
    for name in [
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_TARGET_DIR",
        "CARGO_ENCODED_RUSTFLAGS",
    ] {
        cargo.env_remove(name);
    }
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PROFILE_") || name.starts_with("CARGO_BUILD_") || name.starts_with("CARGO_TARGET_") {
            cargo.env_remove(name);
        }
    }
    cargo.env("RUSTFLAGS", flags);
    let built = cargo.output()?;
    if !built.status.success() {
        let said = String::from_utf8_lossy(&built.stderr);
        return Err(format!("the agent for {target} cannot be built:\n{said}").into());
    }
    Ok(directory.join(target).join("agent").join("labctl-agent"))
}
