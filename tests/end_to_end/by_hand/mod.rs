//! The cluster of tasks 2 to 4 as a learner builds it, with the tutorial's own commands and without labctl: what `verify` says of it, and of
//! each way in which it can be wrong.
//!
//! The parts use the same cluster, in the order of their names: `built` as it is, `sabotaged`, `scaled` as in task 4, `taken_over` by labctl.

mod built;
mod sabotaged;
mod scaled;
mod taken_over;

use crate::harness::{Bench, Ended, Stage};
use sabotaged::Sabotage;
use serde_json::Value;
use std::time::Instant;

/// The learner's commands.
const COMMANDS: [&str; 2] = [include_str!("cluster.sh"), include_str!("engine.sh")];

/// The cluster of tasks 2 and 3.
const BUILT: Stage = Stage {
    name: "built by hand",
    make: |bench| {
        ByHand::build(bench);
    },
};

/// The same with the scaled production of task 4.
const SCALED_OUT: Stage = Stage {
    name: "scaled by hand",
    make: |bench| ByHand::build(bench).scale_out(),
};

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
