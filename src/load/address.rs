//! Tells private addresses from public ones, and addresses from other texts.

use std::net::IpAddr;

/// Says whether `text` is an IP address or could be a host's name.
pub(super) fn looks_like_host(text: &str) -> bool {
    if text.parse::<IpAddr>().is_ok() {
        return true;
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let labels: Vec<&str> = text.trim_end_matches('.').split('.').collect();
    // `10.0.0` and `10.0.0.300` are mistyped addresses: a name's last label is not a number.
    let is_number = |label: &&str| label.chars().all(|c| c.is_ascii_digit());
    text.len() <= 253 && labels.iter().all(|label| is_label(label)) && !labels.last().is_some_and(is_number)
}

/// Says whether `host` is an address of a private network, or a name, which tells nothing.
pub(super) fn is_private(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_private() || address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("10.1.2.3", true)]
    #[case("172.16.0.1", true)]
    #[case("172.31.255.255", true)]
    #[case("172.32.0.1", false)]
    #[case("192.168.1.1", true)]
    #[case("127.0.0.2", true)]
    #[case("169.254.1.1", true)]
    #[case("54.1.2.3", false)]
    #[case("fd00::1", true)]
    #[case("2001:db8::1", false)]
    #[case("ip-10-0-0-1.ec2.internal", true)]
    fn private_addresses_are_told_from_public_ones(#[case] host: &str, #[case] expected: bool) {
        assert!(looks_like_host(host));
        assert_eq!(is_private(host), expected);
    }

    #[rstest]
    #[case("10.0.0")]
    #[case("10.0.0.300")]
    #[case("10.0.0.1:22")]
    #[case("ubuntu@10.0.0.1")]
    #[case("-oProxyCommand=x")]
    #[case("a b")]
    #[case("")]
    fn what_is_no_host_is_refused(#[case] text: &str) {
        assert!(!looks_like_host(text), "{text:?} was accepted");
    }
}
