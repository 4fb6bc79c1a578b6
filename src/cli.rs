//! The command line, as clap types. What `labctl --help` says is its documentation.

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  labctl run lab2                            run the whole lab on three nodes of this machine
  labctl run lab2 --inventory aws.toml       run it on the machines of an inventory
  labctl run lab2 --task task1               run one task and what it needs
  labctl plan lab2 --inventory aws.toml      see every command, check and undo, and change nothing
  labctl verify task1                        ask the strict instructor; changes nothing
  labctl status                              what is done, and what is owed on which node
  labctl cleanup                             put the nodes back as they were

Exit codes:
  0 all well   1 a check failed   2 wrong usage or definition   3 a node or action could not be reached or run
  4 something of ours is left   5 nothing to check   6 locked by another run   130 interrupted";

/// Runs a hands-on lab end to end on real machines over SSH, checks every step as a strict instructor would, and puts
/// the machines back exactly as they were.
#[derive(Debug, Parser)]
#[command(name = "labctl", version, after_help = EXAMPLES, max_term_width = 100)]
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
    /// The machines: a path, or a name under ./inventories; default: the open instance's, else the playground.
    #[arg(long, short, global = true, value_name = "FILE", env = "LABCTL_INVENTORY")]
    pub inventory: Option<String>,

    /// Sets a variable of the lab; may be given several times.
    #[arg(
        long = "var",
        global = true,
        value_name = "NAME=VALUE",
        env = "LABCTL_VAR",
        value_delimiter = '\n'
    )]
    pub vars: Vec<String>,

    /// Prints data as JSON on standard output and nothing else there: events as JSON lines, listings as one document.
    #[arg(long, global = true, env = "LABCTL_JSON")]
    pub json: bool,

    /// Prints failures and the last line only.
    #[arg(long, short, global = true, conflicts_with = "verbose", env = "LABCTL_QUIET")]
    pub quiet: bool,

    /// Prints the output of the nodes too.
    #[arg(long, short, global = true, env = "LABCTL_VERBOSE")]
    pub verbose: bool,

    /// When to use colour; NO_COLOR is obeyed.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        env = "LABCTL_COLOR"
    )]
    pub color: Color,

    /// Never asks anything: what would need an answer is refused instead.
    #[arg(long, global = true, env = "LABCTL_NO_INPUT")]
    pub no_input: bool,

    /// Where instances and the playground are kept; default: $XDG_STATE_HOME/labctl.
    #[arg(long, global = true, value_name = "DIRECTORY", env = "LABCTL_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
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
    Run(Run),
    /// Looks whether tasks hold, changes nothing, and says what to do about what does not.
    Verify(Verify),
    /// Takes back all that was done on the nodes and proves that nothing is left.
    Cleanup(Cleanup),
    /// Shows what `run` would do: every node, command, check, deadline and undo.
    Plan(Run),
    /// Shows what is done, and what is owed on which node.
    Status,
    /// Lists the labs there are.
    List,
    /// Shows a lab: its tasks, steps and variables.
    Show(Show),
    /// Looks at an inventory, or writes one.
    #[command(subcommand)]
    Inventory(Inventory),
    /// Three real nodes on this machine.
    #[command(subcommand)]
    Playground(Playground),
    /// Opens a shell on a node of the open instance or the inventory.
    Ssh(Ssh),
    /// Prints the completion script of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Runs what the lab's own containers run.
    #[command(hide = true)]
    Service {
        /// The service.
        name: String,
        /// What it is told.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// What to run.
#[derive(Debug, Clone, Args)]
pub struct Run {
    /// A path, a name under ./labs, or a built-in name; default: the open instance's lab, else lab2.
    #[arg(env = "LABCTL_LAB")]
    pub lab: Option<String>,

    /// Runs this task, and what it needs that does not hold yet.
    #[arg(long, value_name = "TASK", conflicts_with_all = ["only", "from", "until"], env = "LABCTL_TASK")]
    pub task: Option<String>,

    /// Runs just this task.
    #[arg(long, value_name = "TASK", conflicts_with_all = ["from", "until"], env = "LABCTL_ONLY")]
    pub only: Option<String>,

    /// Begins with this task or step.
    #[arg(long, value_name = "TASK|STEP", env = "LABCTL_FROM")]
    pub from: Option<String>,

    /// Ends after this task or step.
    #[arg(long, value_name = "TASK|STEP", env = "LABCTL_UNTIL")]
    pub until: Option<String>,

    /// Shows the plan and changes nothing.
    #[arg(long, env = "LABCTL_DRY_RUN")]
    pub dry_run: bool,

    /// After a failure, goes on with the steps that do not depend on it.
    #[arg(long, env = "LABCTL_KEEP_GOING")]
    pub keep_going: bool,

    /// First REMOVES ALL RUNNING CONTAINERS of the nodes and comments out DOCKER_OPTS; this cannot be undone.
    #[arg(long, env = "LABCTL_RESET_NODES")]
    pub reset_nodes: bool,
}

/// What to verify.
#[derive(Debug, Clone, Args)]
pub struct Verify {
    /// The tasks; all where none is given.
    pub tasks: Vec<String>,

    /// A path, a name under ./labs, or a built-in name; default: the open instance's lab, else lab2.
    #[arg(long, env = "LABCTL_LAB")]
    pub lab: Option<String>,
}

/// What to clean up.
#[derive(Debug, Clone, Args)]
pub struct Cleanup {
    /// The instance; default: the one on the inventory's nodes, or the only one that is open.
    #[arg(long, value_name = "ID", env = "LABCTL_INSTANCE")]
    pub instance: Option<String>,
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
        #[arg(num_args = 3, required = true, value_name = "ADDRESS")]
        addresses: Vec<String>,

        /// The login user.
        #[arg(long, value_name = "NAME", env = "LABCTL_USER")]
        user: Option<String>,

        /// The private key.
        #[arg(long, value_name = "FILE", env = "LABCTL_IDENTITY_FILE")]
        identity_file: Option<PathBuf>,

        /// Where to write; refuses to overwrite. Standard output where it is not given.
        #[arg(long, short, value_name = "FILE", env = "LABCTL_OUTPUT")]
        output: Option<PathBuf>,
    },
}

/// What to do with the playground.
#[derive(Debug, Clone, Subcommand)]
pub enum Playground {
    /// Starts three real nodes on this machine; harmless where they run already.
    Up,
    /// Removes the nodes, their network, volumes and keys.
    Down,
    /// Shows the nodes, their addresses, and how to log in.
    Status,
    /// Opens a shell on a node of the playground.
    Ssh(Ssh),
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
