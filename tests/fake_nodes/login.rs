//! A login to a registry, and where its password is not.

use super::labs::{check, contains, does, plan, text};
use super::stage::{Ran, Stage};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use labctl::domain::{Action, CheckKind, Hole, Outcome, Part, Plan, Text, Undo, UndoText};
use labctl::node::fake::{FakeAnswer, FakeCall};
use labctl_agent::Exec;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Has what encodings change.
const PASSWORD: &str = "p\"a/s&s w+ö\\rd9";

const CONFIG: &str = "/home/ubuntu/.labctl/docker";

fn login() -> Plan {
    let password = Text::new(vec![Part::Hole(Hole {
        name: "registry_password".to_owned(),
        secret: true,
        quoted: false,
    })]);
    let action = Action::Login {
        server: text("10.0.0.10:5000"),
        user: text("me"),
        password,
        config: text(CONFIG),
    };
    plan(vec![
        does("login", "node-0", action)
            .undo(UndoText::Directory(text(CONFIG)))
            .expects(check(CheckKind::Stdout(contains("Login Succeeded")))),
    ])
}

/// Returns the password in every form that a client or a registry may print.
fn forms() -> Vec<String> {
    let with_user = format!("me:{PASSWORD}");
    vec![
        PASSWORD.to_owned(),
        STANDARD.encode(PASSWORD).trim_end_matches('=').to_owned(),
        STANDARD.encode(&with_user),
        utf8_percent_encode(PASSWORD, NON_ALPHANUMERIC).to_string(),
        serde_json::to_string(PASSWORD).unwrap().trim_matches('"').to_owned(),
    ]
}

fn stage() -> Stage {
    let mut stage = Stage::one();
    stage.values.set("registry_password", PASSWORD, true);
    stage
}

fn execs(stage: &Stage) -> Vec<Exec> {
    let calls = stage.machine("node-0").fake.calls().into_iter();
    calls
        .filter_map(|call| match call {
            FakeCall::Exec(exec) => Some(exec),
            _ => None,
        })
        .collect()
}

/// Returns everything that is written, shown or could be, with what it is.
fn seen(stage: &Stage, ran: &Ran, plan: &Plan) -> Vec<(String, String)> {
    let directory = stage.instance_directory();
    let read = |path: &std::path::Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let mut seen = vec![
        ("the journal".to_owned(), read(&directory.join("journal.jsonl"))),
        ("the events".to_owned(), serde_json::to_string(&ran.events).unwrap()),
        ("the plan".to_owned(), serde_json::to_string(plan).unwrap()),
        ("the plan's Debug".to_owned(), format!("{plan:?}")),
        ("the values' Debug".to_owned(), format!("{:?}", stage.values)),
    ];
    for notice in &ran.notices {
        let shown = match notice {
            labctl::domain::Notice::Output { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
            other => format!("{other:?}"),
        };
        seen.push(("a notice".to_owned(), shown));
    }
    for call in stage.machine("node-0").fake.calls() {
        seen.push((
            format!("the call `{}`", call.line()),
            format!("{} {call:?}", call.line()),
        ));
    }
    let outputs = std::fs::read_dir(directory.join("output")).unwrap();
    let outputs: Vec<_> = outputs.map(|entry| entry.unwrap().path()).collect();
    assert!(!outputs.is_empty(), "the client printed something");
    seen.extend(outputs.iter().map(|path| (path.display().to_string(), read(path))));
    seen
}

#[tokio::test(start_paused = true)]
async fn a_login_reads_its_password_and_nothing_tells_it() {
    for code in [0, 1] {
        let stage = stage();
        let said = forms().join("\n");
        let answer = FakeAnswer::exited(code)
            .stdout(format!("{said}\nLogin Succeeded\n"))
            .stderr(format!("WARNING! Your password will be stored unencrypted: {said}\n"));
        stage.machine("node-0").fake.answer("docker login", answer);
        let plan = login();
        assert!(plan.secrets().contains("registry_password"));
        let ran = stage.run(&plan).await;
        let wanted = if code == 0 {
            Outcome::Passed
        } else {
            Outcome::Exited { code }
        };
        assert_eq!(ran.outcome("login@node-0"), wanted);
        for (place, text) in seen(&stage, &ran, &plan) {
            for form in forms() {
                assert!(!text.contains(&form), "{place} has the password as {form}:\n{text}");
            }
        }
        let errors = stage.instance_directory().join("output/run-1-login.node-0.err");
        let errors = std::fs::read_to_string(errors).unwrap();
        assert!(errors.starts_with("WARNING! Your password will be stored unencrypted: [REDACTED]"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_gets_a_directory_of_its_own_and_the_password_on_standard_input() {
    let stage = stage();
    let answer = FakeAnswer::exited(0).stdout("Login Succeeded\n");
    stage.machine("node-0").fake.answer("docker login", answer);
    let mut plan = login();
    let host = text("tcp://10.0.0.10:3375");
    plan.steps[0].environment.insert("DOCKER_HOST".to_owned(), host);
    assert_eq!(stage.run(&plan).await.outcome("login@node-0"), Outcome::Passed);
    let execs = execs(&stage);
    let line = |exec: &Exec| FakeCall::Exec(exec.clone()).line();
    let lines: Vec<String> = execs.iter().map(line).collect();
    let at = lines.iter().position(|line| line.contains("docker login")).unwrap();
    assert_eq!(
        lines[at],
        "exec docker login --username me --password-stdin 10.0.0.10:5000"
    );
    assert!(lines[at - 1].contains("mkdir -p -m 0700") && lines[at - 1].ends_with(CONFIG));
    assert!(
        [&execs[at], &execs[at - 1]]
            .iter()
            .all(|exec| exec.user == "ubuntu" && exec.uid == 1000)
    );
    let of_login = ["HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG"];
    let environment: Vec<(&str, &str)> = execs[at]
        .environment
        .iter()
        .map(|(name, value)| (name.as_str(), std::str::from_utf8(&value.0).unwrap()))
        .filter(|(name, _)| !of_login.contains(name))
        .collect();
    assert_eq!(
        environment,
        [("DOCKER_HOST", "tcp://10.0.0.10:3375"), ("DOCKER_CONFIG", CONFIG)]
    );
    assert_eq!(execs[at].stdin, PASSWORD.into());
    let given: Vec<usize> = (0..execs.len()).filter(|at| !execs[*at].stdin.0.is_empty()).collect();
    assert_eq!(given, [at], "nothing else is told the password");
}

#[tokio::test(start_paused = true)]
async fn a_login_owes_its_directory_once_and_may_be_done_again() {
    let stage = stage();
    let answer = FakeAnswer::exited(0).stdout("Login Succeeded\n");
    stage.machine("node-0").fake.answer("docker login", answer);
    let files = stage.machine("node-0").files();
    stage.machine("node-0").fake.answer_with(move |line| {
        if line.contains("mkdir -p -m 0700") {
            files.lock().unwrap().make_directory(CONFIG);
        }
        None
    });
    for _ in 0..2 {
        assert_eq!(stage.run(&login()).await.outcome("login@node-0"), Outcome::Passed);
    }
    let owed = stage.state().owed.values().flatten().cloned().collect::<Vec<_>>();
    let removals = owed
        .iter()
        .filter(|undo| matches!(undo, Undo::RemoveDirectory { path } if path == CONFIG));
    assert_eq!(removals.count(), 1, "{owed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_directory_of_somebody_elses_is_no_place_for_a_login() {
    let stage = stage();
    stage.machine("node-0").disk(|disk| disk.make_directory(CONFIG));
    let ran = stage.run(&login()).await;
    assert!(
        matches!(ran.outcome("login@node-0"), Outcome::CouldNotStart { reason, .. } if reason.contains("labctl did not make it"))
    );
    assert!(execs(&stage).iter().all(|exec| exec.stdin.0.is_empty()));
}
