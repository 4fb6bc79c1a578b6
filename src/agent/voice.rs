//! What the agent says: whole messages, one after the other.

use crate::channel::{lock, write_all};
use crate::faults::failed;
use labctl_agent::{GREETING, Hello, ToLabctl, encode};
use signal_hook::iterator::Handle;
use std::sync::Mutex;

/// Standard output.
#[derive(Debug)]
pub(crate) struct Voice {
    gate: Mutex<()>,
    /// Ends the program when nobody listens any more.
    end: Handle,
}

impl Voice {
    /// Speaks on standard output; closes `end` when nobody listens.
    pub(crate) fn new(end: Handle) -> Self {
        Self {
            gate: Mutex::new(()),
            end,
        }
    }

    /// Says what stands before the first message, and that.
    pub(crate) fn greet(&self, hello: &Hello) {
        let mut greeting = GREETING.to_vec();
        match encode(&ToLabctl::Hello(hello.clone())) {
            Ok(frame) => {
                greeting.extend(frame);
                self.say_bytes(&greeting);
            }
            Err(_) => self.end.close(),
        }
    }

    /// Says `message`.
    pub(crate) fn say(&self, message: &ToLabctl) {
        match (encode(message), message) {
            (Ok(frame), _) => self.say_bytes(&frame),
            (Err(error), ToLabctl::Answer { id, .. }) => self.say(&ToLabctl::Answer {
                id: *id,
                answer: Err(failed(format!("the answer is {error}"))),
            }),
            // Nothing else is of a size that matters.
            (Err(_), _) => self.end.close(),
        }
    }

    fn say_bytes(&self, bytes: &[u8]) {
        let gate = lock(&self.gate);
        if write_all(rustix::stdio::stdout(), bytes).is_err() {
            self.end.close();
        }
        drop(gate);
    }
}
