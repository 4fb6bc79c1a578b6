//! What `labctl images` takes.

use clap::Subcommand;
use std::path::PathBuf;

pub(super) const IMAGES_EXAMPLES: &str = "\
Examples:
  labctl images build swarm | docker load                     try one on this machine
  labctl images build mongo --output mongo.tar                keep one as a file
  labctl images load swarm --inventory aws.toml               bring one to all nodes of an inventory
  labctl images load --inventory aws.toml --on node-1,node-2  bring all of them to two nodes

They are made of this very binary: no compiler and no registry is needed.";

const IMAGES_LOAD_NOTES: &str = "\
Examples:
  labctl images load --inventory aws.toml                     all of them, to all nodes
  labctl images load swarm --inventory aws.toml --on node-1   one, to one node

An image that a node has already is not sent again. One that had the name until then stays, without
a name.

They belong to no lab: `labctl cleanup` counts them as what was there before, and `docker rmi` on
the node takes them away. Load them before a lab begins: where a lab brings an image of that name,
too, what came after its beginning goes at its cleanup.";

/// What to do with the images that labctl makes of itself.
#[derive(Debug, Clone, Subcommand)]
pub enum Images {
    /// Lists them.
    List,
    /// Writes one as an archive that `docker load` takes.
    #[command(after_help = IMAGES_EXAMPLES)]
    Build {
        /// The image, as `images list` calls it.
        name: String,

        /// Where to write it [default: standard output, where that is no terminal].
        #[arg(long, short, value_name = "FILE", env = "LABCTL_OUTPUT", hide_env = true)]
        output: Option<PathBuf>,
    },
    /// Loads them to the engines of nodes, over SSH.
    #[command(after_help = IMAGES_LOAD_NOTES)]
    Load {
        /// The images, as `images list` calls them [default: all].
        #[arg(value_name = "NAME")]
        names: Vec<String>,

        /// A node to load to; several with commas between them [default: all].
        #[arg(long, value_name = "NODE", value_delimiter = ',', env = "LABCTL_ON", hide_env = true)]
        on: Vec<String>,
    },
}
