//! Writes a first inventory for a user to go on with.

use std::fmt::Write;

/// What is known of the machines when an inventory is begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InventoryDraft {
    /// The login user.
    pub user: Option<String>,
    /// The private key's path.
    pub identity_file: Option<String>,
    /// The machines.
    pub nodes: Vec<NodeDraft>,
}

/// What is known of one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeDraft {
    /// What the lab calls it.
    pub name: String,
    /// What the nodes call each other by; left to be filled in where `None`.
    pub private_ip: Option<String>,
    /// Where ssh goes, where that is another address.
    pub address: Option<String>,
    /// What browsers are told, where that is another address.
    pub public_address: Option<String>,
}

/// Writes `draft` as an inventory with comments that say what can be added.
pub fn inventory_toml(draft: &InventoryDraft) -> String {
    let mut text = String::from(
        "# An inventory of labctl: which machines there are and how to reach them.\n\
         # `labctl inventory check` looks whether they are ready.\n\n\
         [defaults]\n",
    );
    line(&mut text, "user", draft.user.as_deref(), "# user = \"ubuntu\"");
    line(
        &mut text,
        "identity_file",
        draft.identity_file.as_deref(),
        "# identity_file = \"~/.ssh/id_ed25519\"",
    );
    for node in &draft.nodes {
        text.push_str("\n[[node]]\n");
        line(&mut text, "name", Some(&node.name), "");
        if node.private_ip.is_none() {
            text.push_str("# What the nodes call each other by: a private address such as 10.0.0.10, or a DNS name.\n");
        }
        line(
            &mut text,
            "private_ip",
            Some(node.private_ip.as_deref().unwrap_or_default()),
            "",
        );
        if let Some(address) = &node.address {
            line(&mut text, "address", Some(address), "");
        }
        if let Some(address) = &node.public_address {
            line(&mut text, "public_address", Some(address), "");
        }
    }
    text
}

fn line(text: &mut String, key: &str, value: Option<&str>, otherwise: &str) {
    // Writing to a string cannot fail.
    let _ = match value {
        Some(value) => writeln!(text, "{key} = {}", toml::Value::from(value)),
        None => writeln!(text, "{otherwise}"),
    };
}
