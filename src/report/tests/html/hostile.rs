//! What a hostile node says, and what becomes of it on the page.

use super::*;

/// A run of one step whose every text is `hostile`, its output too.
fn hostile_run(hostile: &str) -> Chronicle {
    let mut look = step(("task1", hostile), "look", "node-0", hostile, Action::Wait);
    look.checks[0].hint = Some(hostile.to_owned());
    let plan = Plan {
        lab: hostile.to_owned(),
        lab_title: hostile.to_owned(),
        steps: vec![look],
        links: vec![crate::domain::PlannedLink {
            address: Text::literal(format!("javascript:{hostile}")),
            ..plan().links[0].clone()
        }],
        ..plan()
    };
    let mut script = Script::new(plan);
    script.start("look", "node-0");
    script.judge("look", "node-0", 0, Some(verdict(false, hostile, hostile)));
    script.event(EventKind::ValueCaptured {
        step: key("look", "node-0"),
        name: hostile.to_owned(),
        value: Some(hostile.to_owned()),
    });
    script.event(host_line(hostile, Some(hostile)));
    let record = OutputRecord {
        stream: Stream::Stdout,
        path: hostile.to_owned(),
        size: 7,
        cut: 0,
        sha256: String::new(),
    };
    script.end_with(key("look", "node-0"), Outcome::FailedCheck, 3, vec![record]);
    script.event(seen(hostile));
    let mut chronicle = chronicle_of(&script.finish());
    chronicle.read_output(|_| {
        Ok(Excerpt {
            head: hostile.as_bytes().to_vec(),
            tail: hostile.as_bytes().to_vec(),
            left_out: 5,
        })
    });
    chronicle
}

/// Counts what a page is built of.
fn structure(page: &str) -> Vec<usize> {
    let elements = [
        "script", "pre", "details", "a", "li", "dd", "td", "h3", "style", "section", "b", "i", "span",
    ];
    elements.map(|name| count(page, name)).to_vec()
}

#[test]
fn what_would_end_an_element_does_not() {
    let plain = html_report(&hostile_run("x")).unwrap();
    for hostile in [
        "</pre><script>alert(1)</script><pre>",
        "</style></title><script src=http://x></script>",
        "\"><img src=x onerror=alert(1)>' onclick='x",
        "{{ title }}{% raw %}{# x #}",
        "\u{1b}[31mred\u{1b}]0;title\u{7}\u{0}\u{9b}5m\u{202e}",
        "--><!-- ]]>&nbsp;&#0;",
    ] {
        let page = html_report(&hostile_run(hostile)).unwrap();
        assert_eq!(structure(&page), structure(&plain), "{hostile:?} changes the page");
        assert_eq!(count(&page, "script"), 0);
        let is_seen = |c: char| c == '\n' || !c.is_control();
        assert!(page.chars().all(is_seen), "{hostile:?} leaves a control character");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_output_leaves_the_page_as_it_is(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
        let mut plain = hostile_run("x");
        let mut hostile = plain.clone();
        let excerpt = |head: &[u8]| Excerpt { head: head.to_vec(), ..Excerpt::default() };
        plain.read_output(|_| Ok(excerpt(b"plain")));
        hostile.read_output(|_| Ok(excerpt(&bytes)));
        let (plain, hostile) = (html_report(&plain).unwrap(), html_report(&hostile).unwrap());
        prop_assert_eq!(structure(&plain), structure(&hostile));
    }
}
