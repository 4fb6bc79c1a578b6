//! Joins the story, the board and the terminal.

use super::super::Reporter;
use super::super::closing::closing_lines;
use super::super::ended::{ended_details, ended_line, shown_lines};
use super::super::line::Line;
use super::super::plain::{Verbosity, heading_lines, told_lines, undone_line};
use super::super::story::{Happening, Story};
use super::super::style::Style;
use super::super::verify::verify_lines;
use super::board::{Canvas, board_lines};
use super::terminal::{SizeSource, Terminal, TerminalSize};
use crate::domain::{Notice, PlannedStep, TaskId, Verb};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How a [`ScreenReporter`] draws.
#[derive(Clone)]
pub struct ScreenOptions {
    /// Whether colour is used.
    pub colour: bool,
    /// Asks for the size of the terminal; asked again for every frame, since people resize their windows.
    pub size: SizeSource,
    /// How often the moving part is drawn; only on [`ScreenReporter::draw`] where `None`.
    pub tick: Option<Duration>,
    /// The clock.
    pub now: Arc<dyn Fn() -> Instant + Send + Sync>,
    /// The directory that output records' paths are relative to.
    pub output_root: Option<String>,
}

impl ScreenOptions {
    /// Draws ten times a second on a terminal as big as `size` says.
    pub fn new(colour: bool, size: impl Fn() -> TerminalSize + Send + Sync + 'static) -> Self {
        Self {
            colour,
            size: Arc::new(size),
            tick: Some(Duration::from_millis(100)),
            now: Arc::new(Instant::now),
            output_root: None,
        }
    }
}

impl fmt::Debug for ScreenOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ScreenOptions")
            .field("colour", &self.colour)
            .finish_non_exhaustive()
    }
}

/// Shows a run on a terminal while it goes on.
pub struct ScreenReporter {
    terminal: Terminal,
    options: ScreenOptions,
    /// Shared with the thread that draws the moving part.
    story: Arc<Mutex<Story>>,
    bar: ProgressBar,
    heading: Option<TaskId>,
}

impl ScreenReporter {
    /// Draws on `writer` as `options` say; `writer` must be a terminal that understands cursor moves.
    pub fn new(writer: impl Write + Send + 'static, options: ScreenOptions) -> Self {
        let terminal = Terminal::new(Box::new(writer), Arc::clone(&options.size));
        let story = Arc::new(Mutex::new(Story::default()));
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let bar = ProgressBar::with_draw_target(None, target).with_style(style(&terminal, &story, &options));
        if let Some(tick) = options.tick {
            bar.enable_steady_tick(tick);
        }
        Self {
            terminal,
            options,
            story,
            bar,
            heading: None,
        }
    }

    /// Draws the moving part now.
    pub fn draw(&self) {
        self.bar.force_draw();
    }

    fn print(&self, lines: &[Line]) {
        let style = self.style();
        self.terminal.push_above(lines.iter().map(|line| line.show(style)));
    }

    fn style(&self) -> Style {
        Style {
            colour: self.options.colour,
            width: Some(usize::from(self.terminal.usable().columns)),
        }
    }

    fn head(&mut self, step: &PlannedStep) {
        if self.heading.as_ref() != Some(&step.task) {
            self.print(&heading_lines(step, self.heading.is_none()));
            self.heading = Some(step.task.clone());
        }
    }

    fn tell(&mut self, happening: &Happening) {
        let columns = locked(&self.story).node_columns();
        match happening {
            Happening::StepBegan(step) => self.head(step),
            Happening::StepEnded(ended, _) => {
                self.head(&ended.step);
                let mut lines = vec![ended_line(ended, columns)];
                lines.extend(shown_lines(ended));
                lines.extend(ended_details(ended, self.options.output_root.as_deref(), self.style()));
                self.print(&lines);
            }
            Happening::Told(text) => self.print(&told_lines(text, self.style())),
            Happening::Undone(step, undo) => self.print(&[undone_line(step, undo, columns)]),
            Happening::Finished => {
                let lines = ended_run_lines(&locked(&self.story), self.style());
                self.print(&lines);
            }
            Happening::Began | Happening::Output(..) => {}
        }
    }
}

fn ended_run_lines(story: &Story, style: Style) -> Vec<Line> {
    match story.verb() {
        Verb::Verify => verify_lines(story, Verbosity::Normal, style),
        Verb::Run | Verb::Cleanup => closing_lines(story, style),
    }
}

fn style(terminal: &Terminal, story: &Arc<Mutex<Story>>, options: &ScreenOptions) -> ProgressStyle {
    let (terminal, story, options) = (terminal.clone(), Arc::clone(story), options.clone());
    let board = move |_: &ProgressState, out: &mut dyn fmt::Write| {
        let size = terminal.usable();
        let style = Style {
            colour: options.colour,
            width: Some(usize::from(size.columns)),
        };
        let canvas = Canvas {
            style,
            rows: usize::from(size.rows),
            now: (options.now)(),
        };
        let lines = board_lines(&locked(&story), canvas);
        let shown: Vec<String> = lines.iter().map(|line| line.show(style)).collect();
        // Writing to indicatif's buffer, a string, cannot fail.
        let _ = out.write_str(&shown.join("\n"));
    };
    #[expect(
        clippy::expect_used,
        reason = "a literal template, tried by every test of this module"
    )]
    let style = ProgressStyle::with_template("{board}").expect("the template is well formed");
    style.with_key("board", board)
}

fn locked(story: &Mutex<Story>) -> MutexGuard<'_, Story> {
    // The story is only counts and texts: one half updated shows a wrong number for a moment, no more.
    story.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reporter for ScreenReporter {
    fn notice(&mut self, notice: &Notice) {
        let happenings = locked(&self.story).follow_in_turn(notice, (self.options.now)());
        for happening in &happenings {
            self.tell(happening);
        }
        // Output can come by the megabyte: it is drawn with the next tick.
        if matches!(notice, Notice::Event(_) | Notice::Told { .. }) {
            self.draw();
        }
    }

    fn finish(&mut self) {
        self.bar.disable_steady_tick();
        let mut story = locked(&self.story);
        story.running.clear();
        story.began = None;
        drop(story);
        self.draw();
    }
}

impl Drop for ScreenReporter {
    fn drop(&mut self) {
        self.finish();
    }
}
