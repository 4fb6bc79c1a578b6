//! Machines that ssh goes through on the way to a node.

use core::net::Ipv6Addr;

/// What stands in place of jumps where there are to be none.
const NONE: &str = "none";

/// A machine to go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jump {
    /// The login user there; `None` leaves the choice to the user's own ssh configuration.
    pub user: Option<String>,
    /// Its name or address, without brackets.
    pub host: String,
    /// The TCP port of its sshd.
    pub port: Option<u16>,
}

/// Why a text names no jump.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JumpError {
    /// Nothing stands where a machine is wanted.
    #[error("no machine is named here")]
    Empty,
    /// `none` stands beside others.
    #[error("`none` means that there is no jump, and cannot stand beside one")]
    NoneAndOthers,
    /// There is something after the machine.
    #[error("`{0}` cannot stand after the machine")]
    Path(String),
    /// The user is none.
    #[error("`{0}` cannot be a user")]
    User(String),
    /// The machine is none.
    #[error("`{0}` is neither an IP address nor a host name")]
    Host(String),
    /// The port is none.
    #[error("`{0}` is no port: a number from 1 to 65535 is")]
    Port(String),
}

impl Jump {
    /// Reads the jumps of `text`, in the order in which ssh goes through them: `[user@]host[:port]` or `ssh://[user@]host[:port]`,
    /// with commas between. `none` alone means no jump at all.
    ///
    /// # Errors
    ///
    /// Where one of them is none.
    pub fn list(text: &str) -> Result<Vec<Self>, JumpError> {
        if text.trim() == NONE {
            return Ok(Vec::new());
        }
        text.split(',').map(|one| Self::parse(one.trim())).collect()
    }

    fn parse(text: &str) -> Result<Self, JumpError> {
        let (text, is_url) = match text.strip_prefix("ssh://") {
            Some(rest) => (rest.strip_suffix('/').unwrap_or(rest), true),
            None => (text, false),
        };
        if text.is_empty() {
            return Err(JumpError::Empty);
        }
        if text == NONE && !is_url {
            return Err(JumpError::NoneAndOthers);
        }
        let (user, place) = match text.rsplit_once('@') {
            Some((user, _)) if !is_user(user) => return Err(JumpError::User(user.to_owned())),
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, text),
        };
        if let Some((_, path)) = place.split_once('/') {
            return Err(JumpError::Path(format!("/{path}")));
        }
        let (host, port) = host_and_port(place)?;
        Ok(Self { user, host, port })
    }
}

fn host_and_port(place: &str) -> Result<(String, Option<u16>), JumpError> {
    let is_ipv6 = |text: &str| text.parse::<Ipv6Addr>().is_ok();
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) if is_ipv6(host) => match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(JumpError::Path(rest.to_owned())),
        },
        Some(_) => return Err(JumpError::Host(place.to_owned())),
        // Without brackets all of it is the address.
        None if is_ipv6(place) => (place, None),
        None => match place.split_once(':') {
            Some((host, port)) if is_name(host) => (host, Some(port)),
            None if is_name(place) => (place, None),
            _ => return Err(JumpError::Host(place.to_owned())),
        },
    };
    let port = port.map(|port| match port.parse() {
        Ok(number) if number > 0 && !port.starts_with('+') => Ok(number),
        _ => Err(JumpError::Port(port.to_owned())),
    });
    Ok((host.to_owned(), port.transpose()?))
}

/// Says whether `text` may be a user: it becomes an argument of ssh, and part of a command that a shell reads.
fn is_user(text: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || "._+@\\-".contains(c);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain)
}

/// Says whether `text` may be an IPv4 address, a host's name, or a name of the user's own ssh configuration.
fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !text.is_empty() && !text.starts_with(['-', '.']) && text.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn jump(user: &str, host: &str, port: u16) -> Jump {
        Jump {
            user: Some(user.to_owned()).filter(|user| !user.is_empty()),
            host: host.to_owned(),
            port: Some(port).filter(|port| *port > 0),
        }
    }

    #[rstest]
    #[case("none", vec![])]
    #[case("bastion", vec![jump("", "bastion", 0)])]
    #[case("me@bastion:2222", vec![jump("me", "bastion", 2222)])]
    #[case("ssh://me@bastion:2222", vec![jump("me", "bastion", 2222)])]
    #[case("ssh://bastion/", vec![jump("", "bastion", 0)])]
    #[case("a, you@10.0.0.1:22", vec![jump("", "a", 0), jump("you", "10.0.0.1", 22)])]
    #[case("me@[fd00::1]:22", vec![jump("me", "fd00::1", 22)])]
    #[case("[fd00::1]", vec![jump("", "fd00::1", 0)])]
    #[case("me@fd00::1", vec![jump("me", "fd00::1", 0)])]
    #[case("me@corp.example@bastion", vec![jump("me@corp.example", "bastion", 0)])]
    fn jumps_are_read_as_ssh_writes_them(#[case] text: &str, #[case] expected: Vec<Jump>) {
        assert_eq!(Jump::list(text), Ok(expected));
    }

    #[rstest]
    #[case("", JumpError::Empty)]
    #[case("a,,b", JumpError::Empty)]
    #[case("ssh://", JumpError::Empty)]
    #[case("a,none", JumpError::NoneAndOthers)]
    #[case("a:b", JumpError::Port("b".into()))]
    #[case("a:0", JumpError::Port("0".into()))]
    #[case("a:65536", JumpError::Port("65536".into()))]
    #[case("a:", JumpError::Port(String::new()))]
    #[case("@a", JumpError::User(String::new()))]
    #[case("-l@a", JumpError::User("-l".into()))]
    #[case("$(x)@a", JumpError::User("$(x)".into()))]
    #[case("-oProxyCommand=x", JumpError::Host("-oProxyCommand=x".into()))]
    #[case("a b", JumpError::Host("a b".into()))]
    #[case("[fd00::1", JumpError::Host("[fd00::1".into()))]
    #[case("[a]:22", JumpError::Host("[a]:22".into()))]
    #[case("http://a", JumpError::Path("//a".into()))]
    #[case("ssh://a/b", JumpError::Path("/b".into()))]
    fn what_is_no_jump_is_refused(#[case] text: &str, #[case] expected: JumpError) {
        assert_eq!(Jump::list(text), Err(expected));
    }
}
