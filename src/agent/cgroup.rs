//! Leaves the control group of the ssh session: systemd may be told to end all that is in it with the session
//! (`KillUserProcesses=yes`), and recorded commands must outlive that.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Once;

/// Where hierarchies of control groups are: the one of version 2; and where there are both versions, systemd's of version 2 and its own of
/// version 1, either of which it may kill by.
const HIERARCHIES: [&str; 3] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];

/// Where root can go in each: to process 1, or where that is in no group of its own, to the top.
const GROUPS: [&str; 2] = ["init.scope", "."];

/// Moves this process, and all that it starts from then on, out of the session's groups. Whoever else calls this meanwhile waits until that
/// is done. It takes the kernel up to 20 ms, so it is done once for all commands, and early. Where no group is to be had, this is no machine
/// with systemd, or the process is not root's.
pub(crate) fn leave_session() {
    static LEAVING: Once = Once::new();
    LEAVING.call_once(|| {
        for hierarchy in HIERARCHIES {
            for group in GROUPS {
                // Never made: what is no control group would be a file.
                let opened = OpenOptions::new()
                    .write(true)
                    .open(format!("{hierarchy}/{group}/cgroup.procs"));
                // 0 is whoever writes.
                if opened.and_then(|mut group| group.write_all(b"0")).is_ok() {
                    break;
                }
            }
        }
    });
}
