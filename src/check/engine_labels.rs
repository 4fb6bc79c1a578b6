//! Telling why a running engine lacks a label: whether it stands where the engine reads its options, and what stands there instead.

use super::text::shortened;
use crate::domain::{DEFAULTS_FILE, EngineOptions, EngineSeen, OptionsSource, labels_in, options_on_line};

/// Says what `engine` has instead of `label`, and why it may lack it; `None` where it has it.
pub(super) fn missing_label(engine: &EngineSeen, options: Option<&EngineOptions>, label: &str) -> Option<String> {
    if engine.labels.iter().any(|has| has == label) {
        return None;
    }
    let mut told = match value_of(&engine.labels, label) {
        Some(value) => format!("the running engine's label {} is {}", key(label), shortened(value)),
        None => format!("the running engine has no label {label}"),
    };
    match options.and_then(|options| written(options, label)) {
        Some(reason) => told.push_str(&format!("; {reason}")),
        None if value_of(&engine.labels, label).is_none() => {
            told.push_str(&format!("; its labels: {}", listed(&engine.labels)));
        }
        None => {}
    }
    Some(told)
}

/// Says what the files say of `label`, where that explains something.
fn written(options: &EngineOptions, label: &str) -> Option<String> {
    let in_file: Vec<String> = options.docker_opts.iter().flat_map(|line| labels(line)).collect();
    let sets_it = in_file.iter().any(|has| has == label);
    match &options.source {
        OptionsSource::DefaultsFile if sets_it => Some(match options.docker_opts.len() {
            0 | 1 => format!("{DEFAULTS_FILE} sets it, so the engine was not restarted since"),
            lines => format!(
                "{DEFAULTS_FILE} sets it, but in one of {lines} lines with DOCKER_OPTS, and the last one counts"
            ),
        }),
        OptionsSource::Unit { exec_start, .. } => {
            let words: Vec<String> = exec_start.split_whitespace().map(str::to_owned).collect();
            if labels_in(&words).contains(&label) {
                return Some("its unit sets it, so the engine was not restarted since".to_owned());
            }
            let reads = "the unit of this engine does not read that file: a drop-in for docker.service has to set it";
            sets_it.then(|| format!("{DEFAULTS_FILE} sets it in vain, as {reads}"))
        }
        OptionsSource::Unknown { .. } if sets_it => Some(format!(
            "{DEFAULTS_FILE} sets it, and where this engine reads its options could not be told"
        )),
        _ => {
            let other = value_of(&in_file, label)?;
            Some(format!("{DEFAULTS_FILE} sets {}={}", key(label), shortened(other)))
        }
    }
}

fn labels(line: &str) -> Vec<String> {
    labels_in(&options_on_line(line))
        .into_iter()
        .map(str::to_owned)
        .collect()
}

fn key(label: &str) -> &str {
    label.split_once('=').map_or(label, |(key, _)| key)
}

fn value_of<'a>(labels: &'a [String], label: &str) -> Option<&'a str> {
    let mut pairs = labels.iter().filter_map(|has| has.split_once('='));
    pairs.find(|(name, _)| *name == key(label)).map(|(_, value)| value)
}

fn listed(labels: &[String]) -> String {
    if labels.is_empty() {
        "none".to_owned()
    } else {
        shortened(&labels.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const WANTED: &str = "environment=staging";

    fn engine(labels: &[&str]) -> EngineSeen {
        EngineSeen {
            version: "20.10.24".to_owned(),
            api_version: "1.41".to_owned(),
            name: "node-1".to_owned(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            storage_driver: None,
            root_dir: None,
        }
    }

    fn options(source: OptionsSource, docker_opts: &[&str]) -> EngineOptions {
        EngineOptions {
            source,
            docker_opts: docker_opts.iter().map(|line| (*line).to_owned()).collect(),
            defaults_unread: false,
            daemon_json: false,
            daemon_json_keys: Vec::new(),
            running: vec!["dockerd".to_owned()],
        }
    }

    fn unit(exec_start: &str) -> OptionsSource {
        OptionsSource::Unit {
            path: "/lib/systemd/system/docker.service".to_owned(),
            exec_start: exec_start.to_owned(),
        }
    }

    const LINE: &str = "DOCKER_OPTS=\"-H tcp://10.0.0.1:2375 --label=environment=staging\"";

    #[rstest]
    #[case(&[], &[], "the running engine has no label environment=staging; its labels: none")]
    #[case(
        &["enviroment=staging"],
        &["DOCKER_OPTS='--label enviroment=staging'"],
        "the running engine has no label environment=staging; its labels: enviroment=staging"
    )]
    #[case(&["environment=production"], &[], "the running engine's label environment is production")]
    #[case(
        &[],
        &[LINE],
        "the running engine has no label environment=staging; /etc/default/docker sets it, so the engine was not restarted since"
    )]
    #[case(
        &["environment=test"],
        &["export DOCKER_OPTS=--label=environment=staging"],
        "the running engine's label environment is test; /etc/default/docker sets it, so the engine was not restarted since"
    )]
    #[case(
        &[],
        &["DOCKER_OPTS=\"--label=environment=production\""],
        "the running engine has no label environment=staging; /etc/default/docker sets environment=production"
    )]
    #[case(
        &[],
        &[LINE, "DOCKER_OPTS=\"\""],
        "the running engine has no label environment=staging; /etc/default/docker sets it, but in one of 2 lines with \
         DOCKER_OPTS, and the last one counts"
    )]
    fn why_a_label_is_missing_is_told(#[case] labels: &[&str], #[case] lines: &[&str], #[case] told: &str) {
        let options = options(OptionsSource::DefaultsFile, lines);
        assert_eq!(
            missing_label(&engine(labels), Some(&options), WANTED).as_deref(),
            Some(told)
        );
    }

    #[test]
    fn a_file_that_the_engine_ignores_was_edited_in_vain() {
        let ignoring = options(unit("/usr/bin/dockerd -H fd://"), &[LINE]);
        assert_eq!(
            missing_label(&engine(&[]), Some(&ignoring), WANTED).as_deref(),
            Some(
                "the running engine has no label environment=staging; /etc/default/docker sets it in vain, as the unit of this \
                 engine does not read that file: a drop-in for docker.service has to set it"
            )
        );
        let dropped_in = options(unit("/usr/bin/dockerd --label environment=staging"), &[]);
        assert_eq!(
            missing_label(&engine(&[]), Some(&dropped_in), WANTED).as_deref(),
            Some(
                "the running engine has no label environment=staging; its unit sets it, so the engine was not restarted since"
            )
        );
    }

    #[test]
    fn a_label_that_is_there_is_not_missing() {
        assert_eq!(missing_label(&engine(&[WANTED]), None, WANTED), None);
    }
}
