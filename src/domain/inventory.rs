//! The machines a lab runs on: an inventory as the rest of labctl sees it, resolved and valid.

use super::NodeName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The variable of a lab that `[registry]` can give.
const REGISTRY: &str = "registry";

/// The secret of a lab that `[registry]` can give.
const REGISTRY_PASSWORD: &str = "registry_password";

/// The nodes of a lab and what the user says about them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// Where it was read from, for messages; for example `inventories/aws.toml` or `the playground`.
    pub source: String,
    /// The nodes in the file's order; at least one, names are unique.
    pub nodes: Vec<Node>,
    /// Values for the lab's variables.
    pub vars: BTreeMap<String, String>,
    /// Where each secret comes from; never its value.
    pub secrets: BTreeMap<String, SecretSource>,
    /// A registry other than the lab's own.
    pub registry: Option<Registry>,
    /// Images other than the lab's own, by the name the lab gives them.
    pub images: BTreeMap<String, String>,
}

impl Inventory {
    /// Returns the node called `name`.
    pub fn node(&self, name: &NodeName) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == *name)
    }

    /// Returns what `[registry]` says for the lab's variable `name`; `given` are those of the command line.
    pub fn registry_var(&self, name: &str, given: &BTreeMap<String, String>) -> Option<&str> {
        let registry = self.registry_in_use(given)?;
        match name {
            REGISTRY => Some(&registry.host),
            "registry_user" => registry.user.as_deref(),
            _ => None,
        }
    }

    /// Returns where the lab's secret `name` comes from: `registry_password` from what `[registry]` names, where
    /// `[secrets]` does not have it itself. `given` are variables of the command line.
    pub fn secret_source(&self, name: &str, given: &BTreeMap<String, String>) -> Option<&SecretSource> {
        let of_registry = || {
            let registry = self.registry_in_use(given).filter(|_| name == REGISTRY_PASSWORD)?;
            self.secrets.get(registry.password_secret.as_ref()?)
        };
        self.secrets.get(name).or_else(of_registry)
    }

    /// Returns the environment variables that secrets are read from: no program that labctl starts gets to see them.
    pub fn secret_variables(&self) -> Vec<String> {
        let sources = self.secrets.values().filter_map(|source| match source {
            SecretSource::Env(name) => Some(name.clone()),
            SecretSource::File(_) | SecretSource::Command(_) | SecretSource::Prompt(_) => None,
        });
        sources.collect()
    }

    /// Says whether labctl may make up the lab's secret `name`: no password that it thinks of opens somebody else's
    /// registry.
    pub fn may_make_up(&self, name: &str, given: &BTreeMap<String, String>) -> bool {
        let is_foreign =
            || self.registry_in_use(given).is_some() || self.named_registries(given).any(|named| !named.is_empty());
        name != REGISTRY_PASSWORD || !is_foreign()
    }

    /// Returns `[registry]`, unless the variable `registry` says to use another server: that one must not be told this
    /// one's user and password.
    fn registry_in_use(&self, given: &BTreeMap<String, String>) -> Option<&Registry> {
        let registry = self.registry.as_ref()?;
        let mut named = self.named_registries(given);
        named
            .all(|other| server_of(other) == server_of(&registry.host))
            .then_some(registry)
    }

    /// Returns what the variable `registry` was set to.
    fn named_registries<'a>(&'a self, given: &'a BTreeMap<String, String>) -> impl Iterator<Item = &'a String> {
        let by_inventory = self.vars.get(REGISTRY);
        let of_nodes = self.nodes.iter().filter_map(|node| node.vars.get(REGISTRY));
        let command_line = given.get(REGISTRY);
        let others = by_inventory.into_iter().chain(of_nodes);
        command_line
            .into_iter()
            .chain(others.filter(move |_| command_line.is_none()))
    }
}

/// Returns the server of a registry that may be written with a namespace behind it.
fn server_of(registry: &str) -> &str {
    registry.split_once('/').map_or(registry, |(server, _)| server)
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// What the lab calls it.
    pub name: NodeName,
    /// What the nodes call each other by: a private address or a DNS name.
    pub private_ip: String,
    /// Where ssh goes.
    pub address: String,
    /// What people's browsers are told, where it differs from `address`.
    pub public_address: Option<String>,
    /// The groups that `@group` selectors name.
    pub groups: Vec<String>,
    /// Values for the lab's variables on this node only.
    pub vars: BTreeMap<String, String>,
    /// How to log in.
    pub login: Login,
}

impl Node {
    /// Returns the address to print in links: `public_address` where there is one, else `address`; an IPv6 address in brackets.
    pub fn browser_address(&self) -> String {
        let address = self.public_address.as_deref().unwrap_or(&self.address);
        if address.contains(':') {
            format!("[{address}]")
        } else {
            address.to_owned()
        }
    }
}

/// How ssh reaches a node; `None` leaves a choice to the user's own ssh configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Login {
    /// The login user.
    pub user: Option<String>,
    /// The TCP port of sshd.
    pub port: Option<u16>,
    /// The private key's path.
    pub identity_file: Option<PathBuf>,
    /// The machines to go through, as [`super::Jump::list`] reads them.
    pub proxy_jump: Option<String>,
    /// What to do with a host key not seen before.
    pub host_key: HostKeyPolicy,
    /// The known_hosts file, where it is not the user's own.
    pub known_hosts: Option<PathBuf>,
    /// Whether `sudo -n` is used for root; `false` when the login user is root.
    pub sudo: bool,
    /// How long connecting may take.
    pub connect_timeout: Duration,
}

impl Default for Login {
    fn default() -> Self {
        Self {
            user: None,
            port: None,
            identity_file: None,
            proxy_jump: None,
            host_key: HostKeyPolicy::AcceptNew,
            known_hosts: None,
            sudo: true,
            connect_timeout: Duration::from_secs(15),
        }
    }
}

/// What to do with a host key not seen before. A changed key is always an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostKeyPolicy {
    /// Remember it and go on.
    AcceptNew,
    /// Refuse the node.
    Strict,
}

/// Where a secret's value is read from when it is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// An environment variable of labctl.
    Env(String),
    /// The first line of a file.
    File(PathBuf),
    /// The first line that a command prints.
    Command(Vec<String>),
    /// Asked of the user, with this text.
    Prompt(String),
}

/// A container registry that the user brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    /// `host` or `host:port`, with a path prefix where the registry wants one.
    pub host: String,
    /// The login name.
    pub user: Option<String>,
    /// The name of the secret that holds the password.
    pub password_secret: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }

    fn inventory() -> Inventory {
        let secret = |name: &str| (name.to_owned(), SecretSource::Env(name.to_uppercase()));
        Inventory {
            source: "a test".into(),
            nodes: Vec::new(),
            vars: BTreeMap::new(),
            secrets: [secret("hub")].into(),
            registry: Some(Registry {
                host: "registry.example/team".into(),
                user: Some("me".into()),
                password_secret: Some("hub".into()),
            }),
            images: BTreeMap::new(),
        }
    }

    #[test]
    fn a_registry_gives_a_lab_its_address_user_and_password() {
        let (mut inventory, nothing) = (inventory(), BTreeMap::new());
        assert_eq!(
            inventory.registry_var("registry", &nothing),
            Some("registry.example/team")
        );
        assert_eq!(inventory.registry_var("registry_user", &nothing), Some("me"));
        assert_eq!(inventory.registry_var("colour", &nothing), None);
        let hub = SecretSource::Env("HUB".into());
        assert_eq!(inventory.secret_source("registry_password", &nothing), Some(&hub));
        assert_eq!(inventory.secret_source("other", &nothing), None);
        let own = SecretSource::Env("OWN".into());
        inventory.secrets.insert("registry_password".into(), own.clone());
        assert_eq!(inventory.secret_source("registry_password", &nothing), Some(&own));
    }

    #[rstest]
    #[case("registry.example/other", true)]
    #[case("registry.example", true)]
    #[case("registry.example:5000/team", false)]
    #[case("registry.other/team", false)]
    #[case("", false)]
    fn another_server_is_not_told_the_password(#[case] named: &str, #[case] is_told: bool) {
        let by_hand = texts(&[("registry", named)]);
        let mut by_file = inventory();
        by_file.vars.clone_from(&by_hand);
        for (inventory, given) in [(inventory(), by_hand), (by_file, BTreeMap::new())] {
            assert_eq!(inventory.secret_source("registry_password", &given).is_some(), is_told);
            assert_eq!(inventory.registry_var("registry_user", &given).is_some(), is_told);
        }
    }

    #[rstest]
    #[case(true, &[], false)]
    #[case(true, &[("registry", "")], true)]
    #[case(false, &[], true)]
    #[case(false, &[("registry", "registry.other")], false)]
    fn no_password_is_made_up_for_somebody_elses_registry(
        #[case] has_registry: bool,
        #[case] given: &[(&str, &str)],
        #[case] may: bool,
    ) {
        let mut inventory = inventory();
        inventory.registry = inventory.registry.filter(|_| has_registry);
        assert_eq!(inventory.may_make_up("registry_password", &texts(given)), may);
        assert!(inventory.may_make_up("another", &texts(given)));
    }
}
