//! The reporters at work, on a thread of their own: a reader of standard output that does not read holds up nothing else.

use crate::report::Reporter;
use crate::runner::NoticeReceiver;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long reporters that are left get to put the terminal right.
const FAREWELL: Duration = Duration::from_millis(500);

/// Reporters that show notices until there are none left.
#[derive(Debug)]
pub(super) struct Watching {
    leave: Arc<AtomicBool>,
    ended: oneshot::Receiver<()>,
}

impl Watching {
    /// Lets `reporter` show `notices`.
    pub(super) fn begin(mut reporter: Box<dyn Reporter>, mut notices: NoticeReceiver) -> io::Result<Self> {
        let leave = Arc::<AtomicBool>::default();
        let (end, ended) = oneshot::channel();
        let left = Arc::clone(&leave);
        let show = move || {
            while let Some(notice) = notices.blocking_recv() {
                if left.load(Ordering::Acquire) {
                    break;
                }
                reporter.notice(&notice);
            }
            reporter.finish();
            let _ = end.send(());
        };
        std::thread::Builder::new().name("reporters".to_owned()).spawn(show)?;
        Ok(Self { leave, ended })
    }

    /// Returns when everything was shown: every sender of notices must be gone by then.
    pub(super) async fn ended(&mut self) {
        // A reporter that panicked is at its end, too.
        let _ = (&mut self.ended).await;
    }

    /// Lets the reporters end without showing what still waits; those that cannot are left behind.
    pub(super) async fn leave(mut self) {
        self.leave.store(true, Ordering::Release);
        let _ = timeout(FAREWELL, self.ended()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Notice;
    use crate::runner::notice_channel;
    use std::sync::mpsc::{Receiver, Sender, channel};

    struct Blocked(Receiver<()>, Sender<&'static str>);

    impl Reporter for Blocked {
        fn notice(&mut self, _: &Notice) {
            let _ = self.0.recv();
            let _ = self.1.send("shown");
        }

        fn finish(&mut self) {
            let _ = self.1.send("finished");
        }
    }

    #[tokio::test]
    async fn a_reporter_that_is_stuck_is_left_behind_and_one_that_is_free_shows_nothing_more() {
        let (sender, notices) = notice_channel();
        let (free, stuck) = channel();
        let (says, said) = channel();
        let watching = Watching::begin(Box::new(Blocked(stuck, says)), notices).unwrap();
        for text in ["one", "two", "three"] {
            sender.send(Notice::Told { text: text.to_owned() });
        }
        drop(sender);
        watching.leave().await;
        drop(free);
        let said: Vec<_> = said.iter().collect();
        assert!(said.len() <= 2 && said.last() == Some(&"finished"), "{said:?}");
    }
}
