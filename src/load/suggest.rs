//! Finds what a mistyped word was meant to be.

/// The longest word that is compared with others, or shown whole.
const LONGEST: usize = 80;

/// Returns the one of `options` that `word` was most likely meant to be.
pub(super) fn nearest<'a>(word: &str, options: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    options
        .into_iter()
        .filter(|option| option.len() <= LONGEST)
        .filter_map(|option| distance(&lower, &option.to_lowercase()).map(|distance| (distance, option)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, option)| option)
}

/// Returns how far `option` is from `word`, where it is near enough to be meant.
fn distance(word: &str, option: &str) -> Option<usize> {
    let distance = strsim::damerau_levenshtein(word, option);
    let tolerated = (word.chars().count() / 3).max(1);
    if distance <= tolerated {
        return Some(distance);
    }
    // `repo` for `repository`: an abbreviation is far away by distance and yet clear.
    let is_abbreviation = word.len() >= 3 && (option.starts_with(word) || word.starts_with(option));
    is_abbreviation.then_some(distance)
}

/// Says what to use instead of `word`: the nearest of `options`, else all of them where they are few.
pub(crate) fn hint<'a>(word: &str, options: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut options: Vec<&str> = options.into_iter().collect();
    if let Some(nearest) = nearest(word, options.iter().copied()) {
        return Some(format!("did you mean `{nearest}`?"));
    }
    options.sort_unstable();
    options.dedup();
    match options.len() {
        0 => None,
        1 => Some(format!("the only one is `{}`", shortened(options[0]))),
        _ => Some(format!("known are {}", listed(&options))),
    }
}

/// Returns the beginning of `word` where it is long.
fn shortened(word: &str) -> String {
    if word.len() <= LONGEST {
        return word.to_owned();
    }
    word.chars().take(LONGEST / 2).chain(['…']).collect()
}

/// Lists `words` for a sentence, cut where they are many.
pub(super) fn listed<T: AsRef<str>>(words: &[T]) -> String {
    const MOST: usize = 20;
    let mut quoted: Vec<String> = words
        .iter()
        .take(MOST)
        .map(|word| format!("`{}`", shortened(word.as_ref())))
        .collect();
    if words.len() > MOST {
        quoted.push(format!("and {} more", words.len() - MOST));
    }
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("tilte", Some("title"))]
    #[case("repo", Some("repository"))]
    #[case("Title", Some("title"))]
    #[case("on", None)]
    #[case("zzzzzz", None)]
    fn a_mistyped_word_finds_its_neighbour(#[case] word: &str, #[case] expected: Option<&str>) {
        assert_eq!(nearest(word, ["title", "repository", "undo"]), expected);
    }
}
