//! What `swarm` was asked for.
//!
//! Responsible for the archived image's command line: its flags, their defaults, its environment variables and its
//! refusals. A flag that has no meaning here is refused with what to use, never ignored.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::Discovery;
use super::manager::scheduler::Strategy;
use crate::services::address::is_address;
use crate::services::{clap_text, go_duration};

/// What was asked for, made out.
#[derive(Debug)]
pub(super) enum Invocation {
    /// Make a cluster's token.
    Create,
    /// List a cluster's engines.
    List {
        /// Where they are known.
        discovery: Discovery,
        /// How long it may take.
        deadline: Duration,
    },
    /// Be an agent.
    Join(JoinOptions),
    /// Be the manager.
    Manage(ManageOptions),
}

/// What `join` was asked for.
#[derive(Debug, Clone)]
pub struct JoinOptions {
    /// Where the engine is reached, as `host:port`.
    pub address: String,
    /// The time between two registrations.
    pub heartbeat: Duration,
    /// How long a registration lasts.
    pub ttl: Duration,
    /// Where to register.
    pub discovery: Discovery,
}

/// What `manage` was asked for.
#[derive(Debug, Clone)]
pub struct ManageOptions {
    /// Where to listen: `host:port` or `:port`.
    pub hosts: Vec<String>,
    /// How to choose among engines that will do.
    pub strategy: Strategy,
    /// How often discovery is asked.
    pub heartbeat: Duration,
    /// The longest time between two full looks at an engine.
    pub refresh: Duration,
    /// How many looks must fail until an engine is unhealthy.
    pub retries: u32,
    /// How long an engine's answer to a look may take.
    pub timeout: Duration,
    /// How much more CPU and memory is promised than there is, as a part of it.
    pub overcommit: f64,
    /// Where the engines are known.
    pub discovery: Discovery,
}

#[derive(Debug, Parser)]
#[command(
    name = "swarm",
    about = "A Docker-native clustering system",
    long_about = "A Docker-native clustering system, made anew by labctl: a drop-in for the archived swarm image.",
    version = super::VERSION,
    disable_version_flag = true,
    arg_required_else_help = true
)]
struct CommandLine {
    #[command(subcommand)]
    command: Verb,
    /// Print the version.
    #[arg(short = 'v', long, action = clap::ArgAction::Version)]
    version: Option<bool>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create a cluster
    #[command(visible_alias = "c")]
    Create,
    /// List nodes in a cluster
    #[command(visible_alias = "l")]
    List(ListArgs),
    /// Manage a docker cluster
    #[command(visible_alias = "m")]
    Manage(Box<ManageArgs>),
    /// Join a docker cluster
    #[command(visible_alias = "j")]
    Join(JoinArgs),
}

#[derive(Debug, Args)]
struct DiscoveryArg {
    /// Where the cluster's nodes are known: token://TOKEN, token://HOST/PATH/TOKEN, nodes://IP:PORT,IP:PORT or file://PATH.
    #[arg(env = "SWARM_DISCOVERY")]
    discovery: Discovery,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    discovery: DiscoveryArg,
    /// How long it may take.
    #[arg(long, default_value = "10s", value_parser = go_duration::parse)]
    timeout: Duration,
}

#[derive(Debug, Args)]
struct JoinArgs {
    #[command(flatten)]
    discovery: DiscoveryArg,
    /// Address of the Docker Engine joining the cluster. The manager must be able to reach it there.
    #[arg(long, visible_alias = "addr", env = "SWARM_ADVERTISE", value_parser = address)]
    advertise: String,
    /// Period between each heartbeat.
    #[arg(long, default_value = "60s", value_parser = go_duration::parse)]
    heartbeat: Duration,
    /// Set the expiration of an ephemeral node.
    #[arg(long, default_value = "180s", value_parser = go_duration::parse)]
    ttl: Duration,
}

#[derive(Debug, Args)]
struct ManageArgs {
    #[command(flatten)]
    discovery: DiscoveryArg,
    /// Where to listen, as tcp://IP:PORT.
    #[arg(short = 'H', long = "host", env = "SWARM_HOST", default_value = "tcp://127.0.0.1:2375", value_delimiter = ',', value_parser = listening)]
    hosts: Vec<String>,
    /// Placement strategy to use.
    #[arg(long, default_value = "spread")]
    strategy: Strategy,
    /// Period between each heartbeat.
    #[arg(long, default_value = "60s", value_parser = go_duration::parse)]
    heartbeat: Duration,
    /// Set engine refresh minimum interval; kept for compatibility, as engines tell what changes.
    #[arg(long, default_value = "30s", value_parser = go_duration::parse)]
    engine_refresh_min_interval: Duration,
    /// Set engine refresh maximum interval.
    #[arg(long, default_value = "60s", value_parser = go_duration::parse)]
    engine_refresh_max_interval: Duration,
    /// Set engine failure retry count.
    #[arg(long, visible_alias = "engine-refresh-retry", default_value = "3", value_parser = clap::value_parser!(u32).range(1..1000))]
    engine_failure_retry: u32,
    /// Timeout period of a look at an engine.
    #[arg(long, default_value = "10s", value_parser = go_duration::parse)]
    timeout: Duration,
    /// Cluster driver options: swarm.overcommit=0.05.
    #[arg(long = "cluster-opt")]
    cluster_options: Vec<String>,
    /// Not here yet: TLS to engines and clients.
    #[arg(long, hide = true)]
    tls: bool,
    #[arg(long, hide = true)]
    tlsverify: bool,
    #[arg(long, hide = true)]
    replication: bool,
    #[arg(long, visible_alias = "addr", hide = true)]
    advertise: Option<String>,
}

impl Invocation {
    /// Reads `arguments`; `None` where they asked for help or the version.
    pub(super) fn parse(arguments: &[String]) -> Result<Option<Self>, String> {
        let Some(line) = clap_text::parse::<CommandLine>("swarm", arguments)? else {
            return Ok(None);
        };
        Ok(Some(match line.command {
            Verb::Create => Self::Create,
            Verb::List(list) => Self::List {
                discovery: list.discovery.discovery,
                deadline: list.timeout,
            },
            Verb::Join(join) => Self::Join(join.options()?),
            Verb::Manage(manage) => Self::Manage(manage.options()?),
        }))
    }
}

impl JoinArgs {
    fn options(self) -> Result<JoinOptions, String> {
        at_least_a_second("--heartbeat", self.heartbeat)?;
        if self.ttl <= self.heartbeat {
            return Err("--ttl must be strictly superior to the heartbeat value".to_owned());
        }
        Ok(JoinOptions {
            address: self.advertise,
            heartbeat: self.heartbeat,
            ttl: self.ttl,
            discovery: self.discovery.discovery,
        })
    }
}

impl ManageArgs {
    fn options(self) -> Result<ManageOptions, String> {
        if self.tls || self.tlsverify {
            return Err(
                "TLS is not here yet: leave --tls and --tlsverify out, and listen on a private address".to_owned(),
            );
        }
        if self.replication || self.advertise.is_some() {
            return Err("there is one manager in a cluster here: leave --replication and --advertise out".to_owned());
        }
        at_least_a_second("--heartbeat", self.heartbeat)?;
        at_least_a_second("--engine-refresh-max-interval", self.engine_refresh_max_interval)?;
        if self.engine_refresh_max_interval < self.engine_refresh_min_interval {
            return Err("max refresh interval should not be less than the min refresh interval".to_owned());
        }
        let mut overcommit = 0.05;
        for option in &self.cluster_options {
            let value = option
                .strip_prefix("swarm.overcommit=")
                .and_then(|value| value.parse::<f64>().ok());
            overcommit = value
                .filter(|value| (-1.0..=100.0).contains(value))
                .ok_or_else(|| format!("--cluster-opt {option}: there is swarm.overcommit=NUMBER, such as 0.05"))?;
        }
        Ok(ManageOptions {
            hosts: self.hosts,
            strategy: self.strategy,
            heartbeat: self.heartbeat,
            refresh: self.engine_refresh_max_interval,
            retries: self.engine_failure_retry,
            timeout: self.timeout,
            overcommit,
            discovery: self.discovery.discovery,
        })
    }
}

fn at_least_a_second(flag: &str, duration: Duration) -> Result<(), String> {
    if duration < Duration::from_secs(1) {
        return Err(format!("{flag} should be at least one second"));
    }
    Ok(())
}

fn address(text: &str) -> Result<String, String> {
    if is_address(text) {
        return Ok(text.to_owned());
    }
    Err("--advertise should be of the form ip:port or hostname:port".to_owned())
}

fn listening(text: &str) -> Result<String, String> {
    let address = text.strip_prefix("tcp://").unwrap_or(text);
    if address.contains("://") {
        return Err("there is tcp://IP:PORT".to_owned());
    }
    let full = if address.starts_with(':') {
        format!("0.0.0.0{address}")
    } else {
        address.to_owned()
    };
    let right = is_address(&full)
        || full
            .rsplit_once(':')
            .is_some_and(|(host, port)| port == "0" && !host.is_empty());
    right.then_some(full).ok_or_else(|| "there is tcp://IP:PORT".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn parse(line: &str) -> Result<Option<Invocation>, String> {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Invocation::parse(&arguments)
    }

    #[test]
    fn the_tutorials_commands_are_understood() {
        let join = parse("join --addr=10.0.0.2:2375 token://0123456789abcdef0123456789abcdef");
        let Ok(Some(Invocation::Join(options))) = join else {
            panic!("{join:?}")
        };
        assert_eq!(options.address, "10.0.0.2:2375");
        assert_eq!(options.ttl, Duration::from_secs(180));
        let manage = parse("manage token://0123456789abcdef0123456789abcdef");
        let Ok(Some(Invocation::Manage(options))) = manage else {
            panic!("{manage:?}")
        };
        assert_eq!((options.strategy, options.retries), (Strategy::Spread, 3));
        assert!(matches!(parse("create"), Ok(Some(Invocation::Create))));
    }

    #[rstest]
    #[case("join nodes://a:1", "--advertise")]
    #[case("join --addr=nowhere nodes://a:1", "ip:port")]
    #[case("join --addr=a:1 --heartbeat 500ms nodes://a:1", "at least one second")]
    #[case("join --addr=a:1 --heartbeat 60s --ttl 60s nodes://a:1", "strictly superior")]
    #[case("manage --tlsverify nodes://a:1", "TLS is not here yet")]
    #[case("manage --replication nodes://a:1", "one manager")]
    #[case("manage --strategy random nodes://a:1", "random")]
    #[case("manage consul://a", "consul")]
    #[case("manage -H unix:///x nodes://a:1", "tcp://IP:PORT")]
    #[case("create more", "more")]
    fn what_cannot_be_done_is_refused(#[case] line: &str, #[case] words: &str) {
        let error = parse(line).unwrap_err();
        assert!(error.contains(words), "{error}");
    }

    #[rstest]
    #[case(":2375", "0.0.0.0:2375")]
    #[case("tcp://0.0.0.0:2375", "0.0.0.0:2375")]
    #[case("127.0.0.1:0", "127.0.0.1:0")]
    fn addresses_to_listen_on_are_read(#[case] text: &str, #[case] wanted: &str) {
        assert_eq!(listening(text).unwrap(), wanted);
    }
}
