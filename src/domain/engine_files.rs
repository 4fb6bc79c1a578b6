//! The files that an engine's options stand in, before and after a lab's are among them.
//!
//! Responsible for two edits and for taking them back: the one active line of /etc/default/docker, with everything else byte for
//! byte as it is, and a drop-in of our own for a unit that ignores that file. It does not touch a file.

use super::EngineOptionSet;
use super::engine_settings::split;

/// The file that Debian's init script and unit read.
pub const DEFAULTS_FILE: &str = "/etc/default/docker";
/// The file of ours beside a unit that does not. Of several drop-ins the last by name counts: `systemctl edit` writes override.conf.
pub const DROP_IN_FILE: &str = "/etc/systemd/system/docker.service.d/zz-labctl.conf";

/// Why a file cannot be edited so that nothing else changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineFileError {
    /// More than one line sets the options.
    #[error("{DEFAULTS_FILE} sets DOCKER_OPTS in {lines} lines")]
    SeveralLines {
        /// How many.
        lines: usize,
    },
    /// The line that sets the options goes on, or is more than one plain text.
    #[error("{DEFAULTS_FILE} has a line that cannot be added to: {line}")]
    Strange {
        /// The line.
        line: String,
    },
    /// The line of ours has been changed.
    #[error(
        "the line of labctl in {DEFAULTS_FILE} was changed since: {line}; put it back as labctl wrote it, which is {ours}, or remove it, \
         and restart the engine"
    )]
    Changed {
        /// What stands there now.
        line: String,
        /// What labctl wrote.
        ours: String,
    },
}

/// /etc/default/docker with a lab's options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditedDefaults {
    /// All of it.
    pub content: Vec<u8>,
    /// The line that sets DOCKER_OPTS now.
    pub line: String,
    /// The hosts and labels that were not there before.
    pub added: Vec<String>,
}

/// A line that sets DOCKER_OPTS, taken apart.
struct Assignment<'a> {
    /// Up to the `=`.
    head: &'a str,
    quote: Option<char>,
    value: &'a str,
    /// What follows: blanks, a comment.
    tail: &'a str,
}

fn lines(content: &[u8]) -> Vec<&[u8]> {
    content.split_inclusive(|byte| *byte == b'\n').collect()
}

fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// Returns what follows `DOCKER_OPTS=` in a line that sets it, and where that begins.
fn assigned(line: &[u8]) -> Option<usize> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let indent = line.iter().take_while(|byte| blank(byte)).count();
    let rest = &line[indent..];
    let exported = rest.strip_prefix(b"export").and_then(|rest| {
        let blanks = rest.iter().take_while(|byte| blank(byte)).count();
        (blanks > 0).then(|| &rest[blanks..])
    });
    let rest = exported.unwrap_or(rest).strip_prefix(b"DOCKER_OPTS=")?;
    Some(line.len() - rest.len())
}

fn is_comment_of_options(line: &[u8]) -> bool {
    let text = line.trim_ascii_start();
    text.strip_prefix(b"#")
        .is_some_and(|rest| assigned(rest.trim_ascii_start()).is_some())
}

fn active(lines: &[&[u8]]) -> Vec<usize> {
    let is_active = |index: &usize| assigned(lines[*index]).is_some();
    (0..lines.len()).filter(is_active).collect()
}

fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(without_end(line)).into_owned()
}

fn take_apart(line: &str) -> Option<Assignment<'_>> {
    let (head, rest) = line.split_at(assigned(line.as_bytes())?);
    let is_end = |tail: &str| {
        let end = tail.trim_start_matches([' ', '\t']);
        let comment = end.starts_with('#') && end.len() < tail.len();
        end.trim_end_matches('\r').is_empty() || comment
    };
    let (quote, value, tail) = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let (value, tail) = rest[1..].split_once(quote)?;
            (Some(quote), value, tail)
        }
        _ => {
            let end = rest.find([' ', '\t', '\r']).unwrap_or(rest.len());
            (None, &rest[..end], &rest[end..])
        }
    };
    let plain = match quote {
        Some('\'') => true,
        Some(_) => !value.contains(['\\', '`']),
        None => !value.contains(['\\', '`', '"', '\'', ';', '&', '|', '<', '>', '(', ')', '#']),
    };
    (plain && is_end(tail)).then_some(Assignment {
        head,
        quote,
        value,
        tail,
    })
}

/// Returns the words of the options that `line` of /etc/default/docker sets, as well as they can be told.
pub fn options_on_line(line: &str) -> Vec<String> {
    let value = match take_apart(line) {
        Some(assignment) => assignment.value.to_owned(),
        None => line
            .get(assigned(line.as_bytes()).unwrap_or(0)..)
            .unwrap_or_default()
            .replace(['"', '\''], " "),
    };
    split(&value)
}

/// Returns `content` of /etc/default/docker with `options` in force: on the line that sets DOCKER_OPTS where there is one, else on
/// a line of its own after the comment that shows how, or at the end.
pub fn edit_defaults(content: &[u8], options: &EngineOptionSet) -> Result<EditedDefaults, EngineFileError> {
    let old = lines(content);
    match active(&old).as_slice() {
        [] => {
            let line = format!("DOCKER_OPTS=\"{}\"", options.words().join(" "));
            let place = old.iter().rposition(|line| is_comment_of_options(line));
            let (before, after) = old.split_at(place.map_or(old.len(), |index| index + 1));
            let mut edited = before.concat();
            if !edited.is_empty() && !edited.ends_with(b"\n") {
                edited.push(b'\n');
            }
            edited.extend_from_slice(line.as_bytes());
            edited.push(b'\n');
            edited.extend_from_slice(&after.concat());
            Ok(EditedDefaults {
                content: edited,
                line,
                added: options.missing_from(&[]),
            })
        }
        [index] => {
            let strange = || EngineFileError::Strange {
                line: shown(old[*index]),
            };
            let text = std::str::from_utf8(without_end(old[*index])).map_err(|_| strange())?;
            let found = take_apart(text).ok_or_else(strange)?;
            let words = split(found.value);
            // What is added would become its value.
            if words.last().is_some_and(|word| wants_a_value(word)) {
                return Err(strange());
            }
            let quote = found.quote.unwrap_or('"');
            let merged = options.merged_into(&words).join(" ");
            let line = format!("{}{quote}{merged}{quote}{}", found.head, found.tail);
            Ok(EditedDefaults {
                content: with_line(&old, *index, line.as_bytes()),
                line,
                added: options.missing_from(&words),
            })
        }
        several => Err(EngineFileError::SeveralLines { lines: several.len() }),
    }
}

/// Says whether `word` is an option of those that are added, written so that its value is the next word.
fn wants_a_value(word: &str) -> bool {
    matches!(word, "-H" | "--host" | "--label")
}

/// Returns `lines` with another text at `index`, whose line end stays.
fn with_line(lines: &[&[u8]], index: usize, text: &[u8]) -> Vec<u8> {
    let mut content = lines[..index].concat();
    content.extend_from_slice(text);
    if lines[index].ends_with(b"\n") {
        content.push(b'\n');
    }
    content.extend_from_slice(&lines[index + 1..].concat());
    content
}

/// Takes `line`, which [`edit_defaults`] made of `original`, out of `content`, whatever else was changed there meanwhile. Where nothing
/// else was, the result is `original`.
pub fn restore_defaults(content: &[u8], original: &[u8], line: &str) -> Result<Vec<u8>, EngineFileError> {
    let (now, old) = (lines(content), lines(original));
    let old_line = active(&old).first().map(|index| without_end(old[*index]));
    let found = active(&now);
    let [index] = found.as_slice() else {
        return match (found.len(), old_line) {
            // Somebody took it out already.
            (0, None) => Ok(content.to_vec()),
            (0, Some(_)) => Err(EngineFileError::Changed {
                line: "it is gone".to_owned(),
                ours: shown(line.as_bytes()),
            }),
            (lines, _) => Err(EngineFileError::SeveralLines { lines }),
        };
    };
    let text = without_end(now[*index]);
    if Some(text) == old_line {
        return Ok(content.to_vec());
    }
    if text != line.as_bytes() {
        return Err(EngineFileError::Changed {
            line: shown(now[*index]),
            ours: shown(line.as_bytes()),
        });
    }
    if let Some(old_line) = old_line {
        return Ok(with_line(&now, *index, old_line));
    }
    let mut restored = now[..*index].concat();
    let after = now[index + 1..].concat();
    // The end of the last line was ours, too.
    if after.is_empty() && !original.is_empty() && !original.ends_with(b"\n") {
        restored.pop();
    }
    restored.extend_from_slice(&after);
    Ok(restored)
}

/// A drop-in with a lab's options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropIn {
    /// All of it.
    pub text: String,
    /// The hosts and labels that were not there before.
    pub added: Vec<String>,
    /// The options that it is to bring about.
    pub options: EngineOptionSet,
}

/// Returns a drop-in for a unit whose `exec_start` ignores /etc/default/docker. The unit's own socket stands for the usual one:
/// an engine that listens there itself would take the socket's place, and leave nothing there when it goes.
pub fn drop_in(exec_start: &str, options: &EngineOptionSet) -> DropIn {
    let words = split(exec_start);
    let mut options = options.clone();
    if words.iter().any(|word| word.starts_with("fd://")) {
        options.hosts.retain(|host| !is_usual_socket(host));
    }
    let merged = options.merged_into(&words).join(" ");
    let text = format!(
        "# Written by labctl; `labctl cleanup` takes it away again.\n[Service]\nExecStart=\nExecStart={merged}\n"
    );
    DropIn {
        text,
        added: options.missing_from(&words),
        options,
    }
}

fn is_usual_socket(host: &str) -> bool {
    matches!(host, "unix:///var/run/docker.sock" | "unix:///run/docker.sock")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn options() -> EngineOptionSet {
        EngineOptionSet {
            hosts: vec!["tcp://10.0.0.2:2375".into()],
            labels: vec!["environment=staging".into()],
            tls: Some(false),
        }
    }

    const WORDS: &str = "-H tcp://10.0.0.2:2375 --label=environment=staging --tls=false";

    #[rstest]
    #[case("", "DOCKER_OPTS=\"{}\"\n")]
    #[case(
        "# a\n#DOCKER_OPTS=\"--dns 8.8.8.8\"\nX=1",
        "# a\n#DOCKER_OPTS=\"--dns 8.8.8.8\"\nDOCKER_OPTS=\"{}\"\nX=1"
    )]
    #[case("X=1", "X=1\nDOCKER_OPTS=\"{}\"\n")]
    #[case(
        "DOCKER_OPTS='--dns 1.1.1.1' # mine\r\nX=1\r\n",
        "DOCKER_OPTS='--dns 1.1.1.1 {}' # mine\r\nX=1\r\n"
    )]
    #[case("\texport DOCKER_OPTS=--icc=false", "\texport DOCKER_OPTS=\"--icc=false {}\"")]
    #[case("DOCKER_OPTS=\n", "DOCKER_OPTS=\"{}\"\n")]
    fn there_is_one_active_line_and_all_else_is_as_it_was(#[case] before: &str, #[case] after: &str) {
        let edited = edit_defaults(before.as_bytes(), &options()).unwrap();
        assert_eq!(
            String::from_utf8(edited.content.clone()).unwrap(),
            after.replace("{}", WORDS)
        );
        assert_eq!(edited.added, ["tcp://10.0.0.2:2375", "environment=staging"]);
        assert_eq!(
            edit_defaults(&edited.content, &options()).unwrap().content,
            edited.content
        );
        let restored = restore_defaults(&edited.content, before.as_bytes(), &edited.line).unwrap();
        assert_eq!(String::from_utf8(restored).unwrap(), before);
    }

    #[rstest]
    #[case("DOCKER_OPTS=a\nDOCKER_OPTS=b\n", "in 2 lines")]
    #[case("DOCKER_OPTS=\"a \\\nb\"\n", "cannot be added to")]
    #[case("DOCKER_OPTS=\"a\n", "cannot be added to")]
    #[case("DOCKER_OPTS=\"a\" b\n", "cannot be added to")]
    #[case("DOCKER_OPTS=$(cat x)\n", "cannot be added to")]
    #[case("DOCKER_OPTS=a; reboot\n", "cannot be added to")]
    #[case("DOCKER_OPTS=--label\n", "cannot be added to")]
    #[case("DOCKER_OPTS=\"--dns 8.8.8.8 -H\"\n", "cannot be added to")]
    fn a_file_that_is_not_understood_is_refused(#[case] before: &str, #[case] words: &str) {
        let error = edit_defaults(before.as_bytes(), &options()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }

    #[test]
    fn a_line_of_ours_that_somebody_changed_is_left_alone() {
        let edited = edit_defaults(b"", &options()).unwrap();
        let now = "DOCKER_OPTS=\"--debug\"\n";
        let refused = restore_defaults(now.as_bytes(), b"", &edited.line).unwrap_err();
        assert!(refused.to_string().contains("--debug"), "{refused}");
        assert_eq!(restore_defaults(b"X=1\n", b"", &edited.line), Ok(b"X=1\n".to_vec()));
    }

    #[test]
    fn a_unit_keeps_its_own_socket_and_gets_the_rest() {
        let mut wanted = options();
        wanted.hosts.push("unix:///var/run/docker.sock".into());
        let DropIn { text, added, .. } = drop_in("/usr/bin/dockerd -H fd:// --containerd=/run/c.sock", &wanted);
        let line = format!("ExecStart=\nExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/c.sock {WORDS}\n");
        assert!(text.ends_with(&line), "{text}");
        assert_eq!(added, ["tcp://10.0.0.2:2375", "environment=staging"]);
    }

    fn any_line() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..20),
            "[ \t]{0,2}#? ?DOCKER_OPTS=[\"']?[a-z0-9 =./:-]{0,20}[\"']?".prop_map(String::into_bytes),
            "(export )?[A-Z_]{1,12}=\"[a-z ]{0,9}\"\r?".prop_map(String::into_bytes),
        ]
    }

    fn any_file() -> impl Strategy<Value = Vec<u8>> {
        (proptest::collection::vec(any_line(), 0..8), any::<bool>()).prop_map(|(lines, ended)| {
            let mut content = lines.join(&b'\n');
            if ended {
                content.push(b'\n');
            }
            content
        })
    }

    proptest! {
        #[test]
        fn editing_and_taking_back_is_the_identity(before in any_file()) {
            if let Ok(edited) = edit_defaults(&before, &options()) {
                prop_assert_eq!(restore_defaults(&edited.content, &before, &edited.line), Ok(before));
            }
        }

        #[test]
        fn what_others_write_meanwhile_stays(before in any_file(), theirs in "[A-Z]{1,9}=[a-z]{0,9}") {
            if let Ok(mut edited) = edit_defaults(&before, &options()) {
                let first = [theirs.as_bytes(), b"\n"].concat();
                edited.content.splice(0..0, first.iter().copied());
                let restored = restore_defaults(&edited.content, &before, &edited.line);
                prop_assert_eq!(restored, Ok([first, before].concat()));
            }
        }

        #[test]
        fn editing_leaves_one_line_that_sets_options_and_every_other_line(before in any_file()) {
            if let Ok(edited) = edit_defaults(&before, &options()) {
                let (now, old) = (lines(&edited.content), lines(&before));
                prop_assert_eq!(active(&now).len(), 1);
                let others = |all: &[&[u8]]| -> Vec<Vec<u8>> {
                    let kept = all.iter().filter(|line| assigned(line).is_none());
                    kept.map(|line| without_end(line).to_vec()).collect()
                };
                prop_assert_eq!(others(&now), others(&old));
            }
        }
    }
}
