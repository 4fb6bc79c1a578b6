//! Logging in to a registry. The password goes by standard input, into a directory that cleanup removes whole.

use super::action::Scene;
use super::output::StepOutput;
use crate::domain::{Command, Ending, Text};
use crate::node::{ExecId, ExecRequest};
use secrecy::SecretString;

/// Makes the directory "$1", for its owner alone also where it was there, with a configuration that has a login in it. Without
/// one, a client that finds a program for keeping passwords gives the password to that, where no cleanup would find it.
const PREPARE: &str = r#"
mkdir -p -m 0700 -- "$1" && chmod 0700 -- "$1" || exit 1
[ -e "$1/config.json" ] || (umask 077 && echo '{"auths":{"labctl.invalid":{}}}' >"$1/config.json")
"#;

/// A login that is to be done.
pub(super) struct Login<'a> {
    /// The command.
    pub(super) words: Vec<Text>,
    pub(super) password: &'a Text,
    pub(super) config: &'a Text,
}

impl Scene<'_> {
    pub(super) async fn log_in(&self, login: Login<'_>, output: &mut StepOutput) -> Result<Ending, Ending> {
        let words = self.fill_all(&login.words)?;
        let password = SecretString::from(login.password.fill(&self.values)?);
        let config = login.config.fill(&self.values)?;
        self.assist("config", &["sh", "-c", PREPARE, "sh", &config], output)
            .await?;
        let mut environment = self.environment()?;
        environment.push(("DOCKER_CONFIG".to_owned(), SecretString::from(config)));
        let request = ExecRequest {
            id: ExecId(self.exec.to_owned()),
            command: Command::Argv(words),
            directory: None,
            environment,
            stdin: Some(password),
            as_root: self.step.as_root,
            deadline: self.step.timeout,
            is_whole: false,
        };
        self.exec(&request, output).await
    }
}
