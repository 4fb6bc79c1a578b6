//! What `swarm` says to one who calls it wrongly, and its exit code: those of the archived image.

use super::service;
use rstest::rstest;

/// The exit code of `swarm` with `words`, and all it said on standard output and standard error.
fn swarm(words: &[&str]) -> (Option<i32>, String, String) {
    let output = service(&[&["swarm"], words].concat()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[rstest]
#[case(&["manage"], "discovery required to manage a cluster. See 'swarm manage --help'.")]
#[case(&["join", "token://"], "missing mandatory --advertise flag")]
#[case(&["manage", "--strategy", "x", "nodes://a:1"], "strategy not supported")]
#[case(&["manage", "--nothing"], "unexpected argument '--nothing' found. See 'swarm --help'.")]
fn an_agent_and_a_manager_complain_in_one_line_of_their_log(#[case] words: &[&str], #[case] message: &str) {
    let (code, log, rest) = swarm(words);
    assert_eq!((code, rest.as_str()), (Some(1), ""));
    assert!(
        log.starts_with("time=\"") && log.ends_with(&format!("level=fatal msg=\"{message}\"\n")),
        "{log}"
    );
    assert_eq!(log.lines().count(), 1, "{log}");
}

#[rstest]
#[case(&["list"], "discovery required to list a cluster. See 'swarm list --help'.")]
#[case(&["create", "x"], "the `create` command takes no arguments. See 'swarm create --help'.")]
#[case(&["list", "/no/such"], "failed to read '/no/such': No such file or directory (os error 2)")]
fn the_others_complain_in_one_line_on_standard_error(#[case] words: &[&str], #[case] message: &str) {
    let (code, output, complaint) = swarm(words);
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert_eq!(
        complaint.split_at_checked(20).map(|(_, rest)| rest),
        Some(&*format!("{message}\n"))
    );
}

#[test]
fn a_port_in_use_is_told_once() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, log, _) = swarm(&["manage", "-H", &address, "nodes://127.0.0.1:1"]);
    assert_eq!(code, Some(1));
    let wanted = format!("msg=\"listen tcp {address}: Address already in use (os error 98)\"\n");
    assert!(log.ends_with(&wanted), "{log}");
}

#[test]
fn without_words_it_helps_and_it_tells_its_version() {
    let (code, help, complaint) = swarm(&[]);
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
    assert!(help.contains("manage") && help.contains("--log-level"), "{help}");
    let (code, help, _) = swarm(&["manage", "--help"]);
    assert_eq!(code, Some(0));
    assert!(help.contains("Usage: swarm manage [OPTIONS] <discovery>"), "{help}");
    let (code, version, _) = swarm(&["--version"]);
    let wanted = concat!("swarm version 1.2.9 (labctl ", env!("CARGO_PKG_VERSION"), ")\n");
    assert_eq!((code, version.as_str()), (Some(0), wanted));
}
