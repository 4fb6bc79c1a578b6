//! Removing, making directories, and copying, in places where others may put links.

use crate::harness::{Agent, open_place};
use labctl_agent::{Answer, Removal, Remove, Request};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

const NOBODY: Option<u32> = Some(65534);

fn remove(path: &Path, what: Removal) -> Request {
    let path = path.display().to_string();
    Request::Remove(Remove { path, what })
}

fn directories(path: &Path) -> Request {
    let path = path.display().to_string();
    Request::MakeDirectories { path }
}

fn copy(from: &Path, to: &Path) -> Request {
    let (from, to) = (from.display().to_string(), to.display().to_string());
    Request::CopyFile { from, to }
}

fn not_followed(link: &Path) -> String {
    format!(
        "{} is a link in a directory of others; root does not follow it",
        link.display()
    )
}

/// Makes `path/d/d/...`, as deep as a path may not be said in one word.
fn deep_directories(path: &Path, depth: usize) {
    let mut at = rustix::fs::open(path, rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty()).unwrap();
    for _ in 0..depth {
        rustix::fs::mkdirat(&at, "d", rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
        at = rustix::fs::openat(&at, "d", rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty()).unwrap();
    }
}

#[test]
fn a_tree_goes_and_what_its_links_lead_to_stays() {
    let mut agent = Agent::start();
    let place = open_place();
    let path = |name: &str| place.path().join(name);
    fs::create_dir_all(path("tree/a/b")).unwrap();
    fs::create_dir(path("kept")).unwrap();
    fs::write(path("kept/file"), "x").unwrap();
    fs::write(path("tree/a/file"), "x").unwrap();
    Command::new("mkfifo").arg(path("tree/fifo")).status().unwrap();
    symlink(path("kept"), path("tree/a/link")).unwrap();
    symlink(path("kept"), path("link")).unwrap();
    for removed in ["tree", "link", "none", "none/none"] {
        assert_eq!(agent.answer(remove(&path(removed), Removal::Tree)), Ok(Answer::Done));
    }
    assert!(!path("tree").exists() && !path("link").is_symlink());
    assert!(path("kept/file").exists());
    let message = agent.fault(remove(&path("kept"), Removal::File));
    assert_eq!(message, format!("{} is a directory", path("kept").display()));
    assert_eq!(
        agent.answer(remove(&path("kept/file"), Removal::File)),
        Ok(Answer::Done)
    );
    assert!(!path("kept/file").exists());
}

#[test]
fn a_tree_too_deep_for_a_path_or_for_descriptors_goes() {
    let mut agent = Agent::start();
    let place = open_place();
    fs::create_dir(place.path().join("tree")).unwrap();
    deep_directories(&place.path().join("tree"), 5000);
    let request = remove(&place.path().join("tree"), Removal::Tree);
    assert_eq!(agent.answer(request), Ok(Answer::Done));
    assert!(!place.path().join("tree").exists());
}

#[test]
fn what_is_mounted_in_a_tree_stays_and_is_told() {
    let mut agent = Agent::start();
    let place = open_place();
    let path = |name: &str| place.path().join(name);
    for directory in ["tree/mounted", "tree/other", "kept"] {
        fs::create_dir_all(path(directory)).unwrap();
    }
    fs::write(path("kept/file"), "x").unwrap();
    // A bind mount is on the same device.
    let run = |program: &str, words: &[&Path]| {
        let status = Command::new(program).args(words).status();
        assert!(status.unwrap().success(), "{program} {words:?}");
    };
    run("mount", &[Path::new("--bind"), &path("kept"), &path("tree/mounted")]);
    let message = agent.fault(remove(&path("tree"), Removal::Tree));
    let other = path("tree/other").exists();
    run("umount", &[&path("tree/mounted")]);
    let mounted = path("tree/mounted").display().to_string();
    let expected = format!("{mounted}: another file system is mounted there; unmount it first");
    assert_eq!(message, expected);
    assert!(!other, "the rest goes all the same");
    assert!(path("kept/file").exists());
    assert_eq!(agent.answer(remove(&path("tree"), Removal::Tree)), Ok(Answer::Done));
}

#[test]
fn empty_directories_go_up_to_the_topmost() {
    let mut agent = Agent::start();
    let place = open_place();
    let path = |name: &str| place.path().join(name);
    let up_to = |topmost: &str| Removal::EmptyUpTo(path(topmost).display().to_string());
    fs::create_dir_all(path("a/b/c/d")).unwrap();
    assert_eq!(
        agent.answer(remove(&path("a/b/c/d/e/f"), up_to("a/b"))),
        Ok(Answer::Done)
    );
    assert!(path("a").exists() && !path("a/b").exists());
    fs::create_dir_all(path("a/b/c")).unwrap();
    fs::write(path("a/b/file"), "x").unwrap();
    assert_eq!(agent.answer(remove(&path("a/b/c"), up_to("a"))), Ok(Answer::Done));
    assert!(path("a/b/file").exists() && !path("a/b/c").exists());
}

#[test]
fn root_removes_makes_and_copies_nothing_over_links_of_others() {
    let mut agent = Agent::start();
    let place = open_place();
    let path = |name: &str| place.path().join(name);
    for name in ["users", "other/below"] {
        fs::create_dir_all(path(name)).unwrap();
    }
    chown(path("users"), NOBODY, None).unwrap();
    fs::write(path("other/file"), "x").unwrap();
    symlink(path("other"), path("users/there")).unwrap();
    let refused = not_followed(&path("users/there"));
    let file = path("users/there/file");
    let below = path("users/there/below");
    let topmost = path("users/there").display().to_string();
    for request in [
        remove(&file, Removal::File),
        remove(&below, Removal::Tree),
        remove(&below, Removal::EmptyUpTo(topmost)),
        directories(&path("users/there/new")),
        directories(&path("users/there")),
        copy(&file, &path("copy")),
        copy(&path("other/file"), &path("users/there/copy")),
    ] {
        assert_eq!(agent.fault(request.clone()), refused, "{request:?}");
    }
    symlink(path("other/file"), path("users/link")).unwrap();
    let message = agent.fault(copy(&path("users/link"), &path("copy")));
    assert!(message.contains("symbolic links"), "{message}");
    let names: Vec<_> = fs::read_dir(path("other")).unwrap().collect();
    assert_eq!(names.len(), 2);
    assert!(!path("copy").exists());
}

#[test]
fn a_directory_that_becomes_a_link_meanwhile_leads_nobody_astray() {
    let mut agent = Agent::start();
    let place = open_place();
    let path = |name: &str| place.path().join(name);
    for name in ["users/there", "other"] {
        fs::create_dir_all(path(name)).unwrap();
    }
    chown(path("users"), NOBODY, None).unwrap();
    fs::write(path("other/file"), "x").unwrap();
    symlink(path("other"), path("users/link")).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let (one, other) = (path("users/there"), path("users/link"));
                renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for _ in 0..1000 {
            // Whichever stands there at the moment.
            for request in [
                remove(&path("users/there/file"), Removal::File),
                directories(&path("users/there/new")),
                copy(&path("other/file"), &path("users/there/copy")),
            ] {
                let id = agent.ask(false, request);
                let _ = agent.reply(id);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let names: Vec<_> = fs::read_dir(path("other")).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(fs::read_to_string(path("other/file")).unwrap(), "x");
}

#[test]
fn directories_are_made_where_they_are_missing() {
    let mut agent = Agent::start();
    let place = open_place();
    let path = |name: &str| place.path().join(name);
    for _ in 0..2 {
        assert_eq!(agent.answer(directories(&path("a/b/c"))), Ok(Answer::Done));
    }
    assert_eq!(path("a/b/c").metadata().unwrap().mode() & 0o7777, 0o755);
    fs::write(path("a/file"), "x").unwrap();
    let message = agent.fault(directories(&path("a/file/b")));
    assert_eq!(message, format!("{} is not a directory", path("a/file").display()));
    // A link of root's leads on.
    fs::create_dir(path("elsewhere")).unwrap();
    symlink("../elsewhere", path("a/link")).unwrap();
    assert_eq!(agent.answer(directories(&path("a/link/below"))), Ok(Answer::Done));
    assert!(path("elsewhere/below").is_dir());
}

#[test]
fn a_copy_is_as_the_file_was() {
    let mut agent = Agent::start();
    let place = open_place();
    let path = |name: &str| place.path().join(name);
    fs::write(path("file"), vec![7; 300_000]).unwrap();
    fs::set_permissions(path("file"), fs::Permissions::from_mode(0o4640)).unwrap();
    chown(path("file"), NOBODY, Some(1234)).unwrap();
    fs::set_permissions(path("file"), fs::Permissions::from_mode(0o4640)).unwrap();
    let changed = SystemTime::UNIX_EPOCH + Duration::new(1_400_000_000, 5);
    let file = fs::File::options().write(true).open(path("file")).unwrap();
    file.set_modified(changed).unwrap();
    fs::write(path("copy"), "another").unwrap();
    assert_eq!(agent.answer(copy(&path("file"), &path("copy"))), Ok(Answer::Done));
    let seen = path("copy").metadata().unwrap();
    assert_eq!((seen.mode() & 0o7777, seen.uid(), seen.gid()), (0o4640, 65534, 1234));
    assert_eq!(seen.modified().unwrap(), changed);
    assert!(fs::read(path("copy")).unwrap() == vec![7; 300_000]);

    Command::new("mkfifo").arg(path("fifo")).status().unwrap();
    let fault = agent.fault(copy(&path("fifo"), &path("new")));
    assert_eq!(fault, format!("{} is not a regular file", path("fifo").display()));
    let fault = agent.fault(copy(&path("none"), &path("new")));
    assert_eq!(fault, format!("{}: no such file or directory", path("none").display()));
    assert!(!path("new").exists());
}
