//! The words and flags of the archived image's command line, as clap reads them.
//!
//! Responsible for their names, environment variables, defaults and help. It may not judge values: what is wrong with one is
//! said by [`super::options`], in the archived image's words and order.

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "swarm",
    about = "A Docker-native clustering system",
    long_about = "A Docker-native clustering system, made anew by labctl: a drop-in for the archived swarm image.",
    version = super::VERSION,
    disable_version_flag = true
)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    pub(super) command: Option<Verb>,
    /// Debug mode: log every request too.
    #[arg(long, env = "DEBUG", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub(super) debug: bool,
    /// Log level (options: debug, info, warn, error, fatal, panic). The default is info.
    #[arg(short = 'l', long)]
    pub(super) log_level: Option<String>,
    /// Enable experimental features: kept for compatibility, as there are none.
    #[arg(long)]
    experimental: bool,
    /// Print the version.
    #[arg(short = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Create a cluster
    #[command(visible_alias = "c")]
    Create {
        #[arg(hide = true)]
        more: Vec<String>,
    },
    /// List nodes in a cluster
    #[command(visible_alias = "l", override_usage = "swarm list [OPTIONS] <discovery>")]
    List(ListArgs),
    /// Manage a docker cluster
    #[command(visible_alias = "m", override_usage = "swarm manage [OPTIONS] <discovery>")]
    Manage(Box<ManageArgs>),
    /// Join a docker cluster
    #[command(visible_alias = "j", override_usage = "swarm join [OPTIONS] <discovery>")]
    Join(JoinArgs),
}

#[derive(Debug, Args)]
pub(super) struct DiscoveryArgs {
    /// Where the cluster's nodes are known: token://TOKEN, token://HOST/PATH/TOKEN, nodes://IP:PORT,IP:PORT or file://PATH.
    #[arg(env = "SWARM_DISCOVERY")]
    pub(super) discovery: Vec<String>,
    /// For consul, etcd and zk, which are not here.
    #[arg(long = "discovery-opt", hide = true)]
    pub(super) options: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub(super) discovery: DiscoveryArgs,
    /// How long it may take.
    #[arg(long, default_value = "10s")]
    pub(super) timeout: String,
}

#[derive(Debug, Args)]
pub(super) struct JoinArgs {
    #[command(flatten)]
    pub(super) discovery: DiscoveryArgs,
    /// Address of the Docker Engine joining the cluster. The manager must be able to reach it there.
    #[arg(long, visible_alias = "addr", env = "SWARM_ADVERTISE")]
    pub(super) advertise: Option<String>,
    /// Period between each heartbeat.
    #[arg(long, default_value = "60s")]
    pub(super) heartbeat: String,
    /// Set the expiration of an ephemeral node.
    #[arg(long, default_value = "180s")]
    pub(super) ttl: String,
    /// Add a random delay in [0s,delay] to avoid synchronized registration.
    #[arg(long, default_value = "0s")]
    pub(super) delay: String,
}

#[derive(Debug, Args)]
pub(super) struct ManageArgs {
    #[command(flatten)]
    pub(super) discovery: DiscoveryArgs,
    /// Where to listen, as tcp://IP:PORT.
    #[arg(
        short = 'H',
        long = "host",
        env = "SWARM_HOST",
        default_value = "tcp://127.0.0.1:2375",
        value_delimiter = ','
    )]
    pub(super) hosts: Vec<String>,
    /// Placement strategy to use [spread, binpack].
    #[arg(long, default_value = "spread")]
    pub(super) strategy: String,
    /// Filter to use, in this order [health, port, containerslots, dependency, affinity, constraint, whitelist]. The default is all.
    #[arg(short = 'f', long = "filter")]
    pub(super) filters: Vec<String>,
    /// Period between each heartbeat.
    #[arg(long, default_value = "60s")]
    pub(super) heartbeat: String,
    /// Set engine refresh minimum interval; kept for compatibility, as engines tell what changes.
    #[arg(long, default_value = "30s")]
    pub(super) engine_refresh_min_interval: String,
    /// Set engine refresh maximum interval.
    #[arg(long, default_value = "60s")]
    pub(super) engine_refresh_max_interval: String,
    /// Set engine failure retry count.
    #[arg(
        long,
        visible_alias = "engine-refresh-retry",
        default_value = "3",
        allow_hyphen_values = true
    )]
    pub(super) engine_failure_retry: String,
    /// Timeout period of a look at an engine.
    #[arg(long, default_value = "10s")]
    pub(super) timeout: String,
    /// Cluster driver options: swarm.overcommit=0.05, swarm.createretry=0.
    #[arg(long = "cluster-opt")]
    pub(super) cluster_options: Vec<String>,
    /// Cluster driver to use [swarm].
    #[arg(short = 'c', long, default_value = "swarm")]
    pub(super) cluster_driver: String,
    /// Kept for compatibility, as each list of containers is asked of the engines.
    #[arg(long)]
    refresh_on_node_filter: bool,
    /// Kept for compatibility, as each list of containers is asked of the engines.
    #[arg(long)]
    container_name_refresh_filter: Option<String>,
    #[command(flatten)]
    pub(super) not_here: NotHere,
}

/// What the archived image has and this one refuses.
#[derive(Debug, Args)]
pub(super) struct NotHere {
    #[arg(long, hide = true)]
    tls: bool,
    #[arg(long, hide = true)]
    tlsverify: bool,
    #[arg(long, hide = true)]
    tlscacert: Option<String>,
    #[arg(long, hide = true)]
    tlscert: Option<String>,
    #[arg(long, hide = true)]
    tlskey: Option<String>,
    #[arg(long, hide = true)]
    replication: bool,
    #[arg(long, hide = true)]
    replication_ttl: Option<String>,
    #[arg(long, alias = "addr", hide = true)]
    advertise: Option<String>,
    #[arg(long, alias = "cors", hide = true)]
    api_enable_cors: bool,
}

impl NotHere {
    /// Says of the first flag that was given what to do without it.
    pub(super) fn refuse(&self) -> Result<(), String> {
        let files = [&self.tlscacert, &self.tlscert, &self.tlskey];
        let refused = if self.tls || self.tlsverify || files.iter().any(|file| file.is_some()) {
            "TLS is not here yet: leave --tls, --tlsverify and their files out, and listen on a private address"
        } else if self.replication || self.replication_ttl.is_some() || self.advertise.is_some() {
            "there is one manager in a cluster here: leave --replication and --advertise out"
        } else if self.api_enable_cors {
            "no CORS headers are sent here: leave --api-enable-cors out, and put a proxy in front that adds them"
        } else {
            return Ok(());
        };
        Err(refused.to_owned())
    }
}

impl DiscoveryArgs {
    /// Returns where the cluster's nodes are known, as written: it is wanted to `verb` a cluster.
    pub(super) fn named(&self, verb: &str) -> Result<&str, String> {
        if !self.options.is_empty() {
            return Err(
                "--discovery-opt is for consul, etcd and zk, which are not here: leave it out, and use token://, nodes:// or \
                 file://"
                    .to_owned(),
            );
        }
        match self.discovery.as_slice() {
            [one] if !one.is_empty() => Ok(one),
            _ => Err(format!(
                "discovery required to {verb} a cluster. See 'swarm {verb} --help'."
            )),
        }
    }
}
