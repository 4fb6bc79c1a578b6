//! `images list`, `images build` and `images load`: the images that labctl makes of itself, outside of any lab.

use super::connect::{Connections, Reached, connect};
use super::failure::Failure;
use super::images::BinaryImages;
use super::playground::known_node;
use super::session::Session;
use super::target;
use crate::cli;
use crate::domain::{Inventory, NodeName};
use crate::exit::Exit;
use crate::images::{OWN_IMAGES, OwnImage};
use crate::load::suggestion;
use crate::node::Transport;
use crate::probe::Need;
use crate::report::{self, ImageRow, LoadEnd, LoadedImage, LoadedRow, Style};
use crate::runner::{StandInImages, bring_own_image};
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long loading one image to one node may take, over a slow line, too.
const LOADING: Duration = Duration::from_secs(900);

/// Does what `what` says with the images.
pub(super) async fn images(session: &Session, what: &cli::Images) -> Result<Exit, Failure> {
    match what {
        cli::Images::List => list(session),
        cli::Images::Build { name, output } => build(session, image(name)?, output.as_deref()),
        cli::Images::Load { names, on } => load(session, names, on).await,
    }
}

fn image(name: &str) -> Result<&'static OwnImage, Failure> {
    OwnImage::find(name).ok_or_else(|| {
        let known = OWN_IMAGES.iter().map(|image| image.name);
        Failure::usage(format!("labctl makes no image `{name}`")).maybe_hint(suggestion(name, known))
    })
}

fn could_not_make(error: io::Error) -> Failure {
    Failure::new(
        Exit::CouldNotRun,
        anyhow::Error::new(error).context("the image cannot be made"),
    )
}

fn style(session: &Session) -> Style {
    Style {
        colour: session.colour_on_stdout,
        width: session.width,
    }
}

fn list(session: &Session) -> Result<Exit, Failure> {
    let binary = BinaryImages::default();
    let size = binary.program().map_err(could_not_make)?.bytes().len() as u64;
    let mut rows = Vec::new();
    for image in OWN_IMAGES {
        rows.push(ImageRow {
            name: image.name.to_owned(),
            reference: image.reference.to_owned(),
            purpose: image.purpose.to_owned(),
            id: binary.id(image.name).map_err(could_not_make)?,
            size,
        });
    }
    if !session.common.json {
        session.print(&report::images_listing(&rows, &style(session)));
        return Ok(Exit::Success);
    }
    let document: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "name": row.name,
                "reference": row.reference,
                "purpose": row.purpose,
                "id": row.id,
                "size": row.size,
            })
        })
        .collect();
    session.print_json(&document)?;
    Ok(Exit::Success)
}

fn build(session: &Session, image: &OwnImage, output: Option<&Path>) -> Result<Exit, Failure> {
    if output.is_none() && io::stdout().is_terminal() {
        let name = image.name;
        return Err(Failure::usage("an archive is not for a terminal").hint(format!(
            "`labctl images build {name} | docker load` takes it, and --output a file"
        )));
    }
    let archive = BinaryImages::default()
        .archive(image.name, image.reference)
        .map_err(could_not_make)?;
    let Some(path) = output else {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&archive).and_then(|()| stdout.flush());
        written.map_err(|error| {
            Failure::new(
                Exit::CouldNotRun,
                anyhow::Error::new(error).context("the archive cannot be written"),
            )
        })?;
        return Ok(Exit::Success);
    };
    fs_err::write(path, &archive).map_err(|error| Failure::new(Exit::CouldNotRun, error))?;
    session.tell(&format!(
        "Wrote {} as {}. Try: docker load --input {1}",
        image.reference,
        path.display()
    ));
    Ok(Exit::Success)
}

/// Loads the images called `names`, all where none is, to the nodes called `on`, all where none is.
async fn load(session: &Session, names: &[String], on: &[String]) -> Result<Exit, Failure> {
    let mut wanted = Vec::new();
    for name in names {
        wanted.push(image(name)?);
    }
    if wanted.is_empty() {
        wanted.extend(OWN_IMAGES);
    }
    let inventory = target::machines(session, false).await?.inventory;
    let mut nodes = Vec::new();
    for name in on.iter().filter(|name| !name.is_empty()) {
        nodes.push(known_node(&inventory, name)?.name.clone());
    }
    let connections = connect(
        session,
        &inventory,
        (!nodes.is_empty()).then_some(&nodes),
        Need::Instances,
    )
    .await?;
    let rows = load_everywhere(&inventory, &connections, &wanted).await?;
    connections.close().await;
    if session.common.json {
        session.print_json(&rows.iter().map(row_json).collect::<Vec<_>>())?;
    } else {
        session.print(&report::loaded_listing(&rows, &style(session)));
    }
    let failed = |image: &LoadedImage| matches!(image.end, LoadEnd::Failed { .. });
    let all_well = rows
        .iter()
        .all(|row| row.images.as_ref().is_ok_and(|images| !images.iter().any(failed)));
    Ok(if all_well { Exit::Success } else { Exit::CouldNotRun })
}

/// Loads to all nodes at once, and to each one image after the other.
async fn load_everywhere(
    inventory: &Inventory,
    connections: &Connections,
    wanted: &[&'static OwnImage],
) -> Result<Vec<LoadedRow>, Failure> {
    let images: Arc<dyn StandInImages> = Arc::<BinaryImages>::default();
    let mut tasks = tokio::task::JoinSet::new();
    let mut rows = Vec::new();
    for (name, reached) in &connections.nodes {
        match reached {
            Ok(Reached { transport, .. }) => {
                let (name, transport, images) = (name.clone(), Arc::clone(transport), Arc::clone(&images));
                let wanted = wanted.to_vec();
                tasks.spawn(async move { load_to(name, transport.as_ref(), &images, &wanted).await });
            }
            Err(error) => rows.push(LoadedRow {
                node: name.clone(),
                images: Err((error.to_string(), error.hint.clone())),
            }),
        }
    }
    while let Some(joined) = tasks.join_next().await {
        rows.push(joined.map_err(|error| Failure::new(Exit::CouldNotRun, error))?);
    }
    rows.sort_by_key(|row| inventory.nodes.iter().position(|node| node.name == row.node));
    Ok(rows)
}

async fn load_to(
    node: NodeName,
    transport: &dyn Transport,
    images: &Arc<dyn StandInImages>,
    wanted: &[&'static OwnImage],
) -> LoadedRow {
    let mut loaded = Vec::new();
    for image in wanted {
        let bringing = bring_own_image(transport, images, image.name, image.reference);
        let end = match timeout(LOADING, bringing).await {
            Ok(Ok(brought)) if brought.was_there => LoadEnd::WasThere,
            Ok(Ok(brought)) => LoadEnd::Loaded {
                nameless: brought.nameless,
            },
            Ok(Err(fault)) => LoadEnd::Failed {
                reason: fault.to_string(),
            },
            Err(_) => LoadEnd::Failed {
                reason: format!("it took longer than {} s", LOADING.as_secs()),
            },
        };
        loaded.push(LoadedImage {
            reference: image.reference.to_owned(),
            end,
        });
    }
    LoadedRow {
        node,
        images: Ok(loaded),
    }
}

fn row_json(row: &LoadedRow) -> Value {
    match &row.images {
        Err((reason, _)) => json!({ "node": row.node, "unreachable": reason }),
        Ok(images) => json!({ "node": row.node, "images": images.iter().map(image_json).collect::<Vec<_>>() }),
    }
}

fn image_json(LoadedImage { reference, end }: &LoadedImage) -> Value {
    match end {
        LoadEnd::WasThere => json!({ "reference": reference, "end": "was_there" }),
        LoadEnd::Loaded { nameless } => json!({ "reference": reference, "end": "loaded", "nameless": nameless }),
        LoadEnd::Failed { reason } => json!({ "reference": reference, "end": "failed", "reason": reason }),
    }
}
