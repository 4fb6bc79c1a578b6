//! A login user whose sudo is sudo-rs, as on Ubuntu since 25.10.

use super::server::{Kept, Server, can_mount, exec, instance, is_alive, look, until};
use crate::skipping::skip;
use labctl::node::{Ending, Look, NodeError, NodeErrorKind, SshNode, Transport};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

const USER: &str = "labctl-test";

/// Returns the program: where Debian's and Ubuntu's package puts it, or scripts/test.
fn program() -> Option<PathBuf> {
    let fetched = concat!(env!("CARGO_MANIFEST_DIR"), "/target/sudo-rs/root");
    let places = ["", fetched].map(|place| PathBuf::from(format!("{place}/usr/lib/cargo/bin/sudo")));
    places.into_iter().find(|path| path.exists())
}

/// A machine where everybody's sudo is sudo-rs, told `sudoers`; `None`, after saying so, where there can be none.
fn machine(sudoers: &str) -> Option<Server> {
    let Some(program) = program() else {
        skip("sudo-rs: it is not installed here");
        return None;
    };
    if !can_mount() {
        skip("sudo-rs: nothing can be mounted here");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    // sshd reads the keys as the user.
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(directory.path().join("sudoers"), sudoers).unwrap();
    let mounts = format!(
        "mount -t tmpfs -o mode=755 none /run && mkdir /run/sshd /run/bin && cp {program} /run/bin/sudo && \
         chmod 4755 /run/bin/sudo && cp -a /etc /run/etc && mount --bind /run/etc /etc && \
         rm -rf /etc/sudoers-rs /etc/sudoers.d && cp {directory}/sudoers /etc/sudoers && chmod 440 /etc/sudoers && \
         printf 'auth required pam_deny.so\\naccount required pam_permit.so\\nsession required pam_permit.so\\n' >/etc/pam.d/sudo && \
         echo '{USER}:x:54321:54321::/run/home:/bin/sh' >>/etc/passwd && echo '{USER}:x:54321:' >>/etc/group && \
         echo '{USER}:*:19000::::::' >>/etc/shadow && mkdir /run/home && chown 54321:54321 /run/home",
        program = program.display(),
        directory = directory.path().display(),
    );
    let path = "SetEnv PATH=/run/bin:/usr/bin:/bin";
    Some(Server::start_among(directory, path, &mounts))
}

async fn connect(server: &Server) -> Result<SshNode, NodeError> {
    let mut node = server.node();
    node.login.user = Some(USER.to_owned());
    server.try_connect(&node).await
}

async fn said(node: &SshNode, as_root: bool, text: &str) -> String {
    let asked = Look { as_root, ..look(text) };
    let looked = node.look(&asked).await.unwrap();
    assert_eq!(looked.ending, Ending::Exited { code: 0 }, "{text}: {looked:?}");
    String::from_utf8(looked.stdout).unwrap()
}

#[tokio::test]
async fn root_is_reached_and_nothing_is_left() {
    // With the default it makes a terminal of its own for root's part.
    for defaults in ["use_pty", "!use_pty"] {
        let sudoers = format!("Defaults {defaults}\n{USER} ALL=(ALL:ALL) NOPASSWD: ALL\n");
        let Some(server) = machine(&sudoers) else { return };
        let node = connect(&server).await.unwrap();
        assert!(said(&node, false, "sudo --version 2>&1").await.contains("sudo-rs"));
        node.open_instance(&instance()).await.unwrap();
        assert_eq!(said(&node, false, "id -un").await, format!("{USER}\n"));
        let told = said(&node, true, "id -u; echo $PPID").await;
        let pid = told.strip_prefix("0\n").unwrap().to_owned();
        let mut request = exec(
            "a",
            "id -u; grep -E '^Sig(Ign|Blk)' /proc/self/status; head -c 3000000 /dev/zero",
        );
        request.as_root = true;
        let mut kept = Kept::default();
        let ending = node.exec(&request, &mut kept, &CancellationToken::new()).await.unwrap();
        let lines = String::from_utf8_lossy(&kept.stdout[..200]).into_owned();
        assert_eq!(ending, Ending::Exited { code: 0 }, "{lines}");
        assert!(kept.count > 3_000_000 && lines.starts_with("0\n"), "{lines}");
        // The C library has two of its own above 31.
        let masks = lines.lines().filter_map(|line| line.strip_prefix("Sig"));
        let masks: Vec<&str> = masks.map(|line| &line[line.len() - 8..]).collect();
        assert!(
            masks.len() == 2 && masks.iter().all(|mask| *mask == "00000000" || *mask == "80000000"),
            "{lines}"
        );
        node.close_instance(&instance()).await.unwrap();
        assert_eq!(
            said(&node, false, "ls -A /run/home").await,
            "",
            "sudo left something there"
        );
        node.close().await;
        until("root's part ends", || !is_alive(&pid)).await;
    }
}

#[tokio::test]
async fn a_password_that_is_needed_is_said_in_its_own_words() {
    for (sudoers, words) in [
        (
            format!("{USER} ALL=(ALL:ALL) ALL\n"),
            "interactive authentication is required",
        ),
        ("root ALL=(ALL:ALL) ALL\n".to_owned(), "sudo"),
    ] {
        let Some(server) = machine(&sudoers) else { return };
        let node = connect(&server).await.unwrap();
        let error = node.open_instance(&instance()).await.unwrap_err();
        assert_eq!(error.kind, NodeErrorKind::NoRoot, "{error}");
        assert!(
            error.message.contains("sudo without a password is refused") && error.message.contains(words),
            "{error}"
        );
        assert!(error.hint.unwrap().contains(USER));
        assert_eq!(said(&node, false, "ls -A /run/home; echo on").await, "on\n");
        assert!(!Path::new(&server.path("labctl")).exists());
    }
}
