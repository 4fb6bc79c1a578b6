//! Reads how to log in to the nodes of an inventory.

use super::faults::Faults;
use super::fields::{Fields, as_texts};
use super::files::open_file;
use crate::domain::{Diagnostic, HostKeyPolicy, Jump, JumpError, Login};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// How to log in as far as one table says; what it leaves open is left to the next.
#[derive(Debug, Clone, Default)]
pub(super) struct PartialLogin {
    user: Option<String>,
    port: Option<u16>,
    identity_file: Option<PathBuf>,
    proxy_jump: Option<String>,
    host_key: Option<HostKeyPolicy>,
    known_hosts: Option<PathBuf>,
    sudo: Option<bool>,
    connect_timeout: Option<Duration>,
}

impl PartialLogin {
    /// Returns how to log in; what this leaves open is as `defaults` say.
    pub(super) fn over(self, defaults: &Self) -> Login {
        let user = self.user.or_else(|| defaults.user.clone());
        let usual = Login::default();
        Login {
            // Root needs no sudo, and a minimal machine may not even have it.
            sudo: self.sudo.or(defaults.sudo).unwrap_or(user.as_deref() != Some("root")),
            port: self.port.or(defaults.port),
            identity_file: self.identity_file.or_else(|| defaults.identity_file.clone()),
            proxy_jump: self.proxy_jump.or_else(|| defaults.proxy_jump.clone()),
            host_key: self.host_key.or(defaults.host_key).unwrap_or(usual.host_key),
            known_hosts: self.known_hosts.or_else(|| defaults.known_hosts.clone()),
            connect_timeout: self
                .connect_timeout
                .or(defaults.connect_timeout)
                .unwrap_or(usual.connect_timeout),
            user,
        }
    }
}

/// Reads the keys that say how to log in.
pub(super) fn read_login(fields: &mut Fields<'_>, folder: &Path, faults: &mut Faults) -> PartialLogin {
    let port = fields.number("port", 1..=65_535, faults);
    let connect_timeout = fields.duration("connect_timeout", faults);
    if let Some(zero) = connect_timeout.as_ref().filter(|timeout| timeout.get_ref().is_zero()) {
        faults.push(faults.fault(zero.span(), "no connection is that fast"));
    }
    PartialLogin {
        user: read_word(fields, "user", faults),
        port: port.and_then(|port| u16::try_from(port.into_inner()).ok()),
        identity_file: read_identity(fields, folder, faults),
        proxy_jump: read_jumps(fields, faults),
        host_key: read_host_key(fields, faults),
        known_hosts: read_known_hosts(fields, folder, faults),
        sudo: fields.flag("sudo", faults).map(Spanned::into_inner),
        connect_timeout: connect_timeout.map(Spanned::into_inner),
    }
}

/// Reads a text that becomes an argument of ssh, and must not look like an option.
fn read_word(fields: &mut Fields<'_>, key: &'static str, faults: &mut Faults) -> Option<String> {
    let text = fields.text(key, faults)?;
    if text.get_ref().is_empty() {
        faults.push(fill_in(faults, &text, key));
        return None;
    }
    let strange = |c: char| c.is_whitespace() || c.is_control() || "'\"`$;&|<>()".contains(c);
    if text.get_ref().starts_with('-') || text.get_ref().contains(strange) {
        faults.push(faults.fault(text.span(), format!("`{key}` cannot be `{}`", text.get_ref())));
        return None;
    }
    Some(text.into_inner())
}

/// Reads the machines to go through: a text, or a list of texts.
fn read_jumps(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<String> {
    let value = fields.get("proxy_jump")?;
    let texts = as_texts(value, faults);
    if texts.is_empty() {
        let fault = faults.fault(value.span(), "`proxy_jump` names no machine");
        faults.push(fault.hint("`proxy_jump = \"none\"` means that there is none to go through"));
        return None;
    }
    let is_alone = texts.len() == 1;
    for text in &texts {
        let read = match Jump::list(text.get_ref()) {
            Ok(jumps) if jumps.is_empty() && !is_alone => Err(JumpError::NoneAndOthers),
            read => read,
        };
        if let Err(error) = read {
            let fault = faults
                .fault(text.span(), format!("`proxy_jump` cannot be `{}`", text.get_ref()))
                .label(error.to_string())
                .hint(
                    "write `user@host:port` or `ssh://user@host:port`, an IPv6 address in brackets, more than one machine \
                     as a list, or `none`",
                );
            faults.push(fault);
            return None;
        }
    }
    let texts: Vec<String> = texts.into_iter().map(Spanned::into_inner).collect();
    Some(texts.join(","))
}

/// Reads the path of a file that ssh is told of.
fn read_path(
    fields: &mut Fields<'_>,
    key: &'static str,
    folder: &Path,
    faults: &mut Faults,
) -> Option<Spanned<PathBuf>> {
    let text = fields.text(key, faults)?;
    if text.get_ref().trim().is_empty() {
        faults.push(fill_in(faults, &text, key));
        return None;
    }
    let path = expand(text.get_ref(), folder);
    let shown = path.to_string_lossy();
    // ssh knows no way to write these.
    if shown.contains("${") || shown.contains(char::is_control) {
        let fault = faults
            .fault(text.span(), format!("`{key}` cannot be told to ssh"))
            .label("neither `${` nor a line end may be in it");
        faults.push(fault);
        return None;
    }
    Some(Spanned::new(text.span(), path))
}

fn read_host_key(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<HostKeyPolicy> {
    let text = fields.text("host_key", faults)?;
    match text.get_ref().as_str() {
        "accept-new" => Some(HostKeyPolicy::AcceptNew),
        "strict" => Some(HostKeyPolicy::Strict),
        other => {
            let mut fault = faults
                .fault(text.span(), "`host_key` is `accept-new` or `strict`")
                .label("not one of them");
            if matches!(other, "no" | "off" | "accept" | "ask") {
                fault = fault.hint("a changed host key is always an error; `accept-new` remembers one not seen before");
            }
            faults.push(fault);
            None
        }
    }
}

fn read_identity(fields: &mut Fields<'_>, folder: &Path, faults: &mut Faults) -> Option<PathBuf> {
    let path = read_path(fields, "identity_file", folder, faults)?;
    if let Some((message, hint)) = key_problem(path.get_ref()) {
        let shown = path.get_ref().display().to_string();
        let mut fault = faults.fault(path.span(), message).label(shown);
        fault.hint = hint;
        faults.push(fault);
    }
    Some(path.into_inner())
}

fn read_known_hosts(fields: &mut Fields<'_>, folder: &Path, faults: &mut Faults) -> Option<PathBuf> {
    let path = read_path(fields, "known_hosts", folder, faults)?;
    let is_no_file = path.get_ref().metadata().is_ok_and(|about| !about.is_file());
    // It need not be there yet, and who wants nothing to be remembered says so in the way that ssh knows.
    if is_no_file && path.get_ref() != Path::new("/dev/null") {
        let shown = path.get_ref().display().to_string();
        faults.push(faults.fault(path.span(), "this is not a file").label(shown));
    }
    Some(path.into_inner())
}

/// Says why ssh would not use the private key at `path`.
fn key_problem(path: &Path) -> Option<(String, Option<String>)> {
    // What is no file could let whoever opens it wait.
    if path.metadata().is_ok_and(|about| !about.is_file()) {
        return Some(("this is not a file".to_owned(), None));
    }
    let file = match open_file(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let hint = "paths are relative to the inventory; `~/` is your home".to_owned();
            return Some(("there is no such file with a private key".to_owned(), Some(hint)));
        }
        Err(error) => return Some((format!("the key cannot be read: {}", error.kind()), None)),
    };
    let about = file.metadata().ok()?;
    if path.extension().is_some_and(|extension| extension == "pub") {
        let hint = format!("use {}", path.with_extension("").display());
        return Some(("this is the public half of a key".to_owned(), Some(hint)));
    }
    let is_own = about.uid() == rustix::process::getuid().as_raw();
    if is_own && about.mode() & 0o077 != 0 {
        let message = "ssh refuses a key that others may read".to_owned();
        return Some((message, Some(format!("chmod 600 {}", path.display()))));
    }
    None
}

/// Expands `~/` to the user's home, and makes `path` relative to `folder` where it is not absolute.
pub(super) fn expand(path: &str, folder: &Path) -> PathBuf {
    match (path.strip_prefix("~/"), etcetera::home_dir()) {
        (Some(rest), Ok(home)) => home.join(rest),
        _ => folder.join(path),
    }
}

/// Makes the fault for a `key` whose text is empty.
pub(super) fn fill_in(faults: &Faults, text: &Spanned<String>, key: &str) -> Diagnostic {
    faults
        .fault(text.span(), format!("`{key}` is not filled in yet"))
        .label(if key == "private_ip" {
            "fill this in"
        } else {
            "fill this in, or remove the line"
        })
}
