//! The files a node gets before its first start: its host key, who may log in, where its engine asks for names.

use super::keys::{Keys, public, read};
use super::{NodeInit, PlaygroundError};
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// The login user's number in the node image: the first user there.
const LOGIN_USER: u64 = 1000;
const ROOT: u64 = 0;
/// The unit of Docker's own packages, but for the path of the program.
const DOCKER_CE_UNIT: &str = include_str!("docker-ce.service");

/// Returns a tar archive, for the root directory of `node`.
pub(super) fn first_files(
    keys: &Keys,
    node: &str,
    init: NodeInit,
    resolvers: &[IpAddr],
    packet_size: Option<u32>,
) -> Result<Vec<u8>, PlaygroundError> {
    let host_key = keys.host_key_file(node);
    let identity = public(&keys.identity_file());
    let mut files = vec![
        ("etc/ssh/ssh_host_ed25519_key", 0o600, ROOT, read(&host_key)?),
        (
            "etc/ssh/ssh_host_ed25519_key.pub",
            0o644,
            ROOT,
            read(&public(&host_key))?,
        ),
        (
            "etc/docker/daemon.json",
            0o644,
            ROOT,
            engine_options(resolvers, packet_size),
        ),
        ("home/ubuntu/.ssh/authorized_keys", 0o600, LOGIN_USER, read(&identity)?),
    ];
    if init == NodeInit::DockerCe {
        let unit = "usr/lib/systemd/system/docker.service";
        files.push((unit, 0o644, ROOT, DOCKER_CE_UNIT.to_owned()));
    }
    pack(&files).map_err(PlaygroundError::state(host_key))
}

fn pack(files: &[(&str, u32, u64, String)]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, mode, owner, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(*mode);
        header.set_uid(*owner);
        header.set_gid(*owner);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, path, content.as_bytes())?;
    }
    archive.into_inner()
}

/// Returns the engine's configuration. Its resolvers are said outright: a node sees Docker's own at a loopback address,
/// which the engine inside would drop for a public one that may not answer here.
fn engine_options(resolvers: &[IpAddr], packet_size: Option<u32>) -> String {
    let mut options = Map::new();
    if !resolvers.is_empty() {
        options.insert("dns".to_owned(), json!(resolvers));
    }
    if let Some(size) = packet_size {
        options.insert("mtu".to_owned(), json!(size));
    }
    format!("{:#}\n", Value::Object(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_options_name_the_resolvers_and_only_what_is_known() {
        let resolvers = ["192.0.2.53".parse().unwrap()];
        assert_eq!(
            engine_options(&resolvers, None),
            "{\n  \"dns\": [\n    \"192.0.2.53\"\n  ]\n}\n"
        );
        assert_eq!(engine_options(&[], Some(1400)), "{\n  \"mtu\": 1400\n}\n");
        assert_eq!(engine_options(&[], None), "{}\n");
    }

    #[test]
    fn a_packed_file_keeps_mode_and_owner() {
        let bytes = pack(&[(
            "home/ubuntu/.ssh/authorized_keys",
            0o600,
            LOGIN_USER,
            "key\n".to_owned(),
        )])
        .unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(
            (
                entry.header().mode().unwrap(),
                entry.header().uid().unwrap(),
                entry.size()
            ),
            (0o600, 1000, 4)
        );
    }
}
