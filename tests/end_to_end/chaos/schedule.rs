//! What goes wrong, and when: made from a seed, so that it can be had again.

use crate::harness::Dice;
use std::fmt;

/// The names of the nodes are numbers here.
pub type NodeNumber = usize;

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// labctl is killed as nothing can be caught.
    Kill,
    /// labctl is interrupted, as by Ctrl-C.
    Interrupt,
    /// No packet gets to the node's sshd.
    CutLink(NodeNumber),
    /// A third of the packets to the node's sshd is lost.
    LosePackets(NodeNumber),
    /// The node's engine is killed; somebody starts it again afterwards.
    KillEngine(NodeNumber),
    /// The node stops, and is started again afterwards.
    RestartNode(NodeNumber),
    /// labctl's notes on the node are removed.
    RemoveNotes(NodeNumber),
    /// The file system of labctl's notes on the node is full.
    FillNode(NodeNumber),
    /// The file system of labctl's own state is full.
    FillController,
    /// Somebody else cleans up the same nodes from another machine.
    SecondCleanup,
    /// Somebody else runs the lab on the same nodes from another machine.
    SecondRun,
}

/// One labctl, and what goes wrong while it works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Whether it runs the lab or cleans up.
    pub cleans: bool,
    /// How long after its start it goes wrong, in milliseconds.
    pub after: u64,
    /// What goes wrong.
    pub fault: Fault,
    /// How long that lasts, in milliseconds.
    pub lasts: u64,
}

/// Everything that goes wrong on the way from clean nodes to clean nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The part of lab2 that is run; all of it where `None`.
    pub task: Option<&'static str>,
    /// One after the other.
    pub acts: Vec<Act>,
    /// Whether the lab is run to its end before the cleanup.
    pub runs_in_the_end: bool,
}

/// How many nodes there are.
const NODES: u64 = 3;

impl Schedule {
    /// Makes the schedule of `seed`, for the whole lab or for its first task alone.
    pub fn of(seed: u64, is_short: bool) -> Self {
        let mut dice = Dice::new(seed);
        let (most, longest_run, longest_fault) = if is_short {
            (1, 12_000, 4_000)
        } else {
            (3, 60_000, 20_000)
        };
        let count = 1 + dice.throw(most);
        let acts = (0..count).map(|number| {
            // What has not been begun cannot be cleaned up.
            let cleans = number > 0 && dice.throw(3) == 0;
            let longest = if cleans { 6_000 } else { longest_run };
            Act {
                cleans,
                after: dice.throw(longest),
                fault: fault(&mut dice, is_short),
                lasts: dice.throw(longest_fault),
            }
        });
        Self {
            task: is_short.then_some("task1"),
            acts: acts.collect(),
            runs_in_the_end: dice.throw(3) == 0,
        }
    }

    /// Says whether any of its faults is one that `wanted` accepts.
    pub fn has(&self, wanted: impl Fn(&Fault) -> bool) -> bool {
        self.acts.iter().any(|act| wanted(&act.fault))
    }

    /// Returns this without one of its parts, in all ways.
    pub fn smaller(&self) -> Vec<Self> {
        let without = |number: usize| {
            let mut smaller = self.clone();
            smaller.acts.remove(number);
            smaller
        };
        let mut all: Vec<Self> = (0..self.acts.len()).map(without).collect();
        if self.runs_in_the_end {
            all.push(Self {
                runs_in_the_end: false,
                ..self.clone()
            });
        }
        all
    }
}

fn fault(dice: &mut Dice, is_short: bool) -> Fault {
    // The first task works on one node.
    let node = if is_short {
        0
    } else {
        usize::try_from(dice.throw(NODES)).unwrap()
    };
    match dice.throw(11) {
        0 => Fault::Kill,
        1 => Fault::Interrupt,
        2 => Fault::CutLink(node),
        3 => Fault::LosePackets(node),
        4 => Fault::KillEngine(node),
        5 => Fault::RestartNode(node),
        6 => Fault::RemoveNotes(node),
        7 => Fault::FillNode(node),
        8 => Fault::FillController,
        9 => Fault::SecondCleanup,
        _ => Fault::SecondRun,
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for act in &self.acts {
            let verb = if act.cleans { "cleanup" } else { "run" };
            writeln!(
                formatter,
                "  {verb}, after {} ms {:?}, for {} ms",
                act.after, act.fault, act.lasts
            )?;
        }
        let last = if self.runs_in_the_end {
            "run, then cleanup"
        } else {
            "cleanup"
        };
        write!(formatter, "  {last}")
    }
}
