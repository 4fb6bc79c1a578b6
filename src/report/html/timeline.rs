//! What ran where and when: one lane a node, one bar a step, and the tasks above them. Everything is placed in per cent of the
//! whole, so that the picture fits any width without a script.

use super::super::chronicle::{Chronicle, StepChronicle};
use super::super::layout::{counted, duration_for_people};
use super::super::sanitise::sanitised_line;
use super::steps::{anchor, outcome_words, tone_of};
use jiff::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// How many marks the axis has at most.
const TICKS: u64 = 8;
/// Up to which share of the width a mark has room for its label.
const LAST_TICK: f64 = 93.0;
/// From which share of the width a bar's own text can be read.
const READABLE: f64 = 6.0;
/// From which share it can be read on a narrow screen, too.
const ROOMY: f64 = 22.0;

/// The picture.
#[derive(Debug, Serialize)]
pub(super) struct Timeline {
    ticks: Vec<Tick>,
    tasks: Vec<Bar>,
    lanes: Vec<Lane>,
}

#[derive(Debug, Serialize)]
struct Tick {
    left: String,
    label: String,
}

#[derive(Debug, Serialize)]
struct Lane {
    node: String,
    summary: String,
    /// Steps that ran at the same time are in different rows.
    rows: Vec<Vec<Bar>>,
}

#[derive(Debug, Serialize)]
struct Bar {
    anchor: String,
    left: String,
    width: String,
    /// How much of it was waiting for checks, at its end.
    checking: Option<String>,
    tone: &'static str,
    label: Option<String>,
    is_roomy: bool,
    text: String,
}

struct Scale {
    began: Timestamp,
    whole: Duration,
}

impl Scale {
    fn after_start(&self, at: Timestamp) -> Duration {
        at.duration_since(self.began).try_into().unwrap_or_default()
    }

    fn share(&self, part: Duration) -> f64 {
        (part.as_secs_f64() / self.whole.as_secs_f64() * 100.0).clamp(0.0, 100.0)
    }
}

impl Timeline {
    /// Draws the steps of `chronicle` that began; `None` where none did.
    pub(super) fn of(chronicle: &Chronicle) -> Option<Self> {
        chronicle.steps().find(|step| step.began.is_some())?;
        let began = chronicle.began;
        let whole: Duration = chronicle.last_moment().duration_since(began).try_into().ok()?;
        let scale = Scale {
            began,
            // A run that is over at once still has a width to divide by.
            whole: whole.max(Duration::from_millis(1)),
        };
        let tasks = chronicle.tasks.iter().filter_map(|task| {
            let (from, until) = task.span?;
            let title = sanitised_line(&task.title);
            let text = format!("{title}: {}", duration_for_people(task.took()));
            Some(Bar::new(&scale, (from, until), &title, text).to(format!("task-{}", task.id)))
        });
        let lanes = chronicle.nodes.iter().filter_map(|node| {
            let on_node = chronicle.steps().filter(|step| step.key.node == *node);
            lane(
                &scale,
                node.as_str(),
                on_node.filter(|step| step.began.is_some()).collect(),
            )
        });
        Some(Self {
            ticks: ticks(&scale),
            tasks: tasks.collect(),
            lanes: lanes.collect(),
        })
    }
}

/// Draws what ran on `node`: the longest steps in the first row, and what ran beside them below, where there is room.
fn lane(scale: &Scale, node: &str, mut steps: Vec<&StepChronicle>) -> Option<Lane> {
    steps.sort_by_key(|step| std::cmp::Reverse(step.took));
    let busy: Duration = steps.iter().map(|step| step.took).sum();
    let mut rows: Vec<Vec<(Span, &StepChronicle)>> = Vec::new();
    for step in &steps {
        let from = step.began?;
        let span = (from, step.ended.unwrap_or_else(|| scale.began + scale.whole));
        let is_free = |row: &&mut Vec<(Span, &StepChronicle)>| row.iter().all(|(other, _)| !overlap(*other, span));
        match rows.iter_mut().find(is_free) {
            Some(row) => row.push((span, step)),
            None => rows.push(vec![(span, step)]),
        }
    }
    let bars = |mut row: Vec<(Span, &StepChronicle)>| {
        row.sort_by_key(|(span, _)| *span);
        row.into_iter().map(|(span, step)| bar(scale, step, span)).collect()
    };
    (!rows.is_empty()).then(|| Lane {
        node: node.to_owned(),
        summary: format!("{}, {}", counted(steps.len(), "step"), duration_for_people(busy)),
        rows: rows.into_iter().map(bars).collect(),
    })
}

/// From when to when something ran.
type Span = (Timestamp, Timestamp);

fn overlap(one: Span, other: Span) -> bool {
    one.0 < other.1 && other.0 < one.1
}

fn bar(scale: &Scale, step: &StepChronicle, (from, until): Span) -> Bar {
    let title = sanitised_line(&step.title);
    let text = format!(
        "{title}: {}, {}",
        step.outcome
            .as_ref()
            .map_or_else(|| "not finished".to_owned(), outcome_words),
        duration_for_people(step.took)
    );
    let checking = step.checks_began.map(|at| {
        let whole = scale.after_start(until).saturating_sub(scale.after_start(from));
        let checked = scale.after_start(until).saturating_sub(scale.after_start(at));
        let share = checked.as_secs_f64() / whole.as_secs_f64().max(0.000_001) * 100.0;
        percent(share.clamp(0.0, 100.0))
    });
    Bar {
        checking,
        tone: tone_of(step.outcome.as_ref()),
        ..Bar::new(scale, (from, until), &title, text).to(anchor(step, ""))
    }
}

impl Bar {
    fn new(scale: &Scale, (from, until): Span, label: &str, text: String) -> Self {
        let left = scale.share(scale.after_start(from));
        let width = scale.share(scale.after_start(until)) - left;
        Self {
            anchor: String::new(),
            left: percent(left),
            width: percent(width.max(0.0)),
            checking: None,
            tone: "quiet",
            label: (width >= READABLE).then(|| label.to_owned()),
            is_roomy: width >= ROOMY,
            text,
        }
    }

    fn to(mut self, anchor: String) -> Self {
        self.anchor = anchor;
        self
    }
}

fn percent(share: f64) -> String {
    format!("{share:.3}%")
}

/// Returns marks at round times, few enough to be read.
fn ticks(scale: &Scale) -> Vec<Tick> {
    const STEPS: [u64; 14] = [
        10, 50, 100, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    ];
    let whole = u64::try_from(scale.whole.as_millis()).unwrap_or(u64::MAX);
    let fits = |step: &&u64| whole / **step < TICKS;
    let step = STEPS
        .iter()
        .find(fits)
        .copied()
        .unwrap_or_else(|| (whole / TICKS).max(1));
    let marks = (0..=whole / step).map(|mark| Duration::from_millis(mark * step));
    // A label stands to the right of its mark, and the last one must still be on the page.
    marks
        .filter(|at| scale.share(*at) <= LAST_TICK)
        .map(|at| Tick {
            left: percent(scale.share(at)),
            label: if at.is_zero() { "0".to_owned() } else { tick_label(at) },
        })
        .collect()
}

fn tick_label(at: Duration) -> String {
    match (at.subsec_millis(), at.as_secs()) {
        (0, seconds @ 0..60) => format!("{seconds} s"),
        (0, seconds) => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => duration_for_people(at),
    }
}
