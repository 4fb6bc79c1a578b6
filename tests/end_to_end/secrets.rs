//! Secrets stay where they belong, whatever a command does with them.

use crate::harness::{InventoryText, bench_of_today};
use std::time::Duration;

const TOKEN: &str = "tok3n-Kq8vZw2LxYp5";
const PASSWORD: &str = "pa55-Jm4tRb9NcHd7";

/// Returns the forms in which a secret could leak: as it is, in hex, and in base64 whatever stands before it.
fn forms(secret: &str) -> Vec<String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let encoded = (0..3).map(|before| {
        let text = format!("{}{secret}", "x".repeat(before));
        let whole = STANDARD_NO_PAD.encode(text);
        // The first and last digits depend on what stands beside the secret.
        whole[before * 2..whole.len() - 2].to_owned()
    });
    [secret.to_owned(), hex].into_iter().chain(encoded).collect()
}

/// Fails where `secret` stands in `bytes` in any form.
#[track_caller]
pub fn assert_free_of(secret: &str, place: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for form in forms(secret) {
        assert!(!text.contains(&form), "{form} (of {secret}) stands in {place}");
    }
}

#[track_caller]
fn assert_free_of_secrets(place: &str, bytes: &[u8]) {
    for secret in [TOKEN, PASSWORD] {
        assert_free_of(secret, place, bytes);
    }
}

#[test]
fn secrets_stand_in_nothing_that_labctl_keeps_or_shows() {
    let Some(mut bench) = bench_of_today() else { return };
    let node = bench.nodes[0].clone();
    node.root(&format!(
        "echo 'password: {PASSWORD}' >/home/ubuntu/labctl-planted; chown ubuntu: /home/ubuntu/labctl-planted"
    ));
    bench.take_snapshot();
    std::fs::write(bench.path("token"), format!("{TOKEN}\n")).unwrap();
    bench.write_inventory(&InventoryText {
        more: format!("[secrets]\ntoken = {{ file = {:?} }}\n", bench.path("token")),
        ..Default::default()
    });
    let lab = bench.lab("secrets");
    for more in [&["--verbose"][..], &["--json"], &[]] {
        let watching = node.watch(
            "timeout 25 sh -c 'while [ ! -e /tmp/labctl-seen ]; do cat /proc/[0-9]*/cmdline 2>/dev/null; sleep 0.01; done'; rm -f /tmp/labctl-seen",
        );
        let run = bench.labctl(&[&["run", &lab, "--only", "secrets"], more].concat());
        node.root("touch /tmp/labctl-seen");
        let seen = watching.wait_with_output().unwrap();
        // The last step fails on purpose: what was found is shown then.
        run.assert_exit(1);
        assert_free_of_secrets("standard output", &run.stdout);
        assert_free_of_secrets("standard error", &run.stderr);
        assert!(seen.stdout.len() > 10_000, "the node's processes were watched");
        assert_free_of_secrets("the arguments of a process on the node", &seen.stdout);
    }
    let kept = bench.kept_files();
    assert!(
        kept.iter()
            .any(|(_, bytes)| String::from_utf8_lossy(bytes).contains("raw ")),
        "output was kept"
    );
    assert!(
        kept.iter()
            .any(|(path, _)| path.extension().is_some_and(|extension| extension == "html")),
        "the report is kept"
    );
    let told = bench.labctl(&["transcript"]);
    told.assert_exit(0).assert_says(&["raw "]);
    assert_free_of_secrets("the transcript", &told.stdout);
    for (path, bytes) in kept {
        assert_free_of_secrets(&path.display().to_string(), &bytes);
    }
    let records = "find /var/lib/labctl -path '*capture*' -type f -exec cat {} +";
    assert_free_of_secrets("the record of the capture on the node", node.root(records).as_bytes());
    assert_free_of_secrets(
        "the specs of the execs",
        node.root("cat /var/lib/labctl/*/exec/*/spec 2>/dev/null; true")
            .as_bytes(),
    );
    assert_eq!(node.root("stat -c %a /home/ubuntu/labctl-secrets/token"), "600");
    node.wait_until_ours_are_gone(Duration::from_secs(5));
    bench.clean_up_to_the_snapshot();
    node.root("rm /home/ubuntu/labctl-planted");
}
