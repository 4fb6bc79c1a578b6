//! What visitors see while containers come and go.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::backend::Backend;
use super::manager::Manager;
use super::{Interlock, get, haproxy, request, signal};

const CHAT: &str = r#"{"hostname":"dockchat.com","domain":"dockchat.com"}"#;

/// What `stats/interlock` is in a header.
const ACCOUNT: &str = "c3RhdHM6aW50ZXJsb2Nr";

/// Returns who answers `count` requests, each with how often.
fn answered_by(port: u16, host: &str, count: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..count {
        let who = match get(port, "/", host) {
            Some((200, name)) => name,
            other => format!("{other:?}"),
        };
        *counts.entry(who).or_default() += 1;
    }
    counts
}

#[test]
fn ten_containers_share_the_requests_and_are_up_on_the_page_of_statistics() {
    let Some(program) = haproxy() else { return };
    let manager = Manager::start();
    let mut interlock = Interlock::start(&manager, program);
    let webs: Vec<Backend> = (0..10).map(|number| Backend::start(&format!("web_{number}"))).collect();
    for (number, web) in webs.iter().enumerate() {
        manager.run(&format!("web_{number}"), web.port, CHAT);
    }
    interlock.until("ten servers", || {
        interlock.config().matches("    server ").count() == 10
    });
    interlock.until("a reload", || interlock.reloads() > 0);
    let counts = answered_by(interlock.port, "DockChat.com:80", 40);
    assert!(
        counts.len() == 10 && counts.values().all(|count| *count == 4),
        "{counts:?}"
    );
    assert_eq!(get(interlock.port, "/", "elsewhere.com").unwrap().0, 503);
    let csv = |authorization: &str| {
        request(
            interlock.port,
            &format!("GET /haproxy?stats;csv HTTP/1.1\r\nHost: x\r\n{authorization}Connection: close\r\n\r\n"),
        )
    };
    assert_eq!(csv("").unwrap().0, 401);
    // The first checks are spread over the time between two.
    interlock.until("ten servers are up", || {
        let (status, table) = csv(&format!("Authorization: Basic {ACCOUNT}\r\n")).unwrap();
        assert_eq!(status, 200);
        let is_up = |line: &&str| line.starts_with("dockchat_com,web_") && line.contains(",UP,");
        table.lines().filter(is_up).count() == 10
    });
    assert!(interlock.stop(), "{}", interlock.said());
    assert_eq!(interlock.haproxies(), [0; 0], "HAProxy outlived it");
}

#[test]
fn no_request_fails_while_fifty_containers_come_and_go() {
    let Some(program) = haproxy() else { return };
    let manager = Manager::start();
    let interlock = Interlock::start(&manager, program);
    let port = interlock.port;
    let mut containers = Containers::new(&manager);
    containers.start("stays");
    interlock.until("the first container", || {
        get(port, "/", "dockchat.com").is_some_and(|(status, _)| status == 200)
    });
    interlock.until("the first reload is told", || interlock.reloads() == 1);
    let (is_over, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let each = || visit_one_by_one(port, &is_over, &answers);
        let kept = || visit_on_one_connection(port, &is_over, &answers);
        let visitors = [scope.spawn(each), scope.spawn(each), scope.spawn(kept)];
        let visiting = Visiting(&is_over);
        let names: Vec<String> = (0..50).map(|number| format!("web_{number}")).collect();
        // Any order will do that is the same each time.
        let mut seed: usize = 5;
        for _ in 0..200 {
            seed = (seed * 1_103_515_245 + 12_345) % (1 << 31);
            containers.turn(&names[seed / 64 % names.len()]);
            // Somebody must ask between two changes.
            let asked = answers.load(Ordering::SeqCst);
            interlock.until("two answers", || answers.load(Ordering::SeqCst) >= asked + 2);
        }
        for name in &names {
            containers.start(name);
        }
        interlock.until("all that run are served, and no other", || {
            interlock.servers() == containers.running.keys().cloned().collect()
        });
        drop(visiting);
        let counts: Vec<usize> = visitors.into_iter().map(|visitor| visitor.join().unwrap()).collect();
        assert!(
            counts.iter().all(|count| *count > 50),
            "hardly anybody asked: {counts:?}"
        );
        let reloads = interlock.reloads();
        interlock.until("each of them answers", || {
            answered_by(port, "dockchat.com", 102)
                .keys()
                .eq(containers.running.keys())
        });
        assert!(
            (2..=containers.changes / 15).contains(&reloads),
            "{reloads} reloads for {} changes",
            containers.changes
        );
    });
}

/// Visitors come for as long as this lives, also where the test fails.
struct Visiting<'a>(&'a AtomicBool);

impl Drop for Visiting<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Containers of one name for visitors, each with its web server.
struct Containers<'a> {
    manager: &'a Manager,
    running: BTreeMap<String, Backend>,
    changes: usize,
}

impl<'a> Containers<'a> {
    fn new(manager: &'a Manager) -> Self {
        Self {
            manager,
            running: BTreeMap::new(),
            changes: 0,
        }
    }

    /// Starts `name` unless it runs.
    fn start(&mut self, name: &str) {
        if !self.running.contains_key(name) {
            self.turn(name);
        }
    }

    /// Ends `name` where it runs, and starts it where it does not.
    fn turn(&mut self, name: &str) {
        self.changes += 1;
        if let Some(web) = self.running.remove(name) {
            // As with a real one, the manager hears of it later.
            drop(web);
            self.manager.end(name);
        } else {
            let web = Backend::start(name);
            self.manager.run(name, web.port, CHAT);
            self.running.insert(name.to_owned(), web);
        }
    }
}

fn visit_one_by_one(port: u16, is_over: &AtomicBool, answers: &AtomicUsize) -> usize {
    let mut count = 0;
    while !is_over.load(Ordering::SeqCst) {
        let answer = get(port, "/", "dockchat.com");
        assert!(
            matches!(answer, Some((200, _))),
            "request {count} was answered {answer:?}"
        );
        count += 1;
        answers.fetch_add(1, Ordering::SeqCst);
    }
    count
}

/// Sends one request after the other on a connection for as long as that is kept, as a browser does.
fn visit_on_one_connection(port: u16, is_over: &AtomicBool, answers: &AtomicUsize) -> usize {
    let mut count = 0;
    while !is_over.load(Ordering::SeqCst) {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        let mut is_kept = true;
        while is_kept && !is_over.load(Ordering::SeqCst) {
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: dockchat.com\r\n\r\n")
                .unwrap();
            let answer = whole_answer(&mut stream);
            assert!(
                answer.starts_with("HTTP/1.1 200"),
                "request {count} on a kept connection was answered {answer:?}"
            );
            is_kept = !answer.to_lowercase().contains("connection: close");
            count += 1;
            answers.fetch_add(1, Ordering::SeqCst);
        }
    }
    count
}

fn whole_answer(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    let mut part = [0; 1024];
    loop {
        let size = stream.read(&mut part).unwrap();
        answer += &String::from_utf8_lossy(&part[..size]);
        let length = answer
            .to_lowercase()
            .split_once("content-length: ")
            .and_then(|(_, rest)| {
                let (number, _) = rest.split_once("\r\n")?;
                number.parse::<usize>().ok()
            });
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.len());
        if size == 0 || body.is_some() && body >= length {
            return answer;
        }
    }
}

#[test]
fn a_container_that_vanishes_or_wishes_nonsense_harms_no_other() {
    let Some(program) = haproxy() else { return };
    let manager = Manager::start();
    let interlock = Interlock::start(&manager, program);
    let (one, two) = (Backend::start("one"), Backend::start("two"));
    manager.run("one", one.port, CHAT);
    manager.run(
        "two",
        two.port,
        r#"{"domain":"dockchat.com","backend_options":["nonsense"],"balance_algorithm":"by-magic"}"#,
    );
    interlock.until("two servers", || interlock.config().matches("    server ").count() == 2);
    interlock.until("a reload", || interlock.reloads() > 0);
    assert!(
        interlock.said().contains("two: its wishes are left out"),
        "{}",
        interlock.said()
    );
    assert_eq!(answered_by(interlock.port, "dockchat.com", 10).len(), 2);
    drop(two);
    // Nobody told: whoever is sent there is sent to the other at once.
    let counts = answered_by(interlock.port, "dockchat.com", 20);
    assert_eq!(counts, BTreeMap::from([("one".to_owned(), 20)]));
}

#[test]
fn a_manager_that_is_away_and_a_proxy_that_is_killed_come_back() {
    let Some(program) = haproxy() else { return };
    let manager = Manager::start();
    let interlock = Interlock::start(&manager, program);
    let (one, two) = (Backend::start("one"), Backend::start("two"));
    manager.run("one", one.port, CHAT);
    let is_served = |count: usize| {
        let counts = answered_by(interlock.port, "dockchat.com", 4);
        counts.len() == count && !counts.keys().any(|who| who.contains("None") || who.contains("Some"))
    };
    interlock.until("one server", || is_served(1));
    manager.be_away(true);
    for _ in 0..20 {
        assert!(is_served(1), "{}", interlock.said());
    }
    manager.be_away(false);
    interlock.until("it is followed again", || manager.is_followed());
    manager.run("two", two.port, CHAT);
    interlock.until("two servers", || is_served(2));
    for pid in interlock.haproxies() {
        signal(pid, "KILL");
    }
    interlock.until("it is served again", || is_served(2));
    assert!(interlock.said().contains("it is started again"), "{}", interlock.said());
}
