//! Text that stays what it is in Markdown, whatever it is.

use super::sanitise::sanitised_line;

/// Returns `text` for running text: what stands between backticks stays code, everything else means nothing to Markdown.
pub(crate) fn prose(text: &str) -> String {
    let text = sanitised_line(text);
    let pieces: Vec<&str> = text.split('`').collect();
    if pieces.len().is_multiple_of(2) {
        return escaped(&text);
    }
    let shown = pieces
        .iter()
        .enumerate()
        .map(|(at, piece)| if at % 2 == 0 { escaped(piece) } else { code(piece) });
    shown.collect()
}

fn escaped(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        if matches!(
            c,
            '\\' | '`' | '*' | '_' | '<' | '>' | '[' | ']' | '#' | '|' | '~' | '&'
        ) {
            shown.push('\\');
        }
        shown.push(c);
    }
    shown
}

/// Returns `text` as code within a line.
pub(crate) fn code(text: &str) -> String {
    let text = sanitised_line(text);
    if text.is_empty() {
        return String::new();
    }
    let ticks = "`".repeat(longest_run(&text) + 1);
    let needs_room = text.starts_with('`') || text.ends_with('`') || text.starts_with(' ') && text.ends_with(' ');
    let gap = if needs_room { " " } else { "" };
    format!("{ticks}{gap}{text}{gap}{ticks}")
}

/// Returns clean `text` of several lines between fences that nothing in it can close.
pub(crate) fn fenced(text: &str) -> String {
    let fence = "`".repeat((longest_run(text) + 1).max(3));
    format!("{fence}\n{text}\n{fence}")
}

fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`').map(str::len);
    runs.max().unwrap_or(0)
}

/// Returns the anchor that a heading of `title` gets, as most renderers make it.
pub(crate) fn anchor(title: &str) -> String {
    let kept = sanitised_line(title).to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_means_something_to_markdown_means_nothing_afterwards() {
        assert_eq!(prose("a*b_c <i> `x_y` #1"), "a\\*b\\_c \\<i\\> `x_y` \\#1");
        assert_eq!(prose("odd ` one"), "odd \\` one");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(anchor("Task 1: DockChat, once"), "task-1-dockchat-once");
    }

    proptest! {
        #[test]
        fn no_output_closes_its_fence(text in "[`a\\n]{0,40}") {
            let shown = fenced(&text);
            let fence: String = shown.chars().take_while(|c| *c == '`').collect();
            prop_assert!(!text.contains(&fence));
            let end = format!("\n{fence}");
            prop_assert!(shown.ends_with(&end), "{}", shown);
        }
    }
}
