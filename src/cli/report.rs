//! What `labctl report` and `labctl transcript` take.

use clap::Args;
use std::path::PathBuf;

pub(super) const REPORT_EXAMPLES: &str = "\
Examples:
  labctl report                            the last run
  labctl report --run 20261122-101500-1a2b
  labctl report --out lab2.html            a copy to send to somebody

Every `labctl run` makes it at its end, with the same as JSON and JUnit XML beside it. It is one file that needs no network.";

pub(super) const TRANSCRIPT_EXAMPLES: &str = "\
Examples:
  labctl transcript                        the last run
  labctl transcript > lab2.md              to read, or to compare with the tutorial
  labctl transcript --run 20261122-101500-1a2b";

/// What to report.
#[derive(Debug, Clone, Args)]
pub struct Report {
    /// The run [default: the last one of the open instance, else of the one closed last].
    #[arg(long, value_name = "ID", env = "LABCTL_RUN", hide_env = true)]
    pub run: Option<String>,

    /// Also writes the HTML file here.
    #[arg(long, value_name = "FILE", env = "LABCTL_OUT", hide_env = true)]
    pub out: Option<PathBuf>,
}

/// What to tell.
#[derive(Debug, Clone, Args)]
pub struct Transcript {
    /// The run [default: the last one of the open instance, else of the one closed last].
    #[arg(long, value_name = "ID", env = "LABCTL_RUN", hide_env = true)]
    pub run: Option<String>,
}
