//! What `swarm` was asked for.
//!
//! Responsible for the archived image's command line: its flags, their defaults, its environment variables and its
//! refusals. A flag that has no meaning here is refused with what to use, never ignored.

use std::io::Write as _;
use std::time::Duration;

use clap::CommandFactory as _;

use super::Discovery;
use super::command_line::{CommandLine, JoinArgs, ListArgs, ManageArgs, Verb};
use super::log::Level;
use super::manager::scheduler::{Filter, Strategy, UnknownFilter, UnknownStrategy};
use crate::address::is_address;
use crate::{clap_text, go_duration};

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
    /// The longest that the first registration waits, at random, so that machines of a cluster do not all register at once.
    pub delay: Duration,
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
    /// What engines must pass, in this order.
    pub filters: Vec<Filter>,
    /// How often discovery is asked.
    pub heartbeat: Duration,
    /// The longest time between two full looks at an engine.
    pub refresh: Duration,
    /// How many looks must fail until an engine is unhealthy.
    pub retries: u32,
    /// How long an engine's answer to a look may take.
    pub timeout: Duration,
    /// What `--cluster-opt` says.
    pub cluster: ClusterOpt,
    /// Where the engines are known.
    pub discovery: Discovery,
}

/// What `--cluster-opt` says.
#[derive(Debug, Clone, Copy)]
pub struct ClusterOpt {
    /// How much more CPU and memory is promised than there is, as a part of it.
    pub overcommit: f64,
    /// On how many further engines a container is tried that one could not create.
    pub create_retries: u32,
}

/// Reads `arguments`, and says how much is to be logged; `None` where they asked for help or the version.
pub(super) fn parse(arguments: &[String]) -> Result<Option<(Level, Invocation)>, String> {
    let Some(line) = clap_text::parse::<CommandLine>("swarm", arguments).map_err(|text| in_one_line(&text))? else {
        return Ok(None);
    };
    let level = match (&line.log_level, line.debug) {
        (Some(level), _) => level.parse()?,
        (None, true) => Level::Debug,
        (None, false) => Level::default(),
    };
    let invocation = match line.command {
        // A reader that has gone away wants no help.
        None => {
            let _ = write!(std::io::stdout(), "{}", CommandLine::command().render_help());
            return Ok(None);
        }
        Some(Verb::Create { more }) if more.is_empty() => Invocation::Create,
        Some(Verb::Create { .. }) => {
            return Err("the `create` command takes no arguments. See 'swarm create --help'.".to_owned());
        }
        Some(Verb::List(list)) => list.invocation()?,
        Some(Verb::Join(join)) => Invocation::Join(join.options()?),
        Some(Verb::Manage(manage)) => Invocation::Manage(manage.options()?),
    };
    Ok(Some((level, invocation)))
}

/// What clap says first; the rest is what `--help` says too.
fn in_one_line(text: &str) -> String {
    let first = text.lines().take_while(|line| !line.trim().is_empty());
    let first = first.map(str::trim).collect::<Vec<_>>().join(" ");
    format!(
        "{}. See 'swarm --help'.",
        first.strip_prefix("error: ").unwrap_or(&first)
    )
}

impl ListArgs {
    fn invocation(self) -> Result<Invocation, String> {
        let discovery = self.discovery.named("list")?;
        let deadline = duration("--timeout", &self.timeout)?;
        if deadline.is_zero() {
            return Err("--timeout should be a positive number".to_owned());
        }
        Ok(Invocation::List {
            discovery: discovery.parse()?,
            deadline,
        })
    }
}

impl JoinArgs {
    fn options(self) -> Result<JoinOptions, String> {
        let discovery = self.discovery.named("join")?;
        let address = self.advertise.as_deref().unwrap_or_default();
        if address.is_empty() {
            return Err("missing mandatory --advertise flag".to_owned());
        }
        if !is_address(address) {
            return Err("--advertise should be of the form ip:port or hostname:port".to_owned());
        }
        let delay = duration("--delay", &self.delay)?;
        let heartbeat = at_least_a_second("--heartbeat", &self.heartbeat)?;
        let ttl = duration("--ttl", &self.ttl)?;
        if ttl <= heartbeat {
            return Err("--ttl must be strictly superior to the heartbeat value".to_owned());
        }
        Ok(JoinOptions {
            address: address.to_owned(),
            delay,
            heartbeat,
            ttl,
            discovery: discovery.parse()?,
        })
    }
}

impl ManageArgs {
    fn options(self) -> Result<ManageOptions, String> {
        self.not_here.refuse()?;
        let refresh = self.refresh()?;
        let retries = self.engine_failure_retry.parse().ok();
        let retries = retries
            .filter(|retries| (1..1000).contains(retries))
            .ok_or("invalid failure retry count")?;
        let discovery = self.discovery.named("manage")?;
        let heartbeat = at_least_a_second("--heartbeat", &self.heartbeat)?;
        let discovery = discovery.parse()?;
        let strategy = self
            .strategy
            .parse()
            .map_err(|error: UnknownStrategy| error.to_string())?;
        if self.cluster_driver != "swarm" {
            return Err(format!("unsupported cluster {:?}", self.cluster_driver));
        }
        Ok(ManageOptions {
            hosts: self
                .hosts
                .iter()
                .map(|host| listening(host))
                .collect::<Result<_, _>>()?,
            strategy,
            filters: self.chosen_filters()?,
            heartbeat,
            refresh,
            retries,
            timeout: duration("--timeout", &self.timeout)?,
            cluster: ClusterOpt::parse(&self.cluster_options)?,
            discovery,
        })
    }

    fn refresh(&self) -> Result<Duration, String> {
        let least = duration("--engine-refresh-min-interval", &self.engine_refresh_min_interval)?;
        if least.is_zero() {
            return Err("min refresh interval should be a positive number".to_owned());
        }
        let most = duration("--engine-refresh-max-interval", &self.engine_refresh_max_interval)?;
        if most < least {
            return Err("max refresh interval cannot be less than min refresh interval".to_owned());
        }
        at_least_a_second("--engine-refresh-max-interval", &self.engine_refresh_max_interval)
    }

    fn chosen_filters(&self) -> Result<Vec<Filter>, String> {
        if self.filters.is_empty() {
            return Ok(Filter::ALL.to_vec());
        }
        let chosen = self.filters.iter().map(|name| name.parse());
        chosen
            .collect::<Result<_, UnknownFilter>>()
            .map_err(|error| error.to_string())
    }
}

impl ClusterOpt {
    fn parse(options: &[String]) -> Result<Self, String> {
        let mut parsed = Self {
            overcommit: 0.05,
            create_retries: 0,
        };
        for option in options {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let read = match name {
                "swarm.overcommit" => value
                    .parse()
                    .ok()
                    .filter(|value| (-1.0..=100.0).contains(value))
                    .map(|value| parsed.overcommit = value),
                "swarm.createretry" => value.parse().ok().map(|value| parsed.create_retries = value),
                _ => None,
            };
            read.ok_or_else(|| {
                format!(
                    "--cluster-opt {option}: there are swarm.overcommit=NUMBER, such as 0.05, and swarm.createretry=COUNT, \
                     such as 2"
                )
            })?;
        }
        Ok(parsed)
    }
}

fn duration(flag: &str, text: &str) -> Result<Duration, String> {
    go_duration::parse(text).map_err(|error| format!("invalid {flag}: {error}"))
}

fn at_least_a_second(flag: &str, text: &str) -> Result<Duration, String> {
    let read = duration(flag, text)?;
    if read < Duration::from_secs(1) {
        return Err(format!("{flag} should be at least one second"));
    }
    Ok(read)
}

fn listening(text: &str) -> Result<String, String> {
    let refused = || format!("--host {text}: there is tcp://IP:PORT");
    let address = text.strip_prefix("tcp://").unwrap_or(text);
    if address.contains("://") {
        return Err(refused());
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
    right.then_some(full).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn parse(line: &str) -> Result<Option<Invocation>, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Ok(super::parse(&arguments)?.map(|(_, invocation)| invocation))
    }

    fn managing(line: &str) -> ManageOptions {
        match parse(line) {
            Ok(Some(Invocation::Manage(options))) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_tutorials_commands_are_understood() {
        let join = parse("join --addr=10.0.0.2:2375 token://0123456789abcdef0123456789abcdef");
        let Ok(Some(Invocation::Join(options))) = join else {
            panic!("{join:?}")
        };
        assert_eq!(options.address, "10.0.0.2:2375");
        assert_eq!((options.ttl, options.delay), (Duration::from_secs(180), Duration::ZERO));
        let options = managing("manage token://0123456789abcdef0123456789abcdef");
        assert_eq!((options.strategy, options.retries), (Strategy::Spread, 3));
        assert_eq!(options.filters, Filter::ALL);
        assert!(matches!(parse("create"), Ok(Some(Invocation::Create))));
    }

    #[test]
    fn every_choice_of_a_manager_is_taken() {
        let options = managing(
            "manage -f constraint --filter health --cluster-opt swarm.createretry=2 --cluster-opt swarm.overcommit=0.5 \
             -c swarm --refresh-on-node-filter --container-name-refresh-filter x nodes://a:1",
        );
        assert_eq!(options.filters, [Filter::Constraint, Filter::Health]);
        assert_eq!((options.cluster.create_retries, options.cluster.overcommit), (2, 0.5));
    }

    #[rstest]
    #[case("create", Level::Info)]
    #[case("--debug create", Level::Debug)]
    #[case("--debug -l error create", Level::Error)]
    #[case("--log-level=warn --experimental create", Level::Warning)]
    fn the_log_is_as_long_as_was_asked_for(#[case] line: &str, #[case] wanted: Level) {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        assert_eq!(super::parse(&arguments).unwrap().unwrap().0, wanted);
    }

    #[rstest]
    #[case("manage", "discovery required to manage a cluster. See 'swarm manage --help'.")]
    #[case(
        "manage a:1 b:1",
        "discovery required to manage a cluster. See 'swarm manage --help'."
    )]
    #[case("join", "discovery required to join a cluster. See 'swarm join --help'.")]
    #[case("list", "discovery required to list a cluster. See 'swarm list --help'.")]
    #[case("create x", "the `create` command takes no arguments. See 'swarm create --help'.")]
    #[case("join token://", "missing mandatory --advertise flag")]
    #[case(
        "join --addr=nowhere nodes://a:1",
        "--advertise should be of the form ip:port or hostname:port"
    )]
    #[case("join --addr=a:1 token://", "token is empty")]
    #[case("manage token://a/", "token is empty")]
    #[case(
        "join --addr=a:1 --heartbeat 500ms nodes://a:1",
        "--heartbeat should be at least one second"
    )]
    #[case(
        "join --addr=a:1 --heartbeat 60s --ttl 60s nodes://a:1",
        "--ttl must be strictly superior to the heartbeat value"
    )]
    #[case("manage --strategy random nodes://a:1", "strategy not supported")]
    #[case("manage -f random nodes://a:1", "filter not supported")]
    #[case("manage -c mesos nodes://a:1", "unsupported cluster \"mesos\"")]
    #[case("manage --engine-failure-retry -1 nodes://a:1", "invalid failure retry count")]
    #[case("-l loud list nodes://a:1", "not a valid logrus Level: \"loud\"")]
    #[case("list --timeout 0s nodes://a:1", "--timeout should be a positive number")]
    fn what_is_wrong_is_said_in_the_archived_images_words(#[case] line: &str, #[case] words: &str) {
        assert_eq!(parse(line).unwrap_err(), words);
    }

    #[rstest]
    #[case("join --addr=a:1 --delay soon nodes://a:1", "invalid --delay")]
    #[case("manage --heartbeat 60 nodes://a:1", "invalid --heartbeat")]
    #[case("manage --tlsverify nodes://a:1", "TLS is not here yet")]
    #[case("manage --tlscert a.pem nodes://a:1", "TLS is not here yet")]
    #[case("manage --replication nodes://a:1", "one manager")]
    #[case("manage --cors nodes://a:1", "proxy")]
    #[case("manage --discovery-opt kv.path=a nodes://a:1", "use token://, nodes:// or file://")]
    #[case("manage --cluster-opt swarm.createretry=-1 nodes://a:1", "swarm.createretry=COUNT")]
    #[case("manage --cluster-opt swarm.more=1 nodes://a:1", "swarm.overcommit=NUMBER")]
    #[case("manage consul://a", "consul")]
    #[case("manage -H unix:///x nodes://a:1", "tcp://IP:PORT")]
    #[case("manage --unknown", "--unknown")]
    #[case("unknown", "unknown")]
    fn what_cannot_be_done_is_refused_in_one_line(#[case] line: &str, #[case] words: &str) {
        let error = parse(line).unwrap_err();
        assert!(error.contains(words) && !error.contains('\n'), "{error}");
    }

    #[rstest]
    #[case(":2375", "0.0.0.0:2375")]
    #[case("tcp://0.0.0.0:2375", "0.0.0.0:2375")]
    #[case("127.0.0.1:0", "127.0.0.1:0")]
    fn addresses_to_listen_on_are_read(#[case] text: &str, #[case] wanted: &str) {
        assert_eq!(listening(text).unwrap(), wanted);
    }
}
