//! What Interlock says in its container's log.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::console;

static DEBUG: AtomicBool = AtomicBool::new(false);

/// Has what [`debug`] is told written too.
pub(super) fn set_debug() {
    DEBUG.store(true, Ordering::Relaxed);
}

/// Says what happened.
pub(super) fn info(message: &str) {
    console::say("interlock", message);
}

/// Says what somebody should look at.
pub(super) fn warn(message: &str) {
    console::say("interlock", &format!("warning: {message}"));
}

/// Says what only a search for an error needs.
pub(super) fn debug(message: &str) {
    if DEBUG.load(Ordering::Relaxed) {
        console::say("interlock", &format!("debug: {message}"));
    }
}
