//! The contract of whoever shows a run.

use crate::domain::Notice;

/// Shows a run's notices as they come.
///
/// A reporter never fails: where its output cannot be written it goes silent, because the run matters more than its
/// picture and the journal has everything.
pub trait Reporter: Send {
    /// Takes in one more `notice`.
    fn notice(&mut self, notice: &Notice);

    /// Shows what is still held back; nothing comes after it.
    fn finish(&mut self);
}

/// Several reporters as one.
#[derive(Default)]
pub struct FanOut {
    reporters: Vec<Box<dyn Reporter>>,
}

impl FanOut {
    /// Makes one reporter of `reporters`.
    pub fn new(reporters: Vec<Box<dyn Reporter>>) -> Self {
        Self { reporters }
    }
}

impl Reporter for FanOut {
    fn notice(&mut self, notice: &Notice) {
        for reporter in &mut self.reporters {
            reporter.notice(notice);
        }
    }

    fn finish(&mut self) {
        for reporter in &mut self.reporters {
            reporter.finish();
        }
    }
}
