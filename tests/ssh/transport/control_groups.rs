//! Sessions that have control groups of their own, all of whose processes are killed when the session ends: what systemd does where logind is
//! told `KillUserProcesses=yes`.

use super::server::{Kept, Server, exec, signal, until};
use crate::skipping::skip;
use labctl::node::{Ending, Transport};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The hierarchies that systemd kills by: of version 2, and of both versions side by side.
const HIERARCHIES: [&str; 3] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];

/// A group in each hierarchy that this machine has, removed with the value.
struct Groups {
    name: String,
    paths: Vec<PathBuf>,
}

impl Groups {
    fn make() -> Self {
        let name = format!("labctl-test-{}", std::process::id());
        let there = HIERARCHIES.iter().map(Path::new);
        let there = there.filter(|hierarchy| hierarchy.join("cgroup.procs").exists());
        let mut paths: Vec<PathBuf> = there.map(|hierarchy| hierarchy.join(&name)).collect();
        paths.retain(|path| fs::create_dir(path).is_ok());
        Self { name, paths }
    }

    fn members(&self) -> Vec<u32> {
        let lists = self
            .paths
            .iter()
            .map(|path| fs::read_to_string(path.join("cgroup.procs")));
        let lists: Vec<String> = lists.map(Result::unwrap_or_default).collect();
        lists
            .iter()
            .flat_map(|list| list.lines())
            .filter_map(|line| line.parse().ok())
            .collect()
    }

    /// Says in how many of the groups the process is that wrote `listing`, its /proc/self/cgroup.
    fn count_in(&self, listing: &str) -> usize {
        let end = format!("/{}", self.name);
        listing.lines().filter(|line| line.ends_with(&end)).count()
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let limit = Instant::now() + Duration::from_secs(5);
        for path in &self.paths {
            // The last member may not be gone yet.
            while fs::remove_dir(path).is_err() && path.exists() && Instant::now() < limit {
                self.members().into_iter().for_each(|pid| signal(pid, "KILL"));
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

#[tokio::test]
async fn an_exec_outlives_a_session_whose_processes_are_all_killed() {
    let groups = Groups::make();
    if groups.paths.is_empty() {
        skip("sessions with control groups of their own: none can be made here");
        return;
    }
    let enter: Vec<String> = groups
        .paths
        .iter()
        .map(|path| format!("echo $$ >{}/cgroup.procs", path.display()))
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let (session, command) = (directory.path().join("session"), directory.path().join("command"));
    let more = format!(
        "ForceCommand {}; cat /proc/self/cgroup >>{}; eval \"$SSH_ORIGINAL_COMMAND\"",
        enter.join("; "),
        session.display()
    );
    let server = Server::start_with(&more);
    let node = server.open().await;
    let text = format!(
        "cat /proc/self/cgroup >{0}; echo begun; until [ -e {0}.killed ]; do sleep 0.05; done; echo done; exit 5",
        command.display()
    );
    let (mut kept, cancel) = (Kept::default(), CancellationToken::new());
    let request = exec("a", &text);
    let (ending, ()) = tokio::join!(node.exec(&request, &mut kept, &cancel), async {
        until("it runs", || {
            fs::read_to_string(&command).is_ok_and(|text| !text.is_empty())
        })
        .await;
        let listing = fs::read_to_string(&session).unwrap();
        assert_eq!(
            groups.count_in(&listing),
            groups.paths.len(),
            "the session is elsewhere: {listing}"
        );
        for pid in server.session_processes().into_iter().chain(groups.members()) {
            signal(pid, "KILL");
        }
        fs::write(command.with_extension("killed"), "").unwrap();
    });
    assert_eq!(
        (ending.unwrap(), kept.stdout),
        (Ending::Exited { code: 5 }, b"begun\ndone\n".to_vec())
    );
    let listing = fs::read_to_string(&command).unwrap();
    assert_eq!(
        groups.count_in(&listing),
        0,
        "it would be killed with the session: {listing}"
    );
    let sessions = groups.count_in(&fs::read_to_string(&session).unwrap());
    assert_eq!(sessions, 2 * groups.paths.len(), "the link was not cut");
}
