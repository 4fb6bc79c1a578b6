//! Values in texts for a shell, judged by the shells themselves: what arrives is the value, and nothing of it ever runs.

use super::*;
use labctl::domain::{ShellPiece, ValuePlace, places_of_values, shell_quoted};
use std::process::{Command, Output, Stdio};

const SHELLS: &[&str] = &["dash", "bash"];

fn run(shell: &str, text: &str, directory: &Path) -> Option<Output> {
    let mut command = Command::new(shell);
    command.args(["-c", text]).current_dir(directory).stdin(Stdio::null());
    // Not every machine has every shell.
    command.output().ok()
}

/// Renders a step of the shell text `text` with the variable `it`.
fn shell_text(text: &str, value: &str) -> Result<String, Diagnostics> {
    let lab = format!(
        "[lab]\nformat = 1\nid = \"x\"\ntitle = \"X\"\nnodes = [\"node-0\"]\n[vars]\nit = \"\"\n\
         [[task]]\nid = \"t\"\ntitle = \"T\"\non = \"node-0\"\n[[task.step]]\nid = \"a\"\ntitle = \"A\"\n\
         shell = {}\nundo = []\nexpect = [{{ exit = 0 }}]\n",
        serde_json::to_string(text).unwrap()
    );
    let lab = resolve_with(&parse(&lab)?, &inventory(), &[("it", value)])?;
    Ok(first(&lab).action.to_string())
}

/// Prints how many arguments there are, and each of them.
const SHOW: &str = "show() { printf '%s\\n' \"$#\"; for argument; do printf '<%s>' \"$argument\"; done; }\n";

/// Texts that say `show` with one argument, and what stands before and behind the value in it.
const RIGHT: &[(&str, &str, &str)] = &[
    ("show {{ vars.it }}", "", ""),
    ("show -- {{ vars.it }}", "", ""),
    ("show x{{ vars.it }}'y'", "x", "y"),
    ("x={{ vars.it }}; show \"$x\"", "", ""),
    ("x=$(printf '%s.' a{{ vars.it }}); show \"$x\"", "a", "."),
    ("show \"$(printf '%s.' a{{ vars.it }})\"", "a", "."),
    ("case x{{ vars.it }} in *) show a{{ vars.it }};; esac", "a", ""),
    ("cat <<'E F' >/dev/null\nit's \"$(\nE F\nshow a{{ vars.it }}", "a", ""),
    (
        "cat <<-A <<\\B >/dev/null\n\tx'\n\tA\n\"\nB\nshow a{{ vars.it }}",
        "a",
        "",
    ),
    ("cat <<A >/dev/null\n\"\\\nA\nA\nshow a{{ vars.it }}", "a", ""),
    ("# it's \"a\nshow a{{ vars.it }} # it's", "a", ""),
    (
        "y=$((1<<2)); y=\"$(echo \"a b\")${y:-x}\"; show a{{ vars.it }}",
        "a",
        "",
    ),
    ("show \\\n a{{ vars.it }}", "a", ""),
    (
        "{% if vars.it %}show a{{ vars.it }}{% else %}show a{% endif %}",
        "a",
        "",
    ),
    ("{% for i in range(end=1) %}show a{{ vars.it }}{% endfor %}", "a", ""),
    ("show a{{ vars.it | quote }}", "a", ""),
    ("show a{{ vars.it ~ '' }}", "a", ""),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_argument_that_arrives_is_the_value(
        index in 0..RIGHT.len(),
        value in "[-a'\"$`\\\\\n (){}<>&|;#*?~!=]{0,12}",
    ) {
        let (text, before, after) = RIGHT[index];
        match shell_text(&format!("{SHOW}{text}"), &value) {
            Ok(rendered) => {
                for shell in SHELLS {
                    let Some(output) = run(shell, &rendered, Path::new("/")) else { continue };
                    let count = if text.contains("-- ") { "2\n<-->" } else { "1\n" };
                    prop_assert_eq!(
                        String::from_utf8(output.stdout).unwrap(),
                        format!("{count}<{before}{value}{after}>"),
                        "{}: {}", shell, rendered
                    );
                }
            }
            Err(faults) => prop_assert!(
                value.starts_with('-') && index == 0,
                "{} with {:?} was refused: {}", text, value, render_diagnostics(&faults, false)
            ),
        }
    }
}

/// Pieces of shell texts that are put together at random; `None` is a value.
const PIECES: &[Option<&str>] = &[
    None,
    None,
    None,
    Some("'"),
    Some("\""),
    Some("`"),
    Some("$("),
    Some("("),
    Some(")"),
    Some("${x:-"),
    Some("${x"),
    Some("}"),
    Some("$(("),
    Some("))"),
    Some("<<E"),
    Some("<<-E"),
    Some("<<'E'"),
    Some("<<"),
    Some("<<<"),
    Some("<"),
    Some("\n"),
    Some("\nE\n"),
    Some("E"),
    Some("#"),
    Some("\\"),
    Some(" "),
    Some(";"),
    Some("a"),
    Some("$"),
    Some("$x"),
    Some("--"),
    Some("\t"),
    Some("case x in"),
    Some(" esac"),
    Some(" : "),
    Some("eval "),
    Some("sh -c "),
    Some("|"),
    Some("&&"),
    Some("="),
    Some("[["),
    Some("$["),
    Some("]"),
];

/// A value all of whose readings but the right one leave a file behind.
const HOSTILE: &str = "'\"`touch ran`$(touch ran)\ntouch ran\n;touch ran;}\nE\ntouch ran\n))\\'\"\ntouch ran #";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn nothing_of_a_value_runs_where_a_value_may_stand(picked in prop::collection::vec(0..PIECES.len(), 1..14)) {
        let picked = picked.into_iter().map(|index| PIECES[index]);
        let pieces: Vec<ShellPiece<'_>> = picked
            .map(|piece| piece.map_or(ShellPiece::Value { may_be_empty: false }, ShellPiece::Text))
            .collect();
        let places = places_of_values(&pieces);
        if places.is_empty() || places.iter().any(|place| matches!(place, ValuePlace::Misread(_))) {
            return Ok(());
        }
        // The name of a command is the author's.
        let text: String = pieces
            .iter()
            .map(|piece| match piece {
                ShellPiece::Text(text) => (*text).to_owned(),
                _ => shell_quoted(HOSTILE),
            })
            .collect();
        let directory = tempfile::tempdir().unwrap();
        for shell in SHELLS {
            run(shell, &text, directory.path());
            prop_assert!(!directory.path().join("ran").exists(), "{} ran a value in {:?}", shell, text);
        }
    }
}

#[test]
fn a_value_where_a_shell_would_misread_it_is_refused_at_its_line() {
    for (text, why) in [
        ("cat <<EOF\n{{ vars.it }}\nEOF", "here-document"),
        ("cat <<-EOF\n\t{{ vars.it }}\n\tEOF", "here-document"),
        ("cat <<'EOF'\n{{ vars.it }}\nEOF", "here-document"),
        ("cat <<\"E F\"\n{{ vars.it }}\nE F", "here-document"),
        ("cat <<\\EOF\n{{ vars.it }}\nEOF", "here-document"),
        ("cat <<A <<B\nA\n{{ vars.it }}\nB", "here-document"),
        (
            "cat <<A; cat <<B\nA\nB\n{{ vars.it }}\nB\ncat <<A\n{{ vars.it }}\nA",
            "here-document",
        ),
        ("x=$(cat <<A\n{{ vars.it }}\nA\n)", "here-document"),
        ("cat << A\nx\\\nA\n{{ vars.it }}\nA", "here-document"),
        ("cat <\\\n<A\n{{ vars.it }}\nA", "here-document"),
        ("echo \"{{ vars.it }}\"", "inside quotes"),
        ("echo '{{ vars.it }}'", "inside quotes"),
        ("echo \"$(echo \"{{ vars.it }}\")\"", "inside quotes"),
        ("echo `echo {{ vars.it }}`", "backquotes"),
        ("echo $(( {{ vars.it }} ))", "`$((...))`"),
        ("echo ${x:-{{ vars.it }}}", "`${...}`"),
        ("echo \"${x:-{{ vars.it }}}\"", "`${...}`"),
        ("true # {{ vars.it }}", "in a comment"),
        ("echo ${{ vars.it }}", "follows a `$`"),
        ("echo \\{{ vars.it }}", "follows a `$` or a backslash"),
        ("eval {{ vars.it }}", "read as code"),
        ("eval echo {{ vars.it }}", "read as code"),
        ("trap {{ vars.it }} EXIT", "read as code"),
        ("sh -c {{ vars.it }}", "read as code"),
        ("sudo /bin/bash -ec {{ vars.it }}", "read as code"),
        ("echo $(case x in x) echo;; esac) {{ vars.it }}", "shells do not agree"),
        ("cat <<{{ vars.it }}\nx", "shells do not agree"),
        ("echo # x\n{{- vars.it }}", "in a comment"),
        ("{% if vars.it %}echo \"{% endif %}{{ vars.it }}", "inside quotes"),
    ] {
        let refused = shell_text(text, "a b").map(|text| panic!("{text}")).unwrap_err();
        let refused = render_diagnostics(&refused, false);
        assert!(
            refused.contains(why) && refused.contains("lab.toml:15:") && refused.contains('^'),
            "{text}: {refused}"
        );
    }
    for text in [
        "cat <<EOF\n{{ vars.it | safe }}\nEOF",
        "cat <<<{{ vars.it }}",
        "echo $((1<<2)) {{ vars.it }}",
        "echo '<<EOF' {{ vars.it }}",
        "echo \"<<EOF\" \\<<a {{ vars.it }}",
        "# <<EOF\necho {{ vars.it }}",
        "cat <<EOF\nx\nEOF\necho {{ vars.it }}",
        "echo >&2 {{ vars.it }} 2>&1 <{{ vars.it }}",
        "sh -c 'echo \"$1\"' sh {{ vars.it }}",
        "(cd /tmp) # it's\necho {{ vars.it }}",
    ] {
        if let Err(faults) = shell_text(text, "a b") {
            panic!("{text}: {}", render_diagnostics(&faults, false));
        }
    }
}

#[test]
fn a_value_at_the_beginning_of_a_word_is_no_option() {
    let option = "--upload-pack=touch ran";
    for text in [
        "git clone {{ vars.it }}",
        "git clone -q {{ vars.it }} -- x",
        "git clone ''{{ vars.it }}",
        "git clone $nothing{{ vars.it }}",
        "git clone -- x; git fetch {{ vars.it }}",
        "git clone -- x\ngit fetch {{ vars.it }}",
        "git clone -- \"$(git fetch {{ vars.it }})\"",
        "git clone {{ vars.it | trim }}",
        "git clone {{ vars.it | quote }}",
        "git clone {% if vars.it %}{{ vars.it }}{% endif %}",
        "{% for it in [1] %}git clone {{ vars.it }}{% endfor %}",
    ] {
        let refused = shell_text(text, option).map(|text| panic!("{text}")).unwrap_err();
        let refused = render_diagnostics(&refused, false);
        assert!(
            refused.contains("would be taken for an option") && refused.contains("lab.toml:15:"),
            "{text}: {refused}"
        );
        assert!(shell_text(text, "a-b").is_ok(), "{text}");
    }
    for text in [
        "git clone -- {{ vars.it }}",
        "git clone -q \\\n  -- x {{ vars.it }}",
        "git clone --depth={{ vars.it }}",
        "it={{ vars.it }} true",
        "echo x >{{ vars.it }}",
    ] {
        if let Err(faults) = shell_text(text, option) {
            panic!("{text}: {}", render_diagnostics(&faults, false));
        }
    }
}

#[test]
fn a_value_stands_in_no_code_that_a_list_gives_to_a_shell() {
    let step = |run: &str| {
        lab_of(&format!(
            "[[task.step]]\nid = \"a\"\ntitle = \"A\"\nrun = {run}\nundo = []\nexpect = [{{ exit = 0 }}]\n"
        ))
    };
    for run in [
        r#"["sh", "-c", "echo {{ vars.greeting }}"]"#,
        r#"["docker", "exec", "x", "/bin/bash", "-l", "-c", "echo {{ vars.greeting }}"]"#,
        r#"["bash", "-lc", "{{ vars.greeting }}"]"#,
    ] {
        let refused = told(step(run));
        assert!(
            refused.contains("stands in code for a shell") && refused.contains('^'),
            "{run}: {refused}"
        );
    }
    for run in [
        r#"["sh", "-c", "echo \"$1\"", "sh", "{{ vars.greeting }}"]"#,
        r#"["sh", "-c", "echo {{ vars.greeting | safe }}"]"#,
        r#"["tar", "-c", "{{ vars.greeting }}"]"#,
    ] {
        assert!(step(run).is_ok(), "{run}: {}", told(step(run)));
    }
}

#[test]
fn what_a_node_said_is_never_code() {
    for shell in ["echo {{ capture.now | safe }}", "echo {{ (capture.now) | safe }}"] {
        let refused = told(lab_of(&format!(
            "[[task.step]]\nid = \"a\"\ntitle = \"A\"\nrun = [\"date\"]\nundo = []\ncapture.now.regex = \"(.*)\"\nexpect = [{{ exit = 0 }}]\n\
             [[task.step]]\nid = \"b\"\ntitle = \"B\"\nshell = \"{shell}\"\nundo = []\nexpect = [{{ exit = 0 }}]\n"
        )));
        assert!(refused.contains("this value is not quoted"), "{shell}: {refused}");
    }
}

#[test]
fn a_value_cannot_stand_for_a_secret() {
    // The characters that labctl marks a secret's place with.
    let lab = "[lab]\nformat = 1\nid = \"x\"\ntitle = \"X\"\nnodes = [\"node-0\"]\n[vars]\nit = \"\"\n[secrets]\npw = { generate = true }\n\
               [[task]]\nid = \"t\"\ntitle = \"T\"\non = \"node-0\"\n[[task.step]]\nid = \"a\"\ntitle = \"A\"\n\
               run = [\"echo\", \"{{ vars.it }}\"]\nundo = []\nexpect = [{ exit = 0 }]\n";
    let lab = resolve_with(&parse(lab).unwrap(), &inventory(), &[("it", "\u{10fff0}spw\u{10fff1}")]).unwrap();
    let Action::Run { command, .. } = &first(&lab).action else {
        panic!()
    };
    assert!(!format!("{command:?}").contains("Hole"), "{command:?}");
}
