//! Reads the nodes of an inventory: addresses that make sense, logins that can work.

use super::address::{is_private, looks_like_host};
use super::faults::Faults;
use super::fields::{Fields, Value};
use super::files::open_file;
use super::inventory_file::{read_plain, texts};
use super::read_lab::name;
use crate::domain::{HostKeyPolicy, Login, Node, NodeName, TaskId};
use std::collections::BTreeMap;
use std::ops::Range;
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
    fn over(self, defaults: &Self) -> Login {
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

/// Reads the nodes of one inventory, one after the other.
pub(super) struct NodeReader<'f> {
    folder: &'f Path,
    /// What `[defaults]` says.
    pub(super) defaults: PartialLogin,
    /// Where the variables of nodes stand.
    pub(super) var_places: BTreeMap<Vec<String>, Range<usize>>,
    names: BTreeMap<NodeName, ()>,
    endpoints: BTreeMap<(String, u16), NodeName>,
}

impl<'f> NodeReader<'f> {
    /// Starts reading an inventory whose relative paths start at `folder`.
    pub(super) fn new(folder: &'f Path) -> Self {
        Self {
            folder,
            defaults: PartialLogin::default(),
            var_places: BTreeMap::new(),
            names: BTreeMap::new(),
            endpoints: BTreeMap::new(),
        }
    }

    /// Reads a `[[node]]`.
    pub(super) fn read(&mut self, value: &Value<'_>, faults: &mut Faults) -> Option<Node> {
        let mut fields = Fields::of("a node", value, faults)?;
        let node_name = fields.required_text("name", faults);
        if let Some(text) = &node_name {
            fields.set_place(text.span());
        }
        let node_name = node_name.and_then(|text| name(text, NodeName::new, faults));
        let allows_public = fields.flag("allow_public_private_ip", faults);
        let private_ip = self.read_private_ip(&mut fields, allows_public.is_some_and(Spanned::into_inner), faults);
        let address = read_host(&mut fields, "address", faults);
        let public_address = read_host(&mut fields, "public_address", faults);
        let groups = fields.texts("groups", faults);
        let groups: Vec<_> = groups
            .into_iter()
            .filter_map(|group| name(group, TaskId::new, faults))
            .collect();
        let vars = read_plain(&mut fields, "vars", faults);
        let login = read_login(&mut fields, self.folder, faults).over(&self.defaults);
        fields.finish(faults);
        let (node_name, private_ip) = (node_name?, private_ip?);
        for (var, _) in &vars {
            let path = vec!["node".into(), node_name.get_ref().to_string(), var.get_ref().clone()];
            self.var_places.insert(path, var.span());
        }
        let address_place = address.as_ref().map_or_else(|| private_ip.span(), Spanned::span);
        let address = address.map_or_else(|| private_ip.get_ref().clone(), Spanned::into_inner);
        let endpoint = (address.clone(), login.port.unwrap_or(22));
        self.refuse_twins(&node_name, endpoint, address_place, faults);
        Some(Node {
            name: node_name.into_inner(),
            private_ip: private_ip.into_inner(),
            address,
            public_address: public_address.map(Spanned::into_inner),
            groups: groups.iter().map(|group| group.get_ref().to_string()).collect(),
            vars: texts(vars),
            login,
        })
    }

    fn refuse_twins(
        &mut self,
        node: &Spanned<NodeName>,
        endpoint: (String, u16),
        place: Range<usize>,
        faults: &mut Faults,
    ) {
        if self.names.insert(node.get_ref().clone(), ()).is_some() {
            let fault = faults.fault(node.span(), format!("a second node is called `{}`", node.get_ref()));
            faults.push(fault.label("names are unique"));
        }
        let shown = format!("{} port {}", endpoint.0, endpoint.1);
        if let Some(other) = self.endpoints.insert(endpoint, node.get_ref().clone()) {
            let fault = faults.fault(
                place,
                format!("`{}` and `{other}` are the same machine", node.get_ref()),
            );
            faults.push(fault.label(format!("both are {shown}")));
        }
    }

    fn read_private_ip(
        &self,
        fields: &mut Fields<'_>,
        allows_public: bool,
        faults: &mut Faults,
    ) -> Option<Spanned<String>> {
        if !fields.has("private_ip") {
            fields.get("private_ip");
            let fault = faults
                .fault(fields.place(), "a node needs `private_ip`")
                .label("`private_ip` is missing here")
                .hint("it is what the nodes call each other by: on EC2 the 10.x address, or a DNS name");
            fields.miss(vec!["private_ip"], fault);
            return None;
        }
        let text = read_host(fields, "private_ip", faults)?;
        if !allows_public && !is_private(text.get_ref()) {
            let fault = faults
                .fault(text.span(), format!("`{}` is a public address", text.get_ref()))
                .label("a private one is wanted here: 10.x, 172.16.x to 172.31.x, 192.168.x, or a DNS name")
                .hint(
                    "the nodes talk to each other without encryption; put a public address in `address`, \
                     or say `allow_public_private_ip = true`",
                );
            faults.push(fault);
        }
        Some(text)
    }
}

/// Reads an address; a fault where it is empty or none.
fn read_host(fields: &mut Fields<'_>, key: &'static str, faults: &mut Faults) -> Option<Spanned<String>> {
    let text = fields.text(key, faults)?;
    let host = text.get_ref();
    if host.trim().is_empty() {
        faults.push(fill_in(faults, &text, key));
        return None;
    }
    if looks_like_host(host) {
        return Some(text);
    }
    let mut fault = faults
        .fault(
            text.span(),
            format!("`{host}` is neither an IP address nor a host name"),
        )
        .label(format!("`{key}` takes just the address"));
    if host.contains('@') || host.contains(':') {
        fault = fault.hint("the user and the port are keys of their own: `user`, `port`");
    }
    faults.push(fault);
    None
}

fn fill_in(faults: &Faults, text: &Spanned<String>, key: &str) -> crate::domain::Diagnostic {
    faults
        .fault(text.span(), format!("`{key}` is not filled in yet"))
        .label(if key == "private_ip" {
            "fill this in"
        } else {
            "fill this in, or remove the line"
        })
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
        proxy_jump: read_word(fields, "proxy_jump", faults),
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
    let text = fields.text("identity_file", faults)?;
    if text.get_ref().trim().is_empty() {
        faults.push(fill_in(faults, &text, "identity_file"));
        return None;
    }
    let path = expand(text.get_ref(), folder);
    if let Some((message, hint)) = key_problem(&path) {
        let mut fault = faults.fault(text.span(), message).label(path.display().to_string());
        fault.hint = hint;
        faults.push(fault);
    }
    Some(path)
}

fn read_known_hosts(fields: &mut Fields<'_>, folder: &Path, faults: &mut Faults) -> Option<PathBuf> {
    let text = fields.text("known_hosts", faults)?;
    let path = expand(text.get_ref(), folder);
    // It need not be there yet, and who wants nothing to be remembered says so in the way that ssh knows.
    if path != Path::new("/dev/null") && path.metadata().is_ok_and(|about| !about.is_file()) {
        let fault = faults.fault(text.span(), "this is not a file");
        faults.push(fault.label(path.display().to_string()));
    }
    Some(path)
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
