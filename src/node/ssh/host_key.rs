//! Host keys that changed or are not known: both fingerprints, and what to do.

use super::hop::Hop;
use crate::domain::shell_quoted;
use crate::node::{NodeError, NodeErrorKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};
use std::path::Path;

/// Makes the error for a host key that is not the one known; `said` is what ssh wrote.
pub(super) fn changed(hop: &Hop<'_>, said: &str) -> NodeError {
    let presented = presented_fingerprint(said).unwrap_or_else(|| "unknown".to_owned());
    let place = offending_line(said);
    let known = place
        .as_ref()
        .and_then(|(file, line)| known_fingerprint(Path::new(file), *line))
        .unwrap_or_else(|| "unknown".to_owned());
    let listed = place
        .as_ref()
        .map_or_else(String::new, |(file, line)| format!(" (line {line} of {file})"));
    let message = format!(
        "{}: its host key has changed: known is {known}{listed}, it now shows {presented}; somebody may be listening in, or the \
         machine was installed anew",
        hop.text()
    );
    let hint = format!(
        "ask whoever runs the machine whether {presented} is its key; if so, remove the old one: {}",
        removal(hop, said, place.map(|(file, _)| file))
    );
    hop.target.error(NodeErrorKind::HostKey, message, Some(hint))
}

/// Makes the error for a host key that is not known where only known ones are accepted.
pub(super) fn unknown(hop: &Hop<'_>, said: &str) -> NodeError {
    let shown = presented_fingerprint(said).map_or_else(String::new, |key| format!("; it shows {key}"));
    let message = format!("{}: its host key is not known{shown}", hop.text());
    let file = hop.target.known_hosts.as_ref();
    let file = file.map_or("~/.ssh/known_hosts".to_owned(), |path| {
        shell_quoted(&path.display().to_string())
    });
    let scan = hop.place().map_or_else(String::new, |(host, port)| {
        format!(": ssh-keyscan -p {port} {host} >> {file}")
    });
    let hint = format!(
        "`host_key = \"strict\"` accepts known keys only; once you trust it{scan}, or set `host_key = \"accept-new\"`"
    );
    hop.target.error(NodeErrorKind::HostKey, message, Some(hint))
}

fn removal(hop: &Hop<'_>, said: &str, file: Option<String>) -> String {
    let name = known_name(said).or_else(|| {
        hop.place().map(|(host, port)| match port {
            22 => host.to_owned(),
            port => format!("[{host}]:{port}"),
        })
    });
    let name = shell_quoted(&name.unwrap_or_else(|| "HOST".to_owned()));
    let fallback = hop.target.known_hosts.as_ref().map(|path| path.display().to_string());
    match file.or(fallback) {
        Some(file) => format!("ssh-keygen -f {} -R {name}", shell_quoted(&file)),
        None => format!("ssh-keygen -R {name}"),
    }
}

/// Finds the name that known_hosts has the machine under.
fn known_name(said: &str) -> Option<String> {
    let line = said
        .lines()
        .find(|line| line.contains("has changed and you have requested"))?;
    let (_, rest) = line.split_once("ey for ")?;
    rest.split_whitespace().next().map(str::to_owned)
}

/// Finds the fingerprint of the key that the machine showed.
pub(super) fn presented_fingerprint(said: &str) -> Option<String> {
    let words = said.split_whitespace();
    let found = words
        .map(|word| word.trim_end_matches('.'))
        .find(|word| word.starts_with("SHA256:"))?;
    Some(found.to_owned())
}

/// Finds the file and line of the key that ssh expected.
pub(super) fn offending_line(said: &str) -> Option<(String, usize)> {
    let line = said.lines().find(|line| line.trim_start().starts_with("Offending "))?;
    let (file, number) = line.split_once(" key in ")?.1.trim().rsplit_once(':')?;
    Some((file.to_owned(), number.parse().ok()?))
}

/// Returns the fingerprint of the key in line `number` of the known_hosts `file`.
pub(super) fn known_fingerprint(file: &Path, number: usize) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().nth(number.checked_sub(1)?)?;
    let key = line.split_whitespace().find(|word| word.starts_with("AAAA"))?;
    let digest = Sha256::digest(STANDARD.decode(key).ok()?);
    Some(format!("SHA256:{}", STANDARD_NO_PAD.encode(digest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "@@@\nThe fingerprint for the ED25519 key sent by the remote host is\n\
        SHA256:abc/def.\nAdd correct host key in /a b/known to get rid of this message.\n\
        Offending ED25519 key in /a b/known:12\n  remove with:\n";

    #[test]
    fn both_keys_are_found_in_what_ssh_says() {
        assert_eq!(presented_fingerprint(SAID).as_deref(), Some("SHA256:abc/def"));
        assert_eq!(offending_line(SAID), Some(("/a b/known".to_owned(), 12)));
        assert_eq!(presented_fingerprint("nothing"), None);
        let said = "Host key for [127.0.0.1]:2222 has changed and you have requested strict checking.";
        assert_eq!(known_name(said).as_deref(), Some("[127.0.0.1]:2222"));
    }

    #[test]
    fn a_fingerprint_is_the_one_that_ssh_shows() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let key = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
        std::fs::write(file.path(), format!("# comment\ngithub.com ssh-ed25519 {key}\n")).unwrap();
        let expected = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";
        assert_eq!(known_fingerprint(file.path(), 2).as_deref(), Some(expected));
        assert_eq!(known_fingerprint(file.path(), 9), None);
    }
}
