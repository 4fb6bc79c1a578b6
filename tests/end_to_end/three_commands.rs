//! README.md's commands as they stand there, on nodes that nobody has used before and with `inventories/aws.toml`, in which nothing is
//! changed but that the key and the addresses are filled in. As at a cloud, people reach the nodes at other addresses than those by
//! which the nodes know each other, and which lead nowhere from here.

use crate::harness::{Bench, Ended, Node, OwnPlayground, Running, Snapshot};
use crate::readme_commands::commands;
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the first run may take on two cores with all images built, while other tests are at work beside it.
const FIRST_RUN: Duration = Duration::from_secs(480);

/// How long one command may take before it is said to hang.
const PATIENCE: Duration = Duration::from_secs(600);

const AWS: &str = include_str!("../../inventories/aws.toml");

/// The nodes of a playground as a cloud would have them.
struct Cloud<'a> {
    bench: &'a Bench,
    state: &'a Path,
}

/// Returns the address that only the nodes know `node` by.
fn private(node: &Node) -> String {
    let number = node.address.rsplit('.').next().unwrap();
    format!("192.168.213.{number}")
}

impl<'a> Cloud<'a> {
    /// Gives the nodes their second addresses, and fills the inventory in.
    fn new(playground: &'a OwnPlayground, bench: &'a Bench) -> Self {
        for node in &bench.nodes {
            let (public, private) = (&node.address, private(node));
            node.root(&format!(
                "ip addr add {private}/24 dev $(ip -o -4 addr show to {public} | awk '{{ print $2 }}')"
            ));
        }
        let cloud = Self {
            bench,
            state: playground.state(),
        };
        let folder = bench.path("empty/inventories");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("aws.toml"), cloud.inventory()).unwrap();
        cloud.write_ssh();
        cloud
    }

    /// Returns `inventories/aws.toml`, filled in from the top to the bottom.
    fn inventory(&self) -> String {
        let nodes = &self.bench.nodes;
        let key = nodes[0].identity.display().to_string();
        let addresses = nodes
            .iter()
            .flat_map(|node| [("private_ip", private(node)), ("address", node.address.clone())]);
        let mut filled = AWS.to_owned();
        for (name, value) in [("identity_file", key)].into_iter().chain(addresses) {
            let empty = format!("\n{name} = \"\"\n");
            assert!(filled.contains(&empty), "inventories/aws.toml has no empty {name}");
            filled = filled.replacen(&empty, &format!("\n{name} = {value:?}\n"), 1);
        }
        assert!(!filled.contains("\"\""), "more is to be filled in:\n{filled}");
        filled
    }

    /// Puts an `ssh` of the test's own before the real one: what the inventory leaves open is left to the user's own configuration,
    /// and whoever runs this must not find the nodes' keys in theirs.
    fn write_ssh(&self) {
        let folder = self.bench.path("bin");
        fs::create_dir(&folder).unwrap();
        let paths = std::env::var_os("PATH").unwrap();
        let ssh = std::env::split_paths(&paths)
            .map(|path| path.join("ssh"))
            .find(|path| path.exists());
        let script = format!(
            "#!/bin/sh\nexec {} -o UserKnownHostsFile={} \"$@\"\n",
            ssh.unwrap().display(),
            self.bench.path("known_hosts_of_the_cloud").display()
        );
        fs::write(folder.join("ssh"), script).unwrap();
        fs::set_permissions(folder.join("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs labctl as README.md has it. Where a command names no inventory, it is the same.
    #[track_caller]
    fn labctl(&self, arguments: &[&str]) -> Ended {
        let paths = std::env::var_os("PATH").unwrap();
        let paths = [self.bench.path("bin")]
            .into_iter()
            .chain(std::env::split_paths(&paths));
        let mut command = self.bench.bare_command(arguments);
        command
            .env("PATH", std::env::join_paths(paths).unwrap())
            .env("LABCTL_STATE_DIR", self.state)
            .env("LABCTL_INVENTORY", "aws.toml");
        let ended = Running::spawn(command, PATIENCE).wait();
        ended.assert_exit(0);
        ended
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_slice(&self.labctl(arguments).stdout).unwrap()
    }

    fn snapshots(&self) -> Vec<Snapshot> {
        self.bench.nodes.iter().map(Snapshot::of).collect()
    }

    /// People are told where they reach DockChat, and do; the nodes use the addresses that only they know.
    fn assert_addresses(&self, run: &Ended) {
        let [node_0, staging, production] = [0, 1, 2].map(|index| &self.bench.nodes[index]);
        run.assert_says(&[&format!("http://{}:5000/", staging.address)]);
        run.assert_says(&[&format!("http://{}/", production.address)]);
        for (node, port, host) in [(staging, 5000, "staging"), (production, 80, "dockchat.com")] {
            let page = page(&node.address, port, host);
            assert!(
                page.contains("DockChat served from Container ID"),
                "{}: {page}",
                node.name
            );
            let listening = node.root("ss -Hltn 'sport = :2375' | awk '{ print $4 }'");
            assert_eq!(listening, format!("{}:2375", private(node)));
        }
        let links = run.stdout();
        assert!(!links.contains("http://192.168.213."), "a link leads nowhere: {links}");
        let info = node_0.root("docker -H tcp://127.0.0.1:3375 info 2>/dev/null");
        for node in [staging, production] {
            assert!(info.contains(&format!("{}:2375", private(node))), "{info}");
            assert!(!info.contains(&node.address), "{info}");
        }
    }

    /// Every task of the lab, also one that is new, verifies; those without verifications say that.
    fn verify_each_task(&self) {
        let lab = self.json(&["show", "lab2", "--json"]);
        let tasks = lab["tasks"].as_array().unwrap();
        let tasks = tasks.iter().map(|task| task["id"].as_str().unwrap());
        let mut verified = 0;
        for task in tasks.filter(|task| *task != "prerequisites") {
            self.labctl(&["verify", task]);
            verified += 1;
        }
        assert!(verified >= 4, "the lab has only {verified} tasks");
    }

    /// A run where all holds does less, says so, takes half the time of `first` at most, and leaves the nodes as they were.
    fn run_where_all_holds(&self, first: Duration) {
        let before = self.snapshots();
        let begun = Instant::now();
        let run = self.labctl(&["run", "lab2"]);
        let took = begun.elapsed();
        eprintln!("run where all holds: {:.0} s", took.as_secs_f32());
        assert!(took * 2 <= first, "the first run took {first:?}, the second {took:?}");
        for (node, (before, now)) in self.bench.nodes.iter().zip(before.iter().zip(self.snapshots())) {
            now.without_contents()
                .assert_same_as(&before.without_contents(), &node.name);
        }

        let plan = self.json(&["plan", "lab2", "--json"]);
        let steps = plan["steps"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let safe_to_leave = steps.iter().filter(|step| step["when_done"] == "skip");
        let lines = safe_to_leave.map(|step| {
            format!(
                "= {}  {}  holds already",
                text(&step["key"]["node"]),
                text(&step["title"])
            )
        });
        let (held, done): (Vec<String>, Vec<String>) = lines.partition(|line| run.stdout().contains(line));
        let changed = |line: &&String| {
            run.stdout()
                .contains(&line.replace("= ", "→ ").replace("holds already", "changed by task4"))
        };
        let done: Vec<&String> = done.iter().filter(|line| !changed(line)).collect();
        // Task 3 renames that file, so task 1 puts it there again.
        assert_eq!(
            done,
            ["= node-0  1.1 Have docker-compose.yml as it was cloned  holds already"],
            "these were done again:\n{}",
            run.stdout()
        );
        run.assert_says(&[&format!("= {} held already", held.len())]);
    }
}

/// Returns what an HTTP server answers who asks for `host`.
fn page(address: &str, port: u16, host: &str) -> String {
    let mut server = TcpStream::connect((address, port)).unwrap();
    server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(server, "GET / HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn the_commands_of_the_readme_run_the_lab_on_fresh_nodes_and_leave_them_as_they_were() {
    let Some(playground) = OwnPlayground::up() else { return };
    let bench = playground.bench();
    let cloud = Cloud::new(&playground, &bench);
    let (mut runs, mut cleanups) = (0, 0);
    for words in commands() {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let begun = Instant::now();
        let ended = cloud.labctl(&words);
        let took = begun.elapsed();
        match words[0] {
            "run" => {
                eprintln!("labctl {}: {:.0} s", words.join(" "), took.as_secs_f32());
                cloud.assert_addresses(&ended);
                if runs == 0 {
                    assert!(took <= FIRST_RUN, "the first run took {took:?}");
                    cloud.verify_each_task();
                    cloud.run_where_all_holds(took);
                }
                runs += 1;
            }
            "cleanup" => {
                bench.assert_same_but_engines_restarted();
                cleanups += 1;
            }
            _ => {}
        }
    }
    assert!(
        runs >= 2 && cleanups >= 2,
        "README.md shows {runs} runs and {cleanups} cleanups"
    );
}
