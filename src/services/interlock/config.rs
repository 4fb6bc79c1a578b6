//! HAProxy's configuration.
//!
//! Responsible for every line of it, from settings and containers alone: the same containers in another order make the same text, so that
//! a change of the text is a change of what is served. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use super::containers::{Address, Target};
use super::words::{HostName, quoted};

/// The time between two health checks where a container has no wish, in milliseconds.
const CHECK_INTERVAL: u64 = 5000;

/// What holds for all containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) port: u16,
    pub(super) max_connections: u32,
    /// In milliseconds.
    pub(super) connect_timeout: u32,
    /// In milliseconds.
    pub(super) client_timeout: u32,
    /// In milliseconds.
    pub(super) server_timeout: u32,
    pub(super) stats_user: String,
    pub(super) stats_password: String,
    /// The socket through which a new HAProxy takes over the open ports of the old one.
    pub(super) socket: PathBuf,
}

/// What one host's visitors are given.
#[derive(Debug, Default)]
struct Backend<'a> {
    servers: BTreeMap<&'a Address, &'a Target>,
}

/// Writes the configuration that serves `targets`.
pub(super) fn render(settings: &Settings, targets: &[Target]) -> String {
    let backends = backends(targets);
    let mut text = String::from("# Written by interlock, and again with each change.\n");
    // Writing to a String cannot fail.
    let _ = write_common(&mut text, settings, &backends);
    for (host, backend) in &backends {
        let _ = write_backend(&mut text, host, backend);
    }
    text
}

fn backends(targets: &[Target]) -> BTreeMap<&HostName, Backend<'_>> {
    let mut sorted: Vec<&Target> = targets.iter().collect();
    sorted.sort_by(|a, b| (&a.server, &a.address).cmp(&(&b.server, &b.address)));
    let mut backends: BTreeMap<&HostName, Backend> = BTreeMap::new();
    for target in sorted {
        for host in &target.hosts {
            let servers = &mut backends.entry(host).or_default().servers;
            servers.entry(&target.address).or_insert(target);
        }
    }
    backends
}

fn write_common(
    text: &mut String,
    settings: &Settings,
    backends: &BTreeMap<&HostName, Backend<'_>>,
) -> std::fmt::Result {
    let quote = |value: &str| quoted(value).unwrap_or_else(|| "''".to_owned());
    let Settings {
        port,
        max_connections,
        connect_timeout,
        client_timeout,
        server_timeout,
        ..
    } = settings;
    let socket = quote(&settings.socket.to_string_lossy());
    let account = quote(&format!("{}:{}", settings.stats_user, settings.stats_password));
    // A request that was answered before a reload keeps its connection; one to a container that is gone goes to another, and is sent
    // again only where that cannot do something twice.
    write!(
        text,
        "global
    log stdout format raw daemon notice
    maxconn {max_connections}
    stats socket {socket} mode 600 level admin expose-fd listeners
    hard-stop-after 5m
    mworker-max-reloads 100
defaults
    mode http
    log global
    option redispatch 1
    retry-on conn-failure empty-response
    option dontlognull
    option http-server-close
    option idle-close-on-response
    option forwardfor
    timeout connect {connect_timeout}
    timeout client {client_timeout}
    timeout server {server_timeout}
frontend http-default
    bind *:{port}
    http-request disable-l7-retry if !METH_GET
    monitor-uri /haproxy?monitor
    stats enable
    stats realm Stats
    stats auth {account}
    stats uri /haproxy?stats
    stats refresh 5s
"
    )?;
    for host in backends.keys() {
        let backend = host.backend();
        writeln!(
            text,
            "    use_backend {backend} if {{ req.hdr(host),field(1,:) -m str -i {host} }}"
        )?;
    }
    Ok(())
}

fn write_backend(text: &mut String, host: &HostName, backend: &Backend<'_>) -> std::fmt::Result {
    let mut targets: Vec<&&Target> = backend.servers.values().collect();
    targets.sort_by(|a, b| (&a.server, &a.address).cmp(&(&b.server, &b.address)));
    // The first that has a wish for all is heard.
    let check = targets.iter().find_map(|target| target.data.wishes.check.as_ref());
    let balance = targets
        .iter()
        .find_map(|target| target.data.wishes.balance_algorithm.as_ref());
    let options = targets
        .iter()
        .find(|target| !target.data.wishes.backend_options.is_empty());
    writeln!(text, "backend {}", host.backend())?;
    writeln!(text, "    retries {}", retries(targets.len()))?;
    writeln!(text, "    http-response add-header X-Request-Start %Ts.%ms")?;
    match balance {
        Some(balance) => writeln!(text, "    balance {balance}")?,
        None => writeln!(text, "    balance roundrobin")?,
    }
    for option in options.iter().flat_map(|target| &target.data.wishes.backend_options) {
        writeln!(text, "    option {option}")?;
    }
    if let Some(check) = check {
        writeln!(text, "    option {check}")?;
    }
    let mut taken = BTreeSet::new();
    for target in targets {
        let name = free_name(&target.server, &mut taken);
        let Address { host, port } = &target.address;
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.clone()
        };
        let interval = target.data.check_interval.unwrap_or(CHECK_INTERVAL);
        writeln!(text, "    server {name} {host}:{port} check inter {interval}")?;
    }
    Ok(())
}

/// How often a visitor is sent on who meets nobody. Of many servers most may have gone since the last reload, and whoever keeps his
/// connection through one is still served by the old list; as all visitors take turns, one round may lead each to those that are gone.
fn retries(servers: usize) -> usize {
    match servers {
        // A second is waited each time before the same one is tried again.
        0 | 1 => 3,
        several => several.saturating_mul(8).min(800),
    }
}

/// A name that no other server of the backend has: two nodes may each have a container of one name.
fn free_name(wanted: &str, taken: &mut BTreeSet<String>) -> String {
    let mut name = wanted.to_owned();
    let mut number = 1;
    while !taken.insert(name.clone()) {
        number += 1;
        name = format!("{wanted}:{number}");
    }
    name
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::containers::{Machine, target};
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    pub(in crate::interlock) fn settings() -> Settings {
        Settings {
            port: 80,
            max_connections: 2048,
            connect_timeout: 5000,
            client_timeout: 10_000,
            server_timeout: 10_000,
            stats_user: "stats".to_owned(),
            stats_password: "interlock".to_owned(),
            socket: PathBuf::from("/run/proxy.stats.sock"),
        }
    }

    fn web(number: u16, data: &str) -> Target {
        let inspected = json!({
            "Id": format!("{number:032x}"), "Name": format!("/node-2/web_{number}"),
            "Config": { "Env": [format!("INTERLOCK_DATA={data}")] },
            "NetworkSettings": { "Ports": { "5000/tcp": [{ "HostIp": "10.0.0.2", "HostPort": (32000 + number).to_string() }] } },
        });
        target(&inspected, &Machine::default()).0.unwrap()
    }

    const CHAT: &str = r#"{"hostname":"dockchat.com","domain":"dockchat.com"}"#;

    fn lines_with(text: &str, word: &str) -> Vec<String> {
        let lines = text.lines().map(str::trim);
        lines
            .filter(|line| line.split(' ').next() == Some(word))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn containers_of_one_host_are_servers_of_one_backend() {
        let text = render(&settings(), &[web(1, CHAT), web(2, CHAT)]);
        assert_eq!(lines_with(&text, "backend"), ["backend dockchat_com"]);
        assert_eq!(
            lines_with(&text, "server"),
            [
                "server web_1 10.0.0.2:32001 check inter 5000",
                "server web_2 10.0.0.2:32002 check inter 5000"
            ]
        );
        assert_eq!(
            lines_with(&text, "use_backend"),
            ["use_backend dockchat_com if { req.hdr(host),field(1,:) -m str -i dockchat.com }"]
        );
        assert!(text.contains("stats auth 'stats:interlock'") && text.contains("stats uri /haproxy?stats"));
    }

    #[test]
    fn the_order_of_containers_changes_nothing() {
        let (one, two) = (web(1, CHAT), web(2, CHAT));
        let text = render(&settings(), &[one.clone(), two.clone()]);
        assert_eq!(text, render(&settings(), &[two.clone(), one]));
        assert_ne!(text, render(&settings(), &[two]));
    }

    #[test]
    fn wishes_of_a_container_stand_in_the_backends_of_all_its_names() {
        let data = r#"{"domain":"a.com","alias_domains":["b.com"],"check":"httpchk GET /ping","check_interval":1000,
            "balance_algorithm":"leastconn","backend_options":["http-no-delay"]}"#;
        let text = render(&settings(), &[web(1, data)]);
        assert_eq!(lines_with(&text, "backend"), ["backend a_com", "backend b_com"]);
        assert_eq!(lines_with(&text, "balance"), ["balance leastconn"; 2]);
        assert_eq!(
            text.matches("    option http-no-delay\n    option httpchk GET /ping\n")
                .count(),
            2
        );
        assert_eq!(
            lines_with(&text, "server"),
            ["server web_1 10.0.0.2:32001 check inter 1000"; 2]
        );
    }

    #[test]
    fn visitors_are_sent_on_more_often_where_there_are_more_servers() {
        let webs: Vec<Target> = (1..=200).map(|number| web(number, CHAT)).collect();
        let retries = |count: usize| lines_with(&render(&settings(), &webs[..count]), "retries");
        assert_eq!(retries(1), ["retries 3"]);
        assert_eq!(retries(10), ["retries 80"]);
        assert_eq!(retries(200), ["retries 800"]);
    }

    #[test]
    fn two_containers_of_one_name_are_two_servers_and_one_address_is_one() {
        let (mut other, same) = (web(2, CHAT), web(1, CHAT));
        other.server = "web_1".to_owned();
        let text = render(&settings(), &[web(1, CHAT), other, same]);
        let servers = lines_with(&text, "server");
        assert_eq!(servers.len(), 2);
        assert!(servers[1].starts_with("server web_1:2 "), "{servers:?}");
    }

    #[test]
    fn a_password_with_a_quote_stays_one_word() {
        let text = render(
            &Settings {
                stats_password: "a'b #\\".to_owned(),
                ..settings()
            },
            &[],
        );
        assert!(text.contains(r"stats auth 'stats:a'\''b #\'"), "{text}");
    }

    proptest! {
        #[test]
        fn nothing_a_container_says_makes_a_line_of_its_own(
            texts in prop::collection::vec(".{0,40}|(?s)[\\x00-\\x7f]{0,20}|[a-z]{1,8}( [a-z/\\\\#\"'\n$]{1,8}){0,3}", 6)
        ) {
            let data = json!({
                "hostname": "a.com", "domain": texts[0], "alias_domains": [texts[1]], "check": texts[2],
                "balance_algorithm": texts[3], "backend_options": [texts[4]],
            });
            let mut hostile = web(1, &data.to_string());
            hostile.server = target(&json!({ "Id": "1", "Name": texts[5], "Config": { "Hostname": "a.com" },
                "NetworkSettings": { "Ports": { "1/tcp": [{ "HostPort": "1" }] } } }), &Machine::default()).0.unwrap().server;
            let hosts = hostile.hosts.len();
            let options = usize::from(hostile.data.wishes.check.is_some()) + hostile.data.wishes.backend_options.len();
            let text = render(&settings(), &[hostile]);
            let bare = render(&settings(), &[]).lines().count();
            // A name has a condition, a backend, its retries, its header, its balance, its server and its options.
            prop_assert_eq!(text.split(['\n', '\r']).count() - 1, bare + hosts * (6 + options));
            prop_assert_eq!(lines_with(&text, "server").len(), hosts);
            prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
            prop_assert!(!text.lines().any(|line| line.ends_with('\\') && !line.ends_with("\\\\")));
        }
    }
}
