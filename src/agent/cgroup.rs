//! Leaves the control group of the ssh session: systemd may be told to end all that is in it with the session
//! (`KillUserProcesses=yes`), and recorded commands must outlive that.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Once;

/// Where root can go, with control groups of version 2, and of version 1 or both.
const ELSEWHERE: [&str; 4] = [
    "/sys/fs/cgroup/init.scope/cgroup.procs",
    "/sys/fs/cgroup/systemd/init.scope/cgroup.procs",
    "/sys/fs/cgroup/cgroup.procs",
    "/sys/fs/cgroup/systemd/cgroup.procs",
];

/// Moves this process, and all that it starts from then on, out of the session's group. Whoever else calls this meanwhile waits until that
/// is done. It takes the kernel up to 20 ms, so it is done once for all commands, and early. Where no group is to be had, this is no machine
/// with systemd, or the process is not root's.
pub(crate) fn leave_session() {
    static LEAVING: Once = Once::new();
    LEAVING.call_once(|| {
        for group in ELSEWHERE {
            // Never made: what is no control group would be a file.
            let opened = OpenOptions::new().write(true).open(group);
            // 0 is whoever writes.
            if opened.and_then(|mut group| group.write_all(b"0")).is_ok() {
                break;
            }
        }
    });
}
