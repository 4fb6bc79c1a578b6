//! Where a cluster's engines are known.
//!
//! Responsible for the forms in which discovery is named on the command line, and for asking and telling it. It may not
//! keep anything: whoever watches decides what to do while discovery is silent.

#[cfg(test)]
mod fuzz_tests;
mod https;
mod nodes;
mod token;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

pub(super) use token::create_cluster;

use crate::address::is_address;

/// The most that a file with addresses may hold, in bytes.
const LARGEST_FILE: usize = 1 << 20;

/// Where a cluster's engines are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discovery {
    /// A cluster of a discovery service.
    Token(token::Cluster),
    /// They are named themselves.
    Nodes(Vec<String>),
    /// A file names one a line.
    File(PathBuf),
}

/// Why engines could not be found out, or an engine not be made known.
#[derive(Debug, Error)]
pub enum DiscoveryError {
    /// The service could not be reached or broke off.
    #[error("the discovery service {base} cannot be reached: {reason}{}", hint(base))]
    Unreachable {
        /// Its address.
        base: String,
        /// What happened.
        reason: String,
    },
    /// The service did not do what it was asked.
    #[error("the discovery service {base} answered {status} to {what}{}", said(text))]
    Refused {
        /// Its address.
        base: String,
        /// What it was asked.
        what: &'static str,
        /// Its status.
        status: u16,
        /// What it said.
        text: String,
    },
    /// The service answered what no discovery service answers.
    #[error("the discovery service {base} does not answer as one: {reason}")]
    Strange {
        /// Its address.
        base: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The file could not be read.
    #[error("failed to read '{}': {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said. It is in the message already, so it is no source, which would be shown once more.
        reason: std::io::Error,
    },
    /// The file does not hold addresses.
    #[error("{}: {reason}", path.display())]
    FileContent {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Engines cannot be made known there.
    #[error("{discovery} is a fixed list: an engine cannot join it, so leave the agent out")]
    Fixed {
        /// The discovery.
        discovery: String,
    },
}

fn hint(base: &str) -> &'static str {
    if base.contains(token::HOSTED_NAME) {
        " (Docker Hub's was switched off in 2019: start one of labctl's, and give its address as \
         --add-host discovery.hub.docker.com:ADDRESS or in SWARM_DISCOVERY_URL)"
    } else {
        ""
    }
}

fn said(text: &str) -> String {
    let short: String = text.trim().chars().filter(|c| !c.is_control()).take(200).collect();
    if short.is_empty() { short } else { format!(": {short}") }
}

impl DiscoveryError {
    /// Says that `discovery` did not answer within `deadline`.
    pub(super) fn silent(discovery: &Discovery, deadline: Duration) -> Self {
        Self::Unreachable {
            base: discovery.to_string(),
            reason: format!("no answer within {}", crate::go_duration::show(deadline)),
        }
    }
}

impl Discovery {
    /// Returns the engines that are known now, each as `host:port`, sorted, each once.
    pub async fn fetch(&self) -> Result<Vec<String>, DiscoveryError> {
        let mut entries = match self {
            Self::Token(cluster) => cluster.fetch().await?,
            Self::Nodes(nodes) => nodes.clone(),
            Self::File(path) => {
                let text = tokio::fs::read(path).await.map_err(|reason| DiscoveryError::File {
                    path: path.clone(),
                    reason,
                })?;
                let text = String::from_utf8_lossy(&text[..text.len().min(LARGEST_FILE)]).into_owned();
                from_file(&text).map_err(|reason| DiscoveryError::FileContent {
                    path: path.clone(),
                    reason,
                })?
            }
        };
        entries.sort_unstable();
        entries.dedup();
        Ok(entries)
    }

    /// Makes the engine at `address` known for `ttl`.
    pub async fn register(&self, address: &str, ttl: Duration) -> Result<(), DiscoveryError> {
        match self {
            Self::Token(cluster) => cluster.register(address, ttl).await,
            Self::Nodes(_) | Self::File(_) => Err(DiscoveryError::Fixed {
                discovery: self.to_string(),
            }),
        }
    }
}

/// Reads a file: an address or a range of them a line, `#` begins a comment.
fn from_file(text: &str) -> Result<Vec<String>, String> {
    let mut entries = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            add(&mut entries, line)?;
        }
    }
    Ok(entries)
}

/// Adds the addresses that `pattern` stands for; many patterns must not stand for more than one may.
fn add(entries: &mut Vec<String>, pattern: &str) -> Result<(), String> {
    entries.extend(nodes::expand(pattern)?);
    if entries.len() > nodes::MOST {
        return Err(format!("there are more than {} nodes", nodes::MOST));
    }
    Ok(())
}

impl FromStr for Discovery {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme, rest),
            None if text.starts_with(['/', '.']) => ("file", text),
            None => ("nodes", text),
        };
        match scheme {
            "token" => token::Cluster::parse(rest).map(Self::Token),
            "nodes" => {
                let mut all = Vec::new();
                for pattern in rest.split(',').map(str::trim).filter(|pattern| !pattern.is_empty()) {
                    add(&mut all, pattern)?;
                }
                if all.is_empty() {
                    return Err("no node is named".to_owned());
                }
                Ok(Self::Nodes(all))
            }
            "file" if !rest.is_empty() => Ok(Self::File(PathBuf::from(rest))),
            "file" => Err("no file is named".to_owned()),
            "consul" | "etcd" | "zk" => Err(format!(
                "{scheme}:// is not here: use token://, nodes:// or file://, which need no further service"
            )),
            other => Err(format!(
                "{other}:// is unknown: there are token://, nodes:// and file://"
            )),
        }
    }
}

impl fmt::Display for Discovery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(cluster) => write!(formatter, "token://{}", cluster.written()),
            Self::Nodes(nodes) => write!(formatter, "nodes://{}", nodes.join(",")),
            Self::File(path) => write!(formatter, "file://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    #[rstest]
    #[case("nodes://10.0.0.1:2375,10.0.0.2:2375", 2)]
    #[case("10.0.0.1:2375,10.0.0.2:2375,node-3:2375", 3)]
    #[case("nodes://10.0.0.[8:12]:2375", 5)]
    fn lists_are_read(#[case] text: &str, #[case] count: usize) {
        let Discovery::Nodes(nodes) = text.parse().unwrap() else {
            panic!("{text} is a list")
        };
        assert_eq!(nodes.len(), count);
    }

    #[test]
    fn many_ranges_stand_for_no_more_nodes_than_one() {
        let ranges = "10.0.0.[0:255]:1\n".repeat(100);
        assert!(from_file(&ranges).unwrap_err().contains("more than 10000"));
        assert!(ranges.trim().replace('\n', ",").parse::<Discovery>().is_err());
    }

    #[test]
    fn every_form_is_shown_as_it_was_written() {
        for text in [
            &format!("token://{TOKEN}"),
            &format!("token://10.0.0.1:8443/v1/{TOKEN}"),
            "nodes://a:1,b:2",
            "file:///etc/cluster",
        ] {
            assert_eq!(text.parse::<Discovery>().unwrap().to_string(), *text);
        }
        assert_eq!(
            "/etc/cluster".parse::<Discovery>(),
            Ok(Discovery::File("/etc/cluster".into()))
        );
    }

    #[rstest]
    #[case("token://")]
    #[case("nodes://")]
    #[case("nodes://10.0.0.1")]
    #[case("token://host/path/")]
    #[case("token://a b/c")]
    #[case("etcd://a/b")]
    #[case("gopher://a")]
    fn what_names_nothing_is_refused(#[case] text: &str) {
        assert!(text.parse::<Discovery>().is_err(), "{text}");
    }

    #[tokio::test]
    async fn a_file_is_read_each_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let discovery = Discovery::File(file.path().to_owned());
        fs_err::write(
            file.path(),
            "# two\n10.0.0.2:2375\n10.0.0.1:2375 # first\n\n10.0.0.2:2375\n",
        )
        .unwrap();
        assert_eq!(discovery.fetch().await.unwrap(), ["10.0.0.1:2375", "10.0.0.2:2375"]);
        fs_err::write(file.path(), "nonsense\n").unwrap();
        assert!(discovery.fetch().await.unwrap_err().to_string().contains("nonsense"));
    }
}
