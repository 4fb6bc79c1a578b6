//! A run's events as a text to compare: a line of JSON each, without what differs from run to run.

use super::stage::Ran;
use serde_json::Value;

/// Returns the events of `ran` as lines. Plan and baseline are cut down to what tells them apart.
pub fn picture(ran: &Ran) -> String {
    let lines: Vec<String> = ran
        .events
        .iter()
        .map(|event| {
            let mut value = serde_json::to_value(event).unwrap();
            redact(&mut value);
            value.to_string()
        })
        .collect();
    lines.join("\n")
}

fn redact(event: &mut Value) {
    let fields = event.as_object_mut().unwrap();
    for name in ["at", "run", "took", "labctl_version", "baseline"] {
        fields.shift_remove(name);
    }
    if let Some(plan) = fields.get_mut("plan") {
        let steps = plan["steps"].as_array().unwrap();
        let keys: Vec<String> = steps
            .iter()
            .map(|step| {
                let key = &step["key"];
                format!("{}@{}", key["step"].as_str().unwrap(), key["node"].as_str().unwrap())
            })
            .collect();
        *plan = Value::from(format!("{}: {}", plan["verb"].as_str().unwrap(), keys.join(", ")));
    }
}
