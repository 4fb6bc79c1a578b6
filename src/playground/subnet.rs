//! Which private range the playground's network gets.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// A range of IPv4 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    network: u32,
    prefix: u8,
}

impl Range {
    pub(super) fn new(address: Ipv4Addr, prefix: u8) -> Self {
        let prefix = prefix.min(32);
        Self {
            network: u32::from(address) & Self::mask(prefix),
            prefix,
        }
    }

    fn mask(prefix: u8) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        let mask = Self::mask(self.prefix.min(other.prefix));
        self.network & mask == other.network & mask
    }

    /// Returns the `number`th address of the range.
    pub(super) fn address(self, number: u8) -> Ipv4Addr {
        Ipv4Addr::from(self.network | u32::from(number))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", Ipv4Addr::from(self.network), self.prefix)
    }
}

impl FromStr for Range {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = text.split_once('/').ok_or(())?;
        let prefix = prefix.parse().map_err(drop)?;
        if prefix > 32 {
            return Err(());
        }
        Ok(Self::new(address.parse().map_err(drop)?, prefix))
    }
}

/// Returns a /24 of 10.77.0.0/16 that overlaps none of `taken`, beginning the search at `start` so that several
/// playgrounds seldom want the same one.
pub(super) fn choose_subnet(start: u8, taken: &[Range]) -> Option<Range> {
    (0..=u8::MAX)
        .map(|step| Range::new(Ipv4Addr::new(10, 77, start.wrapping_add(step), 0), 24))
        .find(|candidate| !taken.iter().any(|range| range.overlaps(*candidate)))
}

/// Returns the ranges that this machine routes, from the text of `/proc/net/route`; the default route is no range.
pub(super) fn routed_ranges(routes: &str) -> Vec<Range> {
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| u32::from_str_radix(fields.get(index)?, 16).ok().map(u32::swap_bytes);
        let (destination, mask) = (number(1)?, number(7)?);
        (mask != 0).then(|| Range::new(Ipv4Addr::from(destination), mask.leading_ones() as u8))
    };
    routes.lines().skip(1).filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_range_in_use_is_stepped_over() {
        let taken = ["10.77.3.0/24".parse().unwrap(), "10.77.4.128/25".parse().unwrap()];
        assert_eq!(choose_subnet(3, &taken).unwrap().to_string(), "10.77.5.0/24");
    }

    #[test]
    fn the_search_wraps_around() {
        let taken = ["10.77.255.0/24".parse().unwrap()];
        assert_eq!(choose_subnet(255, &taken).unwrap().to_string(), "10.77.0.0/24");
    }

    #[test]
    fn a_route_over_everything_leaves_nothing() {
        assert_eq!(choose_subnet(0, &["10.0.0.0/8".parse().unwrap()]), None);
    }

    #[test]
    fn routes_are_read_in_the_kernels_byte_order_without_the_default_one() {
        let text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                    eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                    eth0\t00024D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        assert_eq!(routed_ranges(text), ["10.77.2.0/24".parse().unwrap()]);
    }

    #[test]
    fn nonsense_is_no_range() {
        for text in ["", "10.0.0.0", "10.0.0.0/33", "fd00::/64", "10.0.0/8"] {
            assert!(text.parse::<Range>().is_err(), "{text:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn a_chosen_range_never_overlaps_a_taken_one(start: u8, taken in prop::collection::vec((any::<u32>(), 9u8..=32), 0..40)) {
            let taken: Vec<Range> = taken.into_iter().map(|(address, prefix)| Range::new((address & 0x00FF_FFFF | 0x0A00_0000).into(), prefix)).collect();
            if let Some(chosen) = choose_subnet(start, &taken) {
                prop_assert!(taken.iter().all(|range| !range.overlaps(chosen)));
            }
        }
    }
}
