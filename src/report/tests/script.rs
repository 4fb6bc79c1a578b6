//! Runs made up for tests, with one of everything that can happen.

use super::plans::{cleanup_plan, key, node, plan};
use crate::domain::{
    Counts, Difference, Event, EventKind, FileBefore, Finding, Notice, Outcome, OutputRecord, Plan, RunId, Silent,
    SkipReason, StepKey, Stream, Undo, Verb, Verdict,
};
use std::time::Duration;

/// Notices in the making, with a clock that moves only when told.
pub(super) struct Script {
    pub(super) notices: Vec<Notice>,
    at: jiff::Timestamp,
    began: jiff::Timestamp,
    counts: Counts,
    verb: Verb,
}

impl Script {
    pub(super) fn new(plan: Plan) -> Self {
        let at: jiff::Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let mut script = Self {
            notices: Vec::new(),
            at,
            began: at,
            counts: Counts::default(),
            verb: plan.verb,
        };
        script.event(EventKind::RunStarted {
            plan: Box::new(plan),
            labctl_version: "0.1.0".to_owned(),
        });
        script
    }

    pub(super) fn event(&mut self, kind: EventKind) {
        let run = RunId::new("run-1").unwrap();
        self.notices.push(Notice::Event(Event {
            index: self.notices.len() as u64,
            at: self.at,
            run,
            kind,
        }));
    }

    pub(super) fn pass_time(&mut self, millis: u64) {
        self.at += Duration::from_millis(millis);
    }

    pub(super) fn start(&mut self, step: &str, on: &str) {
        self.event(EventKind::StepStarted {
            step: key(step, on),
            exec: None,
            undo: Vec::new(),
        });
    }

    pub(super) fn output(&mut self, step: &str, on: &str, bytes: &[u8]) {
        self.notices.push(Notice::Output {
            step: key(step, on),
            stream: Stream::Stdout,
            bytes: bytes.to_vec(),
        });
    }

    pub(super) fn wait(&mut self, step: &str, on: &str, check: usize, verdict: Verdict) {
        self.event(EventKind::ChecksStarted { step: key(step, on) });
        self.notices.push(Notice::StillWaiting {
            step: key(step, on),
            check,
            verdict: Some(verdict),
            attempts: 3,
        });
    }

    pub(super) fn judge(&mut self, step: &str, on: &str, check: usize, verdict: Option<Verdict>) {
        self.event(EventKind::CheckJudged {
            step: key(step, on),
            check,
            verdict,
            silent: None,
            attempts: 1,
            took: Duration::from_millis(20),
        });
    }

    /// Judges the only check of a step at which somebody was `silent`.
    pub(super) fn judge_silent(&mut self, step: &str, on: &str, verdict: Option<Verdict>, silent: Option<Silent>) {
        self.event(EventKind::CheckJudged {
            step: key(step, on),
            check: 0,
            verdict,
            silent,
            attempts: 1,
            took: Duration::from_millis(20),
        });
    }

    pub(super) fn found(&mut self, findings: Vec<Finding>) {
        self.event(EventKind::CausesFound { findings });
    }

    pub(super) fn end(&mut self, step: &str, on: &str, outcome: Outcome, millis: u64) {
        self.end_with(key(step, on), outcome, millis, Vec::new());
    }

    pub(super) fn end_with(&mut self, step: StepKey, outcome: Outcome, millis: u64, output: Vec<OutputRecord>) {
        self.pass_time(millis);
        self.counts.count(&outcome);
        let took = Duration::from_millis(millis);
        self.event(EventKind::StepFinished {
            step,
            outcome,
            took,
            output,
        });
    }

    pub(super) fn pass(&mut self, step: &str, on: &str, millis: u64) {
        self.start(step, on);
        self.end(step, on, Outcome::Passed, millis);
    }

    pub(super) fn skip(&mut self, step: &str, on: &str, reason: SkipReason) {
        self.end(step, on, Outcome::Skipped { reason }, 0);
    }

    pub(super) fn finish(mut self) -> Vec<Notice> {
        let took = self.took();
        let kind = EventKind::RunFinished {
            verb: self.verb,
            counts: self.counts,
            took,
        };
        self.event(kind);
        self.notices
    }

    fn took(&self) -> Duration {
        self.at.duration_since(self.began).try_into().unwrap()
    }

    pub(super) fn abort(mut self, reason: &str) -> Vec<Notice> {
        let took = self.took();
        self.event(EventKind::RunAborted {
            reason: reason.to_owned(),
            took,
        });
        self.notices
    }
}

pub(super) fn verdict(holds: bool, expected: &str, actual: &str) -> Verdict {
    Verdict {
        holds,
        expected: expected.to_owned(),
        actual: actual.to_owned(),
        ..Verdict::default()
    }
}

/// What a build prints, and a hostile image's part of it.
pub(super) fn hostile_build_output() -> Vec<u8> {
    let mut bytes = Vec::new();
    for at in 1..=30 {
        bytes.extend(
            format!("Step {at}/30 : RUN apt-get install -y --no-install-recommends package-number-{at}\n").bytes(),
        );
    }
    bytes.extend(b"\x1b[2J\x1b[1;1H\x1b]0;you are owned\x07\x1b[31mred\x1b[0m \x9b5mblink \x1bP+q\x1b\\done\n");
    bytes.extend("right-to-left \u{202e}drawkcab, wide 日本語, broken \u{fffd}\n".bytes());
    bytes.extend(b"\r 10%\r 50%\r100% of the layers\r\n\x07\x08\x08invalid \xff\xfe bytes, a\ttab\n");
    bytes
}

/// Everything goes well.
pub(super) fn good_run() -> Vec<Notice> {
    good_run_of(plan())
}

pub(super) fn good_run_of(plan: Plan) -> Vec<Notice> {
    let mut script = Script::new(plan);
    for on in ["node-0", "node-1", "node-2"] {
        script.pass("login", on, 210);
    }
    for on in ["node-0", "node-1", "node-2"] {
        script.skip("no-containers", on, SkipReason::AlreadyHolds);
    }
    for (step, millis) in [
        ("clone", 1_240),
        ("build", 11_800),
        ("up", 64_000),
        ("post", 90),
        ("stop", 2_300),
    ] {
        script.pass(step, "node-0", millis);
    }
    script.finish()
}

/// One of nearly every way in which a step can end.
pub(super) fn bad_run() -> Vec<Notice> {
    let mut script = Script::new(plan());
    for on in ["node-0", "node-1", "node-2"] {
        script.start("login", on);
    }
    script.end("login", "node-0", Outcome::Passed, 210);
    script.end("login", "node-1", Outcome::Passed, 30);
    let reason = "ssh: connect to host 172.31.99.12 port 22: Connection refused".to_owned();
    let hint = Some("nothing listens there: is sshd running, and is the port right?".to_owned());
    script.end("login", "node-2", Outcome::LostConnection { reason, hint }, 3_000);
    script.start("no-containers", "node-0");
    script.end("no-containers", "node-0", Outcome::Passed, 40);
    script.start("no-containers", "node-1");
    let verdict_of_containers = verdict(
        false,
        "no running containers",
        "2 running: web-1 (nginx:1.25), cache (redis:7)",
    );
    script.judge("no-containers", "node-1", 0, Some(verdict_of_containers));
    script.end("no-containers", "node-1", Outcome::FailedCheck, 45);
    script.skip("no-containers", "node-2", SkipReason::NodeLost);
    bad_task1(&mut script);
    script.finish()
}

fn bad_task1(script: &mut Script) {
    script.pass("clone", "node-0", 1_240);
    script.start("build", "node-0");
    script.output("build", "node-0", &hostile_build_output());
    script.end("build", "node-0", Outcome::Passed, 11_800);
    script.start("up", "node-0");
    script.output(
        "up",
        "node-0",
        b"Creating network \"dockchat_default\" with the default driver\nCreating dockchat_db_1\n",
    );
    script.output("up", "node-0", b"\x1b[32mCreating dockchat_web_1 ... done\x1b[0m\n");
    let refused = verdict(false, "status 200", "connection refused");
    script.wait("up", "node-0", 1, refused.clone());
    script.judge("up", "node-0", 0, Some(verdict(true, "exit status 0", "0")));
    let up = key("up", "node-0");
    let took = Duration::from_secs(60);
    script.event(EventKind::CheckJudged {
        step: up,
        check: 1,
        verdict: Some(refused),
        silent: None,
        attempts: 118,
        took,
    });
    let record = OutputRecord {
        stream: Stream::Stdout,
        path: "output/up@node-0.stdout".to_owned(),
        size: 123_456,
        cut: 0,
        sha256: "00".repeat(32),
    };
    script.end_with(key("up", "node-0"), Outcome::FailedCheck, 61_300, vec![record]);
    script.skip(
        "post",
        "node-0",
        SkipReason::NeedsFailed {
            step: "up@node-0".to_owned(),
        },
    );
    script.start("stop", "node-0");
    script.output("stop", "node-0", b"Stopping dockchat_web_1 ...");
    script.end(
        "stop",
        "node-0",
        Outcome::TimedOut {
            after: Duration::from_secs(60),
        },
        60_000,
    );
}

/// A cleanup that leaves something of ours on one node.
pub(super) fn partial_cleanup() -> Vec<Notice> {
    let mut script = Script::new(cleanup_plan());
    script.start("containers", "node-0");
    let undone = |undo: Undo, step: &str, failed: Option<&str>| EventKind::Undone {
        step: key(step, "node-0"),
        undo,
        failed: failed.map(str::to_owned),
    };
    script.event(undone(
        Undo::RemoveProject {
            project: "dockchat".to_owned(),
        },
        "containers",
        None,
    ));
    let images = Undo::RemoveImages {
        references: vec!["dockchat_web".to_owned(), "mongo:3.6".to_owned()],
    };
    script.event(undone(
        images,
        "containers",
        Some("image mongo:3.6 is in use by container cache"),
    ));
    script.end("containers", "node-0", Outcome::FailedCheck, 1_900);
    script.start("files", "node-0");
    script.event(undone(
        Undo::RemoveDirectory {
            path: "/home/ubuntu/dockchat".to_owned(),
        },
        "files",
        None,
    ));
    script.end("files", "node-0", Outcome::Passed, 80);
    script.start("compare", "node-0");
    script.start("compare", "node-1");
    let image = |id: &str, tag: &str| Difference::ImageAppeared {
        id: id.to_owned(),
        tags: vec![tag.to_owned()],
    };
    script.event(EventKind::BaselineCompared {
        node: node("node-0"),
        ours: vec![image("sha256:0123456789abcdef0123", "mongo:3.6")],
        others: vec![Difference::ContainerAppeared {
            id: "fedcba9876543210".to_owned(),
            name: "cache".to_owned(),
        }],
    });
    script.event(EventKind::BaselineCompared {
        node: node("node-1"),
        ours: Vec::new(),
        others: Vec::new(),
    });
    script.event(EventKind::NodeReleased { node: node("node-1") });
    script.end("compare", "node-0", Outcome::FailedCheck, 120);
    script.end("compare", "node-1", Outcome::Passed, 10);
    script.finish()
}

/// What an undo of a file looks like in a state.
pub(super) fn file_undo() -> Undo {
    Undo::RestoreFile {
        path: "/etc/default/docker".to_owned(),
        before: FileBefore::Absent,
        after_sha256: None,
    }
}
