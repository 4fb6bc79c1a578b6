//! Ways to sockets and ports.

use crate::harness::{Agent, open_place};
use labctl_agent::{Answer, Dial, FaultKind, Place, Request, Stream, ToAgent, ToLabctl, WINDOW};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

fn dial(place: Place) -> Request {
    Request::Dial(Dial {
        place,
        deadline_ms: 300,
    })
}

fn next(agent: &mut Agent) -> ToLabctl {
    agent.next_within(Duration::from_secs(10)).expect("a message")
}

#[test]
fn bytes_go_both_ways_until_both_have_ended() {
    let mut agent = Agent::start();
    let place = open_place();
    let path = place.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        stream.write_all(text.to_uppercase().as_bytes()).unwrap();
    });
    let id = agent.ask(false, dial(Place::Socket(path.display().to_string())));
    assert_eq!(next(&mut agent), ToLabctl::Connected { id });
    agent.say(&ToAgent::Data {
        id,
        bytes: b"hello".to_vec(),
    });
    assert_eq!(next(&mut agent), ToLabctl::Grant { id, bytes: 5 });
    agent.say(&ToAgent::End { id });
    let data = ToLabctl::Data {
        id,
        stream: Stream::Stdout,
        bytes: b"HELLO".to_vec(),
    };
    assert_eq!(next(&mut agent), data);
    assert_eq!(next(&mut agent), ToLabctl::End { id });
    assert_eq!(
        next(&mut agent),
        ToLabctl::Answer {
            id,
            answer: Ok(Answer::Done)
        }
    );
    server.join().unwrap();
}

#[test]
fn what_is_not_granted_is_not_sent() {
    let mut agent = Agent::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // The other side may hang up.
        let _ = stream.write_all(&vec![1; 4 << 20]);
    });
    let id = agent.ask(false, dial(Place::Port("localhost".into(), port)));
    let mut got = 0;
    while let Some(message) = agent.next_within(Duration::from_millis(300)) {
        if let ToLabctl::Data { bytes, .. } = message {
            got += bytes.len();
        }
    }
    assert_eq!(got, WINDOW as usize);
    agent.say(&ToAgent::Grant { id, bytes: 4 << 20 });
    while got < 4 << 20 {
        if let ToLabctl::Data { bytes, .. } = next(&mut agent) {
            got += bytes.len();
        }
    }
    assert_eq!(next(&mut agent), ToLabctl::End { id });
    agent.say(&ToAgent::End { id });
    assert_eq!(agent.reply(id).answer, Ok(Answer::Done));
    server.join().unwrap();
}

#[test]
fn a_way_that_is_cancelled_is_closed_whatever_it_waits_for() {
    let mut agent = Agent::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for end_first in [false, true] {
        let id = agent.ask(false, dial(Place::Port("127.0.0.1".into(), port)));
        let (mut stream, _) = listener.accept().unwrap();
        assert_eq!(next(&mut agent), ToLabctl::Connected { id });
        if end_first {
            agent.say(&ToAgent::End { id });
        } else {
            // More than the socket takes: the agent waits for room.
            agent.say(&ToAgent::Data {
                id,
                bytes: vec![0; 16 << 20],
            });
        }
        std::thread::sleep(Duration::from_millis(50));
        agent.say(&ToAgent::Cancel { id });
        assert_eq!(agent.reply(id).answer, Ok(Answer::Done));
        // What was on its way is read, then the end.
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

#[test]
fn who_does_not_answer_is_told() {
    let mut agent = Agent::start();
    let place = open_place();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let socket = place.path().join("socket");
    drop(UnixListener::bind(&socket).unwrap());
    let socket = socket.display().to_string();
    for (place, reason) in [
        (
            Place::Port("127.0.0.1".into(), port),
            format!("127.0.0.1:{port}: connection refused"),
        ),
        (Place::Socket(socket.clone()), format!("{socket}: connection refused")),
        (
            Place::Socket("/no/such".into()),
            "/no/such: no such file or directory".into(),
        ),
        (
            Place::Port("no-such-host.invalid".into(), 1),
            "no-such-host.invalid:1: the node does not know no-such-host.invalid".into(),
        ),
    ] {
        let fault = agent.answer(dial(place)).unwrap_err();
        assert_eq!((fault.kind, fault.message), (FaultKind::Refused, reason));
    }
}

#[test]
fn a_socket_with_a_full_queue_is_waited_for_no_longer_than_the_deadline() {
    let mut agent = Agent::start();
    let place = open_place();
    let path = place.path().join("socket");
    let _listener = UnixListener::bind(&path).unwrap();
    let mut waiting = Vec::new();
    let started = Instant::now();
    // Connecting blocks once the queue is full.
    let (sender, receiver) = std::sync::mpsc::channel();
    let clogged = path.clone();
    std::thread::spawn(move || {
        while let Ok(stream) = std::os::unix::net::UnixStream::connect(&clogged) {
            if sender.send(stream).is_err() {
                return;
            }
        }
    });
    while let Ok(stream) = receiver.recv_timeout(Duration::from_millis(200)) {
        waiting.push(stream);
        if started.elapsed() > Duration::from_secs(3) {
            // A machine with an endless queue.
            return;
        }
    }
    let place = Place::Socket(path.display().to_string());
    let fault = agent.answer(dial(place.clone())).unwrap_err();
    assert_eq!(fault.message, format!("{}: no answer within 0.3 s", path.display()));
    assert_cancel_is_noticed(&mut agent, place);
}

/// Checks that an attempt to reach `place`, which never answers, ends at once when labctl wants it no longer.
#[track_caller]
fn assert_cancel_is_noticed(agent: &mut Agent, place: Place) {
    let id = agent.ask(
        false,
        Request::Dial(Dial {
            place,
            deadline_ms: 20_000,
        }),
    );
    assert_eq!(agent.next_within(Duration::from_millis(100)), None);
    let cancelled = Instant::now();
    agent.say(&ToAgent::Cancel { id });
    let fault = agent.reply(id).answer.unwrap_err();
    assert!(fault.message.ends_with(": labctl wants it no longer"), "{fault:?}");
    assert!(
        cancelled.elapsed() < Duration::from_secs(1),
        "{:?}",
        cancelled.elapsed()
    );
}

#[test]
fn a_port_that_never_answers_is_given_up_when_it_is_cancelled() {
    let mut agent = Agent::start();
    let clogged = Clogged::new();
    assert_cancel_is_noticed(&mut agent, Place::Port("127.0.0.1".into(), clogged.port));
    let started = Instant::now();
    let fault = agent
        .answer(dial(Place::Port("127.0.0.1".into(), clogged.port)))
        .unwrap_err();
    assert_eq!(
        fault.message,
        format!("127.0.0.1:{}: no answer within 0.3 s", clogged.port)
    );
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    agent.ask(
        false,
        Request::Dial(Dial {
            place: Place::Port("127.0.0.1".into(), clogged.port),
            deadline_ms: 20_000,
        }),
    );
    assert_eq!(agent.next_within(Duration::from_millis(100)), None);
    let ended = Instant::now();
    assert!(agent.hang_up().success());
    assert!(ended.elapsed() < Duration::from_secs(2), "{:?}", ended.elapsed());
}

/// A port whose queue is full: further attempts are not answered.
struct Clogged {
    port: u16,
    _listener: OwnedFd,
    _waiting: Vec<TcpStream>,
}

impl Clogged {
    fn new() -> Self {
        let listener = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        listen(&listener, 0).unwrap();
        let address = SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            waiting.push(stream);
        }
        Self {
            port: address.port(),
            _listener: listener,
            _waiting: waiting,
        }
    }
}
