//! The actions of a lab, each turned into execs, files or calls of the engine.

use super::login::Login;
use super::output::StepOutput;
use super::provide::Wanted;
use super::shared::Shared;
use crate::domain::{
    Action, Command, CommandText, Ending, MissingValue, PlannedStep, Text, Undo, UnusableValue, Values, clone_words,
    fill_words, login_words,
};
use crate::node::{ExecId, ExecRequest, NodeError, Removal, Transport};
use secrecy::SecretString;
use std::time::Duration;
use tokio::time::timeout;

/// How much longer than the node's own deadline we wait: a transport that lost its link opens it again and re-attaches.
const GRACE: Duration = Duration::from_secs(60);

impl From<MissingValue> for Ending {
    fn from(missing: MissingValue) -> Self {
        UnusableValue::from(missing).into()
    }
}

impl From<UnusableValue> for Ending {
    fn from(unusable: UnusableValue) -> Self {
        Self::CouldNotStart {
            reason: unusable.to_string(),
            hint: None,
        }
    }
}

/// What an action needs besides itself.
pub(super) struct Scene<'a> {
    pub(super) shared: &'a Shared,
    pub(super) step: &'a PlannedStep,
    pub(super) transport: &'a dyn Transport,
    pub(super) exec: &'a str,
    pub(super) values: Values,
}

/// Does `action`. Its output goes to `output`; the ending says how it went.
pub(super) async fn perform(scene: Scene<'_>, action: &Action, output: &mut StepOutput) -> Ending {
    let ending = match action {
        Action::Run {
            command,
            directory,
            stdin,
        } => scene.run(command, directory.as_ref(), stdin.as_ref(), output).await,
        Action::Compose {
            program,
            directory,
            arguments,
        } => {
            let words = program
                .iter()
                .map(Text::literal)
                .chain(arguments.iter().cloned())
                .collect();
            scene
                .run(&CommandText::Argv(words), Some(directory), None, output)
                .await
        }
        Action::Clone { repository, directory } => scene.clone_repository(repository, directory, output).await,
        Action::Write { files } => scene.write(files, output).await,
        Action::Provide {
            image,
            upstream,
            stand_in,
        } => {
            let wanted = Wanted {
                image,
                upstream: upstream.as_ref(),
                stand_in: stand_in.as_deref(),
            };
            scene.provide(wanted, output).await
        }
        Action::Login {
            server,
            user,
            password,
            config,
        } => {
            let login = Login {
                words: login_words(user, server),
                password,
                config,
            };
            scene.log_in(login, output).await
        }
        Action::SetEngineOptions(settings) => scene.set_engine_options(settings, output).await,
        Action::Wait => Ok(Ending::Exited { code: 0 }),
    };
    ending.unwrap_or_else(|ending| ending)
}

impl Scene<'_> {
    async fn run(
        &self,
        command: &CommandText,
        directory: Option<&Text>,
        stdin: Option<&Text>,
        output: &mut StepOutput,
    ) -> Result<Ending, Ending> {
        let command = command.fill(&self.values)?;
        let directory = directory.map(|directory| directory.fill(&self.values)).transpose()?;
        let stdin = stdin
            .map(|stdin| stdin.fill(&self.values))
            .transpose()?
            .map(SecretString::from);
        let request = ExecRequest {
            id: ExecId(self.exec.to_owned()),
            command,
            directory,
            environment: self.environment()?,
            stdin,
            as_root: self.step.as_root,
            deadline: self.step.timeout,
            is_whole: false,
        };
        self.exec(&request, output).await
    }

    pub(super) fn fill_all(&self, words: &[Text]) -> Result<Vec<String>, UnusableValue> {
        fill_words(words, &self.values)
    }

    pub(super) fn environment(&self) -> Result<Vec<(String, SecretString)>, MissingValue> {
        let variables = self.step.environment.iter();
        variables
            .map(|(name, text)| Ok((name.clone(), SecretString::from(text.fill(&self.values)?))))
            .collect()
    }

    pub(super) async fn exec(&self, request: &ExecRequest, output: &mut StepOutput) -> Result<Ending, Ending> {
        self.go_on()?;
        let ended = self.transport.exec(request, output, &self.shared.stop);
        match timeout(request.deadline + GRACE, ended).await {
            Ok(ending) => Ok(ending?),
            Err(_) => Ok(Ending::LostConnection {
                reason: "the node did not say in time how it ended".to_owned(),
                hint: Some(format!("see what it does: `labctl ssh {}`", self.step.key.node)),
            }),
        }
    }

    /// Refuses to begin anything more once the run is stopping: its journal may be lost.
    pub(super) fn go_on(&self) -> Result<(), Ending> {
        if self.shared.stop.is_cancelled() {
            return Err(Ending::Cancelled);
        }
        Ok(())
    }

    /// Has the agent do `work` as part of the action.
    pub(super) async fn have_done(&self, work: impl Future<Output = Result<(), NodeError>>) -> Result<(), Ending> {
        self.go_on()?;
        tokio::select! {
            () = self.shared.stop.cancelled() => Err(Ending::Cancelled),
            done = timeout(self.step.timeout, work) => match done {
                Ok(done) => Ok(done?),
                Err(_) => Err(Ending::TimedOut { after: self.step.timeout }),
            },
        }
    }

    /// Runs a command of our own as part of the action.
    pub(super) async fn assist(&self, name: &str, words: &[&str], output: &mut StepOutput) -> Result<(), Ending> {
        let request = ExecRequest {
            id: ExecId(format!("{}-{name}", self.exec)),
            command: Command::Argv(words.iter().map(|word| (*word).to_owned()).collect()),
            directory: None,
            environment: Vec::new(),
            stdin: None,
            as_root: self.step.as_root,
            deadline: self.step.timeout,
            is_whole: false,
        };
        match self.exec(&request, output).await? {
            Ending::Exited { code: 0 } => Ok(()),
            ending => Err(ending),
        }
    }

    async fn clone_repository(
        &self,
        repository: &Text,
        directory: &Text,
        output: &mut StepOutput,
    ) -> Result<Ending, Ending> {
        let path = directory.fill(&self.values)?;
        // Its undo was planned: either it is not there, or an earlier run of this instance made it.
        if self.made_before(&path) {
            let removing = self.transport.remove(self.step.as_root, &path, Removal::Tree);
            self.have_done(removing).await?;
        }
        let words = clone_words(repository, &Text::literal(path));
        self.run(&CommandText::Argv(words), None, None, output).await
    }

    fn made_before(&self, path: &str) -> bool {
        let state = self.shared.state();
        let owed = state.owed.get(&self.step.key.node);
        owed.into_iter()
            .flatten()
            .any(|undo| matches!(undo, Undo::RemoveDirectory { path: made } if made == path))
    }
}
