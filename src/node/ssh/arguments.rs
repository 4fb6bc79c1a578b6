//! Makes ssh's arguments: for labctl's own connection, for a shell that a person opens, and for the line that is to be typed by hand.
//! All of them go the same way, whatever the user's own ssh configuration says of all hosts.

use super::target::Target;
use crate::domain::{HostKeyPolicy, Jump, Node, shell_quoted};
use crate::node::NodeError;
use std::path::Path;

/// Who uses a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// labctl itself: nobody can be asked anything.
    Labctl,
    /// A person at a terminal.
    Person,
}

/// Returns the words of the command that logs in to `node` in a terminal; the words of a command to run there may follow.
///
/// # Errors
///
/// Where ssh would misread what the inventory says, or the key cannot be read.
pub fn ssh_words(node: &Node) -> Result<Vec<String>, NodeError> {
    Target::new(node, &[]).map(|target| target.words_for_a_person())
}

impl Target {
    /// Returns the arguments for labctl's own connection. What the jumps complain about is appended to the file `complaints`.
    pub fn session_arguments(&self, complaints: &Path) -> Vec<String> {
        let mut options = self.options(Use::Labctl);
        options.extend(["ServerAliveInterval=2", "ServerAliveCountMax=3"].map(str::to_owned));
        let mut arguments = with_option_letter(options);
        let redirection = format!(" 2>>{}", quoted(&complaints.to_string_lossy()));
        arguments.extend(self.way(Use::Labctl, &redirection));
        arguments
    }

    /// Returns the command that does the same in a terminal.
    pub fn by_hand(&self) -> String {
        let words = self.words_for_a_person();
        let words: Vec<String> = words.iter().map(|word| shell_quoted(word)).collect();
        words.join(" ")
    }

    fn words_for_a_person(&self) -> Vec<String> {
        let mut options = self.options(Use::Person);
        // A connection that is open already may lead elsewhere.
        options.push("ControlPath=none".to_owned());
        let mut words = vec!["ssh".to_owned()];
        words.extend(with_option_letter(options));
        words.extend(self.way(Use::Person, ""));
        words
    }

    /// Returns the options that are the same for the node and for the jumps on the way to it.
    fn options(&self, by: Use) -> Vec<String> {
        let checking = match self.host_key {
            HostKeyPolicy::AcceptNew => "StrictHostKeyChecking=accept-new",
            HostKeyPolicy::Strict => "StrictHostKeyChecking=yes",
        };
        let tty = match by {
            Use::Labctl => "RequestTTY=no",
            Use::Person => "RequestTTY=auto",
        };
        let mut options = vec![
            checking,
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
            "RemoteCommand=none",
            tty,
        ];
        if by == Use::Labctl {
            options.extend([
                "BatchMode=yes",
                "UpdateHostKeys=no",
                "LogLevel=INFO",
                "ForwardAgent=no",
                "ForwardX11=no",
            ]);
        }
        let mut options: Vec<String> = options.into_iter().map(str::to_owned).collect();
        options.push(format!("ConnectTimeout={}", self.connect_timeout.as_secs()));
        let known_hosts = self.known_hosts.iter();
        options.extend(known_hosts.map(|path| with_path("UserKnownHostsFile", path)));
        if let Some(path) = &self.identity_file {
            options.push("IdentitiesOnly=yes".to_owned());
            options.push(with_path("IdentityFile", path));
        }
        options
    }

    /// Returns the arguments that name the jumps, the port, the user and the node. `redirection` says where the jumps' complaints go.
    fn way(&self, by: Use, redirection: &str) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(jumps) = &self.jumps {
            let command = self.proxy_command(jumps, by, redirection);
            let command = command.unwrap_or_else(|| "none".to_owned());
            words.extend(["-o".to_owned(), format!("ProxyCommand={command}")]);
        }
        words.extend(place_arguments(self.user.as_deref(), self.port));
        words.extend(["--".to_owned(), self.address.clone()]);
        words
    }

    /// Returns the command that reaches the node through `jumps`; `None` where there are none. ProxyJump itself would leave out the key,
    /// and what keeps a jump from asking questions on the terminal.
    fn proxy_command(&self, jumps: &[Jump], by: Use, redirection: &str) -> Option<String> {
        let (last, before) = jumps.split_last()?;
        let mut options = self.options(by);
        // An open connection of the user's own is welcome; one that stays is not left behind.
        options.push("ControlMaster=no".to_owned());
        let mut words = vec!["ssh".to_owned()];
        words.extend(with_option_letter(options));
        // Where none is said, the user's own configuration may have one on the way to the first.
        if let Some(command) = self.proxy_command(before, by, redirection) {
            words.extend(["-o".to_owned(), format!("ProxyCommand={command}")]);
        }
        words.extend(place_arguments(last.user.as_deref(), last.port));
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let text = format!(
            "{} -W '[%h]:%p' -- {}",
            escaped(&words.join(" ")),
            escaped(&quoted(&last.host))
        );
        Some(format!("{text}{}", escaped(redirection)))
    }
}

fn with_option_letter(options: Vec<String>) -> Vec<String> {
    let pairs = options.into_iter().map(|option| ["-o".to_owned(), option]);
    pairs.flatten().collect()
}

fn place_arguments(user: Option<&str>, port: Option<u16>) -> Vec<String> {
    let port = port.map(|port| ["-p".to_owned(), port.to_string()]);
    let user = user.map(|user| ["-l".to_owned(), user.to_owned()]);
    port.into_iter().chain(user).flatten().collect()
}

/// Returns an option whose value is `path`, quoted as ssh's configuration wants it.
fn with_path(name: &str, path: &Path) -> String {
    let path = path.to_string_lossy();
    let path = path.replace('\\', "\\\\").replace('"', "\\\"");
    format!("{name}=\"{}\"", escaped(&path))
}

/// Keeps ssh from replacing what follows a percent sign.
fn escaped(text: &str) -> String {
    text.replace('%', "%%")
}

/// Quotes a word of a ProxyCommand for a shell. ssh splits the text, too, and takes a backslash in quotes for an escape: there is none.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\"'\"'"))
}
