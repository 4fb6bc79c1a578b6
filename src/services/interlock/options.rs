//! What `interlock` was asked for.
//!
//! Responsible for the command line of the archived image's 0.3 line and for its HAPROXY_* variables. What it had and this one has not is
//! refused by name.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{ArgAction, Parser, Subcommand};

use super::config::Settings;
use super::containers::Machine;
use super::words::quoted;
use crate::address::is_address;
use crate::clap_text;

/// Where the archived image looked for a manager that nobody named.
const DEFAULT_URL: &str = "tcp://127.0.0.1:2375";

#[derive(Debug, Parser)]
#[command(
    name = "interlock",
    about = "Event driven HAProxy for containers, a drop-in for the archived interlock image",
    version = super::VERSION,
    disable_version_flag = true
)]
struct CommandLine {
    #[command(subcommand)]
    command: Verb,
    /// Where the manager's or an engine's API is, as tcp://HOST:PORT. The default is $DOCKER_HOST, or else tcp://127.0.0.1:2375.
    #[arg(short = 's', long)]
    swarm_url: Option<String>,
    /// What to run; there is haproxy.
    #[arg(short = 'p', long = "plugin")]
    plugins: Vec<String>,
    /// Log more.
    #[arg(short = 'D', long)]
    debug: bool,
    #[arg(long, hide = true)]
    swarm_tls_ca_cert: Option<String>,
    #[arg(long, hide = true)]
    swarm_tls_cert: Option<String>,
    #[arg(long, hide = true)]
    swarm_tls_key: Option<String>,
    #[arg(long, hide = true)]
    swarm_allow_insecure: bool,
    /// Print the version.
    #[arg(short = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve
    Start,
    /// List what --plugin takes
    ListPlugins,
}

/// What was asked for, made out.
#[derive(Debug)]
pub(super) enum Invocation {
    /// Serve.
    Start(Box<Options>),
    /// List the plugins.
    ListPlugins,
}

/// How to serve.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// The Docker API's `host:port`.
    pub(super) api: String,
    pub(super) debug: bool,
    pub(super) settings: Settings,
    pub(super) machine: Machine,
    /// Where HAProxy's configuration is written.
    pub(super) config_path: PathBuf,
    /// The HAProxy to run: a name to be looked up, or a path.
    pub(super) program: String,
}

/// Reads `arguments` and the process's environment; `None` where they asked for help or the version.
pub(super) fn parse(arguments: &[String]) -> Result<Option<Invocation>, String> {
    parse_in(arguments, |name| {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    })
}

/// Prints what `list-plugins` does.
pub(super) fn print_plugins() {
    // A reader that has gone away wants no more.
    let _ = writeln!(
        std::io::stdout(),
        "NAME      VERSION   DESCRIPTION\nhaproxy   0.3       HAProxy load balancer"
    );
}

fn parse_in(arguments: &[String], environment: impl Fn(&str) -> Option<String>) -> Result<Option<Invocation>, String> {
    let Some(line) = clap_text::parse::<CommandLine>("interlock", arguments)? else {
        return Ok(None);
    };
    if matches!(line.command, Verb::ListPlugins) {
        return Ok(Some(Invocation::ListPlugins));
    }
    line.refuse_what_is_not_here()?;
    let url = line.swarm_url.filter(|url| !url.is_empty());
    let url = url.or_else(|| environment("DOCKER_HOST"));
    let api = api_address(url.as_deref().unwrap_or(DEFAULT_URL))?;
    let variables = Variables(environment);
    let config_path = variables.text("HAPROXY_PROXY_CONFIG_PATH", "proxy.conf")?;
    // HAProxy takes a socket's path for one only where it begins with a slash.
    let config_path = std::path::absolute(&config_path)
        .map_err(|error| format!("HAPROXY_PROXY_CONFIG_PATH: {config_path:?} leads nowhere: {error}"))?;
    let host = api.rsplit_once(':').map_or(api.as_str(), |(host, _)| host);
    let machine = Machine {
        forced: variables.forced_address()?,
        api: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
    };
    Ok(Some(Invocation::Start(Box::new(Options {
        debug: line.debug,
        settings: variables.settings(&config_path)?,
        machine,
        program: variables.text("HAPROXY_PROGRAM", "haproxy")?,
        config_path,
        api,
    }))))
}

impl CommandLine {
    fn refuse_what_is_not_here(&self) -> Result<(), String> {
        let files = [&self.swarm_tls_ca_cert, &self.swarm_tls_cert, &self.swarm_tls_key];
        if files
            .iter()
            .any(|file| file.as_deref().is_some_and(|file| !file.is_empty()))
        {
            return Err("TLS is not here: leave --swarm-tls-* out, and name the manager's private address".to_owned());
        }
        if self.plugins.is_empty() {
            return Err("no plugin is named; there is: --plugin haproxy".to_owned());
        }
        match self.plugins.iter().find(|plugin| *plugin != "haproxy") {
            Some(plugin) => Err(format!(
                "there is no plugin {plugin:?} here; there is: --plugin haproxy"
            )),
            None => Ok(()),
        }
    }
}

/// Reads `tcp://HOST:PORT`; a doubled scheme is what `tcp://$DOCKER_HOST` makes of a full address.
fn api_address(url: &str) -> Result<String, String> {
    let mut address = url.trim_end_matches('/');
    while let Some(rest) = address
        .strip_prefix("tcp://")
        .or_else(|| address.strip_prefix("http://"))
    {
        address = rest;
    }
    if is_address(address) {
        return Ok(address.to_owned());
    }
    Err(format!(
        "--swarm-url {url}: write it as tcp://HOST:PORT, such as tcp://10.0.0.1:3375"
    ))
}

/// The variables that the archived image's haproxy plugin read.
struct Variables<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    fn settings(&self, config_path: &Path) -> Result<Settings, String> {
        if (self.0)("HAPROXY_SSL_CERT").is_some() {
            return Err("HAPROXY_SSL_CERT: there is no TLS here; leave it out".to_owned());
        }
        let stats_user = self.text("HAPROXY_STATS_USER", "stats")?;
        if stats_user.contains(':') {
            return Err("HAPROXY_STATS_USER: a user's name has no colon".to_owned());
        }
        let port = self.number("HAPROXY_PORT", 80)?;
        let directory = config_path.parent().unwrap_or(Path::new(""));
        Ok(Settings {
            port: u16::try_from(port).map_err(|_| format!("HAPROXY_PORT: {port} is no port"))?,
            max_connections: self.number("HAPROXY_MAX_CONN", 2048)?,
            connect_timeout: self.number("HAPROXY_CONNECT_TIMEOUT", 5000)?,
            client_timeout: self.number("HAPROXY_CLIENT_TIMEOUT", 10_000)?,
            server_timeout: self.number("HAPROXY_SERVER_TIMEOUT", 10_000)?,
            stats_user,
            stats_password: self.text("HAPROXY_STATS_PASSWORD", "interlock")?,
            socket: directory.join("proxy.stats.sock"),
        })
    }

    fn forced_address(&self) -> Result<Option<String>, String> {
        const NAME: &str = "HAPROXY_PROXY_BACKEND_OVERRIDE_ADDRESS";
        let Some(address) = (self.0)(NAME) else {
            return Ok(None);
        };
        let is_ip = address.parse::<std::net::IpAddr>().is_ok();
        if is_ip || is_address(&format!("{address}:1")) {
            return Ok(Some(address));
        }
        Err(format!("{NAME}: {address:?} is no address"))
    }

    fn text(&self, name: &str, default: &str) -> Result<String, String> {
        let text = (self.0)(name).unwrap_or_else(|| default.to_owned());
        if text.len() > 200 || quoted(&text).is_none() {
            return Err(format!("{name}: it is longer than 200 bytes or has control characters"));
        }
        Ok(text)
    }

    fn number<T: FromStr + PartialOrd + Default>(&self, name: &str, default: T) -> Result<T, String> {
        let Some(text) = (self.0)(name) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|number| *number > T::default());
        number.ok_or_else(|| format!("{name}: {text:?} is no number above 0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn parse(line: &str, environment: &[(&str, &str)]) -> Result<Options, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let value = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        match parse_in(&arguments, value)? {
            Some(Invocation::Start(options)) => Ok(*options),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_tutorials_command_line_is_understood() {
        let options = parse("--swarm-url tcp://10.0.0.1:3375 --debug --plugin haproxy start", &[]).unwrap();
        assert_eq!((options.api.as_str(), options.debug), ("10.0.0.1:3375", true));
        assert_eq!((options.settings.port, options.machine.api.as_str()), (80, "10.0.0.1"));
        let here = std::env::current_dir().unwrap();
        assert_eq!(options.config_path, here.join("proxy.conf"));
        assert_eq!(options.settings.socket, here.join("proxy.stats.sock"));
    }

    #[rstest]
    #[case("-s tcp://tcp://a:1 -p haproxy start", "a:1")]
    #[case("-s 10.0.0.1:3375 -D -p haproxy --swarm-allow-insecure start", "10.0.0.1:3375")]
    #[case("-p haproxy start", "10.0.0.7:2375")]
    fn the_api_is_found(#[case] line: &str, #[case] api: &str) {
        assert_eq!(parse(line, &[("DOCKER_HOST", "tcp://10.0.0.7:2375")]).unwrap().api, api);
        assert_eq!(parse("-p haproxy start", &[]).unwrap().api, "127.0.0.1:2375");
    }

    #[test]
    fn haproxys_variables_are_read() {
        let variables = [
            ("HAPROXY_PORT", "8080"),
            ("HAPROXY_PROXY_CONFIG_PATH", "/tmp/a/proxy.conf"),
            ("HAPROXY_PROXY_BACKEND_OVERRIDE_ADDRESS", "172.17.0.1"),
            ("HAPROXY_STATS_PASSWORD", "a 'b"),
            ("HAPROXY_MAX_CONN", "10"),
        ];
        let options = parse("-p haproxy start", &variables).unwrap();
        assert_eq!((options.settings.port, options.settings.max_connections), (8080, 10));
        assert_eq!(options.settings.socket, PathBuf::from("/tmp/a/proxy.stats.sock"));
        assert_eq!(options.machine.forced.as_deref(), Some("172.17.0.1"));
    }

    #[rstest]
    #[case("start", &[], "no plugin is named")]
    #[case("-p nginx start", &[], "no plugin \"nginx\"")]
    #[case("-p haproxy -s unix:///var/run/docker.sock start", &[], "tcp://HOST:PORT")]
    #[case("-p haproxy --swarm-tls-cert a start", &[], "TLS is not here")]
    #[case("-p haproxy", &[], "start")]
    #[case("-p haproxy start", &[("HAPROXY_PORT", "0")], "HAPROXY_PORT")]
    #[case("-p haproxy start", &[("HAPROXY_PORT", "70000")], "HAPROXY_PORT")]
    #[case("-p haproxy start", &[("HAPROXY_STATS_USER", "a\nb")], "HAPROXY_STATS_USER")]
    #[case("-p haproxy start", &[("HAPROXY_SSL_CERT", "a")], "no TLS")]
    #[case("-p haproxy start", &[("HAPROXY_PROXY_BACKEND_OVERRIDE_ADDRESS", "a b")], "no address")]
    fn what_cannot_be_done_is_refused(#[case] line: &str, #[case] environment: &[(&str, &str)], #[case] words: &str) {
        let error = parse(line, environment).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}
