//! Which capabilities a node's container gets.

/// Those that a container lacks by default and that an init with an engine of its own may want, by number in the kernel.
/// SYS_RESOURCE is named last: it is the one that virtual machines of some kinds keep from their root.
const NAMED: [(u32, &str); 24] = [
    (30, "AUDIT_CONTROL"),
    (37, "AUDIT_READ"),
    (36, "BLOCK_SUSPEND"),
    (2, "DAC_READ_SEARCH"),
    (14, "IPC_LOCK"),
    (15, "IPC_OWNER"),
    (28, "LEASE"),
    (9, "LINUX_IMMUTABLE"),
    (33, "MAC_ADMIN"),
    (32, "MAC_OVERRIDE"),
    (12, "NET_ADMIN"),
    (11, "NET_BROADCAST"),
    (21, "SYS_ADMIN"),
    (22, "SYS_BOOT"),
    (16, "SYS_MODULE"),
    (23, "SYS_NICE"),
    (20, "SYS_PACCT"),
    (19, "SYS_PTRACE"),
    (17, "SYS_RAWIO"),
    (25, "SYS_TIME"),
    (26, "SYS_TTY_CONFIG"),
    (34, "SYSLOG"),
    (35, "WAKE_ALARM"),
    (24, "SYS_RESOURCE"),
];

/// Returns the capabilities to add, from the text of `/proc/self/status` and the kernel's last capability: all of them
/// where this machine's bounding set is full or unknown, else by name those it has. An engine that is asked for one that
/// root itself lacks starts nothing.
pub(super) fn capabilities_to_add(process_status: &str, last: u32) -> Vec<String> {
    match bounding_set(process_status) {
        Some(set) if !is_full(set, last) => {
            let held = NAMED.iter().filter(|(number, _)| set & (1 << number) != 0);
            held.map(|(_, name)| (*name).to_owned()).collect()
        }
        _ => vec!["ALL".to_owned()],
    }
}

fn bounding_set(process_status: &str) -> Option<u64> {
    let line = process_status.lines().find_map(|line| line.strip_prefix("CapBnd:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn is_full(set: u64, last: u32) -> bool {
    (0..=last.min(63)).all(|number| set & (1 << number) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bounding_set_gives_all() {
        assert_eq!(
            capabilities_to_add("Name:\tx\nCapBnd:\t000001ffffffffff\n", 40),
            ["ALL"]
        );
    }

    #[test]
    fn a_root_without_sys_resource_gets_every_other_one_by_name() {
        let added = capabilities_to_add("CapBnd:\t000001fffeffffff\n", 40);
        assert_eq!(added.len(), 23);
        assert!(added.contains(&"SYS_ADMIN".to_owned()));
        assert!(!added.contains(&"SYS_RESOURCE".to_owned()));
    }

    #[test]
    fn an_unknown_bounding_set_gives_all() {
        assert_eq!(capabilities_to_add("", 40), ["ALL"]);
        assert_eq!(capabilities_to_add("CapBnd:\tzzz\n", 40), ["ALL"]);
    }
}
