//! Errors as people read them: what is wrong, where it stands, why, and what to try next.
//!
//! Layers say what is wrong with types; the text around it is made here, once. Nothing here prints.

use crate::domain::{Diagnostic, Diagnostics, SourceText};
use annotate_snippets::renderer::{DEFAULT_ERROR_STYLE, DEFAULT_HELP_STYLE, DEFAULT_NOTE_STYLE, Style};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt::{self, Write};
use std::ops::Range;
use std::sync::Arc;

/// How wide a line of a file is shown before it is cut.
const WIDTH: usize = 120;

/// How many faults are shown before the rest is only counted.
const MOST_FAULTS: usize = 50;

/// How long a message may be before it is cut.
const LONGEST_MESSAGE: usize = 1000;

/// An error with the next thing to try.
#[derive(Debug)]
pub struct Hinted {
    error: anyhow::Error,
    hint: String,
}

impl fmt::Display for Hinted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, formatter)
    }
}

impl std::error::Error for Hinted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.chain().nth(1)
    }
}

/// Adds the next thing to try to an error.
pub trait WithHint<T> {
    /// Adds `hint`, which is shown once, below the causes.
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> WithHint<T> for Result<T, E> {
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| {
            let error = error.into();
            let hint = hint.into();
            anyhow::Error::new(Hinted { error, hint })
        })
    }
}

/// Renders all `diagnostics`, each with the lines of the file it is about; ends with a line break.
pub fn render_diagnostics(diagnostics: &Diagnostics, colour: bool) -> String {
    // A file with many faults is made printable once.
    let mut printable: Vec<(&Arc<SourceText>, String)> = Vec::new();
    let mut faults = Vec::new();
    for fault in diagnostics.faults.iter().take(MOST_FAULTS) {
        let Some((source, range)) = &fault.place else {
            let hint = fault.hint.iter().map(|hint| ("hint", hint.clone()));
            faults.push(plain_report(&fault.message, hint, colour));
            continue;
        };
        let known = printable.iter().position(|(known, _)| Arc::ptr_eq(known, source));
        let at = known.unwrap_or_else(|| {
            printable.push((source, printable_source(&source.text)));
            printable.len() - 1
        });
        faults.push(render_fault(fault, &source.name, &printable[at].1, range, colour));
    }
    let more = diagnostics.faults.len().saturating_sub(MOST_FAULTS);
    if more > 0 {
        faults.push(format!("and {more} more"));
    }
    let mut text = faults.join("\n\n");
    text.push('\n');
    text
}

/// Renders `error` with its causes and hints; where it holds [`Diagnostics`], those. Ends with a line break.
pub fn render_error(error: &anyhow::Error, colour: bool) -> String {
    if let Some(diagnostics) = error.chain().find_map(|cause| cause.downcast_ref::<Diagnostics>()) {
        return render_diagnostics(diagnostics, colour);
    }
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // An error that shows its cause's text as its own would repeat it.
        if causes.last() != Some(&cause) {
            causes.push(cause);
        }
    }
    let causes = causes.into_iter().map(|cause| ("cause", cause));
    let hints = hints(error).into_iter().map(|hint| ("hint", hint.to_owned()));
    let mut text = plain_report(&error.to_string(), causes.chain(hints), colour);
    text.push('\n');
    text
}

fn hints(error: &anyhow::Error) -> Vec<&str> {
    let mut hints = Vec::new();
    let mut open = vec![error];
    while let Some(error) = open.pop() {
        for hinted in error.chain().filter_map(|cause| cause.downcast_ref::<Hinted>()) {
            hints.push(hinted.hint.as_str());
            open.push(&hinted.error);
        }
    }
    hints.dedup();
    hints
}

/// Renders an error that has no place in a file: the message, and `notes` of one word each below it.
fn plain_report(message: &str, notes: impl IntoIterator<Item = (&'static str, String)>, colour: bool) -> String {
    let mut text = format!(
        "{} {}",
        painted("error:", DEFAULT_ERROR_STYLE, colour),
        indented(message)
    );
    for (word, note) in notes {
        let style = if word == "hint" {
            DEFAULT_HELP_STYLE
        } else {
            DEFAULT_NOTE_STYLE
        };
        let word = painted(&format!("{word}:"), style, colour);
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {word} {}", indented(&note));
    }
    text
}

fn painted(text: &str, style: Style, colour: bool) -> String {
    if colour {
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}

/// Makes `text` printable, with its further lines under the first.
fn indented(text: &str) -> String {
    let lines: Vec<String> = text.trim_end().lines().map(printable).collect();
    cut(&lines.join("\n    "))
}

/// Renders `fault`, which is in the file called `name` at `range` of its printable `text`.
fn render_fault(fault: &Diagnostic, name: &str, text: &str, range: &Range<usize>, colour: bool) -> String {
    let mut annotation = AnnotationKind::Primary.span(within(text, range));
    if let Some(label) = &fault.label {
        annotation = annotation.label(one_line(label));
    }
    let snippet = Snippet::source(text).path(one_line(name)).annotation(annotation);
    let title = Level::ERROR.primary_title(one_line(&fault.message));
    let mut group = Group::with_title(title).element(snippet);
    if let Some(hint) = &fault.hint {
        group = group.element(Level::HELP.with_name("hint").message(one_line(hint)));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let shown = renderer.term_width(WIDTH).render(&[group]);
    let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// Returns `range` as it can be marked in `text`: inside it, on character borders, not empty, and no longer than a line.
fn within(text: &str, range: &Range<usize>) -> Range<usize> {
    let border = |at: usize| {
        (0..=at.min(text.len()))
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0)
    };
    let start = border(range.start);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let end = border(range.end).clamp(start, line_end);
    if end > start {
        return start..end;
    }
    let next = text[start..line_end].chars().next().map_or(0, char::len_utf8);
    start..start + next
}

/// Says whether a terminal would do something with `character` instead of showing it.
fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '\t' {
                ' '
            } else if is_hostile(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

fn one_line(text: &str) -> String {
    let line = text
        .lines()
        .map(|line| printable(line.trim()))
        .collect::<Vec<_>>()
        .join(" ");
    cut(&line)
}

/// Returns the beginning of `text` where it is long.
fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Makes `text` printable without moving a byte, so that places in it stay right.
fn printable_source(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            '\r' => ' ',
            c if !is_hostile(c) => c,
            c => match c.len_utf8() {
                1 => '?',
                2 => '\u{b7}',
                _ => '\u{fffd}',
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fault(text: &str, range: Range<usize>) -> Diagnostic {
        let source = Arc::new(SourceText {
            name: "lab.toml".into(),
            text: text.into(),
        });
        Diagnostic::new("a step has no key `tilte`")
            .at(&source, range)
            .label("not known here")
            .hint("did you mean `title`?")
    }

    #[test]
    fn a_fault_shows_its_line_and_what_to_do() {
        let shown = render_diagnostics(&fault("[[task.step]]\n\ttilte = \"x\"\n", 15..20).into(), false);
        insta::assert_snapshot!(shown, @r#"
        error: a step has no key `tilte`
         --> lab.toml:2:2
          |
        2 |     tilte = "x"
          |     ^^^^^ not known here
          |
          = hint: did you mean `title`?
        "#);
    }

    #[test]
    fn an_error_shows_its_causes_and_its_hint() {
        let result: Result<(), _> = Err(std::io::Error::other("connection refused"));
        let error = result.hint("start sshd\n  service ssh start").unwrap_err();
        let error = error.context("node-1 cannot be reached");
        insta::assert_snapshot!(render_error(&error, false), @r"
        error: node-1 cannot be reached
          cause: connection refused
          hint: start sshd
              service ssh start
        ");
    }

    #[test]
    fn diagnostics_are_found_inside_a_chain() {
        let error = anyhow::Error::from(Diagnostics::from(fault("tilte", 0..5))).context("loading");
        assert!(render_error(&error, false).contains("did you mean"));
    }

    #[test]
    fn many_faults_are_counted_and_not_all_shown() {
        let one = fault("[[task.step]]\n\ttilte = \"x\"\n", 15..20);
        let faults = vec![one; 1_000_000];
        let shown = render_diagnostics(&Diagnostics { faults }, false);
        assert!(shown.ends_with("\n\nand 999950 more\n"), "{shown}");
        assert_eq!(shown.matches("error:").count(), 50);
    }

    #[test]
    fn a_long_line_is_cut_around_its_caret() {
        let (before, after) = ("a".repeat(500_000), "b".repeat(500_000));
        let text = format!("first\n{before} tilte {after}\nlast\n");
        let at = 6 + before.len() + 1;
        for colour in [false, true] {
            let shown = render_diagnostics(&fault(&text, at..at + 5).into(), colour);
            assert!(shown.len() < 2000, "{} bytes", shown.len());
            assert!(shown.contains("tilte") && shown.contains("^^^^^"), "{shown}");
            assert!(shown.contains("lab.toml:2:500002"), "{shown}");
        }
        let whole = render_diagnostics(&fault(&text, 6..text.len()).into(), false);
        assert!(whole.len() < 2000, "{} bytes", whole.len());
    }

    #[test]
    fn a_long_message_is_cut() {
        let mut long = fault("tilte", 0..5);
        for text in [
            &mut long.message,
            long.label.as_mut().unwrap(),
            long.hint.as_mut().unwrap(),
        ] {
            *text = "x".repeat(1_000_000);
        }
        let shown = render_diagnostics(&long.into(), false);
        assert!(shown.len() < 10_000, "{} bytes", shown.len());
    }

    proptest! {
        #[test]
        fn any_place_in_any_text_is_shown_without_control_characters(
            text in any::<String>(), start in 0_usize..40, length in 0_usize..40, colour in Just(false)
        ) {
            let shown = render_diagnostics(&fault(&text, start..start + length).into(), colour);
            prop_assert!(!shown.chars().any(|c| c != '\n' && is_hostile(c)), "{:?}", shown);
        }
    }
}
