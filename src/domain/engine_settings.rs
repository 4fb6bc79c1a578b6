//! What a lab asks of a node's Docker Engine, and what that makes of the options the engine has.
//!
//! Responsible for options as data: hosts, labels and TLS, merged into the words that are there already, and told from those when they
//! are taken back. Where the words stand, in /etc/default/docker or in a unit, is the business of `engine_files`.

use super::{DEFAULTS_FILE, DROP_IN_FILE, InitSystem, OptionsSource, drop_in};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Options that an engine is to have besides its own, and where this node's engine reads them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineSettings {
    /// The options.
    pub options: EngineOptionSet,
    /// Where a change has an effect on this node.
    pub source: OptionsSource,
    /// What restarts the engine there.
    pub init: InitSystem,
}

impl fmt::Display for EngineSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            OptionsSource::Unit { exec_start, .. } => {
                let made = drop_in(exec_start, &self.options);
                let line = made.text.lines().last().unwrap_or_default();
                write!(formatter, "{line} in {DROP_IN_FILE}; ")?;
            }
            OptionsSource::DefaultsFile | OptionsSource::Unknown { .. } => {
                let words = self.options.words().join(" ");
                write!(formatter, "{words} into DOCKER_OPTS of {DEFAULTS_FILE}; ")?;
            }
        }
        formatter.write_str(match self.init {
            InitSystem::Systemd => "systemctl daemon-reload; systemctl restart docker",
            InitSystem::Sysvinit | InitSystem::Other => "service docker restart",
        })
    }
}

/// Options of an engine, every text of which is fit to stand on its command line.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EngineOptionSet {
    /// Where it listens, such as `tcp://10.0.0.11:2375`.
    pub hosts: Vec<String>,
    /// Its labels, each `key=value`.
    pub labels: Vec<String>,
    /// Whether it speaks TLS on its TCP ports; its own default where `None`.
    pub tls: Option<bool>,
}

/// Splits a command line as a shell splits an unquoted variable, and systemd one without quotes.
pub(super) fn split(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

/// Says whether `word` stands for itself wherever an engine's options can stand: the init script and systemd both split DOCKER_OPTS
/// at blanks and know no quotes in it.
pub fn is_plain_option(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@+,[]".contains(c);
    !word.is_empty() && word.chars().all(plain)
}

/// One option among the words of a command line.
enum Found<'a> {
    Host(&'a str),
    Label(&'a str),
    Tls,
    Other,
}

/// Reads the option at the start of `words`; returns how many words it takes.
fn read<'a>(words: &'a [String]) -> (Found<'a>, usize) {
    let word = words[0].as_str();
    let next = words.get(1).map(String::as_str);
    let value_of = |flags: &[&str]| -> Option<(&'a str, usize)> {
        flags.iter().find_map(|flag| {
            let rest = words[0].strip_prefix(flag)?;
            match rest.strip_prefix('=') {
                Some(value) => Some((value, 1)),
                None if rest.is_empty() => next.map(|value| (value, 2)),
                // `-Htcp://...`, which only the short flag can.
                None => (flag.len() == 2).then_some((rest, 1)),
            }
        })
    };
    if let Some((host, taken)) = value_of(&["--host", "-H"]) {
        return (Found::Host(host), taken);
    }
    if let Some((label, taken)) = value_of(&["--label"]) {
        return (Found::Label(label), taken);
    }
    if word == "--tls" || word.starts_with("--tls=") {
        return (Found::Tls, 1);
    }
    (Found::Other, 1)
}

/// Returns the labels that the command line `words` gives an engine, each `key=value`.
pub fn labels_in(words: &[String]) -> Vec<&str> {
    let (mut labels, mut rest) = (Vec::new(), words);
    while !rest.is_empty() {
        let (found, taken) = read(rest);
        if let Found::Label(label) = found {
            labels.push(label);
        }
        rest = &rest[taken..];
    }
    labels
}

fn key(label: &str) -> &str {
    label.split_once('=').map_or(label, |(key, _)| key)
}

impl EngineOptionSet {
    /// Returns the keys of daemon.json that say the same: an engine refuses to start with an option in both places.
    pub fn daemon_json_keys(&self) -> Vec<&'static str> {
        let asked = [
            ("hosts", !self.hosts.is_empty()),
            ("labels", !self.labels.is_empty()),
            ("tls", self.tls.is_some()),
        ];
        asked.into_iter().filter(|(_, is)| *is).map(|(key, _)| key).collect()
    }

    /// Returns it as words of a command line.
    pub fn words(&self) -> Vec<String> {
        self.merged_into(&[])
    }

    /// Returns `words` with these options among them: what is there already stays where it is, another value for the same label
    /// goes, what is missing comes last.
    pub fn merged_into(&self, words: &[String]) -> Vec<String> {
        let (mut hosts, mut labels, mut merged) = (self.hosts.clone(), self.labels.clone(), Vec::new());
        let mut rest = words;
        while !rest.is_empty() {
            let (found, taken) = read(rest);
            let (option, after) = rest.split_at(taken);
            rest = after;
            let stays = match found {
                Found::Host(host) => {
                    hosts.retain(|wanted| wanted != host);
                    true
                }
                Found::Label(label) => {
                    let is_wanted = labels.iter().any(|wanted| wanted == label);
                    labels.retain(|wanted| wanted != label);
                    is_wanted || !labels.iter().any(|wanted| key(wanted) == key(label))
                }
                Found::Tls => self.tls.is_none(),
                Found::Other => true,
            };
            if stays {
                merged.extend_from_slice(option);
            }
        }
        merged.extend(hosts.into_iter().flat_map(|host| ["-H".to_owned(), host]));
        merged.extend(labels.into_iter().map(|label| format!("--label={label}")));
        merged.extend(self.tls.map(|tls| format!("--tls={tls}")));
        merged
    }

    /// Returns what a command line must have for all of it to be in force.
    pub fn is_in(&self, words: &[String]) -> bool {
        self.missing_from(words).is_empty()
    }

    /// Returns the hosts and labels that `words` lack.
    pub fn missing_from(&self, words: &[String]) -> Vec<String> {
        let mut missing: Vec<String> = self.hosts.iter().chain(&self.labels).cloned().collect();
        let mut rest = words;
        while !rest.is_empty() {
            let (found, taken) = read(rest);
            if let Found::Host(value) | Found::Label(value) = found {
                missing.retain(|wanted| wanted != value);
            }
            rest = &rest[taken..];
        }
        missing
    }

    /// Says whether `words` have one of the hosts or labels in `added`.
    pub fn any_of(added: &[String], words: &[String]) -> bool {
        let mut rest = words;
        while !rest.is_empty() {
            let (found, taken) = read(rest);
            if let Found::Host(value) | Found::Label(value) = found
                && added.iter().any(|one| one == value)
            {
                return true;
            }
            rest = &rest[taken..];
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn staging() -> EngineOptionSet {
        EngineOptionSet {
            hosts: vec!["tcp://10.0.0.2:2375".into(), "unix:///var/run/docker.sock".into()],
            labels: vec!["environment=staging".into()],
            tls: Some(false),
        }
    }

    #[rstest]
    #[case(
        "",
        "-H tcp://10.0.0.2:2375 -H unix:///var/run/docker.sock --label=environment=staging --tls=false"
    )]
    #[case(
        "--dns 8.8.8.8 --label environment=production --label=zone=a",
        "--dns 8.8.8.8 --label=zone=a -H tcp://10.0.0.2:2375 -H unix:///var/run/docker.sock --label=environment=staging --tls=false"
    )]
    #[case(
        "-Htcp://10.0.0.2:2375 --host=unix:///var/run/docker.sock --label=environment=staging --tls",
        "-Htcp://10.0.0.2:2375 --host=unix:///var/run/docker.sock --label=environment=staging --tls=false"
    )]
    fn options_are_merged_into_those_that_are_there(#[case] words: &str, #[case] merged: &str) {
        assert_eq!(staging().merged_into(&split(words)).join(" "), merged);
        assert_eq!(
            staging().merged_into(&split(merged)).join(" "),
            merged,
            "a second time changes nothing"
        );
        assert!(staging().is_in(&split(merged)));
    }

    #[test]
    fn what_is_missing_is_named() {
        let words = split("dockerd -H fd:// --label environment=staging");
        assert_eq!(
            staging().missing_from(&words),
            ["tcp://10.0.0.2:2375", "unix:///var/run/docker.sock"]
        );
        assert!(EngineOptionSet::any_of(&["environment=staging".into()], &words));
        assert!(!EngineOptionSet::any_of(&["tcp://10.0.0.2:2375".into()], &words));
    }

    #[rstest]
    #[case("a b")]
    #[case("a;reboot")]
    #[case("$(id)")]
    #[case("a\"b")]
    #[case("a\nb")]
    #[case("")]
    fn what_a_shell_or_systemd_would_read_otherwise_is_not_plain(#[case] word: &str) {
        assert!(!is_plain_option(word));
    }
}
