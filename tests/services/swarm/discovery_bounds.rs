//! Discovery where it is used badly: strangers, nonsense, silence, many at once, and a service that is not there yet.

use super::discovery::{certificates, start, swarm, text};
use super::{PATIENCE, Running, service, wait_for};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

/// A discovery service with a token.
struct Service {
    directory: TempDir,
    address: String,
    token: String,
    running: Running,
}

impl Service {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        certificates(directory.path());
        let (running, address) = start(directory.path(), "127.0.0.1:0");
        let token = text(&swarm(directory.path(), &address, &["create"]).output().unwrap());
        Self {
            directory,
            address,
            token,
            running,
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// What it answers to `request` over TLS, up to where it hangs up.
    fn answer(&self, request: &[u8]) -> String {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.path().join("ca.pem")).unwrap())
            .unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let tcp = TcpStream::connect(&self.address).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp);
        // It may have heard enough before all is written, and may hang up impolitely.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The status it answers, and the body.
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        let answer = self.answer(format!("{head}{body}").as_bytes());
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        (status.unwrap(), body.unwrap())
    }

    fn register(&self, address: &str, ttl: &str) -> u16 {
        self.ask("POST", &format!("/v1/clusters/{}?ttl={ttl}", self.token), address)
            .0
    }

    fn list(&self) -> Vec<String> {
        let place = format!("token://{}/v1/{}", self.address, self.token);
        let output = swarm(self.path(), &self.address, &["list", &place]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        text(&output).lines().map(str::to_owned).collect()
    }
}

#[test]
fn what_no_client_means_is_refused_and_hurts_nobody() {
    let service = Service::start();
    assert_eq!(service.register("10.0.0.1:2375", "60"), 200);
    let cluster = format!("/clusters/{}", service.token);
    let register = format!("{cluster}?ttl=60");
    let long = "x".repeat(1000);
    for (method, path, body, status) in [
        ("GET", "/v2/clusters", "", 404),
        ("GET", "/v1/clusters/../../etc/passwd", "", 404),
        ("PUT", &cluster, "", 405),
        ("POST", &register, "", 400),
        ("POST", &register, "10.0.0.1", 400),
        ("POST", &register, "::1:2375", 400),
        ("POST", &register, "a[b:1", 400),
        ("POST", &register, "a:1\nb:2", 400),
        ("POST", &register, "\u{1b}[31m:1", 400),
        ("POST", &register, &long, 413),
        ("POST", &format!("{cluster}?ttl=-1"), "10.0.0.9:1", 400),
        ("POST", &format!("{cluster}?ttl=1e9"), "10.0.0.9:1", 400),
        ("POST", "/clusters/0123456789abcdef0123456789abcdef", "10.0.0.9:1", 404),
        ("DELETE", "/clusters/0123456789abcdef0123456789abcdef", "", 404),
    ] {
        assert_eq!(service.ask(method, path, body).0, status, "{method} {path} {body:.40}");
    }
    let endless = "x".repeat(1_000_000);
    for garbage in [
        // Whether the refusal arrives before the reset is a race, so only that it is one counts.
        format!("POST {register} HTTP/1.1\r\nHost: d\r\nContent-Length: 1000000\r\n\r\n{endless}"),
        format!("GET / HTTP/1.1\r\nHost: d\r\nX: {endless}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(10_000)),
        "\0\0\0\0 nonsense\r\n\r\n".to_owned(),
    ] {
        let answer = service.answer(garbage.as_bytes());
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let mut plain = TcpStream::connect(&service.address).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: d\r\n\r\n").unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = Vec::new();
    // It hangs up, politely or not; what matters is that nothing is served without TLS.
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"));

    assert_eq!(service.list(), ["10.0.0.1:2375"]);
    assert_eq!(service.ask("GET", "/health", ""), (200, "ok".to_owned()));
}

#[test]
fn silent_clients_keep_nobody_waiting() {
    let service = Service::start();
    let silent: Vec<TcpStream> = (0..100)
        .map(|_| TcpStream::connect(&service.address).unwrap())
        .collect();
    let begun = Instant::now();
    assert_eq!(service.ask("GET", "/health", "").0, 200);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    drop(silent);
}

#[test]
fn registrations_expire_one_by_one() {
    let service = Service::start();
    assert_eq!(service.register("10.0.0.1:2375", "1"), 200);
    assert_eq!(service.register("10.0.0.2:2375", "600"), 200);
    wait_for("the short one is gone", || {
        (service.list() == ["10.0.0.2:2375"]).then_some(())
    });
}

#[test]
fn of_many_that_register_at_once_none_is_lost_though_the_service_is_killed() {
    let service = Service::start();
    std::thread::scope(|scope| {
        for number in 1..=24 {
            let service = &service;
            scope.spawn(move || assert_eq!(service.register(&format!("10.0.0.{number}:2375"), "600"), 200));
        }
    });
    assert_eq!(service.list().len(), 24);
    let Service {
        directory,
        address,
        token,
        running,
    } = service;
    drop(running);
    let (running, address) = start(directory.path(), &address);
    let service = Service {
        directory,
        address,
        token,
        running,
    };
    assert_eq!(service.list().len(), 24);
    let kept: Vec<_> = fs_err::read_dir(service.path().join("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(kept, ["clusters.json"], "nothing half written is left");
    drop(service.running);
}

#[test]
fn an_agent_waits_for_a_service_that_is_away_and_ends_when_it_is_told() {
    let directory = tempfile::tempdir().unwrap();
    certificates(directory.path());
    let (running, address) = start(directory.path(), "127.0.0.1:0");
    let token = text(&swarm(directory.path(), &address, &["create"]).output().unwrap());
    drop(running);

    let place = format!("token://{address}/v1/{token}");
    let words = [
        "join",
        "--advertise",
        "10.0.0.1:2375",
        "--heartbeat=1s",
        "--ttl=60s",
        &place,
    ];
    let (mut agent, complaint) = Running::start(swarm(directory.path(), &address, &words), ("level=error msg=", "\n"));
    assert!(complaint.contains("cannot be reached"), "{complaint}");
    let (_running, _) = start(directory.path(), &address);
    wait_for("the agent comes by itself", || {
        let list = swarm(directory.path(), &address, &["list", &place]).output().unwrap();
        (text(&list) == "10.0.0.1:2375").then_some(())
    });

    let told = Command::new("kill").arg(agent.0.id().to_string()).status().unwrap();
    assert!(told.success());
    let begun = Instant::now();
    assert!(agent.0.wait().unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_certificate_is_good_for_its_hosts_alone() {
    let directory = tempfile::tempdir().unwrap();
    certificates(directory.path());
    let (_running, address) = start(directory.path(), "127.0.0.2:0");
    let output = swarm(directory.path(), &address, &["create"]).output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");

    let (_running, address) = start(directory.path(), "127.0.0.1:0");
    let by_name = address.replace("127.0.0.1", "localhost");
    let output = swarm(directory.path(), &by_name, &["create"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout.len(), 33, "the token and a newline, and nothing else");
}

#[test]
fn a_directory_that_cannot_be_written_is_told_before_anyone_is_served() {
    let directory = tempfile::tempdir().unwrap();
    certificates(directory.path());
    let mut command = service(&["discovery", "--listen", "127.0.0.1:0", "--data", "/proc"]);
    command.arg("--certificate").arg(directory.path().join("discovery.pem"));
    command.arg("--key").arg(directory.path().join("discovery.key"));
    let (mut refused, complaint) = Running::start(command, ("labctl service discovery: ", "\n"));
    assert!(complaint.contains("/proc"), "{complaint}");
    assert!(!refused.0.wait().unwrap().success());
}

#[test]
fn help_and_version_are_the_services_own() {
    for (words, said) in [
        (&["swarm", "--help"][..], "A Docker-native clustering system"),
        (&["swarm", "-v"], "swarm version 1.2.9"),
        (&["swarm", "--version"], "swarm version 1.2.9"),
        (&["swarm", "join", "--help"], "--heartbeat"),
        (&["discovery", "--help"], "--certificate"),
        (&["certificate", "--help"], "--directory"),
    ] {
        let output = service(words).output().unwrap();
        assert!(
            output.status.success() && text(&output).contains(said),
            "{words:?}: {output:?}"
        );
    }
}
