//! Inventories that are right, and the nodes that a lab means.

use super::*;

#[test]
fn the_inventory_in_the_guide_is_right() {
    let guide = include_str!("../../../inventories/README.md");
    let blocks = guide
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| !line.starts_with("labctl"));
    let text: Vec<&str> = blocks.filter(|line| !line.starts_with("identity_file")).collect();
    let source = Arc::new(SourceText {
        name: "inventories/README.md".into(),
        text: text.join("\n"),
    });
    if let Err(faults) = load::parse_inventory(&source, Path::new("/")) {
        panic!("{}", render_diagnostics(&faults, false));
    }
}

#[test]
fn nodes_are_selected_by_name_pattern_group_and_all() {
    for (on, expected) in [
        ("[\"node-2\", \"node-0\"]", vec!["node-0", "node-2"]),
        ("\"@cluster\"", vec!["node-1", "node-2"]),
        ("\"all\"", vec!["node-0", "node-1", "node-2"]),
        ("\"*-1\"", vec!["node-1"]),
    ] {
        let step =
            format!("[[task.step]]\nid = \"a\"\ntitle = \"A\"\non = {on}\nwait = true\nexpect = [{{ port = 22 }}]\n");
        let lab = lab_of(&step).unwrap();
        let nodes: Vec<&str> = lab.tasks[0].steps[0].on.iter().map(|on| on.node.as_str()).collect();
        assert_eq!(nodes, expected, "{on}");
    }
    let step = "[[task.step]]\nid = \"a\"\ntitle = \"A\"\non = \"@nobody\"\nwait = true\nexpect = [{ port = 22 }]\n";
    assert!(told(lab_of(step)).contains("no node of the lab is in `@nobody`"));
}

#[test]
fn an_inventory_that_labctl_writes_can_be_read() {
    let node = |index: usize| NodeDraft {
        name: format!("node-{index}"),
        private_ip: Some(format!("10.0.0.1{index}")),
        address: Some(format!("203.0.113.{index}")),
        public_address: None,
    };
    let draft = InventoryDraft {
        user: Some("ubuntu".into()),
        identity_file: None,
        nodes: (0..3).map(node).collect(),
    };
    let text = load::inventory_toml(&draft);
    let source = Arc::new(SourceText {
        name: "mine.toml".into(),
        text,
    });
    let (inventory, _) = load::parse_inventory(&source, Path::new("/"))
        .unwrap_or_else(|faults| panic!("{}", render_diagnostics(&faults, false)));
    assert_eq!(inventory.nodes.len(), 3);
    assert_eq!(inventory.nodes[2].address, "203.0.113.2");
    assert_eq!(inventory.nodes[2].login.user.as_deref(), Some("ubuntu"));
}

#[test]
fn jumps_and_addresses_of_ipv6_are_read_in_every_way_they_are_written() {
    let text = "[defaults]\nproxy_jump = [\"me@bastion\", \"ssh://you@[fd00::5]:2222\"]\n\
                [[node]]\nname = \"node-0\"\nprivate_ip = \"10.0.0.10\"\naddress = \"[2001:db8::1]\"\n\
                [[node]]\nname = \"node-1\"\nprivate_ip = \"10.0.0.11\"\naddress = \"2001:db8::2\"\nproxy_jump = \"none\"\n\
                public_address = \"lab.example\"\n\
                [[node]]\nname = \"node-2\"\nprivate_ip = \"10.0.0.12\"\nproxy_jump = \"a,b:22\"\n";
    let source = Arc::new(SourceText {
        name: "mine.toml".into(),
        text: text.into(),
    });
    let (inventory, _) = load::parse_inventory(&source, Path::new("/"))
        .unwrap_or_else(|faults| panic!("{}", render_diagnostics(&faults, false)));
    let nodes = inventory.nodes.iter();
    let read: Vec<(&str, String, Option<&str>)> = nodes
        .map(|node| {
            (
                node.address.as_str(),
                node.browser_address(),
                node.login.proxy_jump.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        read,
        [
            (
                "2001:db8::1",
                "[2001:db8::1]".to_owned(),
                Some("me@bastion,ssh://you@[fd00::5]:2222")
            ),
            ("2001:db8::2", "lab.example".to_owned(), Some("none")),
            ("10.0.0.12", "10.0.0.12".to_owned(), Some("a,b:22")),
        ]
    );
}

#[test]
fn the_example_for_aws_is_right_once_it_is_filled_in() {
    let example = include_str!("../../../inventories/aws.toml");
    let source = |text: &str| {
        Arc::new(SourceText {
            name: "inventories/aws.toml".into(),
            text: text.into(),
        })
    };
    let faults = load::parse_inventory(&source(example), Path::new("/nonexistent")).unwrap_err();
    assert!(
        faults
            .faults
            .iter()
            .all(|fault| fault.message.contains("not filled in yet")),
        "{faults}"
    );
    let key = tempfile::NamedTempFile::new().unwrap();
    let mut filled = example.replace("identity_file = \"\"", &format!("identity_file = {:?}", key.path()));
    for index in 0..3 {
        filled = filled.replacen("private_ip = \"\"", &format!("private_ip = \"10.0.0.1{index}\""), 1);
        filled = filled.replacen("address = \"\"", &format!("address = \"203.0.113.{index}\""), 1);
    }
    let (inventory, _) = load::parse_inventory(&source(&filled), Path::new("/"))
        .unwrap_or_else(|faults| panic!("{}", render_diagnostics(&faults, false)));
    assert_eq!(inventory.nodes.len(), 3);
}

#[test]
fn an_unknown_inventory_is_answered_with_what_is_there() {
    let cwd = tempfile::tempdir().unwrap();
    std::fs::create_dir(cwd.path().join("inventories")).unwrap();
    std::fs::write(cwd.path().join("inventories/aws.toml"), "").unwrap();
    for name in ["aws", "aws.toml", "inventories/aws.toml"] {
        assert_eq!(
            load::find_inventory(name, cwd.path()).unwrap().shown,
            "inventories/aws.toml"
        );
    }
    let faults = load::find_inventory("awz.toml", cwd.path()).unwrap_err();
    assert_eq!(faults.faults[0].hint.as_deref(), Some("did you mean `aws`?"));
}
