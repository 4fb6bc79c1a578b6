//! Judging a Docker Engine: whether it answers, its labels, whether it has the options it was installed with.

use super::{Context, Ours};
use crate::domain::{CheckKind, EngineOptions, MissingValue, Observation, Verdict};

pub(super) fn evaluate_engine(
    kind: &CheckKind,
    context: Context<'_>,
    seen: &[Observation],
) -> Result<Verdict, MissingValue> {
    let CheckKind::Engine {
        labels,
        default_options,
    } = kind
    else {
        return Ok(does_not_fit());
    };
    let engine = match seen.first() {
        Some(Observation::Engine(engine)) => engine,
        Some(Observation::EngineDown { reason }) => {
            return Ok(Verdict {
                holds: false,
                expected: "the Docker Engine answers".to_owned(),
                actual: format!("it does not: {reason}"),
            });
        }
        _ => return Ok(does_not_fit()),
    };
    let mut expected = vec!["the Docker Engine answers".to_owned()];
    let mut wrong = Vec::new();
    for label in labels {
        let label = label.fill(context.values)?;
        if !engine.labels.contains(&label) {
            wrong.push(format!("it has no label {label}; its labels: {}", list(&engine.labels)));
        }
        expected.push(format!("has the label {label}"));
    }
    if *default_options {
        expected.push("has the options it was installed with".to_owned());
        match seen.get(1) {
            Some(Observation::EngineOptions(options)) => wrong.extend(changed_options(options, context.ours)),
            _ => return Ok(does_not_fit()),
        }
    }
    let actual = if wrong.is_empty() {
        format!("Docker Engine {}", engine.version)
    } else {
        wrong.join("; ")
    };
    Ok(Verdict {
        holds: wrong.is_empty(),
        expected: expected.join(", "),
        actual,
    })
}

fn does_not_fit() -> Verdict {
    Verdict {
        holds: false,
        expected: "an engine to look at".to_owned(),
        actual: "nothing was seen".to_owned(),
    }
}

fn list(labels: &[String]) -> String {
    if labels.is_empty() {
        "none".to_owned()
    } else {
        labels.join(", ")
    }
}

/// Says how an engine's options differ from those it was installed with, but for what the open instance gave it.
fn changed_options(options: &EngineOptions, ours: &Ours) -> Vec<String> {
    // What could not be read proves nothing: an engine runs, so it has a command line.
    let unread = options
        .running
        .is_empty()
        .then(|| "the running engine's command line could not be read".to_owned());
    let hosts_key = options
        .daemon_json_keys
        .iter()
        .any(|key| key == "hosts")
        .then(|| "/etc/docker/daemon.json sets hosts".to_owned());
    let lines = options
        .docker_opts
        .iter()
        .filter(|line| !ours.option_lines.contains(line.as_str()))
        .map(|line| format!("/etc/default/docker has the line {line}"));
    let hosts = listens_on(&options.running)
        .filter(|host| !host.starts_with("fd://") && !is_usual_socket(host))
        .filter(|host| !ours.engine_options.contains(*host))
        .map(|host| format!("the running engine also listens on {host}"));
    unread.into_iter().chain(hosts_key).chain(lines).chain(hosts).collect()
}

fn is_usual_socket(host: &str) -> bool {
    matches!(host, "unix:///var/run/docker.sock" | "unix:///run/docker.sock")
}

/// Returns the values of `-H` and `--host` in a command line.
fn listens_on(words: &[String]) -> impl Iterator<Item = &str> {
    words
        .iter()
        .enumerate()
        .filter_map(|(index, word)| match word.as_str() {
            "-H" | "--host" => words.get(index + 1).map(String::as_str),
            word => word
                .strip_prefix("--host=")
                .or_else(|| word.strip_prefix("-H="))
                .or_else(|| word.strip_prefix("-H").filter(|host| host.contains("://"))),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OptionsSource;

    fn options(docker_opts: &[&str], running: &[&str]) -> EngineOptions {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        EngineOptions {
            source: OptionsSource::DefaultsFile,
            docker_opts: words(docker_opts),
            daemon_json: false,
            daemon_json_keys: Vec::new(),
            running: words(running),
        }
    }

    #[test]
    fn an_engine_as_installed_has_nothing_to_say() {
        for running in [
            &["dockerd", "-H", "fd://"][..],
            &["dockerd", "-p", "/var/run/docker.pid"],
        ] {
            assert_eq!(
                changed_options(&options(&[], running), &Ours::default()),
                Vec::<String>::new()
            );
        }
    }

    #[test]
    fn what_the_instance_itself_set_counts_as_installed() {
        let line = "DOCKER_OPTS=\"-H tcp://10.0.0.2:2375\"";
        let found = options(
            &[line],
            &["dockerd", "-H", "tcp://10.0.0.2:2375", "-H", "tcp://10.0.0.2:2376"],
        );
        let ours = Ours {
            option_lines: [line.to_owned()].into(),
            engine_options: ["tcp://10.0.0.2:2375".to_owned()].into(),
            ..Ours::default()
        };
        assert_eq!(
            changed_options(&found, &ours),
            ["the running engine also listens on tcp://10.0.0.2:2376"]
        );
    }

    #[test]
    fn every_way_to_say_a_further_host_is_seen() {
        for words in [
            &["-H", "tcp://0.0.0.0:2375"][..],
            &["--host=tcp://0.0.0.0:2375"],
            &["-Htcp://0.0.0.0:2375"],
        ] {
            let found = changed_options(&options(&[], words), &Ours::default());
            assert_eq!(found, ["the running engine also listens on tcp://0.0.0.0:2375"]);
        }
    }
}
