//! Lines in the hosts file of the machine that labctl runs on, and the file as data: what it says of a name, and what it is with a line
//! more or less. Every other byte stays.

use super::{InstanceId, TaskId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What stands before the instance's id at the end of every line of ours.
const MARK: &str = " # labctl ";

/// A name that leads to a node from the operator's machine, where its hosts file says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedHost {
    /// The task after which the name answers.
    pub task: TaskId,
    /// The name.
    pub name: String,
    /// Where it leads.
    pub address: String,
    /// What is done about it.
    pub work: HostWork,
}

/// What is done about a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "does")]
pub enum HostWork {
    /// People are told which line they may add.
    Tell,
    /// Nothing: the hosts file says so already.
    Nothing,
    /// The line is added.
    Add(HostLine),
}

/// A line of ours in a hosts file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostLine {
    /// The file's path.
    pub file: String,
    /// The line, without its end.
    pub text: String,
}

/// Why a hosts file is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fault")]
pub enum HostsFault {
    /// Somebody changed a line of ours; it is left as it is.
    Changed {
        /// What it is now.
        now: String,
    },
    /// The file could not be read or written.
    CouldNot {
        /// Why.
        reason: String,
        /// The next thing to try.
        hint: String,
    },
}

impl fmt::Display for HostsFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { now } => write!(
                formatter,
                "somebody changed that line to `{now}`, so it is left; take it out by hand"
            ),
            Self::CouldNot { reason, hint } => write!(formatter, "{reason}; {hint}"),
        }
    }
}

/// An entry of a hosts file for one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEntry {
    /// Where the name leads.
    pub address: String,
    /// The whole line.
    pub line: String,
}

impl HostLine {
    /// Makes the line of `instance` in `file` that leads `name` to `address`.
    pub fn new(file: &str, address: &str, name: &str, instance: &InstanceId) -> Self {
        Self {
            file: file.to_owned(),
            text: format!("{address} {name}{MARK}{instance}"),
        }
    }

    /// Returns the command that takes it out, for whoever may.
    pub fn removal(&self) -> String {
        let (_, mark) = self.text.rsplit_once(MARK).unwrap_or_default();
        let file = super::shell_quoted(&self.file);
        format!("`sudo sed -i '/{MARK}{mark}$/d' {file}` takes it out")
    }

    /// Returns the mark at its end.
    fn mark(&self) -> &str {
        self.text.find(MARK).map_or("", |at| &self.text[at..])
    }

    /// Returns `content` with this line as its last; `None` where it has the line.
    pub fn added_to(&self, content: &[u8]) -> Option<Vec<u8>> {
        if lines(content).any(|line| line == self.text.as_bytes()) {
            return None;
        }
        let mut with = content.to_vec();
        // A file whose last line does not end stays one: so the line can be taken out to the byte.
        let ends = content.is_empty() || content.ends_with(b"\n");
        if !ends {
            with.push(b'\n');
        }
        with.extend_from_slice(self.text.as_bytes());
        if ends {
            with.push(b'\n');
        }
        Some(with)
    }

    /// Returns `content` without this line; `None` where it is not there. One that bears its mark and says something else is somebody's
    /// change of it, and an error.
    pub fn taken_out_of(&self, content: &[u8]) -> Result<Option<Vec<u8>>, HostsFault> {
        let mut without = Vec::with_capacity(content.len());
        let mut changed = None;
        for line in content.split_inclusive(|byte| *byte == b'\n') {
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            if text == self.text.as_bytes() {
                if !line.ends_with(b"\n") && without.ends_with(b"\n") {
                    without.pop();
                }
                continue;
            }
            if changed.is_none() && text.ends_with(self.mark().as_bytes()) && name(text) == name(self.text.as_bytes()) {
                changed = Some(String::from_utf8_lossy(text).into_owned());
            }
            without.extend_from_slice(line);
        }
        match changed {
            _ if without.len() < content.len() => Ok(Some(without)),
            Some(now) => Err(HostsFault::Changed { now }),
            None => Ok(None),
        }
    }
}

impl fmt::Display for HostLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "take `{}` out of {}", self.text, self.file)
    }
}

fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split(|byte| *byte == b'\n')
}

/// Returns the first name on a line of a hosts file.
fn name(line: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(line);
    let entry = text.split('#').next().unwrap_or_default();
    entry.split_ascii_whitespace().nth(1).map(str::to_ascii_lowercase)
}

/// Returns what a hosts file of this `content` says of `name`.
pub fn host_entries(content: &[u8], name: &str) -> Vec<HostEntry> {
    let of_line = |line: &[u8]| {
        let text = String::from_utf8_lossy(line).into_owned();
        let entry = text.split('#').next().unwrap_or_default();
        let mut words = entry.split_ascii_whitespace();
        let address = words.next()?.to_owned();
        let is_meant = words.any(|found| found.eq_ignore_ascii_case(name));
        is_meant.then_some(HostEntry { address, line: text })
    };
    lines(content).filter_map(of_line).collect()
}

/// Returns the lines of `content`, of the hosts file `file`, that bear the mark of `instance`.
pub fn marked_host_lines(content: &[u8], file: &str, instance: &InstanceId) -> Vec<HostLine> {
    let mark = format!("{MARK}{instance}");
    let marked = lines(content).filter(|line| line.ends_with(mark.as_bytes()));
    let line = |line: &[u8]| HostLine {
        file: file.to_owned(),
        text: String::from_utf8_lossy(line).into_owned(),
    };
    marked.map(line).collect()
}

/// Says whether `name` can stand in a hosts file: letters, digits and dashes, with dots between.
pub fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (1..64).contains(&label.len()) && plain && !label.starts_with('-') && !label.ends_with('-')
    };
    // An address is no name.
    let has_letter = name
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().any(|byte| byte.is_ascii_alphabetic()));
    name.len() < 254 && has_letter && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn line() -> HostLine {
        let instance = InstanceId::new("lab2-1a2b3c4d").unwrap();
        HostLine::new("/etc/hosts", "10.0.0.12", "dockchat.com", &instance)
    }

    const LINE: &str = "10.0.0.12 dockchat.com # labctl lab2-1a2b3c4d";

    #[rstest]
    #[case("", "10.0.0.12 dockchat.com # labctl lab2-1a2b3c4d\n")]
    #[case(
        "127.0.0.1 localhost\n",
        "127.0.0.1 localhost\n10.0.0.12 dockchat.com # labctl lab2-1a2b3c4d\n"
    )]
    #[case(
        "127.0.0.1 localhost",
        "127.0.0.1 localhost\n10.0.0.12 dockchat.com # labctl lab2-1a2b3c4d"
    )]
    fn a_line_comes_last(#[case] before: &str, #[case] after: &str) {
        let added = line().added_to(before.as_bytes()).unwrap();
        assert_eq!(String::from_utf8_lossy(&added), after);
        assert_eq!(line().added_to(&added), None, "it is there already");
    }

    proptest! {
        #[test]
        fn what_is_taken_out_again_leaves_every_byte_as_it_was(before in prop::collection::vec(any::<u8>(), 0..200)) {
            let added = line().added_to(&before).unwrap();
            prop_assert_eq!(line().taken_out_of(&added), Ok(Some(before)));
        }
    }

    #[test]
    fn what_others_wrote_meanwhile_stays() {
        let others = b"10.0.0.9 other # labctl lab2-00000000\n\xff\n";
        let now = [format!("# mine\r\n{LINE}\n").as_bytes(), others].concat();
        let without = line().taken_out_of(&now).unwrap().unwrap();
        assert_eq!(without, [&b"# mine\r\n"[..], others].concat());
        assert_eq!(line().taken_out_of(b"127.0.0.1 localhost\n"), Ok(None));
    }

    #[rstest]
    #[case("10.0.0.13 dockchat.com # labctl lab2-1a2b3c4d")]
    #[case("10.0.0.12  dockchat.com www.dockchat.com # labctl lab2-1a2b3c4d")]
    fn a_line_of_ours_that_somebody_changed_is_theirs(#[case] now: &str) {
        let fault = line().taken_out_of(format!("{now}\n").as_bytes()).unwrap_err();
        assert_eq!(fault, HostsFault::Changed { now: now.to_owned() });
    }

    #[test]
    fn entries_are_found_under_every_name_and_comments_are_none() {
        let content = b"1.1.1.1 a DockChat.com # b\n#1.1.1.2 dockchat.com\n\t1.1.1.3\tdockchat.com\n1.1.1.4 # dockchat.com\n1.1.1.5 xdockchat.com";
        let addresses: Vec<String> = host_entries(content, "dockchat.com")
            .into_iter()
            .map(|entry| entry.address)
            .collect();
        assert_eq!(addresses, ["1.1.1.1", "1.1.1.3"]);
    }

    #[test]
    fn lines_are_known_by_their_mark() {
        let instance = InstanceId::new("lab2-1a2b3c4d").unwrap();
        let content = format!("{LINE}\n{LINE}5\n1.1.1.1 a # labctl lab2-1a2b3c4d");
        let found = marked_host_lines(content.as_bytes(), "/etc/hosts", &instance);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], line());
        assert_eq!(
            line().removal(),
            "`sudo sed -i '/ # labctl lab2-1a2b3c4d$/d' /etc/hosts` takes it out"
        );
    }

    #[rstest]
    #[case("dockchat.com", true)]
    #[case("a-b.c1", true)]
    #[case("", false)]
    #[case("a b", false)]
    #[case("-a", false)]
    #[case("a..b", false)]
    #[case("a\n1.1.1.1 b", false)]
    #[case("10.0.0.1", false)]
    #[case("a#b", false)]
    fn names_are_told_from_other_texts(#[case] name: &str, #[case] is: bool) {
        assert_eq!(is_host_name(name), is);
    }
}
