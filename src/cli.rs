//! The command line, as clap types. What `labctl --help` says is its documentation.

mod cleanup;
mod images;
mod playground;
mod report;

use cleanup::CLEANUP_EXAMPLES;
pub use cleanup::{Cleanup, Scope};
use images::IMAGES_EXAMPLES;
pub use images::Images;
pub use playground::{NodeInit, Playground, Suite};
use report::{REPORT_EXAMPLES, TRANSCRIPT_EXAMPLES};
pub use report::{Report, Transcript};

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::num::NonZeroUsize;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  labctl run lab2                         run the whole lab on three nodes of this machine
  labctl run lab2 --inventory aws.toml    run it on the machines of an inventory
  labctl run lab2 --task task1            run one task and what it needs
  labctl plan lab2                        see every command, check and undo, and change nothing
  labctl verify task1                     ask the strict instructor; changes nothing
  labctl status                           what is done, and what is owed on which node
  labctl cleanup                          put the nodes back as they were

Every option can be given in the environment, too: LABCTL_INVENTORY for --inventory, and so on.

Exit codes:
    0  all well
    1  a check failed
    2  wrong usage or definition; nothing was touched
    3  a node or the engine could not be reached, or an action could not run
    4  cleanup is done, but something of ours is left
    5  there was nothing to check
    6  locked by another run
  130  interrupted";

const RUN_EXAMPLES: &str = "\
Examples:
  labctl run lab2                         the whole lab, on three nodes of this machine
  labctl run lab2 --inventory aws.toml    on the machines of inventories/aws.toml
  labctl run --from build --until up      a part of the open instance's lab
  labctl run ./my-lab                     a lab of your own, in ./my-lab/lab.toml";

const PLAN_EXAMPLES: &str = "\
Examples:
  labctl plan lab2                            everything, on the playground or the open instance's nodes
  labctl plan lab2 --inventory aws.toml       on the machines of inventories/aws.toml
  labctl plan lab2 --task task1 --json        one task, for a program to read

The nodes are asked what they are, so they must answer; nothing is changed on them.";

const VERIFY_EXAMPLES: &str = "\
Examples:
  labctl verify                               all tasks
  labctl verify task1                         one task
  labctl verify task1 --inventory aws.toml    work that was done by hand there, without `labctl run`";

const INVENTORY_EXAMPLES: &str = "\
Examples:
  labctl inventory init 10.0.0.10 10.0.0.11 10.0.0.12 --user ubuntu --output mine.toml
  labctl inventory check --inventory mine.toml";

const PLAYGROUND_EXAMPLES: &str = "\
Examples:
  labctl playground up                  start three nodes; a Docker Engine must run on this machine
  labctl playground up --init systemd   nodes with another init
  labctl playground up --suite trixie   nodes with a Docker Engine and a Compose of today
  labctl playground ssh node-0          look around on one
  labctl playground down                remove every trace of them";

const SSH_EXAMPLES: &str = "\
Examples:
  labctl ssh node-0                               a shell
  labctl ssh node-0 docker ps                     one command
  labctl ssh --inventory aws.toml node-1 uptime

With a command it ends with the command's own status; 3 where ssh itself did not work.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  labctl completions bash > ~/.local/share/bash-completion/completions/labctl
  labctl completions zsh > ~/.zfunc/_labctl
  labctl completions fish > ~/.config/fish/completions/labctl.fish";

/// Runs a hands-on lab end to end on real machines over SSH, checks every step as a strict instructor would, and puts
/// the machines back exactly as they were.
#[derive(Debug, Parser)]
#[command(name = "labctl", version, after_help = EXAMPLES, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,

    /// What holds for every verb.
    #[command(flatten)]
    pub common: Common,
}

/// Options that every verb takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// The machines: a path, or a name under ./inventories [default: the open instance's, else the playground].
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        env = "LABCTL_INVENTORY",
        hide_env = true
    )]
    pub inventory: Option<String>,

    /// Sets a variable of the lab; may be given several times.
    #[arg(
        long = "var",
        global = true,
        value_name = "NAME=VALUE",
        env = "LABCTL_VAR",
        hide_env = true,
        value_delimiter = '\n'
    )]
    pub vars: Vec<String>,

    /// How many nodes are worked on at once, of those that labctl connects to or asks for something [default: 20].
    #[arg(
        long,
        global = true,
        value_name = "NUMBER",
        default_value = "20",
        hide_default_value = true,
        env = "LABCTL_FORKS",
        hide_env = true
    )]
    pub forks: NonZeroUsize,

    /// Prints JSON on standard output and nothing else there: events as JSON lines, listings as one document.
    #[arg(long, global = true, env = "LABCTL_JSON", hide_env = true, value_parser = FalseyValueParser::new())]
    pub json: bool,

    /// Prints failures and the last line only.
    #[arg(
        long,
        short,
        global = true,
        conflicts_with = "verbose",
        env = "LABCTL_QUIET",
        hide_env = true,
        value_parser = FalseyValueParser::new()
    )]
    pub quiet: bool,

    /// Prints the output of the nodes, too.
    #[arg(
        long,
        short,
        global = true,
        env = "LABCTL_VERBOSE",
        hide_env = true,
        value_parser = FalseyValueParser::new()
    )]
    pub verbose: bool,

    /// When to use colour: always, never, or auto (on a terminal, where NO_COLOR is not set).
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        env = "LABCTL_COLOR",
        hide_env = true
    )]
    pub color: Color,

    /// Never asks anything: what would need an answer is refused instead.
    #[arg(long, global = true, env = "LABCTL_NO_INPUT", hide_env = true, value_parser = FalseyValueParser::new())]
    pub no_input: bool,

    /// Where instances and the playground are kept [default: $XDG_STATE_HOME/labctl, else ~/.local/state/labctl].
    #[arg(
        long,
        global = true,
        value_name = "DIRECTORY",
        env = "LABCTL_STATE_DIR",
        hide_env = true
    )]
    pub state_dir: Option<PathBuf>,

    /// The hosts file of this machine.
    #[arg(
        long,
        global = true,
        hide = true,
        default_value = "/etc/hosts",
        env = "LABCTL_HOSTS_FILE",
        hide_env = true
    )]
    pub hosts_file: PathBuf,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, where NO_COLOR is not set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Runs a lab, or a part of it, and checks every step.
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunAndReport),
    /// Looks whether tasks hold, changes nothing, and says what to do about what does not.
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(Verify),
    /// Takes back all that was done on the nodes and proves that nothing is left.
    #[command(after_help = CLEANUP_EXAMPLES)]
    Cleanup(Cleanup),
    /// Shows what `run` would do: every node, command, check, deadline and undo.
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(Run),
    /// Shows what is done, and what is owed on which node.
    Status,
    /// Makes the report of a run again, as one HTML file, and prints where it is.
    #[command(after_help = REPORT_EXAMPLES)]
    Report(Report),
    /// Prints a run in the shape of the tutorial, as Markdown with commands and outputs.
    #[command(after_help = TRANSCRIPT_EXAMPLES)]
    Transcript(Transcript),
    /// Lists the labs there are.
    List,
    /// Shows a lab: its tasks, steps and variables.
    Show(Show),
    /// Looks at the machines of an inventory, or writes an inventory.
    #[command(subcommand, after_help = INVENTORY_EXAMPLES)]
    Inventory(Inventory),
    /// Starts, shows or removes three real nodes on this machine.
    #[command(subcommand, after_help = PLAYGROUND_EXAMPLES)]
    Playground(Playground),
    /// Lists the images that labctl makes of itself, writes one, or loads them to nodes.
    #[command(subcommand, after_help = IMAGES_EXAMPLES)]
    Images(Images),
    /// Opens a shell on a node of the open instance or the inventory.
    #[command(after_help = SSH_EXAMPLES)]
    Ssh(Ssh),
    /// Prints the completion script of a shell.
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Runs what the lab's own containers run.
    #[command(hide = true)]
    Service {
        /// The service, and what it is told: its `--help` and `-v` are not ours.
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            required = true,
            value_name = "NAME [ARGUMENTS]"
        )]
        words: Vec<String>,
    },
}

/// What to run, and where its results go.
#[derive(Debug, Clone, Args)]
pub struct RunAndReport {
    /// What to run.
    #[command(flatten)]
    pub run: Run,

    /// Also writes the results to this file, as JUnit XML.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "dry_run",
        env = "LABCTL_JUNIT",
        hide_env = true
    )]
    pub junit: Option<PathBuf>,
}

/// What to run.
#[derive(Debug, Clone, Args)]
pub struct Run {
    /// A path, a name under ./labs, or a built-in name [default: the open instance's lab, else lab2].
    #[arg(env = "LABCTL_LAB", hide_env = true)]
    pub lab: Option<String>,

    /// Runs this task, and what it needs that does not hold yet.
    #[arg(long, value_name = "TASK", conflicts_with_all = ["only", "from", "until"], env = "LABCTL_TASK", hide_env = true)]
    pub task: Option<String>,

    /// Runs just this task.
    #[arg(long, value_name = "TASK", conflicts_with_all = ["from", "until"], env = "LABCTL_ONLY", hide_env = true)]
    pub only: Option<String>,

    /// Begins with this task or step.
    #[arg(long, value_name = "TASK|STEP", env = "LABCTL_FROM", hide_env = true)]
    pub from: Option<String>,

    /// Ends after this task or step.
    #[arg(long, value_name = "TASK|STEP", env = "LABCTL_UNTIL", hide_env = true)]
    pub until: Option<String>,

    /// Shows the plan and changes nothing.
    #[arg(long, env = "LABCTL_DRY_RUN", hide_env = true, value_parser = FalseyValueParser::new())]
    pub dry_run: bool,

    /// After a failure, goes on with the steps that do not depend on it.
    #[arg(long, env = "LABCTL_KEEP_GOING", hide_env = true, value_parser = FalseyValueParser::new())]
    pub keep_going: bool,

    /// First REMOVES ALL RUNNING CONTAINERS of the nodes and comments DOCKER_OPTS out; this cannot be undone.
    #[arg(long, env = "LABCTL_RESET_NODES", hide_env = true, value_parser = FalseyValueParser::new())]
    pub reset_nodes: bool,

    /// Lets the lab open Docker ports on addresses that are not private: EVERYONE WHO REACHES THEM IS ROOT on that node.
    #[arg(long, env = "LABCTL_EXPOSE_DOCKER", hide_env = true, value_parser = FalseyValueParser::new())]
    pub expose_docker: bool,

    /// Writes the names that the lab wants, such as dockchat.com, to /etc/hosts of this machine; cleanup takes them out.
    #[arg(long, env = "LABCTL_HOSTS", hide_env = true, value_parser = FalseyValueParser::new())]
    pub hosts: bool,
}

/// What to verify.
#[derive(Debug, Clone, Args)]
pub struct Verify {
    /// The tasks to look at [default: all].
    pub tasks: Vec<String>,

    /// A path, a name under ./labs, or a built-in name [default: the open instance's lab, else lab2].
    #[arg(long, env = "LABCTL_LAB", hide_env = true)]
    pub lab: Option<String>,

    /// Also writes the results to this file, as JUnit XML.
    #[arg(long, value_name = "FILE", env = "LABCTL_JUNIT", hide_env = true)]
    pub junit: Option<PathBuf>,
}

/// What to show.
#[derive(Debug, Clone, Args)]
pub struct Show {
    /// A path, a name under ./labs, or a built-in name.
    pub lab: String,
}

/// What to do with an inventory.
#[derive(Debug, Clone, Subcommand)]
pub enum Inventory {
    /// Connects to all nodes at once and prints what it finds; changes nothing.
    Check,
    /// Writes an inventory of three nodes from their private addresses.
    Init {
        /// The addresses of node-0, node-1 and node-2.
        #[arg(action = clap::ArgAction::Set, num_args = 3, required = true, value_names = ["ADDRESS-0", "ADDRESS-1", "ADDRESS-2"])]
        addresses: Vec<String>,

        /// The login user.
        #[arg(long, value_name = "NAME", env = "LABCTL_USER", hide_env = true)]
        user: Option<String>,

        /// The private key.
        #[arg(long, value_name = "FILE", env = "LABCTL_IDENTITY_FILE", hide_env = true)]
        identity_file: Option<PathBuf>,

        /// Where to write it, where no file is yet [default: standard output].
        #[arg(long, short, value_name = "FILE", env = "LABCTL_OUTPUT", hide_env = true)]
        output: Option<PathBuf>,
    },
}

/// Where to log in.
#[derive(Debug, Clone, Args)]
pub struct Ssh {
    /// The node.
    pub node: String,

    /// What to run there instead of a shell.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}
