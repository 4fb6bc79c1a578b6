//! Judging a Docker Engine: whether it answers, its labels, whether it has the options it was installed with.

use super::engine_labels::missing_label;
use super::text::shortened;
use super::{Context, Ours};
use crate::domain::{CheckKind, DEFAULTS_FILE, EngineOptions, MissingValue, Observation, OptionsSource, Verdict};

/// How many lines with options a verdict shows.
const SHOWN_LINES: usize = 3;

pub(super) fn evaluate_engine(
    kind: &CheckKind,
    context: Context<'_>,
    seen: &[Observation],
) -> Result<Verdict, MissingValue> {
    let CheckKind::Engine {
        labels,
        default_options,
        options_once,
    } = kind
    else {
        return Ok(does_not_fit());
    };
    let options = seen.iter().find_map(|seen| match seen {
        Observation::EngineOptions(options) => Some(options),
        _ => None,
    });
    let (mut expected, mut wrong) = (Vec::new(), Vec::new());
    if asks_the_engine(kind) {
        expected.push("the Docker Engine answers".to_owned());
        match seen.first() {
            Some(Observation::Engine(engine)) => {
                for label in labels {
                    let label = label.fill(context.values)?;
                    wrong.extend(missing_label(engine, options, &label));
                    expected.push(format!("has the label {label}"));
                }
            }
            Some(Observation::EngineDown { reason }) => wrong.push(format!("it does not: {reason}")),
            _ => return Ok(does_not_fit()),
        }
    }
    if *default_options || *options_once {
        let Some(options) = options else {
            return Ok(does_not_fit());
        };
        if *options_once {
            expected.push(format!(
                "{DEFAULTS_FILE} sets DOCKER_OPTS once at most, where the engine reads it"
            ));
            wrong.extend(several_lines(options));
        }
        // What an engine that is down was started with is not known.
        if *default_options && matches!(seen.first(), Some(Observation::Engine(_))) {
            wrong.extend(changed_options(options, context.ours));
        }
        expected.extend(default_options.then(|| "has the options it was installed with".to_owned()));
    }
    Ok(Verdict {
        holds: wrong.is_empty(),
        expected: expected.join(", "),
        actual: if wrong.is_empty() {
            found(seen, options)
        } else {
            wrong.join("; ")
        },
        ..Verdict::default()
    })
}

/// Says whether the engine itself must answer: of its file something can be said while it is down.
pub(super) fn asks_the_engine(kind: &CheckKind) -> bool {
    match kind {
        CheckKind::Engine {
            labels,
            default_options,
            options_once,
        } => *default_options || !labels.is_empty() || !options_once,
        _ => false,
    }
}

fn found(seen: &[Observation], options: Option<&EngineOptions>) -> String {
    match (seen.first(), options) {
        (Some(Observation::Engine(engine)), _) => format!("Docker Engine {}", engine.version),
        (_, Some(options)) => match (&options.source, options.docker_opts.len()) {
            (OptionsSource::Unit { .. }, _) => format!("the engine's unit does not read {DEFAULTS_FILE}"),
            (_, 0) => "no line sets it".to_owned(),
            (_, _) => "one line sets it".to_owned(),
        },
        _ => String::new(),
    }
}

/// Says that DOCKER_OPTS stands there more than once, or that it could not be seen.
fn several_lines(options: &EngineOptions) -> Option<String> {
    if matches!(options.source, OptionsSource::Unit { .. }) {
        return None;
    }
    if options.defaults_unread {
        return Some(format!("{DEFAULTS_FILE} could not be read"));
    }
    let lines = &options.docker_opts;
    (lines.len() > 1).then(|| {
        let shown: Vec<String> = lines
            .iter()
            .take(SHOWN_LINES)
            .map(|line| shortened(line.trim()))
            .collect();
        let more = lines.len().saturating_sub(SHOWN_LINES);
        let more = if more == 0 {
            String::new()
        } else {
            format!(" and {more} more")
        };
        format!(
            "{} lines set it, of which the last counts: {}{more}",
            lines.len(),
            shown.join(" and ")
        )
    })
}

fn does_not_fit() -> Verdict {
    Verdict {
        holds: false,
        expected: "an engine to look at".to_owned(),
        actual: "nothing was seen".to_owned(),
        ..Verdict::default()
    }
}

/// Says how an engine's options differ from those it was installed with, but for what the open instance gave it.
pub fn changed_options(options: &EngineOptions, ours: &Ours) -> Vec<String> {
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
    use crate::domain::Values;
    use rstest::rstest;

    fn options(docker_opts: &[&str], running: &[&str]) -> EngineOptions {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        EngineOptions {
            source: OptionsSource::DefaultsFile,
            docker_opts: words(docker_opts),
            defaults_unread: false,
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

    fn once() -> CheckKind {
        CheckKind::Engine {
            labels: Vec::new(),
            default_options: false,
            options_once: true,
        }
    }

    fn judged(kind: &CheckKind, seen: &[Observation]) -> Verdict {
        let (values, ours) = (Values::default(), Ours::default());
        let context = Context {
            values: &values,
            ours: &ours,
        };
        evaluate_engine(kind, context, seen).unwrap()
    }

    const LINE: &str = "DOCKER_OPTS=\"--debug\"";

    #[rstest]
    #[case(&[], true, "no line sets it")]
    #[case(&[LINE], true, "one line sets it")]
    #[case(
        &[LINE, "DOCKER_OPTS="],
        false,
        "2 lines set it, of which the last counts: DOCKER_OPTS=\"--debug\" and DOCKER_OPTS="
    )]
    #[case(&[LINE; 5], false, "5 lines set it, of which the last counts: ")]
    fn options_may_be_set_once(#[case] lines: &[&str], #[case] holds: bool, #[case] actual: &str) {
        let verdict = judged(&once(), &[Observation::EngineOptions(options(lines, &[]))]);
        assert_eq!(verdict.holds, holds, "{verdict:?}");
        assert!(verdict.actual.starts_with(actual), "{verdict:?}");
    }

    #[test]
    fn a_file_that_is_not_read_by_the_engine_may_say_anything_and_one_that_cannot_be_read_proves_nothing() {
        let mut found = options(&[LINE, LINE], &[]);
        found.source = OptionsSource::Unit {
            path: "/lib/systemd/system/docker.service".to_owned(),
            exec_start: "/usr/bin/dockerd".to_owned(),
        };
        assert!(judged(&once(), &[Observation::EngineOptions(found)]).holds);
        let mut found = options(&[], &[]);
        found.defaults_unread = true;
        let verdict = judged(&once(), &[Observation::EngineOptions(found)]);
        assert!(!verdict.holds);
        assert_eq!(verdict.actual, "/etc/default/docker could not be read");
        assert!(!judged(&once(), &[]).holds, "nothing was seen");
    }

    #[test]
    fn an_engine_that_is_down_has_neither_labels_nor_options() {
        let asked = CheckKind::Engine {
            labels: Vec::new(),
            default_options: true,
            options_once: false,
        };
        let down = Observation::EngineDown {
            reason: "nobody listens".to_owned(),
        };
        let verdict = judged(&asked, &[down, Observation::EngineOptions(options(&[], &["dockerd"]))]);
        assert!(!verdict.holds);
        assert_eq!(verdict.actual, "it does not: nobody listens");
    }
}
