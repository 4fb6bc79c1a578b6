//! Patterns as a shell has them, for names of nodes and references of images.

/// Says whether `text` is what `pattern` means: `*` stands for any characters, `?` for one.
pub fn matches_pattern(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut position) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[position] => {
                at += 1;
                position += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else {
                    return false;
                };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                position = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("node-0", "node-0", true)]
    #[case("node-0", "node-01", false)]
    #[case("node-*", "node-01", true)]
    #[case("*-1", "node-1", true)]
    #[case("*-1-*", "node-1", false)]
    #[case("node-?", "node-1", true)]
    #[case("node-?", "node-", false)]
    #[case("**", "", true)]
    fn patterns_match_as_a_shell_does(#[case] pattern: &str, #[case] text: &str, #[case] expected: bool) {
        assert_eq!(matches_pattern(pattern, text), expected);
    }

    proptest! {
        #[test]
        fn a_pattern_of_its_own_prefix_matches(text in "[a-z-]{0,12}", cut in 0_usize..12) {
            let prefix: String = text.chars().take(cut).collect();
            let pattern = format!("{}*", prefix);
            prop_assert!(matches_pattern(&pattern, &text));
        }
    }
}
