//! What an agent is told to run, and how it says that it ended.

use super::ExecRequest;
use super::printable::printable_line;
use crate::domain::{Command, Ending};
use labctl_agent::{Attach, EXEC_CAP, EXEC_GRACE_MS, Exec, Hello, Hidden};
use secrecy::ExposeSecret;
use std::time::Duration;

const ROOT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Writes `request` down for the agent that said `hello`, as a record in the directory `instance`. Fails with the reason where no
/// POSIX system could start it.
pub(super) fn order(request: &ExecRequest, instance: String, hello: &Hello) -> Result<Exec, String> {
    let id = &request.id.0;
    if id.is_empty() || id.starts_with('.') || !id.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        return Err(format!("{id:?} cannot be the name of a record"));
    }
    let words = words(&request.command);
    let mut environment = Vec::new();
    for (name, value) in login_environment(request.as_root, hello) {
        environment.push((name.to_owned(), Hidden::from(value)));
    }
    for (name, value) in &request.environment {
        if !is_variable_name(name) {
            let name = name.escape_debug();
            return Err(format!("`{name}` cannot be the name of an environment variable"));
        }
        environment.push((name.clone(), Hidden::from(value.expose_secret())));
    }
    let has_zero = |text: &[u8]| text.contains(&0);
    if words.iter().any(|word| has_zero(word.as_bytes())) || environment.iter().any(|(_, value)| has_zero(&value.0)) {
        return Err("it contains a zero byte, which no argument or variable may".to_owned());
    }
    let (user, uid, gid, groups) = if request.as_root {
        ("root", 0, 0, Vec::new())
    } else {
        (hello.user.as_str(), hello.uid, hello.gid, hello.groups.clone())
    };
    Ok(Exec {
        record: Attach {
            instance,
            exec: id.clone(),
            stdout: 0,
            stderr: 0,
        },
        words,
        directory: home_path(request.directory.as_deref().unwrap_or("~/"), &hello.home),
        environment,
        stdin: request
            .stdin
            .as_ref()
            .map(|stdin| Hidden::from(stdin.expose_secret()))
            .unwrap_or_default(),
        user: user.to_owned(),
        uid,
        gid,
        groups,
        deadline_ms: milliseconds(request.deadline),
        grace_ms: EXEC_GRACE_MS,
        cap: EXEC_CAP,
        is_whole: request.is_whole,
    })
}

/// Returns the program and arguments of `command`.
pub(super) fn words(command: &Command) -> Vec<String> {
    match command {
        Command::Argv(words) => words.clone(),
        Command::Shell(text) => ["/bin/sh", "-c", text].map(str::to_owned).to_vec(),
    }
}

/// Returns how a command ended that had `deadline`, as labctl says it.
pub(super) fn ending(ending: labctl_agent::Ending, deadline: Duration) -> Ending {
    use labctl_agent::Ending as Told;
    match ending {
        Told::Exited(code) => Ending::Exited { code },
        Told::Signalled(signal) => Ending::Signalled { signal },
        Told::TimedOut => Ending::TimedOut { after: deadline },
        Told::Cancelled => Ending::Cancelled,
        Told::CouldNotStart(reason) => Ending::CouldNotStart {
            reason: printable_line(reason.as_bytes()),
            hint: None,
        },
        Told::Lost(reason) => Ending::LostConnection {
            reason: printable_line(reason.as_bytes()),
            hint: None,
        },
    }
}

/// Returns `duration` in whole milliseconds.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns `path`, with `~/` standing for `home`.
pub(super) fn home_path(path: &str, home: &str) -> String {
    if matches!(path, "~" | "~/") {
        return home.to_owned();
    }
    match path.strip_prefix("~/") {
        Some(rest) => format!("{}/{rest}", home.trim_end_matches('/')),
        None => path.to_owned(),
    }
}

fn login_environment(as_root: bool, hello: &Hello) -> [(&'static str, &str); 6] {
    let (user, home, shell, path) = if as_root {
        ("root", "/root", "/bin/sh", ROOT_PATH)
    } else {
        (
            hello.user.as_str(),
            hello.home.as_str(),
            hello.shell.as_str(),
            hello.path.as_str(),
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

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::ExecId;

    #[test]
    fn what_no_system_can_start_is_refused() {
        let hello = Hello {
            home: "/home/ann".into(),
            ..Hello::default()
        };
        let mut request = ExecRequest {
            id: ExecId("a".into()),
            command: Command::Argv(vec!["a\0b".into()]),
            directory: None,
            environment: Vec::new(),
            stdin: None,
            as_root: false,
            deadline: Duration::ZERO,
            is_whole: false,
        };
        let order = |request: &ExecRequest| order(request, "/var/lib/labctl/test".to_owned(), &hello);
        assert!(order(&request).is_err());
        request.command = Command::Shell("true".into());
        request.environment = vec![("A;reboot".into(), "x".into())];
        assert!(order(&request).is_err());
        request.environment = vec![("A".into(), "it's".into())];
        assert_eq!(order(&request).unwrap().directory, "/home/ann");
        request.id = ExecId("../x".into());
        assert!(order(&request).is_err());
    }

    #[test]
    fn a_tilde_is_the_login_users_home() {
        assert_eq!(home_path("~", "/home/a"), "/home/a");
        assert_eq!(home_path("~/x", "/home/a"), "/home/a/x");
        assert_eq!(home_path("/x", "/home/a"), "/x");
    }
}
