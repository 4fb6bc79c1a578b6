//! Hands nodes the images that they cannot pull.

use super::PlaygroundError;
use super::engine::Engine;
use super::exec::{feed, run_in};
use super::progress::{Listener, Progress};
use bollard::errors::Error;
use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::stream::{BoxStream, StreamExt, unfold};
use tokio::sync::mpsc;

/// How many chunks a slow node may be behind the fastest.
const CHUNKS: usize = 16;

/// A node that an image goes to.
pub(super) struct Receiver {
    pub(super) node: String,
    pub(super) container: String,
}

/// Tells whether the engine lacks an image, and if so, whether a lab is open on the node, whose notes are there then.
const LOOK: &str = r#"docker image inspect "$0" >/dev/null 2>&1 && exit 0; [ -d /var/lib/labctl ] && exit 3; exit 4"#;
const LAB_IS_OPEN: i64 = 3;

/// Returns those of `receivers` whose engine does not have `image`. A node on which a lab is open is left as it is: what
/// came after the lab's beginning would go at its cleanup.
pub(super) async fn lacking(
    engine: &Engine,
    image: &str,
    receivers: Vec<Receiver>,
    listener: &Listener<'_>,
) -> Result<Vec<Receiver>, PlaygroundError> {
    let looks = receivers.into_iter().map(|receiver| async move {
        let looked = run_in(&engine.docker, &receiver.container, &["sh", "-c", LOOK, image]).await;
        let looked = looked.map_err(PlaygroundError::engine(format!("look into {}", receiver.node)))?;
        if looked.code == LAB_IS_OPEN {
            listener.tell(Progress::KeptBack {
                image: image.to_owned(),
                node: receiver.node,
            });
            return Ok(None);
        }
        Ok((looked.code != 0).then_some(receiver))
    });
    Ok(try_join_all(looks).await?.into_iter().flatten().collect())
}

/// Loads `image` from this machine's engine into the engines of `receivers`, reading it once for all of them.
pub(super) async fn hand_over(
    engine: &Engine,
    image: &str,
    receivers: &[Receiver],
    listener: &Listener<'_>,
) -> Result<(), PlaygroundError> {
    if receivers.is_empty() {
        return Ok(());
    }
    let nodes = receivers.iter().map(|receiver| receiver.node.clone()).collect();
    listener.tell(Progress::HandingOver {
        image: image.to_owned(),
        nodes,
    });
    let (mut senders, mut loads) = (Vec::new(), Vec::new());
    for receiver in receivers {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        senders.push(sender);
        loads.push(load(engine, image, receiver, as_stream(chunks), listener));
    }
    let copy = async {
        let mut exported = Box::pin(engine.docker.export_image(image));
        while let Some(chunk) = exported.next().await {
            let chunk = chunk.map_err(PlaygroundError::engine(format!("export {image}")))?;
            // A node that takes no more has ended its load, and says why itself.
            let sends = senders.iter().map(|sender| sender.send(chunk.clone()));
            futures_util::future::join_all(sends).await;
        }
        drop(senders);
        Ok(())
    };
    let (copied, loaded) = tokio::join!(copy, try_join_all(loads));
    // A load whose input broke off says only that; why it broke off is the better message.
    copied?;
    loaded.map(drop)
}

async fn load(
    engine: &Engine,
    image: &str,
    receiver: &Receiver,
    chunks: BoxStream<'static, Result<Bytes, Error>>,
    listener: &Listener<'_>,
) -> Result<(), PlaygroundError> {
    let Receiver { node, container } = receiver;
    let loaded = feed(&engine.docker, container, &["docker", "load", "--quiet"], chunks).await;
    let loaded = loaded.map_err(PlaygroundError::engine(format!("load {image} into {node}")))?;
    if loaded.code != 0 {
        let command = format!("docker load of {image}");
        return Err(PlaygroundError::Inside {
            node: node.clone(),
            command,
            output: loaded.output,
        });
    }
    listener.tell(Progress::HandedOver {
        image: image.to_owned(),
        node: node.clone(),
    });
    Ok(())
}

fn as_stream(chunks: mpsc::Receiver<Bytes>) -> BoxStream<'static, Result<Bytes, Error>> {
    unfold(chunks, |mut chunks| async move {
        chunks.recv().await.map(|chunk| (Ok(chunk), chunks))
    })
    .boxed()
}
