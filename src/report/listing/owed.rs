//! What is owed on a node, in as few lines as it takes: a lab of eighty steps owes dozens of things of a few kinds.

use crate::domain::{FileBefore, Undo};

/// What can be told of in one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Containers,
    Projects,
    Images,
    Builds,
    NewFiles,
    Directories,
    EmptyDirectories,
    /// What is told by itself.
    Alone,
}

/// Several of one kind.
struct Sum<'a> {
    kind: Kind,
    first: &'a Undo,
    count: usize,
    things: Vec<&'a str>,
}

/// Returns what `owed` comes to, a text for each kind of thing, in the order in which cleanup takes it back.
pub(super) fn in_sum(owed: &[Undo]) -> Vec<String> {
    let mut ordered: Vec<&Undo> = owed.iter().collect();
    ordered.sort_by_key(|undo| undo.phase());
    let mut sums: Vec<Sum<'_>> = Vec::new();
    for undo in ordered {
        let (kind, things) = parts(undo);
        match sums.iter_mut().find(|sum| sum.kind == kind && kind != Kind::Alone) {
            Some(sum) => sum.add(things),
            None => sums.push(Sum {
                kind,
                first: undo,
                count: 1,
                things,
            }),
        }
    }
    sums.iter().map(Sum::text).collect()
}

fn parts(undo: &Undo) -> (Kind, Vec<&str>) {
    match undo {
        Undo::RemoveContainer { name } => (Kind::Containers, vec![name]),
        Undo::RemoveProject { project } => (Kind::Projects, vec![project]),
        Undo::RemoveImages { references } => (Kind::Images, references.iter().map(String::as_str).collect()),
        Undo::RemovePrinted { exec, .. } => (Kind::Builds, vec![exec]),
        Undo::RestoreFile {
            path,
            before: FileBefore::Absent,
            ..
        } => (Kind::NewFiles, vec![path]),
        Undo::RemoveDirectory { path } => (Kind::Directories, vec![path]),
        Undo::RemoveEmptyDirectories { topmost, .. } => (Kind::EmptyDirectories, vec![topmost]),
        Undo::RestoreFile { .. } | Undo::RestoreEngineOptions(_) | Undo::Run { .. } => (Kind::Alone, Vec::new()),
    }
}

impl<'a> Sum<'a> {
    fn add(&mut self, things: Vec<&'a str>) {
        self.count += 1;
        for thing in things {
            if !self.things.contains(&thing) {
                self.things.push(thing);
            }
        }
    }

    fn text(&self) -> String {
        if self.count == 1 {
            return self.first.to_string();
        }
        let list = self.things.join(", ");
        match self.kind {
            Kind::Containers => format!("remove the containers {list}"),
            Kind::Projects => format!("remove what Compose made for the projects {list}"),
            Kind::Images => format!("remove the images {list}, where they are new"),
            Kind::Builds => format!(
                "remove the layers and containers that {} builds made",
                self.things.len()
            ),
            Kind::NewFiles => format!("remove the files {list}"),
            Kind::Directories => format!("remove the directories {list}"),
            Kind::EmptyDirectories => format!("remove the directories {list}, where they are empty"),
            Kind::Alone => self.first.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(name: &str) -> Undo {
        Undo::RemoveContainer { name: name.to_owned() }
    }

    fn images(references: &[&str]) -> Undo {
        let references = references.iter().map(|one| (*one).to_owned()).collect();
        Undo::RemoveImages { references }
    }

    fn printed(exec: &str) -> Undo {
        Undo::RemovePrinted {
            exec: exec.to_owned(),
            at: None,
        }
    }

    fn run(program: &str) -> Undo {
        Undo::Run {
            command: vec![program.to_owned()],
            as_root: false,
        }
    }

    #[test]
    fn things_of_one_kind_share_a_line_in_the_order_of_cleanup() {
        let owed = [
            images(&["a", "b"]),
            container("one"),
            printed("x"),
            run("mine"),
            images(&["b", "c"]),
            container("two"),
            run("mine too"),
            printed("y"),
        ];
        assert_eq!(
            in_sum(&owed),
            [
                "run mine",
                "run mine too",
                "remove the containers one, two",
                "remove the images a, b, c, where they are new",
                "remove the layers and containers that 2 builds made",
            ]
        );
    }

    #[test]
    fn what_is_alone_of_its_kind_says_what_cleanup_says() {
        let owed = [container("one"), images(&["a"]), printed("x")];
        let texts: Vec<String> = owed.iter().map(ToString::to_string).collect();
        assert_eq!(in_sum(&owed), texts);
        assert_eq!(in_sum(&[]), Vec::<String>::new());
    }
}
