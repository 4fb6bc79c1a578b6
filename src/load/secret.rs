//! Reads secrets at the moment they are needed, from where the inventory says they are.

use super::files::open_file;
use crate::domain::SecretSource;
use secrecy::SecretString;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The longest secret that is read.
const LONGEST: u64 = 64 * 1024;

/// How long a command may take to print a secret.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a secret could not be read. No variant holds any of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment variable is not there.
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    /// The file cannot be read.
    #[error("the file {path} cannot be read")]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The command cannot be run.
    #[error("`{program}` cannot be run")]
    Command {
        /// Its program.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The command failed or took too long.
    #[error("`{program}` printed no secret within {} seconds", PATIENCE.as_secs())]
    Silent {
        /// Its program.
        program: String,
    },
    /// The user could not be asked.
    #[error("the user could not be asked")]
    Prompt(#[source] std::io::Error),
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
}

/// Reads a secret from `source`: the first line, without its end. `ask` puts a question to the user.
pub fn read_secret(
    source: &SecretSource,
    ask: &mut dyn FnMut(&str) -> std::io::Result<SecretString>,
) -> Result<SecretString, SecretError> {
    let text = match source {
        SecretSource::Env(name) => std::env::var(name).map_err(|_| SecretError::NotSet(name.clone()))?,
        SecretSource::File(path) => {
            let failed = |source| SecretError::File {
                path: path.clone(),
                source,
            };
            first_line(open_file(path).map_err(failed)?).map_err(failed)?
        }
        SecretSource::Command(words) => from_command(words)?,
        SecretSource::Prompt(question) => return ask(question).map_err(SecretError::Prompt),
    };
    let secret = text.lines().next().unwrap_or_default();
    if secret.is_empty() {
        return Err(SecretError::Empty);
    }
    Ok(SecretString::from(secret))
}

fn first_line(from: impl Read) -> std::io::Result<String> {
    let mut line = String::new();
    BufReader::new(from.take(LONGEST)).read_line(&mut line)?;
    Ok(line)
}

fn from_command(words: &[String]) -> Result<String, SecretError> {
    let (program, arguments) = words.split_first().ok_or(SecretError::Empty)?;
    let failed = |source| SecretError::Command {
        program: program.clone(),
        source,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (sender, receiver) = mpsc::channel();
    if let Some(output) = child.stdout.take() {
        std::thread::spawn(move || sender.send(first_line(output)));
    }
    let line = receiver.recv_timeout(PATIENCE);
    // It has said its line, or had its time; whatever else it does is of no use to us.
    let _ = child.kill();
    let _ = child.wait();
    match line {
        Ok(Ok(line)) if !line.trim().is_empty() => Ok(line),
        Ok(Err(source)) => Err(failed(source)),
        _ => Err(SecretError::Silent {
            program: program.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::path::Path;

    fn never(_: &str) -> std::io::Result<SecretString> {
        panic!("nobody may be asked")
    }

    #[test]
    fn a_secret_is_the_first_line_of_its_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret\r\nsecond\n").unwrap();
        let secret = read_secret(&SecretSource::File(file.path().to_owned()), &mut never).unwrap();
        assert_eq!(secret.expose_secret(), "s3cret");
    }

    #[test]
    fn a_secret_is_the_first_line_that_a_command_prints() {
        let words = ["sh", "-c", "echo one; echo two"].map(str::to_owned).to_vec();
        let secret = read_secret(&SecretSource::Command(words), &mut never).unwrap();
        assert_eq!(secret.expose_secret(), "one");
    }

    #[test]
    fn what_is_not_there_is_said_without_a_secret() {
        let missing = SecretSource::Env("LABCTL_TEST_NO_SUCH_VARIABLE".into());
        let error = read_secret(&missing, &mut never).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the environment variable LABCTL_TEST_NO_SUCH_VARIABLE is not set"
        );
        let silent = SecretSource::Command(vec!["false".into()]);
        assert!(matches!(
            read_secret(&silent, &mut never),
            Err(SecretError::Silent { .. })
        ));
        let empty = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(
            read_secret(&SecretSource::File(empty.path().to_owned()), &mut never),
            Err(SecretError::Empty)
        ));
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for path in [pipe.as_path(), folder.path(), Path::new("/dev/zero")] {
            let error = read_secret(&SecretSource::File(path.to_owned()), &mut never).unwrap_err();
            let SecretError::File { source, .. } = error else {
                panic!("{error:?}")
            };
            assert!(source.to_string().contains("only files are read"), "{source}");
        }
    }
}
