//! The directories of instances, and what is kept there.

use crate::harness::{Agent, open_place};
use crate::recorded::Instance;
use labctl_agent::{Answer, Hidden, Request};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

fn open(directory: &Path, name: &str) -> Request {
    Request::OpenInstance {
        directory: directory.display().to_string(),
        name: name.to_owned(),
    }
}

fn close(directory: &Path, name: &str) -> Request {
    Request::CloseInstance {
        directory: directory.display().to_string(),
        name: name.to_owned(),
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn an_instance_is_opened_twice_closed_and_closed_again() {
    let mut agent = Agent::start();
    let place = open_place();
    let all = place.path().join("lib/labctl");
    for _ in 0..2 {
        assert_eq!(agent.answer(open(&all, "a")), Ok(Answer::Done));
        for path in [all.clone(), all.join("a")] {
            assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o700);
        }
    }
    fs::create_dir_all(all.join("a/b/c")).unwrap();
    for _ in 0..2 {
        assert_eq!(agent.answer(close(&all, "a")), Ok(Answer::Done));
        assert!(!all.exists() && place.path().join("lib").exists());
    }
}

#[test]
fn another_instance_is_refused_by_name() {
    let mut agent = Agent::start();
    let place = open_place();
    let all = place.path().join("labctl");
    agent.answer(open(&all, "a")).unwrap();
    fs::write(all.join("file"), "").unwrap();
    fs::create_dir(all.join(".hidden")).unwrap();
    let message = agent.fault(open(&all, "b"));
    assert_eq!(
        message,
        format!("another labctl has its instance there: {}", all.join("a").display())
    );
    assert!(!all.join("b").exists());
}

#[test]
fn what_others_could_change_is_refused_by_name() {
    let mut agent = Agent::start();
    let place = open_place();
    let (all, own) = (place.path().join("labctl"), place.path().join("labctl/a"));
    for path in [&all, &own] {
        agent.answer(open(&all, "a")).unwrap();
        let shown = path.display().to_string();
        set_mode(path, 0o720);
        let message = agent.fault(open(&all, "a"));
        assert!(
            message.starts_with(&format!("{shown} can be written to by others")),
            "{message}"
        );
        set_mode(path, 0o700);
        chown(path, Some(65534), None).unwrap();
        let message = agent.fault(open(&all, "a"));
        assert!(
            message.starts_with(&format!("{shown} belongs to nobody, not to root")),
            "{message}"
        );
        chown(path, Some(0), None).unwrap();
        let moved = place.path().join("moved");
        fs::rename(path, &moved).unwrap();
        symlink(&moved, path).unwrap();
        let message = agent.fault(open(&all, "a"));
        assert_eq!(
            message,
            format!("{shown} is a link; labctl does not follow it: remove it")
        );
        fs::remove_file(path).unwrap();
        fs::rename(&moved, path).unwrap();
    }
    assert_eq!(
        agent.fault(open(&all, "..")),
        "\"..\" cannot be the name of an instance"
    );
    assert_eq!(
        agent.fault(close(&all, "a/b")),
        "\"a/b\" cannot be the name of an instance"
    );
}

#[test]
fn a_link_in_place_of_an_instance_is_not_followed_when_it_is_closed() {
    let mut agent = Agent::start();
    let place = open_place();
    fs::create_dir(place.path().join("precious")).unwrap();
    fs::write(place.path().join("precious/file"), "").unwrap();
    symlink("precious", place.path().join("a")).unwrap();
    agent.fault(close(place.path(), "a"));
    assert!(place.path().join("precious/file").exists());
}

#[test]
fn a_directory_that_another_labctl_has_locked_is_waited_for() {
    let mut agent = Agent::start();
    let place = open_place();
    let file = fs::File::open(place.path()).unwrap();
    file.lock().unwrap();
    let id = agent.ask(true, open(place.path(), "a"));
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(!place.path().join("a").exists());
    drop(file);
    assert_eq!(agent.reply(id).answer, Ok(Answer::Done));
}

#[test]
fn what_is_kept_is_for_its_owner_alone() {
    let mut agent = Agent::start();
    let instance = Instance::new();
    let mut keep = |name: &str, content: &str| {
        agent.answer(Request::Keep {
            instance: instance.path.clone(),
            name: name.to_owned(),
            content: Hidden::from(content),
        })
    };
    for content in ["one", "two"] {
        assert_eq!(keep("undo/a@b+c:d-e_f.json", content), Ok(Answer::Done));
        let path = Path::new(&instance.path).join("undo/a@b+c:d-e_f.json");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
        assert_eq!(path.parent().unwrap().metadata().unwrap().mode() & 0o7777, 0o700);
    }
    assert_eq!(keep("plain", "x"), Ok(Answer::Done));
    for name in ["", "/a", "a/", "a//b", "../a", "a/.b", "a b", "a\nb"] {
        let fault = keep(name, "x").unwrap_err();
        assert_eq!(fault.message, format!("{name:?} cannot be the name of something kept"));
    }
    let fault = agent.fault(Request::Keep {
        instance: "/no/such".into(),
        name: "a".into(),
        content: Hidden::default(),
    });
    assert_eq!(fault, "no such instance on this node: /no/such");
}
