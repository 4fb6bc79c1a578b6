//! That every kind of check reads as a sentence.

use super::describe::describe_check_kind;
use crate::domain::{CheckKind, ContainersCheck, HttpCheck, Text, TextMatch};

fn text(text: &str) -> Text {
    Text::literal(text)
}

fn containers(count: usize, state: Option<&str>) -> CheckKind {
    CheckKind::Containers(ContainersCheck {
        project: Some(text("dockchat")),
        service: Some(text("web")),
        state: state.map(str::to_owned),
        count,
        ..ContainersCheck::default()
    })
}

#[test]
fn every_kind_reads_as_a_sentence() {
    let contains = TextMatch {
        contains: vec![text("DockChat served")],
        ..TextMatch::default()
    };
    let empty = TextMatch {
        equals: Some(text("")),
        ..TextMatch::default()
    };
    let cases = [
        (CheckKind::Exit { code: 0 }, "exit status 0"),
        (
            CheckKind::Stdout(contains.clone()),
            "standard output contains “DockChat served”",
        ),
        (
            CheckKind::Command {
                command: crate::domain::CommandText::Shell(text("echo $DOCKER_HOST")),
                as_root: false,
                exit: 0,
                stdout: empty,
            },
            "`echo $DOCKER_HOST` exits with 0, its output is empty",
        ),
        (
            CheckKind::File {
                path: text("/etc/x"),
                exists: true,
                content: TextMatch::default(),
                mode: Some(0o600),
                owner: Some("root".into()),
            },
            "/etc/x has mode 0600, belongs to root",
        ),
        (
            CheckKind::File {
                path: text("/etc/x"),
                exists: false,
                content: TextMatch::default(),
                mode: None,
                owner: None,
            },
            "/etc/x does not exist",
        ),
        (
            CheckKind::Http(HttpCheck {
                host: text("web"),
                port: 5000,
                path: text("/"),
                host_header: None,
                form: vec![],
                status: 200,
                body: contains,
                user: None,
                spread: None,
            }),
            "GET http://web:5000/ answers 200, its body contains “DockChat served”",
        ),
        (
            CheckKind::Engine {
                labels: vec![text("environment=staging")],
                default_options: false,
                options_once: false,
            },
            "the Docker Engine has the label environment=staging",
        ),
        (
            containers(1, Some("running")),
            "1 container of service web in project dockchat is running",
        ),
        (
            containers(0, None),
            "there are no containers of service web in project dockchat",
        ),
        (
            CheckKind::Images {
                present: vec![text("dockchat_web")],
                absent: vec![text("old")],
                like: vec![text("*/dockchat:v1")],
            },
            "image dockchat_web is there, image old is not there, an image like */dockchat:v1 is there",
        ),
        (
            CheckKind::Port {
                host: text("10.0.0.1"),
                port: 2375,
                open: true,
            },
            "10.0.0.1:2375 accepts connections",
        ),
    ];
    for (kind, sentence) in cases {
        assert_eq!(describe_check_kind(&kind), sentence);
    }
}
