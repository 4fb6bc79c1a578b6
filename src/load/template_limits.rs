//! Keeps templates small before they are read: what a lab from the net says must not keep labctl busy, or take its memory.

use super::references::{Tag, scan};
use super::template_engine::{LONGEST, ROUND};
use std::ops::Range;

/// The most `{{ }}` and `{% %}` of one text.
const MOST_TAGS: usize = 2000;

/// The most words and signs of one of them.
const LONGEST_TAG: usize = 200;

/// The most filters of one of them.
const MOST_FILTERS: usize = 8;

/// How deep loops stand in each other.
const DEEPEST_LOOP: usize = 4;

/// The tags that there are. None of them keeps a value, which could be doubled again and again.
const TAGS: &[&str] = &["if", "elif", "else", "endif", "for", "endfor", "break", "continue"];

/// What is too much in a template.
pub(super) struct TooMuch {
    pub(super) range: Range<usize>,
    pub(super) message: String,
    pub(super) hint: Option<&'static str>,
}

/// A template whose loops count their rounds.
pub(super) struct Counted {
    pub(super) text: String,
    /// Where in the template something was put in, and how long it is.
    inserted: Vec<(usize, usize)>,
}

impl Counted {
    /// Returns where `range` of the text stands in the template.
    pub(super) fn original(&self, range: &Range<usize>) -> Range<usize> {
        self.offset(range.start)..self.offset(range.end)
    }

    fn offset(&self, position: usize) -> usize {
        let mut before = 0;
        for (at, length) in &self.inserted {
            if position <= at + before {
                break;
            }
            before += (*length).min(position - at - before);
        }
        position - before
    }
}

/// Judges how much `template` asks for, and lets its loops count their rounds.
pub(super) fn counted(template: &str) -> Result<Counted, TooMuch> {
    let whole = |message: String| TooMuch {
        range: 0..template.len().min(1),
        message,
        hint: None,
    };
    if template.len() > LONGEST {
        return Err(whole(format!("this text is larger than {} MB", LONGEST / 1024 / 1024)));
    }
    let tags = scan(template).tags;
    if tags.len() > MOST_TAGS {
        let message = format!(
            "a text has at most {MOST_TAGS} `{{{{ }}}}` and `{{% %}}`, and this has {}",
            tags.len()
        );
        return Err(whole(message));
    }
    let mut loops = 0_usize;
    for tag in &tags {
        judge(tag)?;
        match tag.name.as_deref() {
            Some("for") => loops += 1,
            Some("endfor") => loops = loops.saturating_sub(1),
            _ => {}
        }
        if loops > DEEPEST_LOOP {
            let message = format!("more than {DEEPEST_LOOP} loops stand in each other here");
            return Err(too_much(tag, message, None));
        }
    }
    Ok(with_rounds(template, &tags))
}

fn too_much(tag: &Tag, message: String, hint: Option<&'static str>) -> TooMuch {
    TooMuch {
        range: tag.range.clone(),
        message,
        hint,
    }
}

fn judge(tag: &Tag) -> Result<(), TooMuch> {
    if let Some(name) = tag.name.as_deref()
        && !name.is_empty()
        && !TAGS.contains(&name)
    {
        let message = format!("a text of a lab has no `{{% {name} %}}`");
        let hint = "it has `if`, `for` and `raw`; values are put together under `[values]`";
        return Err(too_much(tag, message, Some(hint)));
    }
    if tag.length > LONGEST_TAG {
        let message = format!("more than {LONGEST_TAG} words and signs stand here between two braces");
        return Err(too_much(tag, message, None));
    }
    if tag.filters > MOST_FILTERS {
        let message = format!("a value goes through at most {MOST_FILTERS} filters");
        return Err(too_much(tag, message, None));
    }
    if tag.lists_values {
        let message = "a list in a template holds only texts and numbers".to_owned();
        return Err(too_much(
            tag,
            message,
            Some("repeat the text for each value, or write it as an `if`"),
        ));
    }
    Ok(())
}

fn with_rounds(template: &str, tags: &[Tag]) -> Counted {
    let mut counted = Counted {
        text: String::new(),
        inserted: Vec::new(),
    };
    let mut from = 0;
    for tag in tags.iter().filter(|tag| tag.name.as_deref() == Some("for")) {
        let end = tag.range.end;
        let Some(before) = template.get(from..end) else {
            continue;
        };
        counted.text.push_str(before);
        from = end;
        // What trims the blanks behind the tag still does.
        let call = if before.ends_with("-%}") {
            format!("{{{{- {ROUND}() -}}}}")
        } else {
            format!("{{{{ {ROUND}() }}}}")
        };
        counted.inserted.push((end, call.len()));
        counted.text.push_str(&call);
    }
    counted.text.push_str(template.get(from..).unwrap_or_default());
    counted
}
