//! Files and answers of nodes.

use super::addresses::own_addresses;
use super::engine_options::{Starter, docker_opts, joined, keys, source};
use super::facts::{release_value, script_version};
use crate::domain::{InitSystem, OptionsSource};
use crate::fuzzing::Target;

#[test]
fn fuzz_facts_of_nodes() {
    let seeds = [
        "# /lib/systemd/system/docker.service\n[Service]\nEnvironmentFile=-/etc/default/docker\nExecStart=/usr/sbin/dockerd \\\n  -H fd:// \\\n  $DOCKER_OPTS\n\n\
         # /etc/systemd/system/docker.service.d/x.conf\n[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd --label a=b\n",
        "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID='12'\n",
        "__requires__ = 'docker-compose==1.29.2'\n",
        " DOCKER_OPTS=\"-b\"\nexport\tDOCKER_OPTS='-c'\n",
        "{\"labels\": [\"a=b\"], \"hosts\": [\"fd://\"]}",
        "1: lo    inet 127.0.0.1/8 scope host lo\n2: eth0    inet 10.0.0.10/24 brd 10.0.0.255 scope global eth0\n2: eth0    inet6 fe80::1/64 scope link\n",
    ];
    Target::new("facts-of-nodes")
        .seeds(seeds)
        .words(["ExecStart=", "\\\n", "EnvironmentFile=", "ID=", "\"", "inet "])
        .run(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            docker_opts(bytes);
            assert!(!joined(&text).contains("\\\n"), "{text:?}");
            let starter = Starter {
                init: InitSystem::Systemd,
                unit: Some(text.clone().into_owned()),
                script_reads_defaults: false,
            };
            let found = !matches!(source(&starter), OptionsSource::Unknown { .. });
            let version = script_version(&text);
            assert!(
                version
                    .as_ref()
                    .is_none_or(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.'))
            );
            let of_release = ["ID", "VERSION_ID", "PRETTY_NAME"]
                .iter()
                .filter_map(|name| release_value(&text, name))
                .count();
            let addresses = own_addresses(&text);
            found || version.is_some() || of_release > 0 || !addresses.is_empty() || !keys(bytes).is_empty()
        });
}
