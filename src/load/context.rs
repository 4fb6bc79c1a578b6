//! What templates may refer to: variables, nodes with their facts, images, the lab and the instance.

use super::lab::LabDefinition;
use super::marks::{is_mark, unmarked};
use crate::domain::{ComposeFacts, ComposeFlavour, DEFAULTS_FILE, Facts, Inventory, Node, NodeName, OptionsSource};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The values that templates refer to, for the lab as a whole and for each of its nodes.
#[derive(Debug)]
pub(super) struct Values {
    common: Map<String, Json>,
    nodes: BTreeMap<NodeName, Json>,
}

impl Values {
    /// Gathers the values; `given` are variables from the command line, which win over the inventory's.
    pub(super) fn gather(
        definition: &LabDefinition,
        inventory: &Inventory,
        facts: &BTreeMap<NodeName, Facts>,
        given: &BTreeMap<String, String>,
        instance: &str,
    ) -> Self {
        let written = &definition.written;
        let mut nodes = BTreeMap::new();
        for name in written.nodes.iter().map(|node| node.get_ref()) {
            if let (Some(node), Some(facts)) = (inventory.node(name), facts.get(name)) {
                let vars = vars_of(definition, inventory, Some(node), given);
                nodes.insert(name.clone(), node_value(node, facts, vars));
            }
        }
        let by_key: Map<String, Json> = nodes
            .iter()
            .map(|(name, value)| (template_name(name), value.clone()))
            .collect();
        for value in nodes.values_mut() {
            take_marks_away(value);
        }
        let mut common = Map::new();
        common.insert("vars".into(), vars_of(definition, inventory, None, given));
        common.insert("values".into(), Json::Object(Map::new()));
        common.insert("images".into(), images_of(definition, inventory));
        common.insert("nodes".into(), Json::Object(by_key));
        common.insert("lab".into(), json!({ "id": written.id, "title": written.title }));
        common.insert("instance".into(), json!({ "id": instance }));
        common.values_mut().for_each(take_marks_away);
        Self { common, nodes }
    }

    /// Adds what the lab calls `values.NAME`.
    pub(super) fn set(&mut self, name: &str, value: String) {
        if let Some(Json::Object(values)) = self.common.get_mut("values") {
            values.insert(name.to_owned(), Json::from(value));
        }
    }

    /// Returns what a template of no particular node may refer to.
    pub(super) fn common(&self) -> Map<String, Json> {
        self.common.clone()
    }

    /// Returns what a template on `node` may refer to.
    pub(super) fn on(&self, node: &NodeName) -> Map<String, Json> {
        let mut values = self.common.clone();
        if let Some(value) = self.nodes.get(node) {
            for shorthand in ["vars", "compose"] {
                values.insert(shorthand.into(), value[shorthand].clone());
            }
            values.insert("node".into(), value.clone());
        }
        values
    }

    /// Says whether `text` begins with a variable's, an image's or another given value that itself begins with `-`.
    pub(super) fn begins_as_an_option(&self, text: &str) -> bool {
        let given = ["vars", "values", "images"];
        let common = given.iter().filter_map(|name| self.common.get(*name));
        let of_nodes = self.nodes.values().map(|node| &node["vars"]);
        let mut values = common.chain(of_nodes).flat_map(strings);
        values.any(|value| value.starts_with('-') && text.starts_with(value))
    }

    /// Returns the home directory of the login user on `node`.
    pub(super) fn home(&self, node: &NodeName) -> &str {
        self.nodes
            .get(node)
            .and_then(|value| value["home"].as_str())
            .unwrap_or("/root")
    }
}

/// Takes away what would be taken for a mark of labctl's own: by it, a value could name a secret.
fn take_marks_away(value: &mut Json) {
    match value {
        Json::String(text) if text.contains(is_mark) => *text = unmarked(text),
        Json::Array(values) => values.iter_mut().for_each(take_marks_away),
        Json::Object(values) => values.values_mut().for_each(take_marks_away),
        _ => {}
    }
}

/// Returns the texts in `values`.
fn strings(values: &Json) -> impl Iterator<Item = &str> {
    let values = values.as_object().into_iter().flat_map(Map::values);
    values.filter_map(Json::as_str)
}

/// Returns what a node is called behind `nodes.`, where `-` would be a minus.
fn template_name(name: &NodeName) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    name.as_str().chars().map(plain).collect()
}

fn vars_of(
    definition: &LabDefinition,
    inventory: &Inventory,
    node: Option<&Node>,
    given: &BTreeMap<String, String>,
) -> Json {
    let value = |name: &str| {
        given
            .get(name)
            .or_else(|| node.and_then(|node| node.vars.get(name)))
            .or_else(|| inventory.vars.get(name))
            .map(String::as_str)
            .or_else(|| inventory.registry_var(name, given))
            .map(str::to_owned)
    };
    let vars = definition.written.vars.iter().map(|var| {
        let name = var.name.get_ref();
        let text = value(name).or_else(|| var.default.clone()).unwrap_or_default();
        (name.clone(), Json::from(text))
    });
    Json::Object(vars.collect())
}

fn images_of(definition: &LabDefinition, inventory: &Inventory) -> Json {
    let images = definition.written.images.iter().map(|image| {
        let name = image.name.get_ref();
        let reference = inventory.images.get(name).or(image.default.as_ref());
        (name.clone(), Json::from(reference.cloned().unwrap_or_default()))
    });
    Json::Object(images.collect())
}

/// Returns the address that a server on `node` must listen on for the others: a name is of no use to it.
fn private_address<'a>(node: &'a Node, facts: &'a Facts) -> &'a str {
    let found = facts.private_address.as_deref();
    match node.private_ip.parse::<IpAddr>() {
        Ok(_) => &node.private_ip,
        Err(_) => found.unwrap_or(&node.private_ip),
    }
}

/// Says where the engine of a node reads its options, for a person who is to change them.
fn engine_options(facts: &Facts) -> String {
    match &facts.engine_options.source {
        OptionsSource::DefaultsFile => format!("DOCKER_OPTS in {DEFAULTS_FILE}"),
        OptionsSource::Unit { path, .. } => format!("ExecStart in a drop-in for {path} (systemctl edit docker)"),
        OptionsSource::Unknown { .. } => "the engine's options".to_owned(),
    }
}

fn node_value(node: &Node, facts: &Facts, vars: Json) -> Json {
    json!({
        "name": node.name.as_str(),
        "private_ip": node.private_ip,
        "engine_options": engine_options(facts),
        "private_address": private_address(node, facts),
        "address": node.address,
        "public_address": node.public_address.as_deref().unwrap_or_default(),
        "browser_address": node.browser_address(),
        "groups": node.groups,
        "vars": vars,
        "user": facts.login.user,
        "home": facts.login.home.trim_end_matches('/'),
        "os": { "id": facts.os.id, "version": facts.os.version.as_deref().unwrap_or_default(), "arch": facts.os.arch },
        "compose": compose_value(facts.compose.as_ref()),
    })
}

/// Describes Compose; a node without it is taken to have the first one, so that the step that looks for it can say so.
fn compose_value(compose: Option<&ComposeFacts>) -> Json {
    let flavour = compose_flavour(compose);
    let first = flavour == ComposeFlavour::V1;
    json!({
        "program": flavour.command().join(" "),
        "major": if first { 1 } else { 2 },
        "version": compose.map(|compose| compose.version.as_str()).unwrap_or_default(),
        // What stands between project and service in the names of images and containers.
        "separator": if first { "_" } else { "-" },
    })
}

/// Returns the flavour of `compose`, or the one to assume.
pub(super) fn compose_flavour(compose: Option<&ComposeFacts>) -> ComposeFlavour {
    compose.map_or(ComposeFlavour::V1, |compose| compose.flavour)
}
