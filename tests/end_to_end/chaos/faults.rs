//! How things are made to go wrong, and right again.

use super::schedule::{Fault, Schedule};
use crate::harness::{Bench, Ended, Node, Running};
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// How large the file systems are that are filled.
const ROOM: &str = "64m";

/// Lets a third of the packets through to nobody; `-A` sets that up, `-D` takes it back.
const LOSING: &str = "INPUT -p tcp --dport 22 -m statistic --mode random --probability 0.33 -j DROP";
const CUTTING: &str = "INPUT -p tcp --dport 22 -j DROP";

/// The place of one schedule, with file systems that can be filled.
pub struct Scene<'a> {
    bench: &'a Bench,
    schedule: &'a Schedule,
}

fn on_this_machine(program: &str, words: &[&str]) {
    let output = Command::new(program).args(words).output().unwrap();
    assert!(output.status.success(), "{program} {words:?}: {output:?}");
}

/// Fills the file system of `path`.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).unwrap();
    for size in [1 << 20, 1 << 12, 1] {
        while file.write(&vec![0; size]).is_ok_and(|written| written > 0) {}
    }
}

impl<'a> Scene<'a> {
    /// Prepares what `schedule` needs.
    pub fn new(bench: &'a Bench, schedule: &'a Schedule) -> Self {
        let scene = Self { bench, schedule };
        for node in scene.filled_nodes() {
            node.root(&format!(
                "mkdir /var/lib/labctl && mount -t tmpfs -o size={ROOM},mode=700 tmpfs /var/lib/labctl"
            ));
        }
        if scene.fills_controller() {
            let state = bench.state();
            std::fs::create_dir_all(&state).unwrap();
            let option = format!("size={ROOM}");
            on_this_machine(
                "mount",
                &["-t", "tmpfs", "-o", &option, "tmpfs", state.to_str().unwrap()],
            );
        }
        scene
    }

    fn filled_nodes(&self) -> Vec<&Node> {
        let nodes = self.bench.nodes.iter().enumerate();
        let filled = nodes.filter(|(number, _)| self.schedule.has(|fault| *fault == Fault::FillNode(*number)));
        filled.map(|(_, node)| node).collect()
    }

    fn fills_controller(&self) -> bool {
        self.schedule.has(|fault| *fault == Fault::FillController)
    }

    /// Makes `fault` happen, to `labctl` or to a node. Returns what another labctl said, where there was one.
    pub fn begin(&self, fault: &Fault, labctl: &mut Running) -> Option<Ended> {
        let node = |number: &usize| &self.bench.nodes[*number];
        match fault {
            Fault::Kill => labctl.kill_now(),
            Fault::Interrupt => labctl.try_signal("INT"),
            Fault::CutLink(number) => {
                node(number).hang_up();
                node(number).behind_ssh(&format!("iptables -A {CUTTING}"));
            }
            Fault::LosePackets(number) => {
                node(number).behind_ssh(&format!("iptables -A {LOSING}"));
            }
            Fault::KillEngine(number) => {
                node(number).behind_ssh("pkill -KILL -x dockerd; true");
            }
            Fault::RestartNode(number) => node(number).stop(),
            Fault::RemoveNotes(number) => {
                node(number).behind_ssh("rm -rf /var/lib/labctl 2>/dev/null; true");
            }
            Fault::FillNode(number) => {
                node(number).behind_ssh("head -c 64m /dev/zero >/var/lib/labctl/.full 2>/dev/null; true");
            }
            Fault::FillController => fill(&self.bench.state().join(".full")),
            Fault::SecondCleanup => return Some(self.second(&["cleanup"])),
            Fault::SecondRun => return Some(self.second(&self.run_words())),
        }
        None
    }

    /// Makes right again what `fault` made wrong.
    pub fn end(&self, fault: &Fault) {
        let node = |number: &usize| &self.bench.nodes[*number];
        match fault {
            Fault::CutLink(number) => {
                node(number).behind_ssh(&format!("iptables -D {CUTTING}"));
            }
            Fault::LosePackets(number) => {
                node(number).behind_ssh(&format!("iptables -D {LOSING}"));
            }
            Fault::KillEngine(number) | Fault::RestartNode(number) => node(number).start(),
            Fault::FillNode(number) => {
                node(number).behind_ssh("rm -f /var/lib/labctl/.full");
            }
            Fault::FillController => std::fs::remove_file(self.bench.state().join(".full")).unwrap(),
            Fault::Kill | Fault::Interrupt | Fault::RemoveNotes(_) | Fault::SecondCleanup | Fault::SecondRun => {}
        }
    }

    /// Runs another labctl to its end, which knows nothing of the first.
    pub fn second(&self, words: &[&str]) -> Ended {
        let command = self.bench.command_with_state(words, &self.bench.path("second"));
        Running::spawn(command, super::PATIENCE).wait()
    }

    /// Returns the words that run the lab.
    pub fn run_words(&self) -> Vec<&'static str> {
        let mut words = vec!["run", "lab2"];
        words.extend(self.schedule.task.into_iter().flat_map(|task| ["--task", task]));
        words
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        for node in self.filled_nodes() {
            node.behind_ssh("umount -l /var/lib/labctl; rmdir /var/lib/labctl; true");
        }
        if self.fills_controller() {
            let state = self.bench.state();
            let _ = Command::new("umount").arg("-l").arg(state).output();
        }
    }
}
