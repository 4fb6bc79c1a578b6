//! The values that a plan's holes need: what earlier runs captured, and the secrets that are used.

use super::failure::Failure;
use super::session::Session;
use crate::domain::{Inventory, Plan, SecretSource, State, Values};
use crate::exit::Exit;
use crate::load;
use secrecy::{ExposeSecret, SecretString};

/// A secret shorter than this would be masked in the middle of ordinary words, or not at all.
const SHORTEST_SECRET: usize = 6;

/// Returns what earlier runs captured.
pub(super) fn captured(state: &State) -> Values {
    let mut values = Values::default();
    for (name, text) in &state.values {
        values.set(name, text, false);
    }
    values
}

/// Collects what `plan` needs.
pub(super) async fn values(
    session: &Session,
    plan: &Plan,
    inventory: &Inventory,
    state: &State,
) -> Result<Values, Failure> {
    let mut values = captured(state);
    for name in plan.secrets() {
        let source = inventory.secrets.get(&name).ok_or_else(|| {
            Failure::usage(format!("the lab needs the secret `{name}`"))
                .hint(format!("say where it comes from in [secrets] of {}", inventory.source))
        })?;
        let secret = read_secret(session, &name, source.clone()).await?;
        let text = secret.expose_secret();
        if text.chars().count() < SHORTEST_SECRET {
            return Err(Failure::usage(format!(
                "the secret `{name}` ({}) is shorter than {SHORTEST_SECRET} characters, too short to be masked",
                origin(source)
            )));
        }
        values.set(&name, text, true);
    }
    Ok(values)
}

/// Reads a secret on a thread of its own: a question, a command or a pipe may take its time, and Ctrl-C must end it.
async fn read_secret(session: &Session, name: &str, source: SecretSource) -> Result<SecretString, Failure> {
    // Where the question is given up, the terminal shows again what is typed.
    let _terminal = session.keep_terminal();
    let asked = session.clone();
    let reading =
        tokio::task::spawn_blocking(move || load::read_secret(&source, &mut |question| asked.ask_secret(question)));
    reading
        .await
        .map_err(|error| Failure::new(Exit::CouldNotRun, error))?
        .map_err(|error| Failure::new(Exit::Usage, error).hint(format!("the lab needs the secret `{name}`")))
}

fn origin(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("environment variable {name}"),
        SecretSource::File(path) => format!("file {}", path.display()),
        SecretSource::Command(_) => "from a command".to_owned(),
        SecretSource::Prompt(_) => "asked for".to_owned(),
    }
}
