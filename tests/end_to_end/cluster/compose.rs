//! Docker Compose as a client of the cluster.

use super::{CLUSTER, Cluster, NOTICED, with_manager};
use crate::harness::wait_for;

/// The tutorial's Compose file, with commands that need no image but the one that is there.
fn compose_file(label: &str, port: &str, data: &str) -> String {
    format!(
        "cat >{label}.yml <<'END'\n\
         db:\n  image: debian:bookworm\n  expose:\n    - 27017\n  volumes:\n    - /data/db\n  command: sleep 1000\n  \
         environment:\n    - \"constraint:environment=={label}\"\n\
         web:\n  image: debian:bookworm\n  ports:\n    - \"{port}\"\n  links:\n    - db:db\n  command: sleep 1000\n  \
         environment:\n    - \"constraint:environment=={label}\"\n    - DATA={data}\nEND\n"
    )
}

fn compose(label: &str, words: &str) -> String {
    format!("docker-compose -f {label}.yml -p chat_{label} --no-ansi {words}")
}

#[test]
fn compose_deploys_recreates_and_scales_and_a_manager_killed_meanwhile_loses_nothing() {
    let Some(bench) = CLUSTER.bench() else { return };
    let cluster = Cluster::of(&bench);
    let (staging, production) = ("staging", "production");
    let up = |label| compose(label, "up -d 2>&1");
    for label in [staging, production] {
        cluster.client(&format!("{}\n{}", compose_file(label, "5000:5000", "a"), up(label)));
    }
    let shown = cluster.client(&compose(production, "ps"));
    let port = format!("{}:5000->5000/tcp", cluster.engines[1].address);
    assert!(
        shown.contains(&port) && shown.contains("chat_production_web_1"),
        "{shown}"
    );
    let aliases = cluster.client("docker ps --filter name=chat_staging_db --format '{{.Names}}'");
    assert!(aliases.contains("node-1/chat_staging_web_1/db,"), "{aliases}");

    // A changed file: stopped, then recreated with the volume of the old one.
    let volume = "docker inspect -f '{{range .Mounts}}{{.Name}}{{end}}' chat_production_db_1";
    let before = cluster.client(volume);
    let changed = compose_file(production, "5000", "b").replace("sleep 1000", "sleep 2000");
    let stopped = compose(production, "stop -t 0 2>&1");
    let recreated = cluster.client(&format!("{stopped}\n{changed}\n{}", up(production)));
    assert!(recreated.contains("Recreating chat_production_web_1"), "{recreated}");
    assert_eq!(cluster.client(volume), before);

    killed_while_it_scales(&cluster);
    for label in [staging, production] {
        cluster.client(&format!("{}; {}", compose(label, "kill"), compose(label, "rm -fv")));
    }
    assert_eq!(cluster.on_engines("chat_"), []);
    // Compose names it in the new container, so it is nobody's own any more.
    cluster.client(&format!("docker volume rm {before} >/dev/null"));
    cluster.tidy_up();
}

/// Kills the manager and the discovery service in the middle of scaling, and repeats that.
fn killed_while_it_scales(cluster: &Cluster) {
    let scale = compose("production", "up -d --scale web=10 2>&1");
    let scaling = cluster.client.watch(&with_manager(&scale));
    wait_for("some are there", NOTICED, || {
        (cluster.on_engines("chat_production_web").len() > 3).then_some(())
    });
    cluster
        .client
        .root("docker kill labctl-swarm-manager labctl-discovery >/dev/null");
    let interrupted = scaling.wait_with_output().unwrap();
    let half = cluster.on_engines("chat_production_web");
    cluster.client.root("docker start labctl-swarm-manager >/dev/null");
    wait_for("the manager says that discovery is away", NOTICED, || {
        let log = "docker logs --since 10s labctl-swarm-manager | grep -q 'Discovery error'";
        cluster.client.holds(log).then_some(())
    });
    cluster.client.root("docker start labctl-discovery >/dev/null");
    cluster.until_healthy(2);
    let repeated = cluster.client(&scale);

    let wanted: Vec<String> = (1..=10).map(|number| format!("chat_production_web_{number}")).collect();
    let mut found = cluster.on_engines("chat_production_web");
    assert!(found.iter().all(|(node, _)| node == "node-2"), "{found:?}");
    found.sort_by_key(|(_, name)| name.rsplit_once('_').unwrap().1.parse::<u32>().unwrap());
    let found: Vec<String> = found.into_iter().map(|(_, name)| name).collect();
    let told = String::from_utf8_lossy(&interrupted.stdout);
    assert_eq!(found, wanted, "then {half:?}\n{told}\n{repeated}");
    let running = cluster.client("docker ps -q --filter name=chat_production_web | wc -l");
    assert_eq!(running, "10");
}
