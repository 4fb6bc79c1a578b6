//! Plain lines for files, pipes and logs: one when a step starts, one when it ends, failures in full.

use super::Reporter;
use super::closing::{brief_closing_lines, closing_lines};
use super::ended::{ended_details, ended_line, shown_lines};
use super::line::{Line, paragraph, show_lines};
use super::outcome::complaint;
use super::story::{Ended, Happening, Story};
use super::style::{Ink, Style};
use super::verify::verify_lines;
use crate::domain::{Action, Notice, PlannedStep, StepKey, TaskId, Verb, Work};
use std::io::Write;
use std::time::Instant;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verbosity {
    /// Failures and the totals.
    Quiet,
    /// Every step.
    #[default]
    Normal,
    /// Every step and every line of its output.
    Verbose,
}

/// How a [`PlainReporter`] writes.
#[derive(Debug, Clone, Default)]
pub struct PlainOptions {
    /// Colour and width.
    pub style: Style,
    /// How much is said.
    pub verbosity: Verbosity,
    /// The directory that output records' paths are relative to.
    pub output_root: Option<String>,
}

/// Writes a run as plain lines.
pub struct PlainReporter<W: Write> {
    writer: Option<W>,
    options: PlainOptions,
    story: Story,
    heading: Option<TaskId>,
}

impl<W: Write> PlainReporter<W> {
    /// Writes to `writer` as `options` say.
    pub fn new(writer: W, options: PlainOptions) -> Self {
        Self {
            writer: Some(writer),
            options,
            story: Story::default(),
            heading: None,
        }
    }

    fn write(&mut self, lines: &[Line]) {
        let Some(writer) = &mut self.writer else { return };
        let shown = show_lines(lines, self.options.style);
        // A reader that went away wants no more lines.
        if writer
            .write_all(shown.as_bytes())
            .and_then(|()| writer.flush())
            .is_err()
        {
            self.writer = None;
        }
    }

    fn is(&self, verbosity: Verbosity) -> bool {
        self.options.verbosity == verbosity
    }

    fn head(&mut self, step: &PlannedStep) {
        if self.heading.as_ref() != Some(&step.task) && !self.is(Verbosity::Quiet) {
            let lines = heading_lines(step, self.heading.is_none());
            self.write(&lines);
            self.heading = Some(step.task.clone());
        }
    }

    fn show_start(&mut self, step: &PlannedStep) {
        // What only looks is over in a moment: its end alone is worth a line.
        if self.is(Verbosity::Quiet) || matches!(step.work, Work::Action(Action::Wait)) {
            return;
        }
        self.head(step);
        let columns = self.story.node_columns();
        let line = Line::of(Ink::Quiet, "  … ")
            .and(Ink::Accent, format!("{:<columns$}", step.key.node))
            .and(Ink::Quiet, format!("  {}", step.title));
        self.write(&[line]);
    }

    fn show_output(&mut self, step: &StepKey, lines: &[String]) {
        if self.is(Verbosity::Verbose) {
            let of_node = |line: &String| Line::of(Ink::Quiet, format!("{} | ", step.node)).and(Ink::Text, line);
            let lines: Vec<Line> = lines.iter().map(of_node).collect();
            self.write(&lines);
        }
    }

    fn show_end(&mut self, ended: &Ended) {
        let failed = complaint(&ended.outcome).is_some() || !ended.undos_failed.is_empty();
        if self.is(Verbosity::Quiet) && !failed {
            return;
        }
        self.head(&ended.step);
        let mut lines = vec![ended_line(ended, self.story.node_columns())];
        if !self.is(Verbosity::Verbose) {
            lines.extend(shown_lines(ended));
        }
        lines.extend(ended_details(
            ended,
            self.options.output_root.as_deref(),
            self.options.style,
        ));
        self.write(&lines);
    }

    fn tell(&mut self, happening: Happening) {
        match happening {
            Happening::StepBegan(step) => self.show_start(&step),
            Happening::Output(step, lines) => self.show_output(&step, &lines),
            Happening::StepEnded(ended, rest) => {
                self.show_output(&ended.step.key, &rest);
                self.show_end(&ended);
            }
            Happening::Told(text) => {
                let lines = told_lines(&text, self.options.style);
                self.write(&lines);
            }
            Happening::Undone(step, undo) if !self.is(Verbosity::Quiet) => {
                self.write(&[undone_line(&step, &undo, self.story.node_columns())]);
            }
            Happening::Finished => {
                let lines = if self.story.verb() == Verb::Verify {
                    verify_lines(&self.story, self.options.verbosity, self.options.style)
                } else if self.is(Verbosity::Quiet) {
                    brief_closing_lines(&self.story, self.options.style)
                } else {
                    closing_lines(&self.story, self.options.style)
                };
                self.write(&lines);
            }
            Happening::Began | Happening::Undone(..) => {}
        }
    }
}

/// Returns the heading of the task that `step` belongs to.
pub(crate) fn heading_lines(step: &PlannedStep, first: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    if !first {
        lines.push(Line::default());
    }
    let title = if step.task_title.is_empty() {
        String::new()
    } else {
        format!("  {}", step.task_title)
    };
    lines.push(Line::of(Ink::Strong, step.task.as_str()).and(Ink::Text, title));
    lines
}

impl<W: Write + Send> Reporter for PlainReporter<W> {
    fn notice(&mut self, notice: &Notice) {
        for happening in self.story.follow_in_turn(notice, Instant::now()) {
            self.tell(happening);
        }
    }

    fn finish(&mut self) {}
}

/// Returns the lines of a word of labctl's own.
pub(crate) fn told_lines(text: &str, style: Style) -> Vec<Line> {
    paragraph(2, Ink::Warning, text, style)
}

/// Returns the line of something that was taken back.
pub(crate) fn undone_line(step: &StepKey, undo: &crate::domain::Undo, node_columns: usize) -> Line {
    Line::of(Ink::Text, "  ")
        .and(Ink::Good, "↶ ")
        .and(Ink::Accent, format!("{:<node_columns$}", step.node))
        .and(Ink::Quiet, format!("  {undo}"))
}
