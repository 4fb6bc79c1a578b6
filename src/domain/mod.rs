//! The data and the rules of a lab run, without effects: nothing here prints, waits, or touches a file or a socket.

mod action;
mod baseline;
mod check;
mod clearing;
mod cluster;
mod control_sequences;
mod diagnostic;
mod engine_files;
mod engine_settings;
mod event;
mod exec;
mod facts;
mod finding;
#[cfg(test)]
mod fuzz_tests;
mod hosts;
mod inventory;
mod jump;
mod lab;
mod names;
mod notice;
mod outcome;
mod pattern;
mod plan;
mod probe;
mod reference;
mod shell_text;
mod state;
mod text;
mod undo;
mod values;

pub use action::{Action, FileText, clone_words, login_words};
pub use baseline::{Baseline, ContainerMark, Difference, FileMark};
pub use check::{
    Check, CheckKind, ContainersCheck, HttpCheck, HttpUser, Sign, Spread, SwarmCheck, SwarmNodeCheck, TextMatch,
    Verdict,
};
pub use clearing::Removable;
pub use cluster::{ContainerPlace, NodeSeen};
pub use control_sequences::without_control_sequences;
pub use diagnostic::{Diagnostic, Diagnostics, SourceText};
pub use engine_files::{
    DEFAULTS_FILE, DROP_IN_FILE, DropIn, EditedDefaults, EngineFileError, drop_in, edit_defaults, options_on_line,
    restore_defaults,
};
pub use engine_settings::{EngineOptionSet, EngineSettings, is_plain_option, labels_in};
pub use event::{Counts, Event, EventKind, Excerpt, OutputRecord};
pub use exec::Command;
pub use facts::{
    ComposeFacts, ComposeFlavour, EngineOptions, Facts, InitSystem, LoginFacts, OptionsSource, OsFacts, ToolFacts,
};
pub use finding::{Cause, Finding, Silent, findings};
pub use hosts::{
    HostEntry, HostLine, HostWork, HostsFault, PlannedHost, host_entries, is_host_name, marked_host_lines,
};
pub use inventory::{HostKeyPolicy, Inventory, Login, Node, Registry, SecretSource};
pub use jump::{Jump, JumpError};
pub use lab::{Capture, CaptureFrom, Lab, Link, Step, StepOnNode, Task, UndoText, Verification, WhenDone};
pub use labctl_masking::{LineSanitiser, RedactingStream, Redactor};
pub use names::{InstanceId, InvalidName, NodeName, RunId, StepId, TaskId};
pub use notice::Notice;
pub use outcome::{Ending, Outcome, SkipReason, Stream};
pub use pattern::matches_pattern;
pub use plan::{LEFT_OUT, Plan, PlannedLink, PlannedStep, StepKey, Verb, Work};
pub use probe::{
    CommandSeen, ContainerSeen, EngineAt, EngineSeen, FileKind, FileSeen, HttpMethod, HttpProbe, HttpSeen, ImageSeen,
    NetworkSeen, Observation, PortSeen, Probe, ProbeError, VolumeSeen,
};
pub use reference::familiar_reference;
pub use shell_text::{Misreading, ShellPiece, ValuePlace, is_code_option, is_shell, places_of_values};
pub use state::{KnownTask, State};
pub use text::{CommandText, Environment, Hole, MissingValue, Part, Text, UnusableValue, fill_words, shell_quoted};
pub use undo::{EngineOptionsUndo, FileBefore, Undo, UndoPhase, may_be_made, may_be_removed};
pub use values::Values;
