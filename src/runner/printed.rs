//! The proofs of what is ours on a node: what its steps were to make, and the ids that commands printed, here or as a client on
//! another node.

use super::ownership::Proofs;
use super::shared::NodeAccess;
use super::undo::Undoing;
use crate::domain::{NodeName, Undo};

impl Undoing<'_> {
    /// Returns the proofs there are; what only another node knows, and that cannot be asked, is left out.
    pub(super) async fn proofs(&self) -> Result<Proofs, String> {
        self.proofs_or(false).await
    }

    /// Returns all proofs, or why they cannot be had.
    pub(super) async fn all_proofs(&self) -> Result<Proofs, String> {
        self.proofs_or(true).await
    }

    async fn proofs_or(&self, fails: bool) -> Result<Proofs, String> {
        let mut printed = Vec::new();
        for undo in &self.made {
            if let Undo::RemovePrinted { exec, at } = undo {
                match self.printed_ids(exec, at.as_ref()).await {
                    Ok(ids) => printed.extend(ids),
                    // What proves itself otherwise can go all the same. What only these ids prove is owed until they can be asked for.
                    Err(_) if at.is_some() && !fails => {}
                    Err(reason) => return Err(reason),
                }
            }
        }
        Ok(Proofs::new(&self.made, printed))
    }

    /// Returns the ids that an exec printed whose record this node has, or the node `at`.
    pub(super) async fn printed_ids(&self, exec: &str, at: Option<&NodeName>) -> Result<Vec<String>, String> {
        let Some(at) = at else {
            let printed = self.transport.printed_ids(exec).await;
            return printed.map_err(|error| error.to_string());
        };
        let asked = self.ask_for_printed_ids(exec, at).await;
        asked.map_err(|reason| format!("only {at} knows what its command made here: {reason}"))
    }

    async fn ask_for_printed_ids(&self, exec: &str, at: &NodeName) -> Result<Vec<String>, String> {
        let transport = match self.shared.nodes.get(at) {
            Some(NodeAccess::Connected(transport)) => transport,
            Some(NodeAccess::Unreachable(reason)) => return Err(reason.clone()),
            // It was let go of in an earlier cleanup.
            None => return Ok(Vec::new()),
        };
        let instance = self.shared.instance.as_ref().ok_or("no instance is open")?;
        // Nothing may be made where it was let go of already; what it knew is gone.
        if !self.shared.state().baselines.contains_key(at) {
            return Ok(Vec::new());
        }
        let opened = transport.open_instance(instance).await;
        opened.map_err(|error| error.to_string())?;
        transport.printed_ids(exec).await.map_err(|error| error.to_string())
    }
}
