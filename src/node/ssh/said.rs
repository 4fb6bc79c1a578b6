//! What ssh said before it gave up: bounded, and fit to be shown.

use crate::node::printable::{printable_line, without_controls};

/// How many lines of what was said are shown.
const SHOWN: usize = 3;

/// What all the ssh on the way to a node said.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    /// What the ssh to the node said.
    pub node: String,
    /// What those to the jumps said.
    pub jumps: String,
}

impl Said {
    /// Reads what was logged.
    pub fn new(node: &[u8], jumps: &[u8]) -> Self {
        Self {
            node: without_controls(node),
            jumps: without_controls(jumps),
        }
    }

    /// Says whether ssh knows no key of a host, and so did not say which one the host shows.
    pub fn misses_the_key(&self) -> bool {
        [&self.node, &self.jumps]
            .iter()
            .any(|said| said.contains("host key is known for"))
    }

    /// Says whether a jump failed whose complaints went nowhere: one of the user's own ssh configuration.
    pub fn misses_the_jump(&self) -> bool {
        self.jumps.is_empty() && self.node.contains("UNKNOWN port")
    }

    /// Returns the last lines that tell why, those of the jumps first.
    pub fn words(&self) -> String {
        let words = [last_words(&self.jumps), last_words(&self.node)];
        let words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .filter(|words| !words.is_empty())
            .collect();
        words.join("; ")
    }
}

/// Returns the last lines of what one ssh said that tell why: not what was added to known_hosts, nor what only follows from the end of
/// the command that leads through a jump.
pub(super) fn last_words(said: &str) -> String {
    let is_noise = |line: &str| {
        ["Permanently added", "UNKNOWN port", "debug1: "]
            .iter()
            .any(|noise| line.contains(noise))
    };
    let telling: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !is_noise(line))
        .map(|line| line.strip_prefix("ssh: ").unwrap_or(line))
        .collect();
    let start = telling.len().saturating_sub(SHOWN);
    printable_line(telling[start..].join("\n").as_bytes())
}

/// What came of a shell that ended, or went silent, before an agent was started.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// Its exit status; `None` where it goes on, or a signal ended it.
    pub status: Option<i32>,
    /// Whether it goes on, and does nothing.
    pub is_silent: bool,
    /// The end of what it said on standard output.
    pub stdout: Vec<u8>,
    /// The end of what it said on standard error.
    pub stderr: Vec<u8>,
}

impl Ended {
    /// Returns the last lines that it said.
    pub fn words(&self) -> String {
        let said = [&self.stdout, &self.stderr].map(|said| last_words(&without_controls(said)));
        let said: Vec<&str> = said
            .iter()
            .map(String::as_str)
            .filter(|words| !words.is_empty())
            .collect();
        said.join("; ")
    }

    /// Returns how it ended.
    pub fn how(&self) -> String {
        match self.status {
            _ if self.is_silent => "its shell starts no agent".to_owned(),
            Some(status) => format!("its shell ended with status {status} before it did anything"),
            None => "its shell ended before it did anything".to_owned(),
        }
    }

    /// Returns the user whom the node asks to log in instead, as the images of clouds do.
    pub fn wanted_user(&self) -> Option<String> {
        let said = [&self.stdout, &self.stderr].map(|said| without_controls(said));
        said.iter().find_map(|said| {
            let (_, rest) = said.split_once("login as the user ")?;
            let word = rest.split_whitespace().next()?;
            let user = word.trim_matches(['"', '\'', '`', '.', ',', ':']);
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            (!user.is_empty() && user.len() <= 32 && user.chars().all(is_plain)).then(|| user.to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_that_a_cloud_image_wants_is_found() {
        let wanted = |stdout: &str| {
            Ended {
                stdout: stdout.into(),
                ..Ended::default()
            }
            .wanted_user()
        };
        let said = "hi\nPlease login as the user \"ec2-user\" rather than the user \"root\".\n\n";
        assert_eq!(wanted(said).as_deref(), Some("ec2-user"));
        assert_eq!(wanted("Please login as the user ubuntu.").as_deref(), Some("ubuntu"));
        assert_eq!(wanted("Please login as the user \"$(reboot)\"."), None);
        assert_eq!(wanted("This account is not available."), None);
    }

    #[test]
    fn the_last_lines_that_tell_why_are_shown() {
        let said = Said::new(
            b"kex_exchange_identification: Connection closed by remote host\r\nConnection closed by UNKNOWN port 65535\r\n",
            b"Welcome\r\nWarning: Permanently added 'b'\r\nssh: connect to host b port 1: \x1b[31mConnection refused\r\n",
        );
        assert_eq!(
            said.words(),
            "Welcome; connect to host b port 1: [31mConnection refused; \
             kex_exchange_identification: Connection closed by remote host"
        );
        assert_eq!(last_words("a\nb\nc\nd\n"), "b; c; d");
    }
}
