//! Files that others wrote: a lab from the net reads nothing outside its folder, nothing lets labctl wait, and nothing makes it busy for
//! long or its output large.

use super::bench::{Bench, CLOSED, SMALL_LAB, code};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take here that is refused at once, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(60);

/// Returns a lab whose only step is `action`.
fn lab_that(action: &str) -> String {
    let (before, after) = SMALL_LAB
        .split_once("run = [\"echo\", \"hello\"]\nundo = []\n")
        .unwrap();
    format!(
        "{before}{action}\n{}",
        after.replace("{ exit = 0 }", "{ file = \"/srv/x\" }")
    )
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

/// Runs the binary, and fails where it takes long.
fn quick(bench: &Bench, arguments: &[&str]) -> Output {
    let began = Instant::now();
    let mut child = bench
        .command(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > AT_ONCE {
            child.kill().unwrap();
            panic!("{arguments:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

/// Runs the binary, and returns what it says of faults.
fn refusal(bench: &Bench, arguments: &[&str]) -> String {
    let output = quick(bench, arguments);
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(code(&output), 2, "{arguments:?}: {said}");
    assert!(said.len() < 64 * 1024, "{arguments:?} says {} bytes", said.len());
    said
}

#[test]
fn a_lab_reads_nothing_outside_its_folder() {
    let bench = Bench::new();
    let secret = bench.write("outside/secret", "the operator's key");
    bench.write("outside/folder/secret", "the operator's key");
    bench.write("labs/evil/inside", "inside");
    bench.write("labs/evil/tree/plain", "plain");
    let lab = bench.path("desk/labs/evil");
    let outside = bench.path("desk/outside");
    symlink(&secret, lab.join("absolute")).unwrap();
    symlink("../../outside/secret", lab.join("relative")).unwrap();
    symlink("absolute", lab.join("twice")).unwrap();
    symlink(&outside, lab.join("folder")).unwrap();
    symlink("/proc/self/environ", lab.join("process")).unwrap();
    symlink("/proc/self/fd/0", lab.join("descriptor")).unwrap();
    symlink("loop", lab.join("loop")).unwrap();
    fs::create_dir_all(lab.join("trees/file")).unwrap();
    fs::create_dir_all(lab.join("trees/folder")).unwrap();
    symlink("../../../../outside/secret", lab.join("trees/file/x")).unwrap();
    symlink("../../tree", lab.join("trees/folder/x")).unwrap();
    let mut actions: Vec<(String, &str)> = Vec::new();
    for name in [
        "absolute",
        "relative",
        "twice",
        "folder/secret",
        "process",
        "descriptor",
        "loop",
    ] {
        actions.push((format!("template = \"{name}\""), "link"));
    }
    for name in [
        "../../outside/secret",
        "/etc/passwd",
        "tree/../../../outside/secret",
        "./inside",
    ] {
        actions.push((format!("template = \"{name}\""), "plain path inside the lab's folder"));
    }
    for name in ["folder", "folder/folder", "trees/file", "../../outside"] {
        actions.push((format!("tree = \"{name}\""), ""));
    }
    actions.push(("tree = \"trees/folder\"".to_owned(), "x: it is a folder"));
    for (from, why) in actions {
        bench.write(
            "labs/evil/lab.toml",
            &lab_that(&format!("write = {{ path = \"/srv/x\", {from} }}")),
        );
        for arguments in [&["show", "evil"][..], &["plan", "./labs/evil", "--inventory", "closed"]] {
            let said = refusal(&bench, arguments);
            assert!(
                said.contains("cannot be read") && said.contains(why) && said.contains("lab.toml:15:"),
                "{from}: {said}"
            );
            assert!(!said.contains("operator's key"), "{from}: {said}");
        }
    }
}

#[test]
fn a_link_that_stays_in_the_labs_folder_is_followed() {
    let bench = Bench::new();
    bench.write("labs/fine/files/page", "page");
    bench.write("labs/fine/tree/plain", "plain");
    let lab = bench.path("desk/labs/fine");
    symlink("files/page", lab.join("page")).unwrap();
    symlink("../files/page", lab.join("tree/link")).unwrap();
    symlink("files", lab.join("folder")).unwrap();
    for from in ["template = \"page\"", "template = \"folder/page\"", "tree = \"tree\""] {
        bench.write(
            "labs/fine/lab.toml",
            &lab_that(&format!("write = {{ path = \"/srv/x\", {from} }}")),
        );
        let output = quick(&bench, &["show", "fine"]);
        assert_eq!(code(&output), 0, "{from}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // The folder itself may be a link: whoever runs the lab named it.
    symlink("labs/fine", bench.path("desk/elsewhere")).unwrap();
    assert_eq!(code(&quick(&bench, &["show", "./elsewhere"])), 0);
}

#[test]
fn a_lab_file_is_no_way_out_of_its_folder_either() {
    let bench = Bench::new();
    let outside = bench.write("outside/secret", "the operator's key");
    fs::create_dir_all(bench.path("desk/labs/evil")).unwrap();
    symlink(outside, bench.path("desk/labs/evil/lab.toml")).unwrap();
    for lab in ["evil", "./labs/evil", "labs/evil/lab.toml"] {
        let said = refusal(&bench, &["show", lab]);
        assert!(
            said.contains("leads out of the lab's folder") && !said.contains("operator's"),
            "{said}"
        );
    }
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let bench = Bench::new();
    let special = bench.path("desk/special");
    fs::create_dir_all(&special).unwrap();
    fifo(&special.join("fifo"));
    let _listener = UnixListener::bind(special.join("socket")).unwrap();
    fs::create_dir_all(special.join("folder")).unwrap();
    for path in ["special/fifo", "special/socket", "/dev/zero", "/dev/tty", "/dev/stdin"] {
        let said = refusal(&bench, &["show", &format!("./{path}").replace(".//", "/")]);
        assert!(said.contains("cannot be read"), "{path}: {said}");
        let said = refusal(&bench, &["plan", "hello", "--inventory", path]);
        assert!(said.contains("is not a file"), "{path}: {said}");
    }
    for (name, what) in [("fifo", "a pipe"), ("socket", "a socket"), ("folder", "a folder")] {
        bench.write(
            "special/lab.toml",
            &lab_that(&format!("write = {{ path = \"/srv/x\", template = \"{name}\" }}")),
        );
        let said = refusal(&bench, &["show", "./special"]);
        assert!(
            said.contains(&format!("it is {what}, and only files are read")),
            "{name}: {said}"
        );
    }
    fs::create_dir_all(special.join("tree")).unwrap();
    fifo(&special.join("tree/fifo"));
    bench.write(
        "special/lab.toml",
        &lab_that("write = { path = \"/srv/x\", tree = \"tree\" }"),
    );
    let said = refusal(&bench, &["show", "./special"]);
    assert!(said.contains("fifo: it is a pipe"), "{said}");
    let pipe = bench.path("desk/special/fifo");
    for key in ["identity_file", "known_hosts"] {
        bench.inventory(
            "inventories/pipe.toml",
            "port = 1\n",
            &format!("port = 1\n{key} = \"{}\"\n", pipe.display()),
        );
        let said = refusal(&bench, &["plan", "hello", "--inventory", "pipe"]);
        assert!(
            said.contains("this is not a file") && said.contains("pipe.toml:"),
            "{key}: {said}"
        );
    }
    // What says that it is empty and never ends.
    for path in ["/proc/kmsg", "/proc/kcore"] {
        let output = quick(&bench, &["show", path]);
        assert_ne!(code(&output), 0, "{path}");
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let bench = Bench::new();
    let large = "#".repeat(1024 * 1024 + 1);
    bench.write("labs/large/lab.toml", &large);
    bench.write("inventories/large.toml", &large);
    bench.write("labs/small/large", &large);
    for index in 0..1001 {
        bench.write(&format!("labs/small/many/{index}"), "");
    }
    for index in 0..9 {
        bench.write(&format!("labs/small/heavy/{index}"), &large[1..]);
    }
    bench.write(&format!("labs/small/{}x", "deep/".repeat(40)), "x");
    assert!(refusal(&bench, &["show", "large"]).contains("it is larger than 1 MB"));
    let said = refusal(&bench, &["plan", "hello", "--inventory", "large"]);
    assert!(said.contains("it is larger than 1 MB"), "{said}");
    for (from, why) in [
        ("template = \"large\"", "it is larger than 1 MB"),
        ("tree = \"many\"", "it has more than 1000 files"),
        ("tree = \"heavy\"", "its files hold more than 8 MB"),
        ("tree = \"deep\"", "lie more than 32 deep"),
    ] {
        bench.write(
            "labs/small/lab.toml",
            &lab_that(&format!("write = {{ path = \"/srv/x\", {from} }}")),
        );
        let said = refusal(&bench, &["show", "small"]);
        assert!(said.contains(why) && said.contains("lab.toml:15:"), "{from}: {said}");
    }
}

#[test]
fn faults_are_shown_as_far_as_somebody_reads_them() {
    let bench = Bench::new();
    let many: String = (0..5_000).map(|index| format!("unknown{index} = {index}\n")).collect();
    let broken = "= = =\n".repeat(20_000);
    let long = format!("{} = 1\n", "k".repeat(500_000));
    let line = format!("x = [{}]\n", "1,".repeat(400_000));
    let steps = lab_that("run = [\"true\"]\nundo = []").replace("title", "tilte");
    let texts = [
        format!("{many}{SMALL_LAB}"),
        broken,
        format!("{long}{SMALL_LAB}"),
        format!("{line}{SMALL_LAB}"),
        format!("x = {}1", "[".repeat(500_000)),
        format!("x = {}1", "{ a = ".repeat(100_000)),
        format!("{}x = 1", "a.".repeat(400_000)),
        steps,
        SMALL_LAB.replace(
            "nodes = [\"node-0\"]",
            &format!("nodes = [{}]", "\"node-0\",".repeat(50_000)),
        ),
        format!("{SMALL_LAB}{}", "[[task]]\nid = \"t\"\n".repeat(5_000)),
        format!("{SMALL_LAB}{}", "[[task.step]]\nid = \"greet\"\n".repeat(5_000)),
    ];
    for text in texts {
        bench.write("labs/long/lab.toml", &text);
        bench.write("inventories/long.toml", &text);
        refusal(&bench, &["show", "long"]);
        refusal(&bench, &["plan", "hello", "--inventory", "long"]);
    }
    let secrets: String = (0..5_000).map(|index| format!("s{index} = \"hunter2\"\n")).collect();
    bench.write(
        "inventories/long.toml",
        &format!("{CLOSED}[secrets]\n{secrets}x = {{ evn = 1 }}\n"),
    );
    let said = refusal(&bench, &["plan", "hello", "--inventory", "long"]);
    assert!(said.contains("more") && !said.contains("hunter2"), "{said}");
    // A fault beside a secret does not show it either.
    bench.write(
        "inventories/long.toml",
        &format!("secrets = {{ a = \"hunter2\", b = 5 }}\n{CLOSED}"),
    );
    let said = refusal(&bench, &["plan", "hello", "--inventory", "long"]);
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn no_template_keeps_labctl_busy() {
    let bench = Bench::new();
    let double = "{{ values.a ~ values.a ~ values.a ~ values.a }}";
    let mut values = String::from("[values]\na = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n");
    for (before, name) in ('a'..'y').zip('b'..) {
        values.push_str(&format!(
            "{name} = \"{}\"\n",
            double.replace("values.a", &format!("values.{before}"))
        ));
    }
    bench.write(
        "labs/busy/lab.toml",
        &SMALL_LAB.replacen("[[task]]", &format!("{values}\n[[task]]"), 1),
    );
    assert!(refusal(&bench, &["show", "busy"]).contains("a value has at most 64 kB"));
    let nested = format!("{}{}", "{% if true %}".repeat(500), "{% endif %}".repeat(500));
    let loops = |ends: &[u64], inside: &str| {
        let begin: String = ends
            .iter()
            .map(|end| format!("{{% for i in range(end={end}) %}}"))
            .collect();
        format!("{begin}{inside}{}", "{% endfor %}".repeat(ends.len()))
    };
    let replaced = format!(
        "{{{{ 'a'{} }}}}",
        " | replace(from='a', to='aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')".repeat(8)
    );
    let templates = [
        loops(&[1_000_000_000], "x"),
        loops(&[100_000], "x"),
        loops(&[1000, 1000, 1000], "x"),
        loops(&[1000, 1000, 1000], ""),
        loops(&[2, 2, 2, 2, 2], "x"),
        loops(&[9000], &"x".repeat(1000)),
        nested,
        format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("{{{{ 'a'{} }}}}", " | upper".repeat(50_000)),
        format!("{{{{ {}1 }}}}", "not ".repeat(100_000)),
        format!("{{{{ 'a'{} }}}}", " ~ 'a'".repeat(50_000)),
        "{{ 'a' }}".repeat(50_000),
        "{% set a = 'a' %}{% set a = a ~ a %}".to_owned(),
        "{% for a in [[vars, vars]] %}{{ a }}{% endfor %}".to_owned(),
        "{{ [x for x in range(end=100000)] }}".to_owned(),
        "{% component a() %}{{<a/>}}{% endcomponent a %}{{<a/>}}".to_owned(),
        "{% include '/etc/passwd' %}".to_owned(),
        replaced,
        "{{ range(end=100000) | join(sep='aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') }}".to_owned(),
        format!("{{{{ 'a'{} }}}}", "[0]".repeat(50_000)),
        format!("{{{{ a{} }}}}", ".a".repeat(100_000)),
        format!("{}{}", "{% if a %}".to_owned(), "{% elif a %}".repeat(50_000)),
    ];
    for template in templates {
        bench.write("labs/busy/page", &template);
        bench.write(
            "labs/busy/lab.toml",
            &lab_that("write = { path = \"/srv/x\", template = \"page\" }"),
        );
        let said = refusal(&bench, &["show", "busy"]);
        assert!(
            said.contains('^'),
            "{}: {said}",
            template.chars().take(80).collect::<String>()
        );
        assert!(!said.contains("root:"), "{said}");
    }
    bench.write(
        "labs/busy/page",
        &loops(&[20, 20, 5], "{{ i }} {%- if i == 3 -%} x {%- endif %}\n"),
    );
    assert_eq!(code(&quick(&bench, &["show", "busy"])), 0);
}

#[test]
fn a_lab_has_an_end() {
    let bench = Bench::new();
    let step =
        |id: String| format!("[[task.step]]\nid = \"{id}\"\ntitle = \"T\"\nwait = true\nexpect = [{{ port = 1 }}]\n");
    let steps: String = (0..1001).map(|index| step(format!("s{index}"))).collect();
    let nodes: Vec<String> = (0..101).map(|index| format!("\"node-{index}\"")).collect();
    let tasks: String = (0..201)
        .map(|index| {
            format!(
                "[[task]]\nid = \"t{index}\"\ntitle = \"T\"\non = \"node-0\"\n{}",
                step(format!("s{index}"))
            )
        })
        .collect();
    for (lab, why) in [
        (format!("{SMALL_LAB}{steps}"), "at most 1000 steps and verifications"),
        (
            SMALL_LAB.replace("\"node-0\"]", &format!("{}]", nodes.join(","))),
            "at most 100 nodes",
        ),
        (format!("{SMALL_LAB}{tasks}"), "at most 200 tasks"),
    ] {
        bench.write("labs/endless/lab.toml", &lab);
        let said = refusal(&bench, &["show", "endless"]);
        assert!(said.contains(why) && said.contains('^'), "{said}");
    }
    let machines: String = (0..1001)
        .map(|index| {
            format!(
                "[[node]]\nname = \"n{index}\"\nprivate_ip = \"10.0.{}.{}\"\n",
                index / 250,
                index % 250 + 1
            )
        })
        .collect();
    bench.write("inventories/endless.toml", &machines);
    let said = refusal(&bench, &["plan", "hello", "--inventory", "endless"]);
    assert!(said.contains("at most 1000 nodes"), "{said}");
    let output = quick(
        &bench,
        &["show", "hello", "--var", &format!("greeting={}", "x".repeat(70_000))],
    );
    assert!(code(&output) == 0 || code(&output) == 2);
    let said = refusal(
        &bench,
        &[
            "plan",
            "hello",
            "--inventory",
            "closed",
            "--var",
            &format!("greeting={}", "x".repeat(70_000)),
        ],
    );
    assert!(said.contains("at most 64 are allowed") && said.len() < 4096, "{said}");
}

/// The largest lab that is read takes a while here.
#[test]
fn an_interrupt_ends_a_verb_that_reads_a_lab() {
    let bench = Bench::new();
    let nodes: Vec<String> = (0..100).map(|index| format!("\"node-{index}\"")).collect();
    let step = |index: usize| {
        format!(
            "[[task.step]]\nid = \"s{index}\"\ntitle = \"T\"\non = \"all\"\nwrite = {{ path = \"/srv/x\", template = \"page\" }}\n\
             expect = [{{ file = \"/srv/x\" }}]\n"
        )
    };
    let steps: String = (0..900).map(step).collect();
    let lab = SMALL_LAB.replace("\"node-0\"]", &format!("{}]", nodes.join(",")));
    bench.write("labs/slow/lab.toml", &format!("{lab}{steps}"));
    bench.write("labs/slow/page", "{% for i in range(end=9000) %}{{ i }}{% endfor %}");
    for signal in ["-INT", "-TERM"] {
        let mut child = bench
            .command(&["show", "slow"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(700));
        assert!(child.try_wait().unwrap().is_none(), "the lab was read too fast to tell");
        let killed = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        let began = Instant::now();
        let status = child.wait().unwrap();
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{signal} took {:?}",
            began.elapsed()
        );
        assert_eq!(status.code(), Some(130), "{signal}");
    }
}
