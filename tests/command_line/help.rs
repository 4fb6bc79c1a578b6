//! Help, version, and what is said to words that are no command.

use super::assert_says;
use super::bench::{Bench, code};
use rstest::rstest;

#[rstest]
#[case("help", &["--help"])]
#[case("help_run", &["run", "--help"])]
#[case("help_verify", &["verify", "--help"])]
#[case("help_cleanup", &["cleanup", "--help"])]
#[case("help_plan", &["plan", "--help"])]
#[case("help_report", &["report", "--help"])]
#[case("help_transcript", &["transcript", "--help"])]
#[case("help_status", &["status", "--help"])]
#[case("help_list", &["list", "--help"])]
#[case("help_show", &["show", "--help"])]
#[case("help_inventory", &["inventory", "--help"])]
#[case("help_inventory_check", &["inventory", "check", "--help"])]
#[case("help_inventory_init", &["inventory", "init", "--help"])]
#[case("help_playground", &["playground", "--help"])]
#[case("help_playground_up", &["playground", "up", "--help"])]
#[case("help_playground_ssh", &["playground", "ssh", "--help"])]
#[case("help_images", &["images", "--help"])]
#[case("help_images_list", &["images", "list", "--help"])]
#[case("help_images_build", &["images", "build", "--help"])]
#[case("help_images_load", &["images", "load", "--help"])]
#[case("help_ssh", &["ssh", "--help"])]
#[case("help_completions", &["completions", "--help"])]
fn help_has_one_sentence_an_option_and_examples(#[case] name: &str, #[case] arguments: &[&str]) {
    assert_says!(name, Bench::new(), arguments);
}

#[test]
fn help_asked_for_is_on_standard_output_and_help_owed_on_standard_error() {
    let bench = Bench::new();
    let asked = bench.command(&["--help"]).output().unwrap();
    let owed = bench.command(&[]).output().unwrap();
    assert_eq!((code(&asked), code(&owed)), (0, 2));
    assert_eq!(asked.stdout, owed.stderr);
    assert!(asked.stderr.is_empty() && owed.stdout.is_empty());
}

#[test]
fn the_short_flag_says_the_same_as_the_long_one() {
    let bench = Bench::new();
    for verb in [&["run"][..], &["inventory", "init"], &["ssh"]] {
        let help = |flag| bench.command(&[verb, &[flag]].concat()).output().unwrap().stdout;
        assert_eq!(help("-h"), help("--help"));
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let said = Bench::new().says(&["--version"]);
    assert_eq!(
        said,
        format!("exit 0\n--- stdout\nlabctl {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[rstest]
#[case("unknown_verb", &["veryfy"])]
#[case("unknown_flag", &["run", "--taks", "task1"])]
#[case("flag_without_value", &["run", "--task"])]
#[case("quiet_and_verbose", &["run", "--quiet", "--verbose"])]
#[case("task_and_from", &["run", "--task", "task1", "--from", "build"])]
#[case("task_and_only", &["plan", "--task", "task1", "--only", "task1"])]
#[case("unknown_colour", &["list", "--color", "sometimes"])]
#[case("unknown_shell", &["completions", "tcsh"])]
#[case("two_addresses", &["inventory", "init", "10.0.0.1", "10.0.0.2"])]
#[case("show_nothing", &["show"])]
#[case("unknown_init", &["playground", "up", "--init", "systemd,upstart"])]
#[case("two_inits", &["playground", "up", "--init", "systemd,docker-ce"])]
#[case("unknown_suite", &["playground", "up", "--suite", "trixie,woody"])]
#[case("two_suites", &["playground", "up", "--suite", "trixie,bookworm"])]
fn wrong_usage_is_told_by_name(#[case] name: &str, #[case] arguments: &[&str]) {
    assert_says!(name, Bench::new(), arguments);
}

#[rstest]
#[case("bash", "_labctl")]
#[case("zsh", "#compdef labctl")]
#[case("fish", "complete -c labctl")]
#[case("elvish", "edit:completion")]
#[case("powershell", "Register-ArgumentCompleter")]
fn every_shell_gets_its_completions(#[case] shell: &str, #[case] mark: &str) {
    let output = Bench::new().command(&["completions", shell]).output().unwrap();
    assert_eq!(code(&output), 0);
    let script = String::from_utf8(output.stdout).unwrap();
    assert!(script.contains(mark) && script.contains("playground"), "{script}");
    assert!(output.stderr.is_empty());
}

#[test]
fn an_option_may_stand_in_the_environment() {
    let mut bench = Bench::new();
    let plain = bench.command(&["list", "--json"]).output().unwrap();
    for yes in ["1", "true", "yes"] {
        bench.set("LABCTL_JSON", yes);
        assert_eq!(bench.command(&["list"]).output().unwrap(), plain, "LABCTL_JSON={yes}");
    }
    bench.set("LABCTL_JSON", "0").set("LABCTL_TASK", "tusk1");
    assert_says!("task_from_environment", bench, ["run", "--inventory", "closed"]);
}

#[test]
fn an_empty_variable_counts_as_none() {
    let mut bench = Bench::new();
    bench.set("LABCTL_INVENTORY", "").set("LABCTL_VAR", "");
    assert_says!("no_inventory", bench, ["verify"]);
}
