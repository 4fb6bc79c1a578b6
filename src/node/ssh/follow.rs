//! Recorded execs: given to the agent, listened to, taken up again after the link was lost.

use super::session::Pending;
use super::ssh_node::Reach;
use crate::node::order::ending;
use crate::node::{Ending, NodeError, NodeErrorKind, OutputSink, Stream};
use labctl_agent::{Answer, Attach, EXEC_GRACE_MS, Exec, Fault, FaultKind, Request, Stream as Told, ToLabctl, WINDOW};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// How long a kill may take, the agent's grace included.
const KILLING: Duration = Duration::from_millis(EXEC_GRACE_MS + 15_000);

/// How many times the agent may break off while it can be started again.
const BREAKS: u32 = 5;

/// Whoever follows one exec to its end.
struct Follower<'a> {
    reach: &'a Reach,
    exec: Exec,
    deadline: Duration,
    cancel: &'a CancellationToken,
    limit: Instant,
}

/// What came of listening once.
enum Listened {
    Ended(Ending),
    Fault(Fault),
    /// The conversation has ended, and why.
    Lost(String),
    /// Nothing more can be expected.
    Overdue,
}

/// Runs or takes up `exec` until it ends.
pub(super) async fn follow(
    reach: &Reach,
    exec: Exec,
    output: &mut dyn OutputSink,
    cancel: &CancellationToken,
) -> Result<Ending, NodeError> {
    reach.check_root(true)?;
    let deadline = Duration::from_millis(exec.deadline_ms);
    let follower = Follower {
        limit: Instant::now() + deadline + Duration::from_millis(exec.grace_ms) + reach.link.patience,
        reach,
        exec,
        deadline,
        cancel,
    };
    follower.run(output).await
}

impl Follower<'_> {
    async fn run(mut self, output: &mut dyn OutputSink) -> Result<Ending, NodeError> {
        let link = &self.reach.link;
        let mut breaks = 0;
        loop {
            let (generation, agent) = match self.reach.agent(self.limit).await {
                Ok(found) => found,
                Err(error) => return self.unreachable(error),
            };
            let began = self.exec.record.clone();
            // Never to be started now, only to be ended: it may run since an earlier call.
            let request = if self.cancel.is_cancelled() {
                Request::Attach(began.clone())
            } else {
                Request::Exec(self.exec.clone())
            };
            let listened = match agent.request(true, request) {
                Ok(pending) => self.listen(pending, output).await,
                Err(reason) => Listened::Lost(reason),
            };
            match listened {
                Listened::Ended(ending) => return Ok(ending),
                Listened::Fault(fault) if self.cancel.is_cancelled() && fault.kind == FaultKind::NoRecord => {
                    return Ok(Ending::Cancelled);
                }
                Listened::Fault(fault) => return Err(self.reach.failed(fault)),
                Listened::Overdue => {
                    let reason = "the node did not say how it ended, long after its deadline".to_owned();
                    let hint = format!("see what it does: `labctl ssh {}`", link.target.name);
                    return Ok(Ending::LostConnection {
                        reason,
                        hint: Some(hint),
                    });
                }
                Listened::Lost(reason) => {
                    let reason = link.words_of(generation, reason).await;
                    // An agent that breaks off again and again without a word more than before is of no use.
                    breaks = if self.exec.record == began { breaks + 1 } else { 0 };
                    if breaks > BREAKS {
                        return Err(link.fault(&reason));
                    }
                    if let Some(ending) = self.reconnect(generation, reason).await? {
                        return Ok(ending);
                    }
                }
            }
        }
    }

    fn unreachable(&self, error: NodeError) -> Result<Ending, NodeError> {
        if error.kind.cuts_off() {
            Ok(error.into())
        } else {
            Err(error)
        }
    }

    /// Opens the connection anew; returns the exec's ending where that does not work in time.
    async fn reconnect(&self, generation: u64, reason: String) -> Result<Option<Ending>, NodeError> {
        let renewing = self.reach.link.renew(generation, self.limit);
        tokio::pin!(renewing);
        let renewed = tokio::select! {
            renewed = &mut renewing => renewed,
            () = self.cancel.cancelled() => match timeout(KILLING, renewing).await {
                Ok(renewed) => renewed,
                Err(_) => Err(self.reach.link.unreachable("cancelled while connecting anew")),
            },
        };
        match renewed {
            Ok(()) => Ok(None),
            Err(error) if error.kind == NodeErrorKind::HostKey => Err(error),
            Err(error) => Ok(Some(Ending::LostConnection {
                reason: format!("{reason}; {error}"),
                hint: error.hint,
            })),
        }
    }

    /// Listens until it ends or something breaks.
    async fn listen(&mut self, mut pending: Pending, output: &mut dyn OutputSink) -> Listened {
        // What a lab runs is ended on purpose only.
        pending.outlive();
        let (mut cancelled, mut limit, mut taken) = (false, self.limit, 0);
        loop {
            let message = tokio::select! {
                message = pending.next() => message,
                () = self.cancel.cancelled(), if !cancelled => {
                    cancelled = true;
                    limit = limit.min(Instant::now() + KILLING + self.reach.link.patience);
                    pending.cancel();
                    continue;
                }
                () = sleep_until(limit) => return Listened::Overdue,
            };
            match message {
                Some(ToLabctl::Data { stream, bytes, .. }) => {
                    take(&mut self.exec.record, output, stream, &bytes);
                    taken += u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                    if taken >= WINDOW / 2 {
                        pending.grant(taken);
                        taken = 0;
                    }
                }
                Some(ToLabctl::Answer { answer, .. }) => return self.concluded(answer, output),
                Some(_) => {}
                None => return Listened::Lost(pending.reason()),
            }
        }
    }

    fn concluded(&self, answer: Result<Answer, Fault>, output: &mut dyn OutputSink) -> Listened {
        match answer {
            Ok(Answer::Ended {
                ending: told,
                stdout_cut,
                stderr_cut,
            }) => {
                for (stream, cut) in [(Stream::Stdout, stdout_cut), (Stream::Stderr, stderr_cut)] {
                    if cut > 0 {
                        output.cut(stream, cut);
                    }
                }
                Listened::Ended(ending(told, self.deadline))
            }
            Ok(_) => Listened::Fault(Fault {
                kind: FaultKind::Failed,
                message: "the agent answered something that was not asked".to_owned(),
            }),
            Err(fault) => Listened::Fault(fault),
        }
    }
}

/// Hands `bytes` on, and notes how far that is.
fn take(record: &mut Attach, output: &mut dyn OutputSink, stream: Told, bytes: &[u8]) {
    let (stream, known) = match stream {
        Told::Stdout => (Stream::Stdout, &mut record.stdout),
        Told::Stderr => (Stream::Stderr, &mut record.stderr),
    };
    *known += bytes.len() as u64;
    output.chunk(stream, bytes);
}
