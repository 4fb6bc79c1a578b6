//! The proofs of what is ours on a node: what its steps were to make, and the ids that commands printed, here or as a client on
//! another node.
//!
//! A node has the output of its commands, and so has the machine that labctl ran on, as far as it arrived there. Either may have lost it: ids
//! are taken from both.

use super::output::step_output_files;
use super::ownership::Proofs;
use super::shared::{NodeAccess, Shared};
use super::undo::Undoing;
use crate::domain::{NodeName, Undo};
use crate::node::{Ids, Transport};
use fs_err::File;

impl Undoing<'_> {
    /// Returns the proofs there are; what only another node knows, and that cannot be asked, is left out.
    pub(super) async fn proofs(&self) -> Result<Proofs, String> {
        proofs(self.shared, self.transport, &self.made, false).await
    }

    /// Returns all proofs, or why they cannot be had.
    pub(super) async fn all_proofs(&self) -> Result<Proofs, String> {
        proofs(self.shared, self.transport, &self.made, true).await
    }

    /// Returns the ids that an exec printed whose record this node has, or the node `at`.
    pub(super) async fn printed_ids(&self, exec: &str, at: Option<&NodeName>) -> Result<Vec<String>, String> {
        printed_ids(self.shared, self.transport, exec, at).await
    }
}

/// Returns the proofs of `made` on the node behind `transport`. What only another node knows, and that cannot be asked, is left out, unless
/// it `must_be_known`.
pub(super) async fn proofs(
    shared: &Shared,
    transport: &dyn Transport,
    made: &[Undo],
    must_be_known: bool,
) -> Result<Proofs, String> {
    let mut printed = Vec::new();
    for undo in made {
        if let Undo::RemovePrinted { exec, at } = undo {
            match printed_ids(shared, transport, exec, at.as_ref()).await {
                Ok(ids) => printed.extend(ids),
                // What proves itself otherwise can go all the same. What only these ids prove is owed until they can be asked for.
                Err(_) if at.is_some() && !must_be_known => {}
                Err(reason) => return Err(reason),
            }
        }
    }
    Ok(Proofs::new(made, printed))
}

async fn printed_ids(
    shared: &Shared,
    transport: &dyn Transport,
    exec: &str,
    at: Option<&NodeName>,
) -> Result<Vec<String>, String> {
    let on_node = match at {
        None => transport.printed_ids(exec).await.map_err(|error| error.to_string()),
        Some(at) => {
            let asked = ask_for_printed_ids(shared, exec, at).await;
            asked.map_err(|reason| format!("only {at} knows what its command made here: {reason}"))
        }
    };
    let mut ids = on_node?;
    ids.extend(ids_that_arrived(shared, exec, at.unwrap_or(transport.node())));
    Ok(ids)
}

/// Returns the ids in the output that arrived here of an exec on `node`.
fn ids_that_arrived(shared: &Shared, exec: &str, node: &NodeName) -> Vec<String> {
    let mut ids = Ids::default();
    for path in step_output_files(&shared.directory, exec, node) {
        // Where there is none, or it cannot be read, the node's alone counts.
        let _ = File::open(path).and_then(|file| ids.read(file));
    }
    ids.into_sorted()
}

async fn ask_for_printed_ids(shared: &Shared, exec: &str, at: &NodeName) -> Result<Vec<String>, String> {
    let transport = match shared.nodes.get(at) {
        Some(NodeAccess::Connected(transport)) => transport,
        Some(NodeAccess::Unreachable { reason, .. }) => return Err(reason.clone()),
        // It was let go of in an earlier cleanup.
        None => return Ok(Vec::new()),
    };
    let instance = shared.instance.as_ref().ok_or("no instance is open")?;
    // Nothing may be made where it was let go of already; what it knew is gone.
    if !shared.state().baselines.contains_key(at) {
        return Ok(Vec::new());
    }
    let opened = transport.open_instance(instance).await;
    opened.map_err(|error| error.to_string())?;
    transport.printed_ids(exec).await.map_err(|error| error.to_string())
}
