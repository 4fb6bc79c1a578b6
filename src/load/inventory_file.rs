//! Finds and reads inventories: which machines there are and how to reach them.

use super::faults::Faults;
use super::fields::{Fields, Value, as_text, parse_document, wrong_type};
use super::files::read_file;
use super::inventory_login::read_login;
use super::inventory_node::NodeReader;
use super::size::MOST_MACHINES;
use super::suggest;
use crate::domain::{Diagnostic, Diagnostics, Inventory, Registry, SecretSource, SourceText};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;
use toml::de::DeValue;

/// An inventory file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryFile {
    /// Where it is.
    pub path: PathBuf,
    /// What to call it in messages.
    pub shown: String,
}

/// Where the entries of an inventory stand in its file, for faults that only a lab brings to light.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryPlaces {
    source: Arc<SourceText>,
    places: BTreeMap<Vec<String>, Range<usize>>,
}

impl InventoryPlaces {
    /// Returns where the key with the names `path` stands.
    pub(super) fn find(&self, path: &[&str]) -> Option<(&Arc<SourceText>, Range<usize>)> {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        self.places.get(&path).map(|range| (&self.source, range.clone()))
    }
}

/// Finds the inventory `name`: as given from `cwd`, then under `inventories`, with or without `.toml`.
pub fn find_inventory(name: &str, cwd: &Path) -> Result<InventoryFile, Diagnostics> {
    let shown = [
        name.to_owned(),
        format!("{name}.toml"),
        format!("inventories/{name}"),
        format!("inventories/{name}.toml"),
    ];
    for shown in &shown {
        let path = cwd.join(shown);
        if path.is_file() {
            let shown = shown.clone();
            return Ok(InventoryFile { path, shown });
        }
    }
    if let Some(shown) = shown.iter().find(|shown| cwd.join(shown).exists()) {
        let fault = Diagnostic::new(format!("`{shown}` is not a file, so it cannot be an inventory"));
        return Err(fault
            .hint("name the file itself, such as `inventories/aws.toml`")
            .into());
    }
    let there = inventories(cwd);
    let mut fault = Diagnostic::new(format!(
        "there is no inventory `{name}`, neither as given nor under inventories/"
    ));
    let short = name.trim_end_matches(".toml");
    fault.hint = suggest::hint(short, there.iter().map(String::as_str))
        .or_else(|| Some("`labctl inventory init ADDRESS-0 ADDRESS-1 ADDRESS-2 --output FILE` writes one".to_owned()));
    Err(fault.into())
}

/// Lists the inventories under `inventories` in `cwd`, without `.toml`.
pub fn inventories(cwd: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(cwd.join("inventories"))
        .into_iter()
        .flatten()
        .flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort();
    names
}

/// Reads the inventory `file`; all of its faults are told together.
pub fn read_inventory(file: &InventoryFile) -> Result<(Inventory, InventoryPlaces), Diagnostics> {
    let text = read_file(&file.path)
        .map_err(|reason| Diagnostic::new(format!("the inventory {} cannot be read: {reason}", file.shown)))?;
    let source = Arc::new(SourceText {
        name: file.shown.clone(),
        text,
    });
    let folder = file.path.parent().unwrap_or(Path::new("."));
    parse_inventory(&source, folder)
}

/// Reads an inventory from `source`; paths in it are relative to `folder`.
pub fn parse_inventory(source: &Arc<SourceText>, folder: &Path) -> Result<(Inventory, InventoryPlaces), Diagnostics> {
    let document = parse_document(source)?;
    let mut faults = Faults::new(source);
    let mut reader = NodeReader::new(folder);
    let mut fields = Fields::new("the inventory", 0..0, document.get_ref());
    if let Some(value) = fields.get("defaults")
        && let Some(mut defaults) = Fields::of("`[defaults]`", value, &mut faults)
    {
        reader.defaults = read_login(&mut defaults, folder, &mut faults);
        defaults.finish(&mut faults);
    }
    let vars = read_plain(&mut fields, "vars", &mut faults);
    let images = read_plain(&mut fields, "images", &mut faults);
    let secrets = read_secrets(&mut fields, folder, &mut faults);
    let registry = fields
        .get("registry")
        .and_then(|value| read_registry(value, &secrets, &mut faults));
    let values = fields.tables("node", &mut faults);
    if let Some(value) = values.get(MOST_MACHINES) {
        let message = format!(
            "an inventory has at most {MOST_MACHINES} nodes, and this one has {}",
            values.len()
        );
        faults.push(faults.fault(value.span(), message));
    }
    let nodes: Vec<_> = values
        .iter()
        .take(MOST_MACHINES)
        .filter_map(|value| reader.read(value, &mut faults))
        .collect();
    if values.is_empty() {
        let fault = faults.fault(0..0, "the inventory has no nodes");
        faults.push(fault.hint("add a `[[node]]` with a `name` and a `private_ip` for each machine"));
    }
    fields.finish(&mut faults);
    let mut places = reader.var_places;
    places.extend(places_of("vars", &vars));
    places.extend(places_of("images", &images));
    let inventory = Inventory {
        source: source.name.clone(),
        nodes,
        vars: texts(vars),
        secrets,
        registry,
        images: texts(images),
    };
    let places = InventoryPlaces {
        source: Arc::clone(source),
        places,
    };
    faults.finish(Some((inventory, places)))
}

/// Name and value of entries that are plain texts.
pub(super) type PlainEntries = Vec<(Spanned<String>, String)>;

/// Reads the table at `key`, whose values are texts, numbers or truth values.
pub(super) fn read_plain(fields: &mut Fields<'_>, key: &'static str, faults: &mut Faults) -> PlainEntries {
    let entries = fields.entries(key, faults);
    entries
        .into_iter()
        .filter_map(|(name, value)| {
            let text = match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Boolean(flag) => flag.to_string(),
                DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
                _ => {
                    faults.push(wrong_type(faults, value, "a string"));
                    return None;
                }
            };
            Some((name, text))
        })
        .collect()
}

/// Drops the places of `entries`.
pub(super) fn texts(entries: PlainEntries) -> BTreeMap<String, String> {
    entries
        .into_iter()
        .map(|(name, text)| (name.into_inner(), text))
        .collect()
}

fn places_of<'e>(table: &'e str, entries: &'e PlainEntries) -> impl Iterator<Item = (Vec<String>, Range<usize>)> + 'e {
    entries
        .iter()
        .map(move |(name, _)| (vec![table.to_owned(), name.get_ref().clone()], name.span()))
}

fn read_secrets(fields: &mut Fields<'_>, folder: &Path, faults: &mut Faults) -> BTreeMap<String, SecretSource> {
    let entries = fields.entries("secrets", faults);
    let mut secrets = BTreeMap::new();
    for (name, value) in entries {
        if let DeValue::String(_) = value.get_ref() {
            let fault = faults
                .secret_fault(
                    value.span(),
                    format!("the secret `{}` stands in the inventory", name.get_ref()),
                )
                .label("anyone who may read this file may read it")
                .hint("say where it comes from: `{ env = \"NAME\" }`, `{ file = \"path\" }`, `{ command = [...] }`");
            faults.push(fault);
            continue;
        }
        if let Some(source) = read_secret_source(value, folder, faults) {
            secrets.insert(name.into_inner(), source);
        }
    }
    secrets
}

fn read_secret_source(value: &Value<'_>, folder: &Path, faults: &mut Faults) -> Option<SecretSource> {
    let mut fields = Fields::of("a secret", value, faults)?;
    let source = match fields.exactly_one(&["env", "file", "command", "prompt"], faults) {
        Some("env") => fields
            .required_text("env", faults)
            .map(|text| SecretSource::Env(text.into_inner())),
        Some("file") => fields
            .required_text("file", faults)
            .map(|text| SecretSource::File(super::inventory_login::expand(text.get_ref(), folder))),
        Some("command") => {
            let value = fields.get("command")?;
            super::read_action::read_argv(value, faults)
                .map(|words| SecretSource::Command(words.into_iter().map(Spanned::into_inner).collect()))
        }
        Some(_) => fields
            .required_text("prompt", faults)
            .map(|text| SecretSource::Prompt(text.into_inner())),
        None => None,
    };
    fields.finish(faults);
    source
}

fn read_registry(value: &Value<'_>, secrets: &BTreeMap<String, SecretSource>, faults: &mut Faults) -> Option<Registry> {
    let mut fields = Fields::of("`[registry]`", value, faults)?;
    let host = fields.required_text("host", faults);
    if let Some(host) = &host {
        judge_registry(host, faults);
    }
    let user = fields.text("user", faults);
    let password = fields.get("password").and_then(|value| as_text(value, faults));
    fields.finish(faults);
    if let Some(password) = password
        .as_ref()
        .filter(|password| !secrets.contains_key(password.get_ref()))
    {
        // The text is not repeated here: it could be the password itself.
        let mut fault = faults
            .secret_fault(password.span(), "`password` must name an entry of `[secrets]`")
            .label("no secret of this name");
        let nearest = suggest::nearest(password.get_ref(), secrets.keys().map(String::as_str));
        fault.hint = nearest.map(|name| format!("did you mean `{name}`?"));
        faults.push(fault);
    }
    Some(Registry {
        host: host?.into_inner(),
        user: user.map(Spanned::into_inner),
        password_secret: password.map(Spanned::into_inner),
    })
}

/// Judges the start of image names: without a dot or a port in front, an engine takes it for a part of Docker Hub.
fn judge_registry(host: &Spanned<String>, faults: &mut Faults) {
    let text = host.get_ref();
    if !is_registry(text) {
        let fault = faults
            .fault(host.span(), format!("no name of an image begins with `{text}/`"))
            .label("this is no registry")
            .hint(REGISTRY_HINT);
        faults.push(fault);
    }
}

/// What is told to somebody whose registry is none.
pub(super) const REGISTRY_HINT: &str =
    "write `registry.example`, `registry.example:5000/team`, or `docker.io/me` for Docker Hub";

/// Says whether names of images may begin with `text`, and its first part is a server.
pub(super) fn is_registry(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let server = parts.first().copied().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-:[]".contains(c);
    let is_name = |part: &&str| !part.is_empty() && part.chars().all(is_plain);
    let is_server = server == "localhost" || server.contains(['.', ':']);
    is_server && !text.contains("://") && parts.iter().all(is_name)
}
