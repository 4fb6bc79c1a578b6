//! What can be wrong with the cluster. One thing at a time: how it is broken, what verify must say, and how it is repaired.

use super::{BUILT, ByHand};

/// One thing that is wrong.
pub struct Sabotage {
    /// What a person would call it.
    pub name: &'static str,
    /// What breaks it, each on the node with that number.
    pub breaks: &'static [(usize, &'static str)],
    /// The verification that is the one finding.
    pub root: &'static str,
    /// The nodes it fails on.
    pub nodes: &'static [&'static str],
    /// How its hint begins.
    pub step: &'static str,
    /// What the verdict says of what was found.
    pub actual: &'static str,
    /// What repairs it; where there is nothing, the next one goes on from here.
    pub repairs: &'static [(usize, &'static str)],
}

const LISTENING: &str = "task 2 steps 1 and 2: set -H tcp://";
const LABEL: &str = "task 2 steps 1 and 2: set --label=environment=";
const MANAGER: &str = "task 2 step 4: start the manager";
const CLUSTER: &str = "task 2 steps 4 to 6: ";

const SABOTAGES: &[Sabotage] = &[
    Sabotage {
        name: "the label has another value",
        breaks: &[(1, "tutorials_options stage; restart_engine")],
        root: "engine-labelled",
        nodes: &["node-1"],
        step: LABEL,
        actual: "the running engine's label environment is stage; /etc/default/docker sets environment=stage",
        repairs: &[],
    },
    Sabotage {
        name: "the label is in the file, and the engine was not restarted",
        breaks: &[(1, "tutorials_options staging")],
        root: "engine-labelled",
        nodes: &["node-1"],
        step: LABEL,
        actual: "/etc/default/docker sets it, so the engine was not restarted since",
        repairs: &[],
    },
    Sabotage {
        name: "the label's key is misspelt",
        breaks: &[(1, "options -H tcp://0.0.0.0:2375 -H unix:///var/run/docker.sock --label=enviroment=staging; restart_engine")],
        root: "engine-labelled",
        nodes: &["node-1"],
        step: LABEL,
        actual: "no label environment=staging; its labels: enviroment=staging",
        repairs: &[],
    },
    Sabotage {
        name: "the engine has no TCP port",
        breaks: &[(1, "options -H unix:///var/run/docker.sock --label=environment=staging; restart_engine")],
        root: "engine-port",
        nodes: &["node-1"],
        step: LISTENING,
        actual: "port 2375 is closed",
        repairs: &[],
    },
    Sabotage {
        name: "the engine listens on loopback only",
        breaks: &[(1, "options -H tcp://127.0.0.1:2375 -H unix:///var/run/docker.sock --label=environment=staging; restart_engine")],
        root: "engine-port",
        nodes: &["node-1"],
        step: LISTENING,
        actual: "port 2375 is closed",
        repairs: &[(1, "tutorials_options staging; restart_engine")],
    },
    Sabotage {
        name: "DOCKER_OPTS stands in the file twice",
        breaks: &[(1, "echo 'DOCKER_OPTS=\"--debug\"' >>/etc/default/docker")],
        root: "engine-options-once",
        nodes: &["node-1"],
        step: "task 2 step 1: leave one line",
        actual: "2 lines set it, of which the last counts: DOCKER_OPTS=\"-H tcp://0.0.0.0:2375",
        repairs: &[(1, "sed -i '/--debug/d' /etc/default/docker")],
    },
    Sabotage {
        name: "the file that Docker's own unit ignores was edited",
        breaks: &[(
            2,
            "rm /etc/systemd/system/docker.service.d/by-hand.conf; restart_engine
             echo 'DOCKER_OPTS=\"-H tcp://0.0.0.0:2375 --label environment=production\"' >>/etc/default/docker",
        )],
        root: "engine-labelled",
        nodes: &["node-2"],
        step: LABEL,
        actual: "/etc/default/docker sets it in vain, as the unit of this engine does not read that file",
        repairs: &[],
    },
    Sabotage {
        name: "staging and production are swapped",
        breaks: &[
            (1, "tutorials_options production; restart_engine"),
            (2, "sed -i '/^DOCKER_OPTS=/d' /etc/default/docker; tutorials_options staging; restart_engine"),
        ],
        root: "engine-labelled",
        nodes: &["node-1", "node-2"],
        step: LABEL,
        actual: "the running engine's label environment is production",
        repairs: &[
            (1, "tutorials_options staging; restart_engine"),
            (2, "tutorials_options production; restart_engine"),
        ],
    },
    Sabotage {
        name: "an engine is stopped",
        breaks: &[(1, "docker ps -q | tac >/root/labctl-ran; stop_engine")],
        root: "engine-runs",
        nodes: &["node-1"],
        step: "task 2 step 2: ",
        actual: "it does not",
        repairs: &[(1, "start_engine; for c in $(cat /root/labctl-ran); do docker start $c >/dev/null; done")],
    },
    Sabotage {
        name: "the manager is stopped",
        breaks: &[(0, "docker stop boss >/dev/null")],
        root: "manager-answers",
        nodes: &["node-0"],
        step: MANAGER,
        actual: "nothing answers on 127.0.0.1:3375",
        repairs: &[],
    },
    Sabotage {
        name: "the manager is on another port",
        breaks: &[(0, "docker rename boss old; manager $(cat /root/labctl-hub/token) 3376")],
        root: "manager-answers",
        nodes: &["node-0"],
        step: MANAGER,
        actual: "nothing answers on 127.0.0.1:3375",
        repairs: &[(0, "docker rm -f boss >/dev/null; docker rename old boss")],
    },
    Sabotage {
        name: "an agent is stopped",
        breaks: &[(0, "docker stop one >/dev/null")],
        root: "agents-run",
        nodes: &["node-0"],
        step: "task 2 step 5: start an agent",
        actual: "one is there, but exited (0)",
        repairs: &[(0, "docker start one >/dev/null")],
    },
    Sabotage {
        name: "an agent has a wrong address",
        breaks: &[(
            0,
            "docker stop one >/dev/null; docker_run -d --name wrong swarm join --heartbeat 1s --ttl 3s --addr=127.0.0.1:2375 token://$(cat /root/labctl-hub/token) >/dev/null
             docker restart -t 1 boss >/dev/null; until docker -H tcp://0.0.0.0:3375 info 2>/dev/null | grep -q 127.0.0.1:2375; do sleep 0.1; done",
        )],
        root: "nodes-healthy",
        nodes: &["node-0"],
        step: CLUSTER,
        actual: "127.0.0.1:2375) is in the cluster as well",
        repairs: &[(0, "docker rm -f wrong >/dev/null; docker start one >/dev/null; forgotten 127.0.0.1")],
    },
    Sabotage {
        name: "the agents have two tokens",
        breaks: &[(
            0,
            "docker stop boss >/dev/null; docker rename boss old; token=$(token); manager $token; agent three $node_2:2375 $token
             until docker -H tcp://0.0.0.0:3375 info 2>/dev/null | grep -q Healthy; do sleep 0.1; done",
        )],
        root: "nodes-healthy",
        nodes: &["node-0"],
        step: CLUSTER,
        actual: "node-1 is not in the cluster",
        repairs: &[(0, "docker rm -f boss three >/dev/null; docker rename old boss")],
    },
    Sabotage {
        name: "the database was killed",
        breaks: &[(1, "docker kill dockchat_staging_db_1 >/dev/null")],
        root: "db-runs",
        nodes: &["node-1"],
        step: "task 3 step 6: ",
        actual: "dockchat_staging_db_1 is there, but exited (137)",
        repairs: &[(1, "docker start dockchat_staging_db_1 >/dev/null; docker restart -t 1 dockchat_staging_web_1 >/dev/null")],
    },
    Sabotage {
        name: "the database is stopped",
        breaks: &[(2, "docker stop -t 1 dockchat_production_db_1 >/dev/null")],
        root: "db-runs",
        nodes: &["node-2"],
        step: "task 3 step 8: ",
        actual: "dockchat_production_db_1 is there, but exited",
        repairs: &[(2, "docker start dockchat_production_db_1 >/dev/null; docker restart -t 1 dockchat_production_web_1 >/dev/null")],
    },
    Sabotage {
        name: "DockChat is paused",
        breaks: &[(1, "docker pause dockchat_staging_web_1 >/dev/null")],
        root: "web-runs",
        nodes: &["node-1"],
        step: "task 3 step 6: ",
        actual: "dockchat_staging_web_1 is there, but is paused",
        repairs: &[(1, "docker unpause dockchat_staging_web_1 >/dev/null")],
    },
    Sabotage {
        name: "DockChat crashed",
        breaks: &[(2, "docker kill dockchat_production_web_1 >/dev/null")],
        root: "web-runs",
        nodes: &["node-2"],
        step: "task 3 step 8: ",
        actual: "dockchat_production_web_1 is there, but exited (137)",
        repairs: &[(2, "docker start dockchat_production_web_1 >/dev/null")],
    },
    Sabotage {
        name: "the image is missing on one node",
        breaks: &[(2, "docker tag nicolaka/dockchat:v1 kept; docker rmi -f nicolaka/dockchat:v1 >/dev/null")],
        root: "dockchat-pulled",
        nodes: &["node-2"],
        step: "task 3 step 8: ",
        actual: "no image is like */dockchat:v1; none of the",
        repairs: &[(2, "docker tag kept nicolaka/dockchat:v1; docker rmi kept >/dev/null")],
    },
    Sabotage {
        name: "port 5000 is closed from outside",
        breaks: &[(1, "iptables -I DOCKER-USER -s $private -p tcp --dport 5000 -j REJECT")],
        root: "staging-reachable",
        nodes: &["node-0"],
        step: "task 3 step 6: node-0 must reach port 5000 of node-1",
        actual: "no answer",
        repairs: &[(1, "iptables -D DOCKER-USER -s $private -p tcp --dport 5000 -j REJECT")],
    },
    Sabotage {
        name: "the Compose file has no constraint",
        breaks: &[(0, "again staging '/environment:/d; /constraint/d'; answers")],
        root: "db-constrained",
        nodes: &["node-1"],
        step: "task 3 step 4: db and web both need constraint:environment==staging",
        actual: "was placed without any constraint",
        repairs: &[],
    },
    Sabotage {
        name: "only the database is constrained",
        breaks: &[(0, "again staging '/links/,$ { /environment:/d; /constraint/d }'; answers")],
        root: "web-constrained",
        nodes: &["node-1"],
        step: "task 3 step 4: ",
        actual: "dockchat_staging_web_1 is there, but was placed without any constraint",
        repairs: &[],
    },
    Sabotage {
        name: "it was deployed past the manager",
        breaks: &[(0, "remove staging; compose_file staging; host=tcp://$node_1:2375 compose staging dockchat_staging up -d; answers")],
        root: "db-constrained",
        nodes: &["node-1"],
        step: "task 3 step 4: ",
        actual: "was not made through the Swarm manager",
        repairs: &[],
    },
    Sabotage {
        name: "DockChat has no link",
        breaks: &[(0, "again staging '/links/d; /db:db/d'")],
        root: "web-linked",
        nodes: &["node-1"],
        step: "task 3 step 4: web in staging.docker-compose.yml has the link db:db",
        actual: "dockchat_staging_db_1 is there, but is linked to by no container",
        repairs: &[],
    },
    Sabotage {
        name: "DockChat is on port 5001",
        breaks: &[(0, "again staging 's/5000:5000/5001:5000/'")],
        root: "web-publishes",
        nodes: &["node-1"],
        step: "task 3 step 4: web in staging.docker-compose.yml has the port 5000:5000",
        actual: "dockchat_staging_web_1 is there, but publishes 5001, not 5000",
        repairs: &[],
    },
    Sabotage {
        name: "DockChat has another image",
        breaks: &[
            (1, "docker tag nicolaka/dockchat:v1 dockchat_web"),
            (0, "again staging 's#nicolaka/dockchat:v1#dockchat_web#'"),
        ],
        root: "web-image",
        nodes: &["node-1"],
        step: "task 3 step 3: in staging.docker-compose.yml, web has the image",
        actual: "has the image dockchat_web, not */dockchat:v1",
        repairs: &[(1, "docker rmi -f dockchat_web >/dev/null"), (0, "again staging")],
    },
    Sabotage {
        name: "production was never deployed",
        breaks: &[(0, "remove production")],
        root: "db-runs",
        nodes: &["node-2"],
        step: "task 3 step 8: ",
        actual: "none here",
        repairs: &[],
    },
    Sabotage {
        name: "production's file still says staging",
        breaks: &[(0, "deploy production 's/==production/==staging/' || true")],
        root: "db-runs",
        nodes: &["node-1", "node-2"],
        step: "task 3 step 6: ",
        actual: "2: dockchat_production_db_1",
        repairs: &[],
    },
    Sabotage {
        name: "production was deployed with staging's project name",
        breaks: &[(0, "remove production; compose_file production; compose production dockchat_staging up -d || true")],
        root: "db-runs",
        nodes: &["node-1"],
        step: "task 3 step 6: ",
        actual: "none here",
        repairs: &[(0, "remove production dockchat_staging; remove staging; deploy staging; deploy production")],
    },
    Sabotage {
        name: "a third node is in the cluster",
        breaks: &[(
            0,
            "docker_run -d --name wrong swarm join --heartbeat 1s --ttl 3s --addr=$private:2375 token://$(cat /root/labctl-hub/token) >/dev/null
             docker restart -t 1 boss >/dev/null; until docker -H tcp://0.0.0.0:3375 info 2>/dev/null | grep -q 'Nodes: 3'; do sleep 0.1; done",
        )],
        root: "nodes-healthy",
        nodes: &["node-0"],
        step: CLUSTER,
        actual: ":2375) is in the cluster as well",
        repairs: &[(0, "docker rm -f wrong >/dev/null; forgotten $private")],
    },
];

#[test]
fn each_sabotage_of_a_cluster_built_by_hand_is_one_finding_with_the_right_hint() {
    let Some(bench) = BUILT.bench() else { return };
    let cluster = ByHand { bench: &bench };
    for sabotage in SABOTAGES {
        cluster.suffers(sabotage, "task3", "settle; answers");
    }
    bench.labctl(&["verify", "task3"]).assert_exit(0);
}
