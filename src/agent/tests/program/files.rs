//! Looking, reading and writing.

use crate::harness::{Agent, Start, open_place};
use labctl_agent::{Answer, Content, FileKind, Hidden, Look, Request, Seen, Write};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

fn look(agent: &mut Agent, path: &Path) -> Option<Seen> {
    let order = Look {
        path: path.display().to_string(),
        hash: true,
        content: 3,
        names: true,
    };
    let id = agent.ask(false, Request::Look(order));
    match agent.reply(id).answer {
        Ok(Answer::Seen(seen)) => seen,
        other => panic!("{other:?}"),
    }
}

fn write(path: &Path, content: &str, mode: Option<u32>) -> Request {
    Request::Write(Write {
        path: path.display().to_string(),
        content: Hidden::from(content),
        mode,
    })
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_look_tells_what_is_there() {
    let mut agent = Agent::start();
    let place = open_place();
    let file = place.path().join("file");
    fs::write(&file, "hello").unwrap();
    set_mode(&file, 0o4640);
    chown(&file, Some(65534), Some(54321)).unwrap();
    let seen = look(&mut agent, &file).unwrap();
    assert_eq!((seen.kind, seen.size, seen.mode & 0o777), (FileKind::File, 5, 0o640));
    assert_eq!((seen.owner.as_str(), seen.group.as_str()), ("nobody", "54321"));
    assert_eq!(seen.content, b"hel");
    let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(seen.sha256.as_deref(), Some(hash));
    assert!(seen.may_read && seen.may_write && seen.modified_ns > 0);

    symlink("file", place.path().join("link")).unwrap();
    let seen = look(&mut agent, &place.path().join("link")).unwrap();
    assert_eq!(
        (seen.kind, seen.target.as_deref()),
        (FileKind::Link, Some(b"file".as_slice()))
    );
    let _socket = UnixListener::bind(place.path().join("socket")).unwrap();
    assert_eq!(
        look(&mut agent, &place.path().join("socket")).unwrap().kind,
        FileKind::Socket
    );
    assert_eq!(look(&mut agent, Path::new("/dev/null")).unwrap().kind, FileKind::Other);
    let seen = look(&mut agent, place.path()).unwrap();
    assert_eq!(seen.kind, FileKind::Directory);
    assert_eq!(seen.names, [b"file".to_vec(), b"link".to_vec(), b"socket".to_vec()]);
    assert_eq!(look(&mut agent, &place.path().join("none")), None);
    assert_eq!(look(&mut agent, &file.join("none")), None);
}

#[test]
fn what_must_not_be_read_is_seen_without_its_content() {
    let place = open_place();
    let (secret, closed) = (place.path().join("secret"), place.path().join("closed"));
    fs::write(&secret, "x").unwrap();
    set_mode(&secret, 0o600);
    fs::create_dir(&closed).unwrap();
    set_mode(&closed, 0o700);
    let mut agent = Agent::start_as_nobody();
    let seen = look(&mut agent, &secret).unwrap();
    assert!(!seen.may_read && !seen.may_write && seen.sha256.is_none() && seen.content.is_empty());
    let path = closed.join("x").display().to_string();
    let id = agent.ask(
        false,
        Request::Look(Look {
            path: path.clone(),
            ..Look::default()
        }),
    );
    assert_eq!(
        agent.reply(id).answer.unwrap_err().message,
        format!("{path}: permission denied")
    );
}

#[test]
fn reading_follows_links_and_takes_files_alone() {
    let mut agent = Agent::start();
    let place = open_place();
    let path = |name: &str| place.path().join(name).display().to_string();
    fs::write(path("file"), "hello").unwrap();
    symlink("file", path("link")).unwrap();
    Command::new("mkfifo").arg(path("fifo")).status().unwrap();
    let _socket = UnixListener::bind(path("socket")).unwrap();
    let mut read = |path: String, limit| agent.answer(Request::Read { path, limit });
    let content = |text: &str, is_cut| {
        Ok(Answer::Content(Some(Content {
            bytes: text.into(),
            is_cut,
        })))
    };
    assert_eq!(read(path("link"), 5), content("hello", false));
    assert_eq!(read(path("file"), 4), content("hell", true));
    assert_eq!(read(path("none"), 4), Ok(Answer::Content(None)));
    assert!(matches!(
        read("/proc/self/status".into(), 9999),
        Ok(Answer::Content(Some(_)))
    ));
    for (name, reason) in [
        ("fifo", "is not a regular file"),
        ("socket", "is not a regular file"),
        ("", "is a directory"),
    ] {
        let fault = read(path(name), 4).unwrap_err();
        assert_eq!(fault.message, format!("{} {reason}", path(name)));
    }
}

#[test]
fn a_new_file_is_everybodys_to_read_and_an_old_one_keeps_mode_and_owner() {
    let mut agent = Agent::start();
    let place = open_place();
    let file = place.path().join("file");
    assert_eq!(agent.answer(write(&file, "one", None)), Ok(Answer::Done));
    assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o644);
    set_mode(&file, 0o600);
    chown(&file, Some(65534), Some(1234)).unwrap();
    let inode = file.metadata().unwrap().ino();
    assert_eq!(agent.answer(write(&file, "two", None)), Ok(Answer::Done));
    let metadata = file.metadata().unwrap();
    assert_eq!(
        (metadata.mode() & 0o7777, metadata.uid(), metadata.gid()),
        (0o600, 65534, 1234)
    );
    assert_ne!(metadata.ino(), inode, "it is written beside and renamed");
    assert_eq!(agent.answer(write(&file, "three", Some(0o4751))), Ok(Answer::Done));
    let metadata = file.metadata().unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (0o4751, 65534));
    assert_eq!(fs::read_to_string(&file).unwrap(), "three");
    assert_eq!(names(place.path()), ["file"]);
}

#[test]
fn what_is_no_place_for_a_file_is_refused_and_nothing_is_left() {
    let mut agent = Agent::start();
    let place = open_place();
    let path = |name: &str| place.path().join(name);
    fs::create_dir(path("directory")).unwrap();
    fs::write(path("file"), "x").unwrap();
    Command::new("mkfifo").arg(path("fifo")).status().unwrap();
    for (name, reason) in [
        ("directory", "PATH is a directory"),
        ("none/file", "PATH: no such directory"),
        ("file/file", "PATH: no such directory"),
        ("fifo", "PATH is not a regular file"),
        ("directory/..", "\"PATH\" cannot be the path of a file"),
        ("x/", "\"PATH\" cannot be the path of a file"),
    ] {
        let expected = reason.replace("PATH", &path(name).display().to_string());
        assert_eq!(agent.fault(write(&path(name), "x", None)), expected);
    }
    assert_eq!(names(place.path()), ["directory", "fifo", "file"]);
}

#[test]
fn root_follows_links_of_root_alone() {
    let mut agent = Agent::start();
    let place = open_place();
    let path = |name: &str| place.path().join(name);
    for name in ["etc", "other", "users", "public"] {
        fs::create_dir(path(name)).unwrap();
    }
    // A temporary directory is in one that everybody may write to, but is no link.
    symlink("../other", path("etc/there")).unwrap();
    symlink(path("other/new"), path("etc/link")).unwrap();
    assert_eq!(
        agent.answer(write(&path("etc/there/file"), "x", None)),
        Ok(Answer::Done)
    );
    assert_eq!(agent.answer(write(&path("etc/link"), "x", None)), Ok(Answer::Done));
    assert_eq!(names(&path("other")), ["file", "new"]);
    assert!(path("etc/link").is_symlink());

    chown(path("users"), Some(65534), None).unwrap();
    set_mode(&path("public"), 0o1777);
    for name in ["users", "public"] {
        symlink(path("other/file"), path(name).join("link")).unwrap();
        symlink(path("other"), path(name).join("there")).unwrap();
        for (written, link) in [("link", "link"), ("there/file", "there")] {
            let message = agent.fault(write(&path(name).join(written), "y", None));
            let link = path(name).join(link).display().to_string();
            assert_eq!(
                message,
                format!("{link} is a link in a directory of others; root does not follow it")
            );
        }
        assert_eq!(
            agent.answer(write(&path(name).join("file"), "z", None)),
            Ok(Answer::Done)
        );
    }
    assert_eq!(fs::read_to_string(path("other/file")).unwrap(), "x");
}

#[test]
fn links_that_lead_nowhere_end() {
    let mut agent = Agent::start();
    let place = open_place();
    symlink("b", place.path().join("a")).unwrap();
    symlink("a", place.path().join("b")).unwrap();
    let message = agent.fault(write(&place.path().join("a"), "x", None));
    assert!(message.ends_with("too many links"), "{message}");
    symlink("..", place.path().join("up")).unwrap();
    let message = agent.fault(write(&place.path().join("up"), "x", None));
    assert!(message.ends_with("is a directory"), "{message}");
}

#[test]
fn the_login_user_follows_a_link_and_writes_what_it_may() {
    let place = open_place();
    let own = place.path().join("own");
    fs::create_dir(&own).unwrap();
    chown(&own, Some(65534), Some(65534)).unwrap();
    symlink("target", own.join("link")).unwrap();
    let mut agent = Agent::start_as_nobody();
    let mut ask = |request| {
        let id = agent.ask(false, request);
        agent.reply(id).answer
    };
    assert_eq!(ask(write(&own.join("link"), "x", None)), Ok(Answer::Done));
    assert_eq!(fs::read_to_string(own.join("target")).unwrap(), "x");
    let foreign = own.join("foreign");
    fs::write(&foreign, "").unwrap();
    let fault = ask(write(&foreign, "x", None)).unwrap_err();
    assert_eq!(
        fault.message,
        format!("{}: its owner cannot be kept", foreign.display())
    );
    let other = place.path().join("other");
    let fault = ask(write(&other, "x", None)).unwrap_err();
    assert_eq!(fault.message, format!("{}: permission denied", other.display()));
    assert_eq!(names(&own), ["foreign", "link", "target"]);
}

#[test]
fn a_file_as_large_as_there_may_be_is_written_and_read() {
    let mut agent = Agent::start_as(Start::default());
    let place = open_place();
    let path = place.path().join("large").display().to_string();
    let content = Hidden(vec![7; 64 << 20]);
    let request = Request::Write(Write {
        path: path.clone(),
        content: content.clone(),
        mode: None,
    });
    assert_eq!(agent.answer(request), Ok(Answer::Done));
    let Ok(Answer::Content(Some(read))) = agent.answer(Request::Read { path, limit: u64::MAX }) else {
        panic!("it cannot be read");
    };
    assert!(read.bytes == content.0 && !read.is_cut);
}
