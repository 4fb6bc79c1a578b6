//! Where an engine is: a host and a port.
//!
//! Responsible for one reading of it on both sides of discovery. A service that took what its clients refuse would let one
//! registration make a cluster unreadable for everybody.

/// Tells whether `text` is a host and a port.
pub(crate) fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let right_host = match bracketed {
        Some(host) => host.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.len() <= 253 && host.chars().all(is_host),
    };
    right_host && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("10.0.0.1:2375")]
    #[case("node-1.example:1")]
    #[case("[::1]:65535")]
    fn a_host_and_a_port_are_an_address(#[case] text: &str) {
        assert!(is_address(text));
    }

    #[rstest]
    #[case("")]
    #[case("10.0.0.1")]
    #[case(":2375")]
    #[case("::1:2375")]
    #[case("[:1")]
    #[case("[10.0.0.1]:1")]
    #[case("a[b:1")]
    #[case("a:0")]
    #[case("a:65536")]
    #[case("a b:1")]
    #[case("a/b:1")]
    fn nothing_else_is(#[case] text: &str) {
        assert!(!is_address(text));
    }
}
