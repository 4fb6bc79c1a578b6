//! A lab as it is written: every value where it stands in the file, texts not rendered yet.

use crate::domain::{CaptureFrom, HttpUser, NodeName, StepId, TaskId, WhenDone};
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;

/// A text with `{{ ... }}` in it, and the place of the TOML string it is written as.
pub(super) type Template = Spanned<String>;

/// A lab file.
#[derive(Debug, Clone)]
pub(super) struct WrittenLab {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) summary: Option<String>,
    pub(super) nodes: Vec<Spanned<NodeName>>,
    pub(super) vars: Vec<WrittenValue>,
    pub(super) images: Vec<WrittenValue>,
    pub(super) secrets: Vec<WrittenSecret>,
    /// Texts that are put together once, each of what stands before it.
    pub(super) values: Vec<(Spanned<String>, Template)>,
    pub(super) tasks: Vec<WrittenTask>,
}

/// A variable or an image that a lab declares.
#[derive(Debug, Clone)]
pub(super) struct WrittenValue {
    pub(super) name: Spanned<String>,
    pub(super) default: Option<String>,
    pub(super) help: Option<String>,
}

/// A secret that a lab declares.
#[derive(Debug, Clone)]
pub(super) struct WrittenSecret {
    pub(super) name: Spanned<String>,
    pub(super) help: Option<String>,
    /// Whether labctl makes one up where the inventory has none.
    pub(super) generate: bool,
}

/// A `[[task]]`.
#[derive(Debug, Clone)]
pub(super) struct WrittenTask {
    pub(super) id: Spanned<TaskId>,
    pub(super) title: String,
    pub(super) needs: Vec<Spanned<TaskId>>,
    pub(super) after: Vec<Spanned<TaskId>>,
    pub(super) superseded_by: Option<Spanned<TaskId>>,
    pub(super) steps: Vec<WrittenStep>,
    pub(super) verify: Vec<WrittenVerification>,
    pub(super) links: Vec<WrittenLink>,
    pub(super) hosts: Vec<WrittenHost>,
}

/// An entry of `hosts`.
#[derive(Debug, Clone)]
pub(super) struct WrittenHost {
    pub(super) name: String,
    pub(super) address: Template,
}

/// An entry of `links`.
#[derive(Debug, Clone)]
pub(super) struct WrittenLink {
    pub(super) label: String,
    pub(super) address: Template,
    pub(super) superseded_by: Option<Spanned<TaskId>>,
}

/// A `[[task.verify]]`.
#[derive(Debug, Clone)]
pub(super) struct WrittenVerification {
    pub(super) id: Spanned<StepId>,
    pub(super) title: String,
    pub(super) on: Vec<Spanned<String>>,
    pub(super) when: Option<Template>,
    pub(super) needs: Vec<Spanned<StepId>>,
    pub(super) begun: bool,
    pub(super) check: Option<WrittenCheck>,
}

/// A `[[task.step]]`.
#[derive(Debug, Clone)]
pub(super) struct WrittenStep {
    pub(super) id: Spanned<StepId>,
    pub(super) title: String,
    pub(super) on: Vec<Spanned<String>>,
    /// `None` where it was at fault.
    pub(super) action: Option<WrittenAction>,
    pub(super) environment: Vec<(Spanned<String>, Template)>,
    pub(super) as_root: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) captures: Vec<WrittenCapture>,
    pub(super) after: Option<Vec<Spanned<StepId>>>,
    pub(super) when: Option<Template>,
    pub(super) when_done: WhenDone,
    pub(super) undo: Vec<WrittenUndo>,
    pub(super) expect: Vec<WrittenCheck>,
}

/// An entry of `capture`.
#[derive(Debug, Clone)]
pub(super) struct WrittenCapture {
    pub(super) name: Spanned<String>,
    pub(super) from: CaptureFrom,
    pub(super) secret: bool,
}

/// What a step does.
#[derive(Debug, Clone)]
pub(super) enum WrittenAction {
    Run {
        command: WrittenCommand,
        directory: Option<Template>,
        stdin: Option<Template>,
    },
    Write(WrittenFile),
    Clone {
        repository: Template,
        directory: Template,
    },
    Compose {
        directory: Template,
        file: Option<Template>,
        project: Option<Template>,
        arguments: Vec<Template>,
    },
    Provide {
        image: Template,
        upstream: Option<Template>,
        stand_in: Option<Template>,
    },
    Login(WrittenLogin),
    SetEngineOptions(WrittenEngineSettings),
    Wait,
}

/// What `login` logs in to.
#[derive(Debug, Clone)]
pub(super) struct WrittenLogin {
    pub(super) server: Template,
    pub(super) user: Template,
    pub(super) password: Template,
    /// `None` where it is not said.
    pub(super) config: Option<Template>,
    /// Where the action stands.
    pub(super) place: Range<usize>,
}

/// What `set_engine_options` sets.
#[derive(Debug, Clone)]
pub(super) struct WrittenEngineSettings {
    pub(super) hosts: Vec<Template>,
    pub(super) labels: Vec<Template>,
    pub(super) tls: Option<bool>,
}

/// A command.
#[derive(Debug, Clone)]
pub(super) enum WrittenCommand {
    Argv(Vec<Template>),
    Shell(Template),
}

/// What `write` writes.
#[derive(Debug, Clone)]
pub(super) struct WrittenFile {
    pub(super) path: Template,
    pub(super) mode: Option<u32>,
    pub(super) content: WrittenContent,
}

/// Where the content of a file comes from.
#[derive(Debug, Clone)]
pub(super) enum WrittenContent {
    /// From the lab file.
    Inline(Template),
    /// From a template beside it, which may refer to what this step gives it.
    Template {
        name: Spanned<String>,
        with: Vec<(Spanned<String>, Template)>,
    },
    /// From a folder beside it, some of whose files are templates.
    Tree {
        folder: Spanned<String>,
        render: Vec<Spanned<String>>,
    },
}

/// An entry of `undo`.
#[derive(Debug, Clone)]
pub(super) struct WrittenUndo {
    /// The nodes it is about; the step's own where empty.
    pub(super) on: Vec<Spanned<String>>,
    pub(super) kind: WrittenUndoKind,
}

/// What an entry of `undo` names.
#[derive(Debug, Clone)]
pub(super) enum WrittenUndoKind {
    Directory(Template),
    File(Template),
    Project(Template),
    Images(Vec<Template>),
    Container(Template),
    Run { command: Vec<Template>, as_root: bool },
}

/// An entry of `expect`, or what a verification looks at.
#[derive(Debug, Clone)]
pub(super) struct WrittenCheck {
    pub(super) place: Range<usize>,
    /// `None` where it was at fault.
    pub(super) kind: Option<WrittenCheckKind>,
    pub(super) on: Option<Spanned<NodeName>>,
    pub(super) within: Option<Spanned<Duration>>,
    pub(super) every: Option<Duration>,
    pub(super) hint: Option<Template>,
    pub(super) only_in_run: bool,
    pub(super) superseded_by: Option<WrittenSuperseded>,
}

/// `superseded_by` of a check.
#[derive(Debug, Clone)]
pub(super) struct WrittenSuperseded {
    pub(super) task: Spanned<TaskId>,
    /// The nodes where that is so; all where empty.
    pub(super) on: Vec<Spanned<NodeName>>,
}

/// What is checked.
#[derive(Debug, Clone)]
pub(super) enum WrittenCheckKind {
    Exit(i32),
    Stdout(WrittenMatch),
    Stderr(WrittenMatch),
    Command {
        command: WrittenCommand,
        as_root: bool,
        exit: i32,
        stdout: WrittenMatch,
    },
    File {
        path: Template,
        exists: bool,
        content: WrittenMatch,
        mode: Option<u32>,
        owner: Option<String>,
    },
    Http {
        host: Option<Template>,
        port: WrittenNumber,
        path: Option<Template>,
        host_header: Option<Template>,
        form: Vec<(String, Template)>,
        status: u16,
        body: WrittenMatch,
        user: Option<HttpUser>,
        spread: Option<WrittenSpread>,
    },
    Engine {
        labels: Vec<Template>,
        default_options: bool,
        options_once: bool,
    },
    Swarm {
        host: Option<Template>,
        port: WrittenNumber,
        nodes: Vec<WrittenSwarmNode>,
    },
    Captured(Spanned<String>),
    Containers {
        name: Option<Template>,
        project: Option<Template>,
        service: Option<Template>,
        labels: Vec<Template>,
        image: Option<Template>,
        command: Vec<Template>,
        linked_as: Option<Template>,
        constraints: Vec<Template>,
        publishes: Option<WrittenNumber>,
        state: Option<String>,
        count: WrittenNumber,
        or_more: bool,
        except_ours: bool,
    },
    Images {
        present: Vec<Template>,
        absent: Vec<Template>,
        like: Vec<Template>,
    },
    Port {
        host: Option<Template>,
        port: WrittenNumber,
        open: bool,
    },
}

/// `spread` of an `http` check.
#[derive(Debug, Clone)]
pub(super) struct WrittenSpread {
    pub(super) place: Range<usize>,
    pub(super) requests: WrittenNumber,
    pub(super) by: String,
    pub(super) over: WrittenNumber,
}

/// An entry of `nodes` of a `swarm` check.
#[derive(Debug, Clone)]
pub(super) struct WrittenSwarmNode {
    pub(super) node: Spanned<NodeName>,
    pub(super) labels: Vec<Template>,
}

/// What a text must be like.
#[derive(Debug, Clone, Default)]
pub(super) struct WrittenMatch {
    pub(super) equals: Option<Template>,
    pub(super) contains: Vec<Template>,
    pub(super) lacks: Vec<Template>,
    pub(super) regex: Option<String>,
    pub(super) times: Option<WrittenNumber>,
}

/// A whole number, or a text that is rendered to one.
#[derive(Debug, Clone)]
pub(super) enum WrittenNumber {
    Given(u64),
    Rendered(Template),
}

impl WrittenAction {
    /// Says whether it runs one command, whose status and output a check can judge.
    pub(super) fn has_output(&self) -> bool {
        matches!(self, Self::Run { .. } | Self::Compose { .. } | Self::Login(_))
    }

    /// Says whether what it makes is known without being told.
    pub(super) fn knows_its_undo(&self) -> bool {
        !matches!(self, Self::Run { .. } | Self::Compose { .. })
    }
}
