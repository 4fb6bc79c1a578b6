//! Finds labs: as a path, in `./labs`, or built into the binary.

use super::files;
use super::suggest;
use crate::domain::{Diagnostic, Diagnostics, SourceText};
use include_dir::{Dir, include_dir};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

static BUILT_IN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/labs");

/// The lab that is meant where none is named.
pub const DEFAULT_LAB: &str = "lab2";

const LAB_FILE: &str = "lab.toml";

/// A lab file that was found and read, with what lies beside it.
#[derive(Debug, Clone)]
pub struct LabSource {
    name: String,
    text: Arc<SourceText>,
    files: LabFiles,
}

/// Where the files beside a lab file are.
#[derive(Debug, Clone)]
enum LabFiles {
    BuiltIn(&'static Dir<'static>),
    Folder(PathBuf),
    /// None but these.
    Given(BTreeMap<String, String>),
}

/// A lab that could be run from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabListing {
    /// What to call it on the command line.
    pub name: String,
    /// Where it is: a path, or `built in`.
    pub origin: String,
}

impl LabSource {
    /// Makes a source of `text`, called `name`, with the templates `files` beside it.
    pub fn from_text(name: &str, text: &str, files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Self {
            name: name.to_owned(),
            text: Arc::new(SourceText {
                name: name.to_owned(),
                text: text.to_owned(),
            }),
            files: LabFiles::Given(files.collect()),
        }
    }

    /// Returns what the lab is called on the command line.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the lab file.
    pub fn text(&self) -> &Arc<SourceText> {
        &self.text
    }

    /// Says whether `other` is the same lab, wherever it is: the same files with the same texts.
    pub fn is_copy_of(&self, other: &Self) -> bool {
        let texts = |source: &Self| -> Option<Vec<(String, String)>> {
            let paths = source.paths().ok()?.into_iter();
            let text = |path: String| Some((source.file(&path).ok()?.text.clone(), path));
            paths.map(text).collect()
        };
        self.text.text == other.text.text && texts(self).is_some_and(|ours| texts(other) == Some(ours))
    }

    /// Returns the paths of all files below the lab's folder, in order.
    fn paths(&self) -> Result<Vec<String>, String> {
        let mut paths = Vec::new();
        match &self.files {
            LabFiles::BuiltIn(root) => built_in_paths(root, root.path(), &mut paths),
            LabFiles::Folder(root) => paths = files::tree_inside(root, "")?,
            LabFiles::Given(files) => paths.extend(files.keys().cloned()),
        }
        paths.sort();
        Ok(paths)
    }

    /// Returns the file at `path` below the lab's folder.
    pub(super) fn file(&self, path: &str) -> Result<Arc<SourceText>, String> {
        let path = inside(path)?;
        let (name, text) = match &self.files {
            LabFiles::BuiltIn(folder) => {
                let file = folder.get_file(folder.path().join(&path));
                let file = file.ok_or_else(|| "there is no such file in the lab's folder".to_owned())?;
                let text = file.contents_utf8().ok_or_else(|| "it is not UTF-8 text".to_owned())?;
                (format!("{}/{path} (built in)", self.name), text.to_owned())
            }
            LabFiles::Folder(folder) => {
                let place = folder.join(&path);
                (place.display().to_string(), files::read_inside(folder, &path)?)
            }
            LabFiles::Given(files) => {
                let text = files.get(&path);
                let text = text.ok_or_else(|| "there is no such file in the lab's folder".to_owned())?;
                (format!("{}/{path}", self.name), text.clone())
            }
        };
        Ok(Arc::new(SourceText { name, text }))
    }

    /// Returns the paths of all files below `folder`, relative to it, in order.
    pub(super) fn tree(&self, folder: &str) -> Result<Vec<String>, String> {
        let folder = inside(folder)?;
        let mut paths = Vec::new();
        match &self.files {
            LabFiles::BuiltIn(root) => {
                if let Some(start) = root.get_dir(root.path().join(&folder)) {
                    built_in_paths(start, start.path(), &mut paths);
                }
            }
            LabFiles::Folder(root) => {
                paths = files::tree_inside(root, &folder)?;
            }
            LabFiles::Given(files) => {
                let below = format!("{folder}/");
                paths.extend(
                    files
                        .keys()
                        .filter_map(|path| path.strip_prefix(&below))
                        .map(str::to_owned),
                );
            }
        }
        if paths.is_empty() {
            return Err("there is no such folder in the lab's folder, or it is empty".to_owned());
        }
        paths.sort();
        Ok(paths)
    }
}

/// Returns `path` where it stays inside the lab's folder.
fn inside(path: &str) -> Result<String, String> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    let path = path.trim_end_matches('/');
    if path.split('/').all(plain) {
        Ok(path.to_owned())
    } else {
        Err("it must be a plain path inside the lab's folder".to_owned())
    }
}

fn built_in_paths(folder: &Dir<'_>, start: &Path, paths: &mut Vec<String>) {
    for file in folder.files() {
        if let Ok(path) = file.path().strip_prefix(start) {
            paths.push(path.display().to_string());
        }
    }
    for folder in folder.dirs() {
        built_in_paths(folder, start, paths);
    }
}

/// Finds the lab `name`: a path of a lab file or its folder, a name under `labs` in `cwd`, or a built-in name; the
/// default lab where `None`.
pub fn find_lab(name: Option<&str>, cwd: &Path) -> Result<LabSource, Diagnostics> {
    let name = name.unwrap_or(DEFAULT_LAB);
    let looks_like_path = name.contains('/') || name.ends_with(".toml");
    let given = cwd.join(name);
    if looks_like_path || given.join(LAB_FILE).is_file() {
        return from_path(&given, name);
    }
    let folder = cwd.join("labs").join(name);
    if folder.join(LAB_FILE).is_file() {
        return from_path(&folder, &format!("labs/{name}"));
    }
    built_in_lab(name).ok_or_else(|| unknown_lab(name, cwd).into())
}

fn from_path(path: &Path, shown: &str) -> Result<LabSource, Diagnostics> {
    let (file, shown) = if path.is_dir() {
        (
            path.join(LAB_FILE),
            format!("{}/{LAB_FILE}", shown.trim_end_matches('/')),
        )
    } else {
        (path.to_owned(), shown.to_owned())
    };
    let folder = file.parent().map(Path::to_owned).unwrap_or_default();
    let file_name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    let text = files::read_inside(&folder, &file_name.unwrap_or_default()).map_err(|reason| {
        Diagnostic::new(format!("the lab file {shown} cannot be read: {reason}"))
            .hint("`labctl list` shows the labs that are there")
    })?;
    let folder_name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(LabSource {
        name: folder_name.unwrap_or_else(|| shown.clone()),
        text: Arc::new(SourceText { name: shown, text }),
        files: LabFiles::Folder(folder),
    })
}

/// Returns the lab `name` that labctl brings along, whatever has that name elsewhere.
pub fn built_in_lab(name: &str) -> Option<LabSource> {
    let folder = BUILT_IN.get_dir(name)?;
    let text = folder.get_file(folder.path().join(LAB_FILE))?.contents_utf8()?;
    Some(LabSource {
        name: name.to_owned(),
        text: Arc::new(SourceText {
            name: format!("{name}/{LAB_FILE} (built in)"),
            text: text.to_owned(),
        }),
        files: LabFiles::BuiltIn(folder),
    })
}

fn unknown_lab(name: &str, cwd: &Path) -> Diagnostic {
    let labs = list_labs(cwd);
    let mut fault = Diagnostic::new(format!("there is no lab called `{name}`"));
    fault.hint = suggest::hint(name, labs.iter().map(|lab| lab.name.as_str()));
    fault
}

/// Lists the labs in `labs` below `cwd` and the built-in ones; of two with one name the first is the one that runs.
pub fn list_labs(cwd: &Path) -> Vec<LabListing> {
    let mut labs: BTreeMap<String, String> = BTreeMap::new();
    for folder in BUILT_IN.dirs() {
        let name = folder.path().display().to_string();
        if folder.contains(folder.path().join(LAB_FILE)) {
            labs.insert(name, "built in".to_owned());
        }
    }
    let found = std::fs::read_dir(cwd.join("labs")).into_iter().flatten().flatten();
    for entry in found {
        if entry.path().join(LAB_FILE).is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let origin = format!("labs/{name}/{LAB_FILE}");
            labs.insert(name, origin);
        }
    }
    labs.into_iter()
        .map(|(name, origin)| LabListing { name, origin })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_is_found_by_name_folder_and_file() {
        let cwd = tempfile::tempdir().unwrap();
        let folder = cwd.path().join("labs/mine");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("lab.toml"), "# mine").unwrap();
        for name in ["mine", "labs/mine", "labs/mine/", "labs/mine/lab.toml"] {
            let source = find_lab(Some(name), cwd.path()).unwrap_or_else(|faults| panic!("{name}: {faults}"));
            assert_eq!(source.text().text, "# mine");
            assert_eq!(source.text().name, "labs/mine/lab.toml");
        }
    }

    #[test]
    fn an_unknown_lab_is_answered_with_the_nearest() {
        let cwd = tempfile::tempdir().unwrap();
        let faults = find_lab(Some("lab3"), cwd.path()).unwrap_err();
        assert_eq!(faults.faults[0].hint.as_deref(), Some("did you mean `lab2`?"));
    }

    #[test]
    fn no_path_leads_out_of_the_labs_folder() {
        let source = find_lab(None, Path::new("/")).unwrap();
        for path in ["../lab2/lab.toml", "/etc/passwd", "a/../../b", "", "./lab.toml"] {
            assert!(source.file(path).is_err(), "{path} was read");
        }
        assert!(source.file("lab.toml").is_ok());
    }
}
