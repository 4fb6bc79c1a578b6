//! What can be wrong with the scaled production of task 4.

use super::sabotaged::Sabotage;
use super::{BUILT, ByHand, SCALED_OUT};
use crate::harness::Left;

const FILE: &str = "task 4 step 2: ";

const SCALED: &[Sabotage] = &[
    Sabotage {
        name: "Interlock is stopped",
        breaks: &[(2, "docker stop -t 5 dockchat_production_interlock_1 >/dev/null")],
        root: "interlock-runs",
        nodes: &["node-2"],
        step: FILE,
        actual: "dockchat_production_interlock_1 is there, but exited",
        repairs: &[(2, "docker start dockchat_production_interlock_1 >/dev/null")],
    },
    Sabotage {
        name: "one container is not reached by HAProxy",
        breaks: &[(
            2,
            "iptables -I OUTPUT -d $(docker inspect -f '{{.NetworkSettings.IPAddress}}' dockchat_production_web_3) -p tcp --dport 5000 -j REJECT",
        )],
        root: "requests-spread",
        nodes: &["node-0"],
        step: "task 4 step 4: every container of web needs INTERLOCK_DATA",
        actual: "9 servers answered",
        repairs: &[(2, "iptables -D OUTPUT 1")],
    },
    Sabotage {
        name: "it was scaled to nine",
        breaks: &[(0, "production scale web=9")],
        root: "web-scaled",
        nodes: &["node-2"],
        step: "task 4 step 4: ",
        actual: "9: dockchat_production_web_",
        repairs: &[],
    },
    Sabotage {
        name: "Interlock is on port 8080",
        breaks: &[(0, "scale_out 's/80:80/8080:80/'")],
        root: "interlock-publishes",
        nodes: &["node-2"],
        step: FILE,
        actual: "dockchat_production_interlock_1 is there, but publishes 8080, not 80",
        repairs: &[],
    },
    Sabotage {
        name: "the containers have no INTERLOCK_DATA",
        breaks: &[(0, "scale_out '/INTERLOCK_DATA/d'")],
        root: "dockchat-com-answers",
        nodes: &["node-0"],
        step: FILE,
        actual: "status 503",
        repairs: &[],
    },
    Sabotage {
        name: "Interlock asks where no manager is",
        breaks: &[(0, "scale_out 's/:3375/:3377/'")],
        root: "dockchat-com-answers",
        nodes: &["node-0"],
        step: FILE,
        actual: "status 503",
        repairs: &[(0, "scale_out")],
    },
];

#[test]
fn a_production_scaled_by_hand_is_right_and_each_sabotage_of_it_is_one_finding() {
    let Some(mut bench) = BUILT.bench() else { return };
    ByHand { bench: &bench }.scale_out();
    bench.leave(Left::Stage(SCALED_OUT.name.to_owned()));
    let cluster = ByHand { bench: &bench };
    bench.labctl(&["verify", "task4"]).assert_exit(0);
    bench
        .labctl(&["verify", "task3"])
        .assert_exit(0)
        .assert_says(&["superseded by task4"]);
    for sabotage in SCALED {
        cluster.suffers(sabotage, "task4", "shares");
    }
    bench.labctl(&["verify", "task4"]).assert_exit(0);
}
