//! Files that are written and kept.

use super::server::{Server, instance};
use crate::skipping::skip;
use labctl::domain::InstanceId;
use labctl::node::{FileWrite, NodeErrorKind, Transport};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

fn write(path: &Path, content: &[u8]) -> FileWrite {
    FileWrite {
        path: path.display().to_string(),
        content: content.to_vec(),
        mode: None,
        as_root: false,
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_replaced_file_keeps_mode_and_owner() {
    let server = Server::start();
    let node = server.connect().await;
    let place = server.path("place");
    fs::create_dir(&place).unwrap();
    let path = place.join("it's a \"file\"");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let is_root = fs::metadata(&path).unwrap().uid() == 0;
    if is_root {
        std::os::unix::fs::chown(&path, Some(65534), Some(65534)).unwrap();
    }
    let before = fs::metadata(&path).unwrap();
    node.write_file(&write(&path, b"new\0\xff")).await.unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new\0\xff");
    assert_eq!(
        (after.mode(), after.uid(), after.gid()),
        (before.mode(), before.uid(), before.gid())
    );
    assert_ne!(after.ino(), before.ino(), "it was written in place");
    node.write_file(&FileWrite {
        mode: Some(0o600),
        ..write(&path, b"")
    })
    .await
    .unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_eq!((after.mode() & 0o7777, after.len()), (0o600, 0));
    assert_eq!(names(&place).len(), 1);
}

#[tokio::test]
async fn a_new_file_has_the_usual_mode_and_a_link_stays_a_link() {
    let server = Server::start();
    let node = server.connect().await;
    let (path, link) = (server.path("new"), server.path("link"));
    node.write_file(&write(&path, &[b'x'; 3_000_000])).await.unwrap();
    let seen = fs::metadata(&path).unwrap();
    assert_eq!((seen.mode() & 0o7777, seen.len()), (0o644, 3_000_000));
    symlink(&path, &link).unwrap();
    node.write_file(&write(&link, b"through")).await.unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&path).unwrap(), b"through");
}

#[tokio::test]
async fn what_cannot_be_written_is_said_in_the_nodes_words() {
    let server = Server::start();
    let node = server.connect().await;
    for path in [
        server.path("no/such/directory/file"),
        server.directory.path().to_owned(),
        "/proc/file".into(),
    ] {
        let error = node.write_file(&write(&path, b"x")).await.unwrap_err();
        assert_eq!(error.kind, NodeErrorKind::NodeFault);
        assert!(error.message.contains(path.to_str().unwrap()), "{error}");
    }
    let error = node.write_file(&write(Path::new("relative"), b"x")).await.unwrap_err();
    assert!(error.message.contains("relative"), "{error}");
}

#[tokio::test]
async fn a_full_disk_leaves_the_old_file_and_nothing_else() {
    let server = Server::start();
    let small = server.path("small");
    fs::create_dir(&small).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(&small)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        skip("a full disk: nothing can be mounted here");
        return;
    }
    let node = server.connect().await;
    let path = small.join("file");
    fs::write(&path, "old").unwrap();
    let error = node.write_file(&write(&path, &[b'x'; 1_000_000])).await.unwrap_err();
    let (content, left) = (fs::read(&path).unwrap(), names(&small));
    std::process::Command::new("umount").arg(&small).status().unwrap();
    assert_eq!(error.kind, NodeErrorKind::NodeFault);
    assert!(error.message.contains("no space left on device"), "{error}");
    assert_eq!((content, left), (b"old".to_vec(), vec!["file".to_owned()]));
}

#[tokio::test]
async fn what_is_kept_is_private_to_the_instance() {
    let server = Server::start();
    let node = server.open().await;
    node.keep("backup/etc-docker", b"one").await.unwrap();
    node.keep("backup/etc-docker", b"two").await.unwrap();
    let path = server.path("labctl/test/backup/etc-docker");
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(fs::metadata(server.path("labctl/test")).unwrap().mode() & 0o7777, 0o700);
    for name in ["../x", "/x", "a//b", "", "a;b", ".x"] {
        assert!(node.keep(name, b"x").await.is_err(), "{name:?} was accepted");
    }
    node.open_instance(&instance()).await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    node.close_instance(&instance()).await.unwrap();
    assert!(!server.path("labctl").exists());
}

#[tokio::test]
async fn a_node_holds_one_instance_at_a_time() {
    let server = Server::start();
    let node = server.open().await;
    let other = InstanceId::new("other").unwrap();
    let error = node.open_instance(&other).await.unwrap_err();
    assert!(
        error.message.contains("another labctl has its instance there"),
        "{error}"
    );
    assert!(!server.path("labctl/other").exists());
    node.close_instance(&instance()).await.unwrap();
    node.open_instance(&other).await.unwrap();
    assert!(server.path("labctl/other").exists());
}
