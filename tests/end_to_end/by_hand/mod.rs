//! The cluster of tasks 2 to 4 as a learner builds it, with the tutorial's own commands and without labctl: what `verify` says of it, and of
//! each way in which it can be wrong.

mod from_task3;
mod sabotages;
mod scaled;

use crate::harness::{Bench, Ended, InventoryText, bench};
use sabotages::{SABOTAGES, Sabotage};
use scaled::SCALED;
use serde_json::Value;
use std::time::Instant;

/// The learner's commands.
const COMMANDS: [&str; 2] = [include_str!("cluster.sh"), include_str!("engine.sh")];

/// A cluster that was built by hand.
struct ByHand<'a> {
    bench: &'a Bench,
}

impl<'a> ByHand<'a> {
    /// Builds it. What came from registries in 2015 is put there: no registry is asked.
    fn build(bench: &'a Bench) -> Self {
        let cluster = Self { bench };
        for (images, nodes) in [("swarm discovery", "node-0"), ("mongo", "node-1,node-2")] {
            let words = ["images", "load"].into_iter().chain(images.split(' '));
            let words: Vec<&str> = words.chain(["--on", nodes]).collect();
            bench.labctl(&words).assert_exit(0);
        }
        std::thread::scope(|scope| {
            scope.spawn(|| {
                cluster.on(
                    1,
                    "docker tag labctl/mongo:3.6 mongo; tutorials_options staging; restart_engine",
                )
            });
            scope.spawn(|| {
                cluster.on(
                    2,
                    "docker tag labctl/mongo:3.6 mongo; tutorials_options production; restart_engine",
                )
            });
            cluster.on(
                0,
                "start_hub; token=$(token); echo $token >/root/labctl-hub/token; manager $token; \
                 agent one $node_1:2375 $token; agent two $node_2:2375 $token",
            );
        });
        cluster.build_dockchat();
        cluster.on(0, "settle; deploy staging; deploy production; answers");
        cluster
    }

    /// Builds DockChat on node-1, and hands it on as a push and a pull would.
    fn build_dockchat(&self) {
        let build = "DOCKER_BUILDKIT=0 docker build -q -t nicolaka/dockchat:v1 - >/dev/null";
        let [_, node_1, node_2] = &self.bench.nodes[..] else {
            panic!("there are three nodes")
        };
        node_1.root_with_dockchat(build);
        node_1.hand_on("nicolaka/dockchat:v1", node_2);
    }

    /// Scales production as in task 4. Interlock's image is put where Docker Hub would have it pulled.
    fn scale_out(&self) {
        let recipe = include_str!("../../../labs/lab2/images/interlock/Dockerfile");
        let recipe = recipe.replace("{{ images.discovery }}", "labctl/discovery:1");
        assert!(!recipe.contains("{{"), "{recipe}");
        let name = "ehazlett/interlock:latest";
        self.on(
            0,
            &format!("DOCKER_BUILDKIT=0 docker build -q -t {name} - >/dev/null <<'END'\n{recipe}\nEND"),
        );
        self.bench.nodes[0].hand_on(name, &self.bench.nodes[2]);
        self.on(0, "scale_out; shares");
    }

    /// Runs `script` on the node at `index`, which knows the learner's commands.
    #[track_caller]
    fn on(&self, index: usize, script: &str) -> String {
        let [private, node_1, node_2] = [0, 1, 2].map(|index| &self.bench.nodes[index].address);
        let known = format!(
            "private={private} node_1={node_1} node_2={node_2}\n{}",
            COMMANDS.concat()
        );
        self.bench.nodes[index].root(&format!("{known}\nset -e\n{script}"))
    }

    /// Runs `scripts` in their order, those of the engines at once where there are no others.
    #[track_caller]
    fn do_all(&self, scripts: &[(usize, &str)]) {
        if scripts.iter().all(|(index, _)| *index > 0) {
            std::thread::scope(|scope| {
                for (index, script) in scripts {
                    scope.spawn(move || self.on(*index, script));
                }
            });
        } else {
            for (index, script) in scripts {
                self.on(*index, script);
            }
        }
    }

    /// Stopped containers of another try, made in another way, say nothing of those that run.
    fn forgives_what_an_earlier_try_left(&self) {
        let label = "--label com.docker.compose.project=try --label com.docker.compose.service";
        self.on(
            1,
            &format!("docker create --name try_web {label}=web nicolaka/dockchat:v1; docker create --name try_db {label}=db mongo"),
        );
        self.bench.labctl(&["verify", "task3"]).assert_exit(0);
        self.on(1, "docker rm -v try_web try_db");
    }

    /// Breaks it, has verify find that and nothing else, and repairs it.
    fn suffers(&self, sabotage: &Sabotage, task: &str, is_repaired: &str) {
        let begun = Instant::now();
        self.do_all(sabotage.breaks);
        let verify = self.bench.labctl(&["verify", task, "--json"]);
        let found = Found::of(&verify);
        verify.assert_exit(1);
        found.assert_is(sabotage);
        self.do_all(sabotage.repairs);
        if !sabotage.repairs.is_empty() {
            self.on(0, is_repaired);
        }
        eprintln!("{}: {:.1} s", sabotage.name, begun.elapsed().as_secs_f32());
    }
}

/// What verify found.
struct Found {
    findings: Vec<Value>,
    plan: Vec<Value>,
    verdicts: Vec<Value>,
}

impl Found {
    #[track_caller]
    fn of(verify: &Ended) -> Self {
        let events = verify.events();
        let of = |kind: &str| {
            events
                .iter()
                .filter(|event| event.is_kind(kind))
                .map(|event| event.0.clone())
                .collect::<Vec<_>>()
        };
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let (causes, started) = (of("causes_found"), of("run_started"));
        assert_eq!((causes.len(), started.len()), (1, 1), "{}", verify.text());
        Self {
            findings: list(&causes[0]["findings"]),
            plan: list(&started[0]["plan"]["steps"]),
            verdicts: of("check_judged"),
        }
    }

    /// The hint of the check `step` on `node`.
    #[track_caller]
    fn hint(&self, step: &str, node: &str) -> String {
        let is_it = |planned: &&Value| planned["key"]["step"] == step && planned["key"]["node"] == node;
        let planned = self.plan.iter().find(is_it).unwrap();
        planned["checks"][0]["hint"].as_str().unwrap().to_owned()
    }

    /// What was found where `finding` shows.
    fn actual(&self, finding: &Value) -> String {
        let shown = finding["shown_by"].as_array().unwrap();
        let of = |key: &Value| self.verdicts.iter().find(|event| event["step"] == *key).cloned();
        let actual = shown
            .iter()
            .filter_map(of)
            .filter_map(|event| event["verdict"]["actual"].as_str().map(str::to_owned));
        actual.collect::<Vec<_>>().join(" | ")
    }

    #[track_caller]
    fn assert_is(&self, sabotage: &Sabotage) {
        let Sabotage {
            name,
            root,
            nodes,
            step,
            actual,
            ..
        } = sabotage;
        let all = serde_json::to_string_pretty(&self.findings).unwrap();
        assert_eq!(self.findings.len(), 1, "{name}: it should be one finding:\n{all}");
        let finding = &self.findings[0];
        let shown: Vec<(&str, &str)> = finding["shown_by"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| (key["step"].as_str().unwrap(), key["node"].as_str().unwrap()))
            .collect();
        let wanted: Vec<(&str, &str)> = nodes.iter().map(|node| (*root, *node)).collect();
        let is_silent = finding["cause"]["kind"] == "engine_silent";
        let is_shown = if is_silent {
            wanted.iter().all(|key| shown.contains(key))
        } else {
            shown == wanted
        };
        assert!(is_shown, "{name}: {root} on {nodes:?} should show it:\n{all}");
        let hint = self.hint(root, nodes[0]);
        assert!(hint.starts_with(step), "{name}: the hint should name {step}: {hint}");
        let found = self.actual(finding);
        assert!(found.contains(actual), "{name}: {found}");
    }
}

#[test]
fn a_cluster_that_was_built_by_hand_is_right_and_each_sabotage_of_it_is_one_finding_with_the_right_hint() {
    let Some(mut bench) = bench() else { return };
    let begun = Instant::now();
    ByHand::build(&bench);
    eprintln!("built: {:.1} s", begun.elapsed().as_secs_f32());

    bench.take_snapshot();
    let begun = Instant::now();
    let verify = bench.labctl(&["verify", "task3", "--json"]);
    eprintln!("looked at: {:.1} s", begun.elapsed().as_secs_f32());
    verify.assert_exit(0);
    bench.labctl(&["verify", "task2"]).assert_exit(0);
    bench.assert_nodes_as_before();
    assert!(
        bench
            .kept_files()
            .iter()
            .all(|(path, _)| !path.ends_with("journal.jsonl")),
        "looking opens no instance"
    );
    let looked = verify
        .events()
        .iter()
        .filter(|event| event.is_kind("check_judged"))
        .count();
    assert!(looked >= 30, "{looked} checks were looked at");

    one_node_out_of_reach(&bench);
    let cluster = ByHand { bench: &bench };
    cluster.forgives_what_an_earlier_try_left();
    for sabotage in SABOTAGES {
        cluster.suffers(sabotage, "task3", "settle; answers");
    }
    bench.labctl(&["verify", "task3"]).assert_exit(0);

    cluster.scale_out();
    bench.labctl(&["verify", "task4"]).assert_exit(0);
    bench
        .labctl(&["verify", "task3"])
        .assert_exit(0)
        .assert_says(&["superseded by task4"]);
    for sabotage in SCALED {
        cluster.suffers(sabotage, "task4", "shares");
    }
    bench.labctl(&["verify", "task4"]).assert_exit(0);
    let begun = Instant::now();
    cluster.is_gone_on_with();
    eprintln!("gone on with: {:.1} s", begun.elapsed().as_secs_f32());
    bench.sweep();
}

/// Nothing is said of what nobody could look at, and it is one finding.
fn one_node_out_of_reach(bench: &Bench) {
    let known_hosts = bench.path("known_hosts");
    let inventory = std::fs::read_to_string(bench.path("inventory.toml")).unwrap();
    let closed = inventory.replace("name = \"node-2\"\n", "name = \"node-2\"\nport = 1\n");
    assert_ne!(closed, inventory);
    std::fs::write(bench.path("inventory.toml"), closed).unwrap();
    let verify = bench.labctl(&["verify", "task3", "--json"]);
    verify.assert_exit(3);
    let found = Found::of(&verify);
    assert_eq!(found.findings.len(), 1, "{:#?}", found.findings);
    let cause = &found.findings[0]["cause"];
    assert_eq!(
        (&cause["kind"], &cause["node"]),
        (&"node_unreachable".into(), &"node-2".into())
    );
    bench.write_inventory(&InventoryText {
        known_hosts: Some(known_hosts),
        ..InventoryText::default()
    });
}
