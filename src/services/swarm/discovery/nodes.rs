//! Lists of addresses, with ranges: `10.0.0.[10:200]:2375`.

use super::is_address;

/// The most addresses that all patterns of one discovery may stand for.
pub(super) const MOST: usize = 10_000;
/// The longest pattern, in bytes: longer than any address.
const LONGEST: usize = 400;

/// Returns the addresses that `pattern` stands for.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, String> {
    if pattern.len() > LONGEST {
        return Err(format!("no address is longer than {LONGEST} bytes"));
    }
    let mut found = vec![String::new()];
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('[') {
        let range = after.split_once(']').and_then(|(range, after)| {
            let (first, last) = range.split_once(':')?;
            let digits = first.len();
            let first: u32 = first.parse().ok()?;
            let last: u32 = last.parse().ok()?;
            (first <= last).then_some((first..=last, digits, after))
        });
        let Some((range, digits, after)) = range else {
            break;
        };
        if found.len() * range.clone().count() > MOST {
            return Err(format!("{pattern} stands for more than {MOST} nodes"));
        }
        found = found
            .iter()
            .flat_map(|start| {
                range
                    .clone()
                    .map(move |number| format!("{start}{before}{number:0digits$}"))
            })
            .collect();
        rest = after;
    }
    for entry in &mut found {
        entry.push_str(rest);
        if !is_address(entry) {
            return Err(format!("{entry} is no IP:PORT"));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stand_for_all_between() {
        assert_eq!(expand("10.0.[1:2].[9:10]:2375").unwrap().len(), 4);
        assert_eq!(expand("node[01:03]:1").unwrap(), ["node01:1", "node02:1", "node03:1"]);
    }

    #[test]
    fn what_would_be_too_much_or_nothing_is_refused() {
        for pattern in [
            "10.[0:255].[0:255].1:1",
            // More digits than Rust can be asked for.
            &format!("10.0.0.[{}1:5]:1", "0".repeat(70_000)),
            "10.0.0.[5:1]:1",
            "10.0.0.[1:2:1",
            "x",
            "a:0",
            "a:70000",
        ] {
            assert!(expand(pattern).is_err(), "{pattern}");
        }
    }
}
