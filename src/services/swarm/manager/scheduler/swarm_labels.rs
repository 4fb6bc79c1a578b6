//! The labels that keep what a user asked of the scheduler, and the environment entries they are read from.

use serde_json::{Map, Value};

use super::request::RequestError;

/// The label that holds the id a manager gives a container.
pub const ID: &str = "com.docker.swarm.id";

/// What a user may ask of the scheduler, by the environment's prefix and the label's name.
const KINDS: [(&str, &str); 4] = [
    ("constraint", "com.docker.swarm.constraints"),
    ("affinity", "com.docker.swarm.affinities"),
    ("whitelist", "com.docker.swarm.whitelists"),
    ("reschedule", "com.docker.swarm.reschedule-policies"),
];

/// What was asked of the scheduler, as written.
#[derive(Debug, Default)]
pub struct Asked {
    /// Such as `environment==staging`.
    pub constraints: Vec<String>,
    /// Such as `container==db`.
    pub affinities: Vec<String>,
    /// Such as `node==node-1|node-2`.
    pub whitelists: Vec<String>,
}

/// Takes what is asked of the scheduler out of the environment of `config` and keeps it in its labels.
///
/// The labels' own entries come first. Upstream does the same: what a container was placed by can be read from it
/// later, and the container's environment is what its author wrote.
pub fn move_to_labels(config: &mut Map<String, Value>) -> Result<Asked, RequestError> {
    let mut lists: [Vec<String>; 4] = Default::default();
    for (list, (_, label)) in lists.iter_mut().zip(KINDS) {
        if let Some(text) = config.get("Labels").and_then(|labels| labels.get(label)) {
            *list = list_in(label, text)?;
        }
    }
    if let Some(Value::Array(environment)) = config.get_mut("Env") {
        environment.retain(|entry| {
            let asked = entry.as_str().and_then(asked_in);
            if let Some((kind, text)) = asked {
                lists[kind].push(text.to_owned());
            }
            asked.is_none()
        });
    }
    for (list, (_, label)) in lists.iter().zip(KINDS) {
        if !list.is_empty() {
            set_label(config, label, &Value::from(list.clone()).to_string());
        }
    }
    let [constraints, affinities, whitelists, _] = lists;
    Ok(Asked {
        constraints,
        affinities,
        whitelists,
    })
}

/// Sets label `name` of `config`.
pub fn set_label(config: &mut Map<String, Value>, name: &str, value: &str) {
    let labels = config.entry("Labels").or_insert_with(|| Value::Object(Map::new()));
    if !labels.is_object() {
        *labels = Value::Object(Map::new());
    }
    if let Value::Object(labels) = labels {
        labels.insert(name.to_owned(), value.into());
    }
}

fn asked_in(entry: &str) -> Option<(usize, &str)> {
    let (prefix, text) = entry.split_once(':')?;
    let kind = KINDS.iter().position(|(name, _)| *name == prefix)?;
    Some((kind, text))
}

fn list_in(label: &str, text: &Value) -> Result<Vec<String>, RequestError> {
    let wrong = || RequestError::Label {
        label: label.to_owned(),
        text: text.as_str().map_or_else(|| text.to_string(), str::to_owned),
    };
    serde_json::from_str(text.as_str().ok_or_else(wrong)?).map_err(|_| wrong())
}
