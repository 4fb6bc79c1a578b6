//! Judging an engine's images.

use super::text::shortened;
use crate::domain::{CheckKind, ImageSeen, MissingValue, Values, Verdict, familiar_reference, matches_pattern};

/// How many images a verdict names.
const NAMED: usize = 6;

pub(super) fn evaluate_images(kind: &CheckKind, values: &Values, seen: &[ImageSeen]) -> Result<Verdict, MissingValue> {
    let CheckKind::Images { present, absent, like } = kind else {
        return Ok(Verdict {
            holds: false,
            expected: "images to look at".to_owned(),
            actual: "nothing was seen".to_owned(),
            ..Verdict::default()
        });
    };
    let mut expected = Vec::new();
    let mut wrong = Vec::new();
    for (references, wanted) in [(present, true), (absent, false)] {
        for reference in references {
            let reference = familiar_reference(&reference.fill(values)?);
            let found = seen.iter().any(|image| image.tags.contains(&reference));
            let word = |is: bool| if is { "is there" } else { "is not there" };
            expected.push(format!("image {reference} {}", word(wanted)));
            if found != wanted {
                wrong.push(format!("image {reference} {}", word(found)));
            }
        }
    }
    for pattern in like {
        let pattern = pattern.fill(values)?;
        let mut tags = seen.iter().flat_map(|image| &image.tags);
        expected.push(format!("an image like {pattern} is there"));
        if !tags.any(|tag| matches_pattern(&pattern, tag)) {
            wrong.push(format!("no image is like {pattern}; {}", instead_of(&pattern, seen)));
        }
    }
    let holds = wrong.is_empty() && !expected.is_empty();
    let actual = if holds {
        "as expected".to_owned()
    } else {
        wrong.join(", ")
    };
    Ok(Verdict {
        holds,
        expected: expected.join(", "),
        actual,
        ..Verdict::default()
    })
}

/// Says which images have the name that `pattern` ends with, whatever their tag and owner.
fn instead_of(pattern: &str, seen: &[ImageSeen]) -> String {
    let wanted = name(pattern);
    let tags = seen.iter().flat_map(|image| &image.tags);
    let near: Vec<String> = tags
        .filter(|tag| name(tag) == wanted)
        .take(NAMED)
        .map(|tag| shortened(tag))
        .collect();
    if near.is_empty() {
        format!("none of the {} here is called {}", seen.len(), shortened(wanted))
    } else {
        format!("there is {}", near.join(", "))
    }
}

/// Returns the last part of a reference without its tag.
fn name(reference: &str) -> &str {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    last.split(':').next().unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Text;
    use rstest::rstest;
    use std::collections::BTreeMap;

    fn image(tag: &str) -> ImageSeen {
        ImageSeen {
            id: "sha256:00".to_owned(),
            tags: vec![tag.to_owned()],
            digests: Vec::new(),
            parent: None,
            labels: BTreeMap::new(),
            created: 0,
            size: 0,
        }
    }

    #[rstest]
    #[case(&["me/dockchat:v1"], true, "as expected")]
    #[case(&["node-0:5000/team/dockchat:v1"], true, "as expected")]
    #[case(&["me/dockchat:v2", "dockchat:v1"], false, "no image is like */dockchat:v1; there is me/dockchat:v2, dockchat:v1")]
    #[case(&["mongo:3.6"], false, "no image is like */dockchat:v1; none of the 1 here is called dockchat")]
    #[case(&[], false, "no image is like */dockchat:v1; none of the 0 here is called dockchat")]
    fn an_image_may_be_of_any_registry(#[case] tags: &[&str], #[case] holds: bool, #[case] actual: &str) {
        let kind = CheckKind::Images {
            present: Vec::new(),
            absent: Vec::new(),
            like: vec![Text::literal("*/dockchat:v1")],
        };
        let seen: Vec<ImageSeen> = tags.iter().map(|tag| image(tag)).collect();
        let verdict = evaluate_images(&kind, &Values::default(), &seen).unwrap();
        assert_eq!((verdict.holds, verdict.actual.as_str()), (holds, actual));
    }
}
