//! What becomes of the values, the actions and the undo of a step.

use super::*;

#[test]
fn values_in_a_shell_text_are_quoted() {
    let lab = lab_of(
        "[[task.step]]\nid = \"a\"\ntitle = \"A\"\nshell = \"echo {{ vars.greeting }} {{ vars.greeting | quote }} {{ vars.greeting | safe }}\"\n\
         undo = []\nexpect = [{ exit = 0 }]\n",
    )
    .unwrap();
    assert_eq!(
        first(&lab).action.to_string(),
        r"echo 'it'\''s $HOME' 'it'\''s $HOME' it's $HOME"
    );
}

#[test]
fn captured_values_become_holes_that_are_quoted_in_a_shell() {
    let lab = lab_of(
        "[[task.step]]\nid = \"a\"\ntitle = \"A\"\nrun = [\"date\"]\nundo = []\ncapture.now.regex = \"(.*)\"\nexpect = [{ exit = 0 }]\n\
         [[task.step]]\nid = \"b\"\ntitle = \"B\"\nshell = \"echo {{ 'at ' ~ capture.now }}\"\nundo = []\nexpect = [{ stdout = \"{{ capture.now }}\" }]\n",
    )
    .unwrap();
    let second = &lab.tasks[0].steps[1].on[0];
    assert_eq!(second.action.to_string(), "echo 'at '<now>");
    let Action::Run { command, .. } = &second.action else {
        panic!()
    };
    assert!(format!("{command:?}").contains("quoted: true"), "{command:?}");
    let CheckKind::Stdout(wanted) = &second.expect[0].kind else {
        panic!()
    };
    assert!(wanted.contains[0].holes().all(|hole| !hole.quoted && !hole.secret));
}

#[test]
fn undo_on_other_nodes_goes_there_and_what_is_the_steps_own_stays() {
    let lab = lab_of(
        "[[task.step]]\nid = \"a\"\ntitle = \"A\"\nrun = [\"true\"]\n\
         undo = [{ project = \"chat\", on = [\"node-0\", \"node-1\"] }, { container = \"web\", on = \"node-1\" }]\nexpect = [{ exit = 0 }]\n",
    )
    .unwrap();
    let project = UndoText::Project(Text::literal("chat"));
    let container = UndoText::Container(Text::literal("web"));
    assert_eq!(first(&lab).undo, std::slice::from_ref(&project));
    let elsewhere = BTreeMap::from([(NodeName::new("node-1").unwrap(), vec![project, container])]);
    assert_eq!(first(&lab).undo_elsewhere, elsewhere);
}

#[test]
fn values_are_put_together_in_order_and_steps_give_more_to_their_templates() {
    let text = "[lab]\nformat = 1\nid = \"x\"\ntitle = \"X\"\nnodes = [\"node-0\"]\n\
                [values]\nhost = \"{{ nodes.node_0.private_ip }}\"\nurl = \"http://{{ values.host }}/\"\n\
                [[task]]\nid = \"t\"\ntitle = \"T\"\non = \"node-0\"\n[[task.step]]\nid = \"a\"\ntitle = \"A\"\n\
                write = { path = \"~/a\", template = \"page\", with = { who = \"at {{ values.url }}\" } }\nexpect = [{ file = \"~/a\" }]\n";
    let source = LabSource::from_text("x.toml", text, &[("page", "{{ with.who }} {{ values.host }}")]);
    let definition = load::parse_lab(&source).unwrap();
    let lab = resolve_with(&definition, &inventory(), &[]).unwrap();
    let Action::Write { files } = &first(&lab).action else {
        panic!("{:?}", first(&lab).action)
    };
    let host = &inventory().nodes[0].private_ip;
    assert_eq!(files[0].content, Text::literal(format!("at http://{host}/ {host}")));
}

#[test]
fn docker_formats_pass_through_raw_blocks() {
    let lab = lab_of(
        "[[task.step]]\nid = \"a\"\ntitle = \"A\"\nrun = [\"docker\", \"ps\", \"--format\", \"{% raw %}{{.ID}}{% endraw %}\"]\nundo = []\nexpect = [{ exit = 0 }]\n",
    )
    .unwrap();
    assert_eq!(first(&lab).action.to_string(), "docker ps --format '{{.ID}}'");
}

#[test]
fn write_clone_and_provide_know_their_undo() {
    let lab = lab_of(
        "[[task.step]]\nid = \"a\"\ntitle = \"A\"\nwrite = { path = \"~/a/b.txt\", content = \"x\" }\nundo = [{ directory = \"~/a\" }]\nexpect = [{ file = \"~/a/b.txt\" }]\n",
    )
    .unwrap();
    let paths: Vec<String> = first(&lab)
        .undo
        .iter()
        .map(|undo| match undo {
            UndoText::File(path) | UndoText::Directory(path) => path.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(paths, ["/home/ubuntu/a/b.txt", "/home/ubuntu/a"]);
}

fn provided(action: &str) -> Result<(Action, UndoText), String> {
    let step = format!(
        "[[task.step]]\nid = \"a\"\ntitle = \"A\"\nprovide = {action}\nexpect = [{{ images = {{ present = [\"x\"] }} }}]\n"
    );
    let lab = lab_of(&step).map_err(|faults| render_diagnostics(&faults, false))?;
    let step = first(&lab);
    Ok((step.action.clone(), step.undo[0].clone()))
}

#[rstest::rstest]
#[case(r#"{ image = "labctl/swarm:1", stand_in = "swarm" }"#, "labctl images build swarm | docker load  # as labctl/swarm:1", &["labctl/swarm:1"])]
#[case(r#"{ image = "labctl/swarm:1", stand_in = "swarm", upstream = "" }"#, "labctl images build swarm | docker load  # as labctl/swarm:1", &["labctl/swarm:1"])]
#[case(r#"{ image = "swarm:1.2.9", stand_in = "swarm" }"#, "docker pull swarm:1.2.9", &["swarm:1.2.9"])]
#[case(r#"{ image = "a/b", upstream = "b" }"#, "docker pull b; docker tag b a/b", &["a/b", "b"])]
#[case(r#"{ image = "a/mongo", upstream = "mongo", stand_in = "mongo" }"#, "docker pull mongo && docker tag mongo a/mongo || labctl images build mongo | docker load", &["a/mongo", "mongo"])]
fn an_image_comes_from_where_its_name_says(#[case] written: &str, #[case] shown: &str, #[case] undone: &[&str]) {
    let (action, undo) = provided(written).unwrap();
    assert_eq!(action.to_string(), shown);
    let UndoText::Images(images) = undo else {
        panic!("{undo:?}")
    };
    let images: Vec<String> = images.iter().map(ToString::to_string).collect();
    assert_eq!(images, undone);
}

#[rstest::rstest]
#[case(r#"{ image = "a" }"#, "does not say where the image comes from")]
#[case(
    r#"{ image = "a", upstream = "", stand_in = "" }"#,
    "nothing says where this image comes from"
)]
#[case(r#"{ image = "a", stand_in = "swarn" }"#, "did you mean `swarm`?")]
fn an_image_from_nowhere_is_refused(#[case] written: &str, #[case] expected: &str) {
    let refusal = provided(written).unwrap_err();
    assert!(refusal.contains(expected), "{refusal}");
}

#[test]
fn a_directory_that_is_not_a_labs_to_remove_is_refused_at_its_line() {
    let step =
        |action: &str| format!("[[task.step]]\nid = \"a\"\ntitle = \"A\"\n{action}\nexpect = [{{ exit = 0 }}]\n");
    for path in [
        "/",
        "~",
        "~/..",
        "~/../other",
        "/home/other",
        "/etc",
        "/srv/../etc/x",
        "~/x/",
    ] {
        for action in [
            format!("run = [\"true\"]\nundo = [{{ directory = \"{path}\" }}]"),
            format!("clone = {{ repository = \"https://example.com/x\", directory = \"{path}\" }}"),
        ] {
            let told = told(lab_of(&step(&action)));
            assert!(
                told.contains("is no directory that a lab may make and remove") && told.contains("^"),
                "{action}: {told}"
            );
        }
    }
    for path in ["~/x", "/srv/x", "/home/ubuntu/a/b"] {
        let action = format!("run = [\"true\"]\nundo = [{{ directory = \"{path}\" }}]");
        assert!(lab_of(&step(&action)).is_ok(), "{path}");
    }
}

#[test]
fn a_value_never_becomes_an_option_of_a_command() {
    let resolved = |action: &str, value: &str| {
        let text = format!(
            "[lab]\nformat = 1\nid = \"small\"\ntitle = \"Small\"\nnodes = [\"node-0\"]\n[vars.it]\ndefault = \"\"\n\
             [values]\nmore = \"{{{{ vars.it }}}}/more\"\n[[task]]\nid = \"t\"\ntitle = \"T\"\non = \"node-0\"\n\
             [[task.step]]\nid = \"a\"\ntitle = \"A\"\n{action}\nundo = []\nexpect = [{{ exit = 0 }}]\n"
        );
        parse(&text).and_then(|definition| resolve_with(&definition, &inventory(), &[("it", value)]))
    };
    let option = "--upload-pack=touch /tmp/x";
    for action in [
        r#"run = ["git", "fetch", "{{ vars.it }}"]"#,
        r#"run = ["git", "fetch", "{{ values.more }}", "--", "x"]"#,
        r#"compose = { directory = "~/x", arguments = ["up", "{{ vars.it }}"] }"#,
        r#"run = ["git", "fetch", "{{ vars.it | trim }}"]"#,
        r#"run = ["git", "fetch", "{% if vars.it %}{{ vars.it }}{% endif %}"]"#,
    ] {
        let refused = told(resolved(action, option));
        assert!(
            refused.contains("would be taken for an option") && refused.contains("^"),
            "{action}: {refused}"
        );
        assert!(resolved(action, "a-b").is_ok(), "{action}");
    }
    for action in [
        r#"run = ["git", "fetch", "--", "{{ vars.it }}"]"#,
        r#"run = ["git", "fetch", "--depth={{ vars.it }}"]"#,
        r#"run = ["git", "fetch", "{% if vars.it %}--all{% endif %}"]"#,
        r#"run = ["git", "fetch", "--upload-pack=touch"]"#,
        r#"shell = "git fetch -- {{ vars.it }}""#,
    ] {
        assert!(
            resolved(action, option).is_ok(),
            "{action}: {}",
            told(resolved(action, option))
        );
    }
}
