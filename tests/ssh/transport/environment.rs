//! What the programs that labctl starts get to know.

use super::server::{Server, look};
use labctl::node::{ControlDirectory, SshNode, SshOptions, Transport};
use std::fs;

/// The environments of the living processes whose arguments name `place`.
fn environments(place: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains(place) {
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            found.push(String::from_utf8_lossy(&environment).into_owned());
        }
    }
    found
}

#[tokio::test]
async fn no_ssh_master_has_a_variable_that_a_secret_is_read_from() {
    // Any variable that this process has will do.
    let (name, value) = std::env::vars()
        .find(|(name, value)| !matches!(name.as_str(), "PATH" | "HOME" | "LC_ALL") && value.len() > 3)
        .unwrap();
    let server = Server::start();
    let control = ControlDirectory::create().unwrap();
    let mut options = SshOptions::new(control.path());
    options.node_directory = server.path("notes").display().to_string();
    let place = control.path().display().to_string();
    for withheld in [false, true] {
        if withheld {
            options.withheld_variables = vec![name.clone()];
        }
        let node = SshNode::connect(&server.node(), &options).await.unwrap();
        assert_eq!(node.look(&look("echo on")).await.unwrap().stdout, b"on\n");
        let environments = environments(&place);
        assert!(!environments.is_empty(), "no master was found");
        let entry = format!("{name}={value}");
        for environment in environments {
            let has = environment.split('\0').any(|variable| variable == entry);
            assert_eq!(has, !withheld, "{name} in: {environment:?}");
        }
        node.close().await;
    }
}
