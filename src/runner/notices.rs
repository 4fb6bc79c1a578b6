//! The way from the engine to whoever watches. The engine never waits on it: events, which are few and small, are queued
//! however many there are; output that comes faster than it is shown is left out of the display.

use crate::domain::Notice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;

/// How many fleeting notices may wait to be shown.
const WAITING_OUTPUT: usize = 1024;

/// The engine's end.
#[derive(Debug, Clone)]
pub struct NoticeSender {
    queue: mpsc::UnboundedSender<Notice>,
    fleeting: Arc<AtomicUsize>,
}

/// The end of whoever watches; it is over when the last sender is gone.
#[derive(Debug)]
pub struct NoticeReceiver {
    queue: mpsc::UnboundedReceiver<Notice>,
    fleeting: Arc<AtomicUsize>,
}

/// Makes both ends.
pub fn notice_channel() -> (NoticeSender, NoticeReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let fleeting = Arc::<AtomicUsize>::default();
    (
        NoticeSender {
            queue: sender,
            fleeting: Arc::clone(&fleeting),
        },
        NoticeReceiver {
            queue: receiver,
            fleeting,
        },
    )
}

fn is_fleeting(notice: &Notice) -> bool {
    match notice {
        Notice::Output { .. } | Notice::StillWaiting { .. } => true,
        Notice::Event(_) | Notice::Told { .. } => false,
    }
}

impl NoticeSender {
    /// Hands `notice` over without ever waiting. Where nobody watches any more it is lost: the journal has every event.
    pub fn send(&self, notice: Notice) {
        if !is_fleeting(&notice) {
            let _ = self.queue.send(notice);
            return;
        }
        // Two senders may pass the bound together; it bounds memory all the same.
        if self.fleeting.load(Ordering::Relaxed) < WAITING_OUTPUT {
            self.fleeting.fetch_add(1, Ordering::Relaxed);
            let _ = self.queue.send(notice);
        }
    }
}

impl NoticeReceiver {
    /// Returns the next notice; `None` when there will be none.
    pub async fn recv(&mut self) -> Option<Notice> {
        let notice = self.queue.recv().await;
        self.taken(notice)
    }

    /// Returns the next notice like [`recv`](Self::recv), on a thread of its own.
    pub fn blocking_recv(&mut self) -> Option<Notice> {
        let notice = self.queue.blocking_recv();
        self.taken(notice)
    }

    fn taken(&self, notice: Option<Notice>) -> Option<Notice> {
        if notice.as_ref().is_some_and(is_fleeting) {
            self.fleeting.fetch_sub(1, Ordering::Relaxed);
        }
        notice
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{NodeName, StepId, StepKey, Stream};

    fn output(byte: u8) -> Notice {
        Notice::Output {
            step: StepKey {
                step: StepId::new("step").unwrap(),
                node: NodeName::new("node-0").unwrap(),
            },
            stream: Stream::Stdout,
            bytes: vec![byte],
        }
    }

    fn told(text: &str) -> Notice {
        Notice::Told { text: text.to_owned() }
    }

    #[test]
    fn nobody_reading_costs_output_but_no_word_and_no_time() {
        let (sender, mut receiver) = notice_channel();
        for _ in 0..5000 {
            sender.send(output(1));
            sender.send(told("a word"));
        }
        drop(sender);
        let (mut shown, mut words) = (0, 0);
        while let Some(notice) = receiver.blocking_recv() {
            match notice {
                Notice::Output { .. } => shown += 1,
                _ => words += 1,
            }
        }
        assert_eq!((shown, words), (WAITING_OUTPUT, 5000));
    }

    #[test]
    fn what_was_read_makes_room_again_and_the_order_stays() {
        let (sender, mut receiver) = notice_channel();
        for round in 0..5 {
            for _ in 0..WAITING_OUTPUT {
                sender.send(output(round));
            }
            sender.send(told("round"));
            for _ in 0..WAITING_OUTPUT {
                assert_eq!(receiver.blocking_recv(), Some(output(round)));
            }
            assert_eq!(receiver.blocking_recv(), Some(told("round")));
        }
    }
}
