//! What the supervisor is told: a command with everything it needs, quoted for a POSIX shell.

use crate::domain::shell_quoted;
use crate::node::{Command, ExecRequest};
use secrecy::{ExposeSecret, SecretString};
use std::fmt::Write;

const ROOT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whom commands run as that do not run as root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub user: String,
    /// Its number.
    pub uid: u32,
    /// Its main group's number.
    pub gid: u32,
    /// Its home directory.
    pub home: String,
    /// Its shell.
    pub shell: String,
    /// Where its programs are found.
    pub path: String,
}

/// What the supervisor's `run` reads from standard input, and the lengths it is told as arguments.
#[derive(Debug, Clone)]
pub struct Order {
    /// The spec followed by what the command reads from standard input.
    pub bytes: SecretString,
    /// The length of the spec.
    pub spec_length: usize,
    /// The length of the rest.
    pub stdin_length: usize,
}

impl Order {
    /// Writes `request` down for the supervisor of a node where labctl is `account`. Fails with the reason where no
    /// POSIX system could start it.
    pub fn new(request: &ExecRequest, account: &Account) -> Result<Self, String> {
        let mut spec = spec(request, account)?;
        let spec_length = spec.len();
        if let Some(stdin) = &request.stdin {
            spec.push_str(stdin.expose_secret());
        }
        Ok(Self {
            stdin_length: spec.len() - spec_length,
            spec_length,
            bytes: SecretString::from(spec),
        })
    }
}

fn spec(request: &ExecRequest, account: &Account) -> Result<String, String> {
    let mut spec = String::new();
    let (uid, gid) = if request.as_root {
        (0, 0)
    } else {
        (account.uid, account.gid)
    };
    let directory = directory(request.directory.as_deref(), &account.home);
    // Writing to a String cannot fail.
    let _ = writeln!(spec, "uid={uid} gid={gid} directory={}", quoted(&directory)?);
    spec.push_str("environment() {\n");
    for (name, value) in login_environment(request.as_root, account) {
        let _ = writeln!(spec, "export {name}={}", quoted(value)?);
    }
    for (name, value) in &request.environment {
        if !is_variable_name(name) {
            return Err(format!(
                "`{}` cannot be the name of an environment variable",
                name.escape_debug()
            ));
        }
        let _ = writeln!(spec, "export {name}={}", quoted(value.expose_secret())?);
    }
    spec.push_str("}\nset --");
    for word in words(&request.command) {
        spec.push(' ');
        spec.push_str(&quoted(word)?);
    }
    spec.push('\n');
    Ok(spec)
}

fn words(command: &Command) -> Vec<&str> {
    match command {
        Command::Argv(words) => words.iter().map(String::as_str).collect(),
        Command::Shell(text) => vec!["/bin/sh", "-c", text],
    }
}

fn login_environment(as_root: bool, account: &Account) -> [(&'static str, &str); 6] {
    let (user, home, shell, path) = if as_root {
        ("root", "/root", "/bin/sh", ROOT_PATH)
    } else {
        (
            account.user.as_str(),
            account.home.as_str(),
            account.shell.as_str(),
            account.path.as_str(),
        )
    };
    [
        ("HOME", home),
        ("USER", user),
        ("LOGNAME", user),
        ("SHELL", shell),
        ("PATH", path),
        ("LANG", "C.UTF-8"),
    ]
}

/// Returns the directory to start in, with `~/` standing for `home`.
pub(crate) fn directory(asked: Option<&str>, home: &str) -> String {
    match asked {
        None | Some("~" | "~/") => home.to_owned(),
        Some(path) => match path.strip_prefix("~/") {
            Some(rest) => format!("{}/{rest}", home.trim_end_matches('/')),
            None => path.to_owned(),
        },
    }
}

fn quoted(value: &str) -> Result<String, String> {
    if value.contains('\0') {
        return Err("it contains a zero byte, which no argument or variable may".to_owned());
    }
    Ok(shell_quoted(value))
}

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_no_system_can_start_is_refused() {
        let account = Account {
            user: "ann".into(),
            uid: 1,
            gid: 1,
            home: "/home/ann".into(),
            shell: "/bin/sh".into(),
            path: "/bin".into(),
        };
        let mut request = ExecRequest {
            id: crate::node::ExecId("a".into()),
            command: Command::Argv(vec!["a\0b".into()]),
            directory: None,
            environment: Vec::new(),
            stdin: None,
            as_root: false,
            deadline: Duration::ZERO,
        };
        assert!(Order::new(&request, &account).is_err());
        request.command = Command::Shell("true".into());
        request.environment = vec![("A;reboot".into(), "x".into())];
        assert!(Order::new(&request, &account).is_err());
        request.environment = vec![("A".into(), "it's".into())];
        assert!(Order::new(&request, &account).is_ok());
    }

    #[test]
    fn a_tilde_is_the_login_users_home() {
        assert_eq!(directory(None, "/home/a"), "/home/a");
        assert_eq!(directory(Some("~/x"), "/home/a"), "/home/a/x");
        assert_eq!(directory(Some("/x"), "/home/a"), "/x");
    }
}
