//! The transport and the probes on a real node of a playground: a login user with sudo, a Docker Engine.
//!
//! Leaves the node as it was.

use labctl::domain::{
    EngineAt, FileKind, HttpMethod, HttpProbe, InitSystem, InstanceId, Node, Observation, OptionsSource, Probe,
    ProbeError,
};
use labctl::node::{
    Command, ControlDirectory, Ending, ExecId, ExecRequest, FileWrite, Look, NodeErrorKind, OutputSink, SshNode,
    SshOptions, Stream, Transport,
};
use labctl::playground::{NodeInit, Playground};
use labctl::probe::{Need, facts, observe};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use crate::harness::{self, bench};

struct Bench {
    control: ControlDirectory,
    node: Node,
    init: NodeInit,
    _nodes: harness::Bench,
}

impl Bench {
    async fn new() -> Option<Self> {
        let nodes = bench()?;
        let status = Playground::new(nodes.nodes[0].playground.join("playground"))
            .status()
            .await
            .unwrap();
        Some(Self {
            control: ControlDirectory::create().unwrap(),
            node: status.inventory().nodes[0].clone(),
            init: status.nodes[0].init,
            _nodes: nodes,
        })
    }

    async fn connect(&self) -> SshNode {
        self.connect_as(&self.node).await
    }

    async fn connect_as(&self, node: &Node) -> SshNode {
        SshNode::connect(node, &SshOptions::new(self.control.path()))
            .await
            .unwrap()
    }
}

#[derive(Default)]
struct Kept(Vec<u8>);

impl OutputSink for Kept {
    fn chunk(&mut self, _: Stream, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn cut(&mut self, _: Stream, _: u64) {}
}

fn shell(id: &str, text: &str) -> ExecRequest {
    ExecRequest {
        id: ExecId(id.into()),
        command: Command::Shell(text.into()),
        directory: None,
        environment: Vec::new(),
        stdin: None,
        as_root: false,
        deadline: Duration::from_secs(60),
        is_whole: false,
    }
}

async fn run(node: &SshNode, request: &ExecRequest) -> (Ending, String) {
    let mut kept = Kept::default();
    let ending = node.exec(request, &mut kept, &CancellationToken::new()).await.unwrap();
    (ending, String::from_utf8(kept.0).unwrap())
}

async fn look(node: &SshNode, as_root: bool, text: &str) -> String {
    let look = Look {
        command: Command::Shell(text.into()),
        as_root,
        deadline: Duration::from_secs(30),
        keep: 1 << 20,
    };
    let looked = node.look(&look).await.unwrap();
    let stderr = String::from_utf8_lossy(&looked.stderr).into_owned();
    assert_eq!(looked.ending, Ending::Exited { code: 0 }, "{text}: {stderr}");
    String::from_utf8(looked.stdout).unwrap()
}

const OK: Ending = Ending::Exited { code: 0 };

#[tokio::test]
async fn steps_run_as_the_login_user_or_as_root() {
    let Some(bench) = Bench::new().await else { return };
    let node = bench.connect().await;
    let instance = InstanceId::new("real-steps").unwrap();
    node.open_instance(&instance).await.unwrap();
    let user = node.hello().clone();
    assert_ne!(user.uid, 0, "the playground's user is root");

    let (ending, said) = run(
        &node,
        &shell(
            "user",
            "id -un; id -Gn; echo $HOME; pwd; sudo -n id -u; docker version --format ok",
        ),
    )
    .await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(ending, OK, "{said}");
    assert_eq!(
        (lines[0], lines[2], lines[3], lines[4]),
        (user.user.as_str(), user.home.as_str(), user.home.as_str(), "0")
    );
    assert!(lines[1].contains("docker"), "its other groups are missing: {said}");

    let mut request = shell("root", "id -u; echo $HOME; pwd");
    request.as_root = true;
    assert_eq!(run(&node, &request).await, (OK, format!("0\n/root\n{}\n", user.home)));

    let mut request = shell("signal", "kill -9 $$");
    assert_eq!(run(&node, &request).await.0, Ending::Signalled { signal: 9 });
    request = shell("slow", "trap '' TERM; sudo sleep 60 & sleep 60");
    request.deadline = Duration::from_secs(1);
    assert_eq!(
        run(&node, &request).await.0,
        Ending::TimedOut {
            after: Duration::from_secs(1)
        }
    );
    assert_eq!(
        look(&node, true, "pgrep -x sleep | wc -l").await,
        "0\n",
        "something of ours still sleeps"
    );

    let start = Instant::now();
    for round in 0..5 {
        assert_eq!(run(&node, &shell(&format!("quick{round}"), "true")).await.0, OK);
    }
    eprintln!("a quick exec takes {:?}", start.elapsed() / 5);
    let seen = look(
        &node,
        true,
        "stat -c '%a %U' /var/lib/labctl/real-steps /var/lib/labctl/real-steps/exec",
    )
    .await;
    assert_eq!(seen, "700 root\n700 root\n");
    node.close_instance(&instance).await.unwrap();
    assert_eq!(
        look(&node, true, "ls -d /var/lib/labctl/real-steps 2>/dev/null | wc -l").await,
        "0\n"
    );
    node.close().await;
}

#[tokio::test]
async fn facts_are_gathered() {
    let Some(bench) = Bench::new().await else { return };
    let node = bench.connect().await;
    let facts = facts(&node, "localhost", Need::All).await.unwrap();
    eprintln!("{facts:#?}");
    let reached_at = facts.private_address.as_deref();
    assert_eq!(
        reached_at,
        Some(bench.node.private_ip.as_str()),
        "a name that leads to loopback is of no use"
    );
    assert_eq!(facts.login.user, node.hello().user);
    assert!(facts.login.root && facts.login.may_use_engine);
    let (init, reads_defaults) = match bench.init {
        NodeInit::Sysvinit => (InitSystem::Sysvinit, true),
        NodeInit::Systemd => (InitSystem::Systemd, true),
        NodeInit::DockerCe => (InitSystem::Systemd, false),
    };
    assert_eq!(facts.init, init);
    assert_eq!(facts.os.id, "debian");
    assert!(facts.engine.is_some() && facts.compose.is_some() && facts.tools.git.is_some());
    let source = &facts.engine_options.source;
    assert_eq!(*source == OptionsSource::DefaultsFile, reads_defaults, "{source:?}");
    assert_eq!(
        matches!(source, OptionsSource::Unit { .. }),
        !reads_defaults,
        "{source:?}"
    );
    assert!(facts.engine_options.running.iter().any(|word| word.contains("dockerd")));
    assert!(facts.free_disk.is_some() && facts.instances.is_some() && facts.docker_host.is_none());
}

#[tokio::test]
async fn files_are_seen_as_they_are() {
    let Some(bench) = Bench::new().await else { return };
    let node = bench.connect().await;
    let write = FileWrite {
        path: "~/labctl-real-node".into(),
        content: b"content\0\xff".to_vec(),
        mode: Some(0o640),
        as_root: false,
    };
    node.write_file(&write).await.unwrap();
    for as_root in [false, true] {
        let probe = Probe::File {
            path: write.path.clone(),
            as_root,
        };
        let Observation::File { file: Some(file) } = observe(&node, &probe).await.unwrap() else {
            panic!("the file is not there, as root: {as_root}");
        };
        assert_eq!((file.kind, file.size, file.mode), (FileKind::File, 9, 0o640));
        assert_eq!(
            (file.owner, file.content),
            (node.hello().user.clone(), write.content.clone())
        );
    }
    look(&node, false, "rm ~/labctl-real-node").await;
    let probe = Probe::File {
        path: write.path,
        as_root: false,
    };
    assert_eq!(observe(&node, &probe).await.unwrap(), Observation::File { file: None });
}

#[tokio::test]
async fn ports_and_http_are_seen_from_the_node() {
    let Some(bench) = Bench::new().await else { return };
    let node = bench.connect().await;
    let port = |port| Probe::Port {
        host: "127.0.0.1".into(),
        port,
        timeout: Duration::from_secs(5),
    };
    assert_eq!(
        observe(&node, &port(22)).await.unwrap(),
        Observation::Port { open: true }
    );
    assert_eq!(
        observe(&node, &port(1)).await.unwrap(),
        Observation::Port { open: false }
    );
    let http = |port| {
        Probe::Http(HttpProbe {
            host: "127.0.0.1".into(),
            port,
            path: "/".into(),
            host_header: None,
            user: None,
            method: HttpMethod::Get,
            timeout: Duration::from_secs(5),
        })
    };
    for port in [1, 22] {
        let seen = observe(&node, &http(port)).await.unwrap();
        assert!(matches!(seen, Observation::HttpSilent { .. }), "{port}: {seen:?}");
    }
}

#[tokio::test]
async fn an_engine_is_reached_whoever_logs_in() {
    let Some(bench) = Bench::new().await else { return };
    let node = bench.connect().await;
    let at = EngineAt::Socket;
    let engine = Probe::Engine { at: at.clone() };
    let expected = observe(&node, &engine).await.unwrap();
    assert!(matches!(expected, Observation::Engine(_)), "{expected:?}");
    let images = observe(&node, &Probe::Images { at }).await.unwrap();
    assert!(
        matches!(&images, Observation::Images { images } if !images.is_empty()),
        "{images:?}"
    );

    // Somebody who may not open the socket, but has sudo, of the kind that wants a terminal; and somebody who has neither.
    let setup = "for u in labctl-carol labctl-dave; do useradd -m -s /bin/bash $u && mkdir -p /home/$u/.ssh && \
         cp /home/ubuntu/.ssh/authorized_keys /home/$u/.ssh/ && chown -R $u /home/$u/.ssh; done; \
         printf '%s\\n' 'Defaults:labctl-carol requiretty' 'labctl-carol ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/labctl-test";
    look(&node, true, setup).await;
    let mut login = bench.node.clone();
    login.login.user = Some("labctl-carol".into());
    let carol = bench.connect_as(&login).await;
    let seen = observe(&carol, &engine).await;
    let many = futures_util::future::join_all((0..8).map(|_| observe(&carol, &engine))).await;
    login.login.user = Some("labctl-dave".into());
    let dave = bench.connect_as(&login).await;
    let refused = dave.open_instance(&InstanceId::new("real-dave").unwrap()).await;
    let silent = observe(&dave, &engine).await;
    carol.close().await;
    dave.close().await;
    look(
        &node,
        true,
        "rm /etc/sudoers.d/labctl-test; userdel -rf labctl-carol; userdel -rf labctl-dave; :",
    )
    .await;
    assert_eq!(seen.unwrap(), expected);
    for seen in many {
        assert_eq!(seen.unwrap(), expected);
    }
    assert_eq!(refused.unwrap_err().kind, NodeErrorKind::NoRoot);
    assert!(
        matches!(silent, Err(ProbeError::CannotLook { .. })),
        "nothing can be said: {silent:?}"
    );
}
