//! The part of the screen that moves: one line per running step, what it waits for or last said, and how far the run is.

use super::super::describe::subject;
use super::super::layout::{clock_for_people, columns, deadline_for_people};
use super::super::line::Line;
use super::super::story::{Running, Story, Waiting};
use super::super::style::{Ink, Style};
use crate::domain::Verb;
use std::time::{Duration, Instant};

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// How many lines of its output a running step shows.
const TAIL: usize = 3;

/// What a board is drawn for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Canvas {
    pub(crate) style: Style,
    pub(crate) rows: usize,
    pub(crate) now: Instant,
}

/// Returns the lines of the board: at most as many as the canvas has rows, steps before their output.
pub(crate) fn board_lines(story: &Story, canvas: Canvas) -> Vec<Line> {
    if story.end.is_some() || story.began.is_none() {
        return Vec::new();
    }
    if story.verb() == Verb::Verify {
        return vec![footer(story, canvas)];
    }
    let rows = canvas.rows.saturating_sub(1).max(1);
    let mut blocks: Vec<Vec<Line>> = story.running.iter().map(|step| block(story, step, canvas)).collect();
    let mut details = TAIL;
    while details > 0 && height(&blocks, details) + 1 > rows {
        details -= 1;
    }
    for block in &mut blocks {
        block.truncate(details + 1);
    }
    let mut lines: Vec<Line> = blocks.into_iter().flatten().collect();
    if lines.len() + 1 > rows {
        let hidden = lines.split_off(rows.saturating_sub(2).min(lines.len())).len();
        lines.push(Line::of(Ink::Quiet, format!("  … and {hidden} more")));
        lines.truncate(rows.saturating_sub(1));
    }
    lines.push(footer(story, canvas));
    lines
}

fn height(blocks: &[Vec<Line>], details: usize) -> usize {
    blocks.iter().map(|block| block.len().min(details + 1)).sum()
}

fn block(story: &Story, running: &Running, canvas: Canvas) -> Vec<Line> {
    let elapsed = canvas.now.saturating_duration_since(running.since);
    let frame = usize::try_from(elapsed.as_millis() / 100).unwrap_or(0) % SPINNER.len();
    let node_columns = story.node_columns();
    let line = Line::of(Ink::Text, "  ")
        .and(Ink::Accent, SPINNER.get(frame).copied().unwrap_or("·"))
        .and(Ink::Text, " ")
        .and(Ink::Accent, format!("{:<node_columns$}", running.step.key.node))
        .and(Ink::Text, format!("  {}", running.step.title))
        .right(Ink::Quiet, clock_for_people(elapsed));
    let mut lines = vec![line];
    let indent = if canvas.style.width.is_some_and(|width| width < 60) {
        4
    } else {
        node_columns + 6
    };
    let margin = " ".repeat(indent);
    match &running.waiting {
        Some(waiting) => {
            let texts = waiting_texts(running, waiting, canvas, indent);
            lines.extend(
                texts
                    .iter()
                    .map(|text| Line::of(Ink::Warning, format!("{margin}{text}"))),
            );
        }
        None => {
            let tail = running.tail.last(TAIL);
            lines.extend(
                tail.iter()
                    .map(|text| Line::of(Ink::Quiet, format!("{margin}│ {text}"))),
            );
        }
    }
    lines
}

/// Says what a step waits for: in one line where it fits, else in two.
fn waiting_texts(running: &Running, waiting: &Waiting, canvas: Canvas, indent: usize) -> Vec<String> {
    let check = running.step.checks.get(waiting.check);
    let what = check.map_or_else(|| "its check".to_owned(), |check| subject(&check.kind));
    let elapsed = running
        .checking_since
        .map_or(Duration::ZERO, |since| canvas.now.saturating_duration_since(since));
    let clock = match check.map(|check| check.within).filter(|within| !within.is_zero()) {
        Some(within) => format!(
            "{} of {}",
            clock_for_people(elapsed.min(within)),
            deadline_for_people(within)
        ),
        None => clock_for_people(elapsed),
    };
    let first = format!("waiting {clock} for {what}");
    let found = match &waiting.verdict {
        Some(verdict) => format!("expected {}, got {}", verdict.expected, verdict.actual),
        None => "nothing could be looked at yet".to_owned(),
    };
    let found = super::super::sanitise::sanitised_line(&found);
    let fits = |width: usize| indent + columns(&first) + 2 + columns(&found) <= width;
    if canvas.style.width.is_none_or(fits) {
        vec![format!("{first}: {found}")]
    } else {
        vec![first, found]
    }
}

fn footer(story: &Story, canvas: Canvas) -> Line {
    let elapsed = story
        .began
        .map_or(Duration::ZERO, |(_, began)| canvas.now.saturating_duration_since(began));
    let what = match story.verb() {
        Verb::Verify => "checks",
        Verb::Run | Verb::Cleanup => "steps",
    };
    let text = format!(
        "  {} of {} {what} · {}",
        story.tally.ended(),
        story.planned(),
        clock_for_people(elapsed)
    );
    Line::of(Ink::Quiet, text).right(Ink::Quiet, "Ctrl-C stops")
}
