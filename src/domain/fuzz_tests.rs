//! Files of nodes and of the operator's machine, which anybody may have written.

use super::engine_settings::{EngineOptionSet, labels_in};
use super::{
    HostLine, InstanceId, drop_in, edit_defaults, host_entries, marked_host_lines, options_on_line, restore_defaults,
};
use crate::fuzzing::Target;

fn options() -> EngineOptionSet {
    EngineOptionSet {
        hosts: vec!["tcp://10.0.0.2:2375".into(), "unix:///var/run/docker.sock".into()],
        labels: vec!["environment=staging".into()],
        tls: Some(false),
    }
}

#[test]
fn fuzz_engine_option_files() {
    let seeds = [
        "# a\n#DOCKER_OPTS=\"--dns 8.8.8.8 --dns 8.8.4.4\"\nX=1\nexport http_proxy=\"http://127.0.0.1:3128/\"\n",
        "DOCKER_OPTS='--dns 1.1.1.1 -H fd:// --label=environment=production' # mine\r\nX=1\r\n",
        "\texport DOCKER_OPTS=--icc=false",
        "DOCKER_OPTS=\"-Htcp://0.0.0.0:1 --label environment=staging --tls\"\n",
        "/usr/bin/dockerd -H fd:// --containerd=/run/c.sock $DOCKER_OPTS",
    ];
    let words = [
        "DOCKER_OPTS=",
        "export ",
        "--host",
        "-H",
        "--label=",
        "--tls",
        "\"",
        "'",
        "#",
        "\\\n",
        "$(x)",
        "; ",
    ];
    Target::new("engine-option-files")
        .seeds(seeds)
        .words(words)
        .run(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            text.lines().for_each(|line| drop(options_on_line(line)));
            let words: Vec<String> = text.split_ascii_whitespace().map(str::to_owned).collect();
            // An option at the end that lacks its value would take ours.
            if !words
                .last()
                .is_some_and(|word| ["-H", "--host", "--label"].contains(&word.as_str()))
            {
                let merged = options().merged_into(&words);
                assert_eq!(options().merged_into(&merged), merged);
                assert!(options().is_in(&merged));
            }
            labels_in(&words);
            let made = drop_in(&text, &options());
            assert_eq!(made.text.lines().count(), 4, "{:?}", made.text);
            let Ok(edited) = edit_defaults(bytes, &options()) else {
                return false;
            };
            assert_eq!(
                restore_defaults(&edited.content, bytes, &edited.line).as_deref(),
                Ok(bytes)
            );
            true
        });
}

#[test]
fn fuzz_hosts_files() {
    let instance = InstanceId::new("lab2-ab12").unwrap();
    let line = HostLine::new("/etc/hosts", "10.0.0.1", "dockchat.com", &instance);
    let seeds = [
        "127.0.0.1 localhost\n::1 ip6-localhost # x\n10.0.0.9\tdockchat.com other\n".to_owned(),
        format!("127.0.0.1 localhost\n{}\n", line.text),
        format!("{}\n10.0.0.2 dockchat.com # labctl lab2-ab12", line.text),
    ];
    Target::new("hosts-files")
        .seeds(seeds)
        .words([line.text.as_str(), " # labctl ", "lab2-ab12", "dockchat.com"])
        .run(|bytes| {
            host_entries(bytes, "dockchat.com");
            marked_host_lines(bytes, "/etc/hosts", &instance);
            let _ = line.taken_out_of(bytes);
            let Some(with) = line.added_to(bytes) else { return false };
            assert!(!host_entries(&with, "dockchat.com").is_empty());
            assert_eq!(line.taken_out_of(&with), Ok(Some(bytes.to_vec())));
            true
        });
}
