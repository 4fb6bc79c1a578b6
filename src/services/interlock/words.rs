//! Text of others that may stand in HAProxy's configuration.
//!
//! Responsible for one rule: what is let through here stays inside its line and means nothing but itself. HAProxy ends a line at a
//! newline, begins a comment at `#`, joins words in quotes, puts variables in at `$`, and lets a backslash take the next character's
//! meaning away. Pure.

use std::fmt;

/// The longest text that is let through, in bytes; HAProxy itself ends at 2 KiB a line.
const LONGEST: usize = 512;
/// The most words in it; HAProxy itself ends at 64 a line.
const MOST: usize = 32;

/// Words of a line, such as `httpchk GET /`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words(String);

impl Words {
    /// Lets `text` through, or says why not.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim_matches(' ');
        if text.is_empty() {
            return Err("it is empty");
        }
        if text.len() > LONGEST || text.split(' ').count() > MOST {
            return Err("it is too long");
        }
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '\\' if !rest.next().is_some_and(|next| "\\ rnt".contains(next)) => {
                    return Err("a backslash may only stand before a space, a backslash, r, n or t");
                }
                '#' | '"' | '\'' | '$' | '`' | '{' | '}' => return Err("it has a quote, a brace, # or $"),
                '\\' => {}
                c if c == ' ' || c.is_ascii_graphic() => {}
                _ => return Err("it has a character other than visible ASCII"),
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the first of them.
    pub(super) fn first(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host's name as it stands in a Host header, in small letters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct HostName(String);

impl HostName {
    /// Reads `text`; `None` where it is no name.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let name = text.trim().to_ascii_lowercase();
        let is_label = |label: &str| {
            let fits = (1..=63).contains(&label.len());
            fits && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        (name.len() <= 253 && name.split('.').all(is_label)).then_some(Self(name))
    }

    /// Returns the name of the backend for this host: `dockchat_com`. No two hosts have the same.
    pub(super) fn backend(&self) -> String {
        self.0.replace('_', ":").replace('.', "_")
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Puts `text` in HAProxy's strong quotes, in which only a quote means something; `None` where it has characters that end a line.
pub(super) fn quoted(text: &str) -> Option<String> {
    if text.chars().any(char::is_control) {
        return None;
    }
    Some(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("httpchk GET /")]
    #[case(" forceclose ")]
    #[case(r"httpchk GET / HTTP/1.1\r\nHost:\ dockchat.com")]
    #[case("hdr(X-User)")]
    fn words_of_haproxys_manual_are_let_through(#[case] text: &str) {
        assert_eq!(Words::parse(text).unwrap().to_string(), text.trim_matches(' '));
    }

    #[rstest]
    #[case("")]
    #[case("a\nserver evil 10.0.0.1:80")]
    #[case("a\r")]
    #[case("a # b")]
    #[case("a \"b")]
    #[case("a 'b")]
    #[case("a $HOME")]
    #[case("a\\")]
    #[case("a\\x41")]
    #[case("a\u{2028}b")]
    #[case("a\0b")]
    fn what_could_leave_its_line_is_not(#[case] text: &str) {
        assert!(Words::parse(text).is_err());
    }

    #[rstest]
    #[case("DockChat.com", Some("dockchat_com"))]
    #[case("a_b.c", Some("a:b_c"))]
    #[case("node-1", Some("node-1"))]
    #[case("a..b", None)]
    #[case("", None)]
    #[case("a b", None)]
    #[case("a:80", None)]
    #[case("*.a", None)]
    fn names_of_hosts_are_read(#[case] text: &str, #[case] backend: Option<&str>) {
        assert_eq!(HostName::parse(text).map(|name| name.backend()).as_deref(), backend);
    }

    proptest! {
        #[test]
        fn no_two_hosts_share_a_backend(a in "[ab_.-]{1,6}", b in "[ab_.-]{1,6}") {
            if let (Some(a), Some(b)) = (HostName::parse(&a), HostName::parse(&b)) {
                prop_assert_eq!(a == b, a.backend() == b.backend());
            }
        }
    }
}
