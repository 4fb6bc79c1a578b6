//! Recorded execs: given to the supervisor, listened to, taken up again after the link was lost.

use super::channel::{Channel, ChannelError};
use super::link::{Lane, Link};
use super::look::{no_root, read_while_writing};
use crate::node::printable::printable_line;
use crate::node::supervisor::{Account, Answer, CAP, Conclusion, GRACE, Order};
use crate::node::{Ending, ExecRequest, NodeError, NodeErrorKind, OutputSink};
use secrecy::ExposeSecret;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// How long a kill may take, the supervisor's grace included.
const KILLING: Duration = Duration::from_secs(GRACE + 15);

/// How soon a kill is repeated.
const KILL_AGAIN: Duration = Duration::from_millis(200);

/// How many times the supervisor's voice may break off while the connection holds.
const BREAKS: u32 = 5;

/// How much of the supervisor's own complaints is read.
const COMPLAINTS: usize = 8 << 10;

/// Where and as whom execs of an instance run.
#[derive(Debug)]
pub(super) struct Execs<'a> {
    pub link: &'a Link,
    pub account: &'a Account,
    /// The instance's directory on the node.
    pub directory: &'a str,
    /// What reaches root: `sudo -n ` or nothing.
    pub root_prefix: &'a str,
}

/// What came of listening once.
enum Listened {
    /// It ended, or the supervisor could not do its work.
    Concluded(Conclusion),
    /// The connection `generation` is gone.
    Broken { generation: u64, reason: String },
    /// The supervisor's voice broke off, although the connection holds.
    BrokeOff(String),
    /// Nothing more can be expected.
    Overdue,
}

impl Execs<'_> {
    /// Runs or takes up `request` until it ends.
    pub async fn run(
        &self,
        request: &ExecRequest,
        output: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<Ending, NodeError> {
        let id = &request.id.0;
        if id.is_empty() || id.starts_with('.') || !id.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
            return Err(self.link.fault(&format!("{id:?} cannot be the name of a record")));
        }
        let order = match Order::new(request, self.account) {
            Ok(order) => order,
            Err(reason) => return Ok(Ending::CouldNotStart { reason }),
        };
        if cancel.is_cancelled() {
            // It may run since an earlier call with this id.
            self.kill(id).await;
            return Ok(Ending::Cancelled);
        }
        let limit = Instant::now() + request.deadline + Duration::from_secs(GRACE) + self.link.patience;
        let listener = Listener {
            execs: self,
            request,
            order,
            cancel,
            limit,
        };
        listener.run(output).await
    }

    fn words(&self, verb: &str, id: &str) -> String {
        format!("{}/bin/sh {}/supervisor {verb} {id}", self.root_prefix, self.directory)
    }

    /// Ends the exec `id` on the node as cancelled, if it runs.
    async fn kill(&self, id: &str) {
        let words = self.words("kill", id);
        let ended = async {
            let limit = Instant::now() + KILLING;
            // Where this does not work, the link is gone, and whoever listens notices that as well.
            if let Ok(channel) = Channel::open(self.link, Lane::Kill, &words, limit).await {
                let _ = channel.status_within(self.link, KILLING).await;
            }
        };
        let _ = timeout(KILLING, ended).await;
    }

    /// Ends the exec `id` again and again: a kill that arrives before the node has claimed the record finds nothing to end.
    async fn keep_killing(&self, id: &str) {
        loop {
            self.kill(id).await;
            sleep(KILL_AGAIN).await;
        }
    }
}

/// Whoever follows one exec to its end.
struct Listener<'a> {
    execs: &'a Execs<'a>,
    request: &'a ExecRequest,
    order: Order,
    cancel: &'a CancellationToken,
    limit: Instant,
}

impl Listener<'_> {
    async fn run(&self, output: &mut dyn OutputSink) -> Result<Ending, NodeError> {
        let link = self.execs.link;
        let (mut delivered, mut breaks, mut attach) = ([0, 0], 0, false);
        loop {
            let mut answer = Answer::after(delivered);
            let listened = self.listen(attach, &mut answer, output).await?;
            delivered = answer.delivered();
            attach = attach || delivered != [0, 0];
            match listened {
                Listened::Concluded(Conclusion::Ended(ending)) => return Ok(ending),
                Listened::Concluded(Conclusion::Fault(_)) if self.cancel.is_cancelled() => {
                    return Ok(Ending::Cancelled);
                }
                Listened::Concluded(Conclusion::Fault(reason)) => return Err(link.fault(&reason)),
                Listened::Broken { generation, reason } => {
                    if let Some(ending) = self.reconnect(generation, reason).await? {
                        return Ok(ending);
                    }
                    // Never to be started now, only to be ended.
                    attach = attach || self.cancel.is_cancelled();
                }
                Listened::BrokeOff(reason) if breaks >= BREAKS => return Err(link.fault(&reason)),
                Listened::BrokeOff(_) => breaks += 1,
                Listened::Overdue => {
                    let reason = "the node did not say how it ended, long after its deadline".to_owned();
                    return Ok(Ending::LostConnection { reason });
                }
            }
        }
    }

    /// Opens the connection anew; returns the exec's ending where that does not work in time.
    async fn reconnect(&self, generation: u64, reason: String) -> Result<Option<Ending>, NodeError> {
        let renewing = self.execs.link.renew(generation, self.limit);
        tokio::pin!(renewing);
        let renewed = tokio::select! {
            renewed = &mut renewing => renewed,
            () = self.cancel.cancelled() => match timeout(KILLING, renewing).await {
                Ok(renewed) => renewed,
                Err(_) => Err(self.execs.link.unreachable("cancelled while connecting anew")),
            },
        };
        match renewed {
            Ok(()) => Ok(None),
            Err(error) if error.kind == NodeErrorKind::HostKey => Err(error),
            Err(error) => Ok(Some(Ending::LostConnection {
                reason: format!("{reason}; {error}"),
            })),
        }
    }

    /// Starts the exec or attaches to it, and listens until it ends or something breaks.
    async fn listen(
        &self,
        attach: bool,
        answer: &mut Answer,
        output: &mut dyn OutputSink,
    ) -> Result<Listened, NodeError> {
        let link = self.execs.link;
        let mut channel = match Channel::open(link, Lane::Work, &self.words(attach, answer), self.limit).await {
            Ok(channel) => channel,
            Err(ChannelError::Broken { generation, reason }) => return Ok(Listened::Broken { generation, reason }),
            Err(ChannelError::Node(error)) => return Err(error),
        };
        let stdin = channel.stdin.take();
        let writing = async {
            if let (Some(mut stdin), false) = (stdin, attach) {
                // A record that exists takes no order, and how it goes on is read below.
                let _ = stdin.write_all(self.order.bytes.expose_secret().as_bytes()).await;
            }
        };
        let mut complaints = Complaints::default();
        let reading = async {
            tokio::select! {
                listened = self.read(&mut channel.stdout, answer, output) => listened,
                () = complaints.read_forever(&mut channel.stderr) => None,
            }
        };
        if let Some(listened) = read_while_writing(reading, writing).await {
            return Ok(listened);
        }
        // The end of one stream may be seen before the last words on the other.
        let _ = timeout(Duration::from_secs(1), complaints.read_to_end(&mut channel.stderr)).await;
        match channel.status(link).await {
            Err(ChannelError::Broken { generation, reason }) => Ok(Listened::Broken { generation, reason }),
            Err(ChannelError::Node(error)) => Err(error),
            Ok(code) => self.broke_off(answer, code, &complaints.text()),
        }
    }

    fn words(&self, attach: bool, answer: &Answer) -> String {
        let (order, id) = (&self.order, &self.request.id.0);
        if attach {
            let [stdout, stderr] = answer.delivered();
            return format!("{} {stdout} {stderr}", self.execs.words("attach", id));
        }
        let (spec, stdin, deadline) = (
            order.spec_length,
            order.stdin_length,
            self.request.deadline.as_secs_f64(),
        );
        format!(
            "{} {spec} {stdin} {deadline} {CAP} {GRACE}",
            self.execs.words("run", id)
        )
    }

    /// Reads the supervisor's answer; returns `None` when it ended without a conclusion.
    async fn read(
        &self,
        stdout: &mut (impl AsyncRead + Unpin),
        answer: &mut Answer,
        output: &mut dyn OutputSink,
    ) -> Option<Listened> {
        let killing = self.execs.keep_killing(&self.request.id.0);
        tokio::pin!(killing);
        let (mut cancelled, mut limit) = (false, self.limit);
        let mut buffer = vec![0; 64 << 10];
        loop {
            if let Some(conclusion) = answer.conclusion(self.request.deadline) {
                return Some(Listened::Concluded(conclusion));
            }
            tokio::select! {
                read = stdout.read(&mut buffer) => match read {
                    Ok(read) if read > 0 => answer.feed(&buffer[..read], output),
                    _ => return None,
                },
                () = self.cancel.cancelled(), if !cancelled => {
                    cancelled = true;
                    limit = limit.min(Instant::now() + KILLING + self.execs.link.patience);
                }
                () = &mut killing, if cancelled => {}
                () = sleep_until(limit) => return Some(Listened::Overdue),
            }
        }
    }

    /// Judges an answer that ended too early although the connection holds.
    fn broke_off(&self, answer: &Answer, code: Option<i32>, complaints: &str) -> Result<Listened, NodeError> {
        let link = self.execs.link;
        if answer.has_begun() {
            return Ok(Listened::BrokeOff(format!("the supervisor broke off: {complaints}")));
        }
        if let Some(error) = no_root(link, !self.execs.root_prefix.is_empty(), complaints) {
            return Err(error);
        }
        let status = code.map_or("a signal".to_owned(), |code| format!("status {code}"));
        Err(link.fault(&format!(
            "the supervisor in {} did not run ({status}): {complaints}",
            self.execs.directory
        )))
    }
}

/// What the supervisor, sudo or the shell complain about.
#[derive(Default)]
struct Complaints(Vec<u8>);

impl Complaints {
    async fn read_to_end(&mut self, stderr: &mut (impl AsyncRead + Unpin)) {
        let mut buffer = [0; 4096];
        while let Ok(read) = stderr.read(&mut buffer).await {
            if read == 0 {
                return;
            }
            let room = COMPLAINTS.saturating_sub(self.0.len());
            self.0.extend_from_slice(&buffer[..read.min(room)]);
        }
    }

    async fn read_forever(&mut self, stderr: &mut (impl AsyncRead + Unpin)) {
        self.read_to_end(stderr).await;
        std::future::pending().await
    }

    fn text(&self) -> String {
        printable_line(&self.0)
    }
}
