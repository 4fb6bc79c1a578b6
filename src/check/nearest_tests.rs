//! What a person is told of containers that come near what was wanted.

use super::containers::evaluate_containers;
use super::nearest::{CONSTRAINTS, MADE_BY_SWARM, WantedContainer, nearest};
use super::{Context, Ours};
use crate::domain::{ContainerSeen, ContainersCheck, PortSeen, Text, Values};
use proptest::prelude::*;
use rstest::rstest;

const JSON: &str = "[\"environment==staging\"]";

fn web() -> ContainerSeen {
    let label = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    ContainerSeen {
        id: "1".to_owned(),
        name: "chat_web_1".to_owned(),
        aliases: vec!["proxy_1/app".to_owned(), "proxy_1/web".to_owned()],
        image: "me/dockchat:v1".to_owned(),
        image_id: "sha256:1".to_owned(),
        state: "running".to_owned(),
        status: "Up 2 minutes".to_owned(),
        command: "python3 webapp.py".to_owned(),
        labels: [
            ("com.docker.compose.service", "web"),
            (MADE_BY_SWARM, "1"),
            (CONSTRAINTS, JSON),
        ]
        .map(label)
        .into(),
        ports: vec![PortSeen {
            inside: 5000,
            protocol: "tcp".to_owned(),
            address: Some("0.0.0.0".to_owned()),
            published: Some(5000),
        }],
        volumes: Vec::new(),
        created: 0,
    }
}

fn wanted() -> ContainersCheck {
    let text = Text::literal;
    ContainersCheck {
        service: Some(text("web")),
        image: Some(text("*/dockchat:v1")),
        command: vec![text("webapp")],
        linked_as: Some(text("app")),
        constraints: vec![text("environment==staging")],
        publishes: Some(5000),
        state: Some("running".to_owned()),
        count: 1,
        ..ContainersCheck::default()
    }
}

fn told(wanted: &ContainersCheck, seen: &[ContainerSeen]) -> Option<String> {
    let like = WantedContainer::of(wanted, &Values::default()).unwrap();
    nearest(&like, &seen.iter().collect::<Vec<_>>())
}

#[test]
fn a_container_that_is_like_that_has_no_faults() {
    let like = WantedContainer::of(&wanted(), &Values::default()).unwrap();
    assert_eq!(like.faults(&web()).told, Vec::<String>::new());
    assert_eq!(
        like.described(),
        "running container of service web of an image like */dockchat:v1 with \"webapp\" in the command \
         constrained to environment==staging linked to as app publishing port 5000"
    );
}

#[rstest]
#[case(|web: &mut ContainerSeen| web.ports[0].published = Some(32769), "publishes 32769, not 5000")]
#[case(|web: &mut ContainerSeen| web.ports.clear(), "publishes no port")]
#[case(|web: &mut ContainerSeen| web.state = "paused".into(), "is paused")]
#[case(|web: &mut ContainerSeen| web.state = "created".into(), "was never started")]
#[case(|web: &mut ContainerSeen| web.state = "restarting".into(), "stops and is started again and again")]
#[case(|web: &mut ContainerSeen| web.image = "mongo".into(), "has the image mongo, not */dockchat:v1")]
#[case(|web: &mut ContainerSeen| web.command = "sleep 9".into(), "runs `sleep 9`")]
#[case(|web: &mut ContainerSeen| web.aliases.clear(), "is linked to by no container")]
#[case(|web: &mut ContainerSeen| web.aliases = vec!["a/x".into(), "b/x".into()], "is linked to as x, not app")]
#[case(|web: &mut ContainerSeen| { web.labels.remove(MADE_BY_SWARM); web.labels.remove(CONSTRAINTS); }, "was not made through the Swarm manager")]
#[case(|web: &mut ContainerSeen| { web.labels.remove(CONSTRAINTS); }, "was placed without any constraint")]
#[case(
    |web: &mut ContainerSeen| { web.labels.insert(CONSTRAINTS.into(), "[\"environment==staging2\"]".into()); },
    "was constrained to environment==staging2, not environment==staging"
)]
#[case(|web: &mut ContainerSeen| { web.labels.insert(CONSTRAINTS.into(), "environment==staging".into()); }, "was placed without any constraint")]
fn what_is_wrong_with_it_is_told(#[case] broken: fn(&mut ContainerSeen), #[case] fault: &str) {
    let mut seen = web();
    broken(&mut seen);
    let sentence = format!("chat_web_1 is there, but {fault}");
    assert_eq!(told(&wanted(), &[seen]).as_deref(), Some(sentence.as_str()));
}

#[test]
fn what_does_not_run_publishes_nothing_which_is_not_told_besides() {
    let mut seen = web();
    seen.state = "exited".to_owned();
    seen.status = "Exited (137) 2 minutes ago".to_owned();
    seen.ports.clear();
    assert_eq!(
        told(&wanted(), &[seen]).as_deref(),
        Some("chat_web_1 is there, but exited (137) 2 minutes ago")
    );
}

#[test]
fn another_service_is_not_near() {
    let mut seen = web();
    seen.labels.insert("com.docker.compose.service".into(), "db".into());
    assert_eq!(told(&wanted(), &[seen]), None);
}

#[test]
fn what_is_told_by_its_command_is_near_where_most_of_that_is_there() {
    let text = Text::literal;
    let agent = ContainersCheck {
        command: vec![text("join"), text("10.0.0.1:2375")],
        state: Some("running".to_owned()),
        count: 1,
        ..ContainersCheck::default()
    };
    let mut other = web();
    other.command = "/swarm join --addr=10.0.0.9:2375 token://0".to_owned();
    other.name = "whale".to_owned();
    assert_eq!(
        told(&agent, &[web(), other]).as_deref(),
        Some("whale is there, but runs `/swarm join --addr=10.0.0.9:2375 token://0`")
    );
    assert_eq!(
        told(&agent, &[web()]),
        None,
        "the command of what is nothing like it is not shown"
    );
}

#[test]
fn there_may_be_more_where_that_is_said_and_never_none() {
    let judged = |count: usize, or_more: bool, seen: &[ContainerSeen]| {
        let wanted = ContainersCheck {
            count,
            or_more,
            ..wanted()
        };
        let (values, ours) = (Values::default(), Ours::default());
        let context = Context {
            values: &values,
            ours: &ours,
        };
        evaluate_containers(&wanted, context, seen).unwrap()
    };
    let three = vec![web(); 3];
    assert!(judged(2, true, &three).holds);
    assert!(!judged(2, false, &three).holds);
    assert!(!judged(4, true, &three).holds);
    assert!(!judged(0, true, &[]).holds);
    assert!(
        judged(2, true, &three)
            .expected
            .starts_with("at least 2 running containers")
    );
    let mut stopped = web();
    stopped.state = "paused".to_owned();
    let one_of_two = judged(2, true, &[web(), stopped]);
    assert_eq!(
        one_of_two.actual,
        "1: chat_web_1 (me/dockchat:v1, running); chat_web_1 is there, but is paused"
    );
}

#[test]
fn of_many_only_some_are_told() {
    let mut seen = web();
    seen.state = "paused".to_owned();
    let told = told(&wanted(), &vec![seen; 5]).unwrap();
    assert_eq!(told.matches("is there, but is paused").count(), 3, "{told}");
    assert!(told.ends_with("; 2 more are there"), "{told}");
}

proptest! {
    #[test]
    fn whatever_an_engine_says_is_told_shortly_and_an_empty_wish_is_like_nothing(text in "\\PC{0,400}") {
        let mut seen = web();
        seen.image = text.clone();
        seen.command = text.clone();
        seen.status = text.clone();
        seen.state = "exited".to_owned();
        seen.labels.insert(CONSTRAINTS.to_owned(), text.clone());
        seen.aliases = vec![text];
        prop_assert!(told(&wanted(), &[seen]).unwrap().chars().count() < 1_200);
        let empty = ContainersCheck { command: vec![Text::literal("")], ..ContainersCheck::default() };
        let like = WantedContainer::of(&empty, &Values::default()).unwrap();
        prop_assert!(!like.faults(&web()).is_empty());
    }
}
