//! What a finished cleanup came to, from its events.

use super::super::cleaned::cleanup_lines;
use super::super::line::show_lines;
use super::super::story::Story;
use super::super::style::Style;
use crate::domain::{Event, Notice};
use std::time::Instant;

/// Shows what the `events` of a cleanup took back, what is left of the lab and what is different and not the lab's.
pub fn cleanup_listing(events: &[Event], style: &Style) -> String {
    let mut story = Story::default();
    for event in events {
        story.follow(&Notice::Event(event.clone()), Instant::now());
    }
    show_lines(&cleanup_lines(&story.cleanup, *style), *style)
}
