//! `inventory check` and `inventory init`.

use super::connect::{Reached, connect};
use super::failure::Failure;
use super::session::Session;
use super::target;
use crate::cli;
use crate::domain::SourceText;
use crate::exit::Exit;
use crate::load::{self, InventoryDraft, NodeDraft};
use crate::probe::Need;
use crate::report::{self, FoundOnNode, InventoryRow, Style};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Does what `what` says with an inventory.
pub(super) async fn inventory(session: &Session, what: &cli::Inventory) -> Result<Exit, Failure> {
    match what {
        cli::Inventory::Check => check(session).await,
        cli::Inventory::Init {
            addresses,
            user,
            identity_file,
            output,
        } => {
            let node = |(index, address): (usize, &String)| NodeDraft {
                name: format!("node-{index}"),
                private_ip: Some(address.clone()),
                address: None,
                public_address: None,
            };
            let text = load::inventory_toml(&InventoryDraft {
                user: user.clone(),
                identity_file: identity_file.as_ref().map(|path| from_here(session, path)),
                nodes: addresses.iter().enumerate().map(node).collect(),
            });
            judge(&text, session)?;
            match output {
                None => session.print(&text),
                Some(path) => {
                    write_new(path, &text)?;
                    session.tell(&format!(
                        "Wrote {}. Try: labctl inventory check --inventory {0}",
                        path.display()
                    ));
                }
            }
            Ok(Exit::Success)
        }
    }
}

/// Returns `path` as it can be named from any directory; `~/` stays as it is.
fn from_here(session: &Session, path: &Path) -> String {
    if path.starts_with("~") {
        return path.display().to_string();
    }
    session.working_directory.join(path).display().to_string()
}

/// Refuses to write an inventory that labctl would not read.
fn judge(text: &str, session: &Session) -> Result<(), Failure> {
    let source = SourceText {
        name: "the new inventory".to_owned(),
        text: text.to_owned(),
    };
    load::parse_inventory(&Arc::new(source), &session.working_directory)?;
    Ok(())
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let written = fs_err::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            Failure::usage(format!("{} is there already", path.display())).hint("name another file with --output")
        } else {
            Failure::new(Exit::Usage, error)
        }
    })
}

async fn check(session: &Session) -> Result<Exit, Failure> {
    let inventory = target::machines(session, false).await?.inventory;
    let connections = connect(session, &inventory, None, Need::All).await?;
    let mut rows = Vec::new();
    for node in &inventory.nodes {
        let Some(reached) = connections.nodes.get(&node.name) else {
            continue;
        };
        let found = match reached {
            Ok(Reached { facts: Ok(facts), .. }) => FoundOnNode::Facts(Box::new(facts.clone())),
            Ok(Reached { facts: Err(error), .. }) => FoundOnNode::Unreachable {
                reason: error.to_string(),
                hint: error.hint().map(str::to_owned),
            },
            Err(error) => FoundOnNode::Unreachable {
                reason: error.to_string(),
                hint: error.hint.clone(),
            },
        };
        rows.push(InventoryRow {
            node: node.name.clone(),
            address: node.address.clone(),
            found,
        });
    }
    connections.close().await;
    if session.common.json {
        let document: Vec<_> = rows
            .iter()
            .map(|row| match &row.found {
                FoundOnNode::Facts(facts) => json!({ "node": row.node, "address": row.address, "facts": facts }),
                FoundOnNode::Unreachable { reason, .. } => {
                    json!({ "node": row.node, "address": row.address, "unreachable": reason })
                }
            })
            .collect();
        session.print_json(&document)?;
    } else {
        let style = Style {
            colour: session.colour_on_stdout,
            width: session.width,
        };
        session.print(&report::inventory_check_listing(&rows, &style));
    }
    let is_usable = |row: &InventoryRow| matches!(&row.found, FoundOnNode::Facts(facts) if facts.engine.is_some());
    Ok(if rows.iter().all(is_usable) {
        Exit::Success
    } else {
        Exit::CouldNotRun
    })
}
