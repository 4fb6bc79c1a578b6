//! The arguments of the discovery service.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

use crate::clap_text;

/// How it is to serve.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "discovery",
    about = "Hands out tokens of Swarm clusters and knows their engines, as Docker Hub did until 2019"
)]
pub struct Options {
    /// Where to listen.
    #[arg(long, default_value = "0.0.0.0:443")]
    pub listen: SocketAddr,
    /// The server's certificate, as PEM.
    #[arg(long)]
    pub certificate: PathBuf,
    /// Its key, as PEM.
    #[arg(long)]
    pub key: PathBuf,
    /// The directory that clusters are kept in.
    #[arg(long, default_value = "/data")]
    pub data: PathBuf,
}

impl Options {
    /// Reads `arguments`; `None` where they asked for help.
    pub fn parse(arguments: &[String]) -> Result<Option<Self>, String> {
        clap_text::parse("discovery", arguments)
    }
}
