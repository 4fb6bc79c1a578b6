//! What ssh says, and lines of known_hosts.

use super::host_key;
use crate::fuzzing::Target;

#[test]
fn fuzz_host_keys() {
    let said = "@@@\nThe fingerprint for the ED25519 key sent by the remote host is\nSHA256:abc/def.\nAdd correct host key in /a b/known to get rid of this message.\n\
                Offending ED25519 key in /a b/known:12\n  remove with:\n";
    let known = "# c\ngithub.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    Target::new("host-keys")
        // Each is written to a file.
        .one_of(10)
        .seeds([said, known])
        .words(["Offending ", " key in ", "SHA256:", "AAAA"])
        .run(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            host_key::offending_line(&text);
            std::fs::write(file.path(), bytes).unwrap();
            let known = (0..4)
                .filter_map(|line| host_key::known_fingerprint(file.path(), line))
                .count();
            host_key::presented_fingerprint(&text).is_some() || known > 0
        });
}
