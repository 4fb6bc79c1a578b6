//! The values that a plan's holes need: what earlier runs captured, and the secrets that are used.

use super::failure::Failure;
use super::run::Prepared;
use super::session::Session;
use crate::domain::{Inventory, Plan, SecretSource, State, Values};
use crate::exit::Exit;
use crate::load;
use secrecy::{ExposeSecret, SecretString};
use std::io;

/// A secret shorter than this would be masked in the middle of ordinary words, or not at all.
const SHORTEST_SECRET: usize = 6;

/// How long a secret is that is made up: 190 bits.
const MADE_UP_LENGTH: usize = 32;

/// What such a secret is made of: nothing that has to be quoted anywhere.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

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
    prepared: &Prepared,
    state: &State,
) -> Result<Values, Failure> {
    let Prepared {
        lab, inventory, vars, ..
    } = prepared;
    let mut values = captured(state);
    for name in plan.secrets() {
        let Some(source) = inventory.secret_source(&name, vars) else {
            let mut secrets = lab.definition.secrets();
            let may_make_up = secrets.any(|secret| secret.name == name && secret.generate);
            if !may_make_up || !inventory.may_make_up(&name, vars) {
                return Err(missing(&name, inventory));
            }
            let made_up = made_up().map_err(|error| Failure::new(Exit::CouldNotRun, error))?;
            values.set(&name, made_up.expose_secret(), true);
            continue;
        };
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

fn missing(name: &str, inventory: &Inventory) -> Failure {
    Failure::usage(format!("the lab needs the secret `{name}`"))
        .hint(format!("say where it comes from in [secrets] of {}", inventory.source))
}

/// Makes a secret up: letters and digits, each as likely as the others. It is written nowhere.
fn made_up() -> io::Result<SecretString> {
    let mut text = String::with_capacity(MADE_UP_LENGTH);
    while text.len() < MADE_UP_LENGTH {
        let mut bytes = [0_u8; 64];
        let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
        // Bytes past the last whole round of the alphabet would make its first characters likelier.
        let rounds = 256 / ALPHABET.len() * ALPHABET.len();
        let fitting = bytes[..got]
            .iter()
            .map(|byte| usize::from(*byte))
            .filter(|at| *at < rounds);
        let characters = fitting.filter_map(|at| ALPHABET.get(at % ALPHABET.len()));
        text.extend(
            characters
                .take(MADE_UP_LENGTH - text.len())
                .map(|byte| char::from(*byte)),
        );
    }
    Ok(SecretString::from(text))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_secret_is_made_up_of_letters_and_digits_and_never_the_same() {
        let secrets: Vec<String> = (0..200)
            .map(|_| made_up().unwrap().expose_secret().to_owned())
            .collect();
        for secret in &secrets {
            assert_eq!(secret.len(), 32);
            assert!(secret.chars().all(|c| c.is_ascii_alphanumeric()), "{secret}");
        }
        assert_eq!(secrets.iter().collect::<BTreeSet<_>>().len(), secrets.len());
        let seen: BTreeSet<char> = secrets.iter().flat_map(|secret| secret.chars()).collect();
        assert_eq!(seen.len(), 62, "every letter and digit turns up");
    }
}
