//! `playground`, and how other verbs get machines where nobody named any.

use super::failure::Failure;
use super::session::Session;
use super::ssh::open_shell;
use crate::cli;
use crate::domain::{InstanceId, Inventory, Node, NodeName, shell_quoted};
use crate::exit::Exit;
use crate::journal::InstanceLock;
use crate::load::suggestion;
use crate::node::ssh_words;
use crate::playground::{
    NodeChoice, NodeInit, NodeState, PerNode, Playground, PlaygroundError, PlaygroundStatus, Progress, Suite,
    WantedNodes,
};
use crate::report::{self, PlaygroundRow, Style, sanitised_line};
use crate::runner::take_out_host_line;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::time::Duration;

/// Does what `what` says with the playground.
pub(super) async fn playground(session: &Session, what: &cli::Playground) -> Result<Exit, Failure> {
    let playground = Playground::new(session.playground_directory());
    match what {
        cli::Playground::Up { init, suite } => {
            let status = up(session, &playground, wanted(init, suite)?).await?;
            show(session, &status)?;
        }
        cli::Playground::Down => down(session, &playground).await?,
        cli::Playground::Status => {
            let status = playground.status().await.map_err(failure)?;
            show(session, &status)?;
        }
        cli::Playground::Ssh(options) => {
            let inventory = playground.status().await.map_err(failure)?.inventory();
            return open_shell(&inventory, options);
        }
    }
    Ok(Exit::Success)
}

/// Removes the playground, and the instances on it with it: there is nothing left that they could owe.
async fn down(session: &Session, playground: &Playground) -> Result<(), Failure> {
    let inventory = playground.status().await.map_err(failure)?.inventory();
    let mut instances = session.store.instances_on(&inventory)?;
    let known: Vec<InstanceId> = instances.iter().map(|found| found.record().id.clone()).collect();
    // One whose nodes are gone already is known by where its inventory came from.
    instances.extend(session.store.open_instances()?.into_iter().filter(|instance| {
        let record = instance.record();
        record.inventory.source == inventory.source && !known.contains(&record.id)
    }));
    let mut locks = Vec::new();
    for instance in &instances {
        locks.push(InstanceLock::take(instance.directory(), "playground down")?);
        session.tell(&format!(
            "Instance {} on the playground goes with it.",
            instance.record().id
        ));
    }
    // Nothing will know of these lines when the instances are closed.
    for instance in &instances {
        for line in instance.state()?.host_lines {
            take_out_host_line(&line).map_err(|fault| Failure::could_not_run(format!("could not {line}: {fault}")))?;
            session.tell(&format!(
                "`{}` is no longer in {} of this machine",
                line.text, line.file
            ));
        }
    }
    playground
        .down(&mut |progress| session.tell(&sentence(&progress)))
        .await
        .map_err(failure)?;
    for instance in &instances {
        instance.close()?;
    }
    Ok(())
}

/// Returns the playground's inventory where it is up.
pub(super) async fn running(session: &Session) -> Option<Inventory> {
    let status = Playground::new(session.playground_directory()).status().await.ok()?;
    status.is_up().then(|| status.inventory())
}

/// Returns the playground's inventory; where it is not up, starts it after saying so, or refuses where `start` is false. With
/// `start`, what an interrupted start left out is there afterwards, too.
pub(super) async fn bring_up(session: &Session, start: bool) -> Result<Inventory, Failure> {
    let playground = Playground::new(session.playground_directory());
    let status = playground.status().await;
    match status {
        Ok(status) if status.is_up() && !start => Ok(status.inventory()),
        _ if !start => Err(
            Failure::usage("no inventory is given, no lab instance is open, and no playground is up")
                .hint("name the machines with --inventory, or run `labctl playground up`"),
        ),
        // Whoever started it may have been interrupted: what is missing is made up for, and where nothing is, nothing is said.
        Ok(status) if status.is_up() => {
            let mut tell = |progress: Progress| match progress {
                Progress::NodeReady { .. } | Progress::ImageOutput { .. } => {}
                progress => session.tell(&sentence(&progress)),
            };
            let whole = playground.up(WantedNodes::default(), &mut tell).await;
            Ok(whole.map_err(failure)?.inventory())
        }
        _ => {
            session
                .tell("No inventory is given: using the playground, three nodes on this machine, and starting it now.");
            Ok(up(session, &playground, WantedNodes::default()).await?.inventory())
        }
    }
}

/// Returns what `--init` and `--suite` said.
fn wanted(inits: &[cli::NodeInit], suites: &[cli::Suite]) -> Result<WantedNodes, Failure> {
    let init = |init: &cli::NodeInit| match init {
        cli::NodeInit::Sysvinit => NodeInit::Sysvinit,
        cli::NodeInit::Systemd => NodeInit::Systemd,
        cli::NodeInit::DockerCe => NodeInit::DockerCe,
    };
    let suite = |suite: &cli::Suite| match suite {
        cli::Suite::Bookworm => Suite::Bookworm,
        cli::Suite::Trixie => Suite::Trixie,
    };
    let inits: Vec<NodeInit> = inits.iter().map(init).collect();
    let suites: Vec<Suite> = suites.iter().map(suite).collect();
    Ok(WantedNodes {
        inits: per_node(&inits, "--init names", "inits", "--init sysvinit,systemd,docker-ce")?,
        suites: per_node(&suites, "--suite names", "suites", "--suite trixie,bookworm,trixie")?,
    })
}

/// Returns what an option said, if anything.
fn per_node<T: NodeChoice>(
    said: &[T],
    names: &str,
    things: &str,
    example: &str,
) -> Result<Option<PerNode<T>>, Failure> {
    if said.is_empty() {
        return Ok(None);
    }
    let wrong = || {
        Failure::usage(format!("{names} {} {things}", said.len()))
            .hint(format!("name one for all nodes, or three, one for each: {example}"))
    };
    PerNode::new(said).ok_or_else(wrong).map(Some)
}

async fn up(session: &Session, playground: &Playground, wanted: WantedNodes) -> Result<PlaygroundStatus, Failure> {
    if !(session.terminal && session.colour_on_stderr) {
        let mut tell = |progress: Progress| match progress {
            // Lines of package managers are for those who asked for them.
            Progress::ImageOutput { .. } if !session.common.verbose => {}
            progress => session.tell(&sentence(&progress)),
        };
        return playground.up(wanted, &mut tell).await.map_err(failure);
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {elapsed:>4} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    let mut tell = |progress: Progress| {
        let text = sentence(&progress);
        match progress {
            Progress::ImageOutput { .. } => bar.set_message(text),
            _ => {
                bar.set_message(String::new());
                bar.println(text);
            }
        }
    };
    let status = playground.up(wanted, &mut tell).await;
    bar.finish_and_clear();
    status.map_err(failure)
}

/// A node as programs read it: its entry in an inventory, and what only a playground knows of it.
#[derive(Serialize)]
struct ShownNode<'a> {
    #[serde(flatten)]
    entry: &'a Node,
    init: NodeInit,
    suite: Suite,
}

fn show(session: &Session, status: &PlaygroundStatus) -> Result<(), Failure> {
    if session.common.json {
        let inventory = status.inventory();
        let nodes = status.nodes.iter().zip(&inventory.nodes);
        let shown: Vec<ShownNode<'_>> = nodes
            .map(|(node, entry)| ShownNode {
                entry,
                init: node.init,
                suite: node.suite,
            })
            .collect();
        return session.print_json(&shown);
    }
    let inventory = status.inventory();
    let rows: Vec<PlaygroundRow> = status
        .nodes
        .iter()
        .zip(&inventory.nodes)
        .map(|(node, entry)| PlaygroundRow {
            node: node.name.to_string(),
            address: node.address.to_string(),
            init: node.init.name().to_owned(),
            suite: node.suite.name().to_owned(),
            state: match node.state {
                NodeState::Running => "running",
                NodeState::Stopped => "stopped",
                NodeState::Missing => "missing",
            }
            .to_owned(),
            well: node.state == NodeState::Running,
            ssh: ssh_line(entry),
        })
        .collect();
    let style = Style {
        colour: session.colour_on_stdout,
        width: session.width,
    };
    session.print(&report::playground_listing(&rows, &style));
    Ok(())
}

/// Returns the command that logs in to `node`; nothing where its key is not there.
fn ssh_line(node: &Node) -> String {
    let words = ssh_words(node).unwrap_or_default();
    let words: Vec<String> = words.iter().map(|word| shell_quoted(word)).collect();
    words.join(" ")
}

fn failure(error: PlaygroundError) -> Failure {
    let hint = error.hint();
    let output = error.output().map(str::to_owned);
    let exit = match error {
        PlaygroundError::OtherNodes { .. } | PlaygroundError::NoSuchInit { .. } => Exit::Usage,
        _ => Exit::CouldNotRun,
    };
    let error = anyhow::Error::new(error);
    let failure = match output {
        Some(output) => {
            let lines: Vec<String> = output.lines().map(sanitised_line).collect();
            Failure::could_not_run(format!("{error:#}\n{}", lines.join("\n")))
        }
        None => Failure::new(exit, error),
    };
    failure.maybe_hint(hint)
}

/// Says what happened, as a person would.
fn sentence(progress: &Progress) -> String {
    match progress {
        Progress::WaitingForOther => "another labctl is changing the playground; waiting for it".to_owned(),
        Progress::MakingImage { image } => format!("making image {image}; this takes a few minutes, once"),
        Progress::ImageOutput { line } => sanitised_line(line),
        Progress::ImageMade { image } => format!("image {image} is ready"),
        Progress::KeysMade => "made keys for this playground".to_owned(),
        Progress::NetworkMade { subnet } => format!("made network {subnet}"),
        Progress::NodeMade { node, address } => format!("made {node} at {address}"),
        Progress::NodeStarted { node } => format!("started {node}"),
        Progress::NodeReady { node, engine } => format!("{node} is ready, Docker Engine {engine}"),
        Progress::HandingOver { image, nodes } => format!("handing image {image} to {}", nodes.join(", ")),
        Progress::KeptBack { image, node } => format!(
            "{node} has no image {image} and gets none while a lab is open there; after `labctl cleanup`, `labctl playground up` hands it over"
        ),
        Progress::HandedOver { image, node } => format!("{node} has image {image}"),
        Progress::NodeRemoved { node } => format!("removed {node}"),
        Progress::NetworkRemoved => "removed the network".to_owned(),
        Progress::KeysRemoved => "removed the keys".to_owned(),
    }
}

/// Returns whether `name` is a node of `inventory`, or a failure that names those there are.
pub(super) fn known_node<'a>(inventory: &'a Inventory, name: &str) -> Result<&'a Node, Failure> {
    let found = NodeName::new(name).ok().and_then(|name| inventory.node(&name));
    found.ok_or_else(|| {
        let names = inventory.nodes.iter().map(|node| node.name.as_str());
        Failure::usage(format!("{} has no node `{name}`", inventory.source)).maybe_hint(suggestion(name, names))
    })
}
