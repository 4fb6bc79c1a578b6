//! What a finished verify or cleanup came to, from its events.

use super::super::closing::cleanup_lines;
use super::super::ended::{ended_details, ended_line};
use super::super::line::show_lines;
use super::super::story::{Happening, Story};
use super::super::style::Style;
use crate::domain::{Event, Notice};
use std::time::Instant;

/// Shows the `events` of a verify as a checklist, each point that does not hold with what was found and its hint.
pub fn verify_listing(events: &[Event], style: &Style) -> String {
    let mut story = Story::default();
    let mut lines = Vec::new();
    for event in events {
        let happening = story.follow(&Notice::Event(event.clone()), Instant::now());
        if let Some(Happening::StepEnded(ended, _)) = happening {
            lines.push(ended_line(&ended, story.node_columns()));
            lines.extend(ended_details(&ended, None, *style));
        }
    }
    show_lines(&lines, *style)
}

/// Shows what the `events` of a cleanup took back, what is left of the lab and what is different and not the lab's.
pub fn cleanup_listing(events: &[Event], style: &Style) -> String {
    let mut story = Story::default();
    for event in events {
        story.follow(&Notice::Event(event.clone()), Instant::now());
    }
    show_lines(&cleanup_lines(&story.cleanup, *style), *style)
}
