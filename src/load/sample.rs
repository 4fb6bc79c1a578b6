//! Nodes that do not exist, for judging a lab before any node is touched.

use super::lab::LabDefinition;
use crate::domain::{
    ComposeFacts, ComposeFlavour, EngineOptions, Facts, InitSystem, Inventory, Login, LoginFacts, Node, NodeName,
    OptionsSource, OsFacts, ToolFacts,
};
use std::collections::BTreeMap;

/// The kinds of Compose that a lab must be right for.
pub(super) const FLAVOURS: [ComposeFlavour; 3] = [
    ComposeFlavour::V1,
    ComposeFlavour::V2Standalone,
    ComposeFlavour::V2Plugin,
];

/// Makes facts of a node with Compose of `flavour`.
pub(super) fn facts(flavour: ComposeFlavour) -> Facts {
    let version = if flavour == ComposeFlavour::V1 {
        "1.29.2"
    } else {
        "2.40.3"
    };
    Facts {
        login: LoginFacts {
            user: "ubuntu".into(),
            uid: 1000,
            home: "/home/ubuntu".into(),
            root: true,
            may_use_engine: true,
        },
        private_address: None,
        os: OsFacts {
            id: "debian".into(),
            version: Some("12".into()),
            name: "Debian GNU/Linux 12".into(),
            arch: "x86_64".into(),
            kernel: "6.1.0".into(),
        },
        init: InitSystem::Sysvinit,
        engine: None,
        engine_problem: None,
        compose: Some(ComposeFacts {
            flavour,
            version: version.into(),
        }),
        engine_options: EngineOptions {
            source: OptionsSource::DefaultsFile,
            docker_opts: Vec::new(),
            defaults_unread: false,
            daemon_json: false,
            daemon_json_keys: Vec::new(),
            running: Vec::new(),
        },
        tools: ToolFacts::default(),
        docker_host: None,
        free_disk: None,
        instances: None,
    }
}

/// Makes facts of a node that does not answer, so that a lab can be rendered for the nodes that do. Nothing may be judged
/// by them.
pub fn assumed_facts() -> Facts {
    facts(ComposeFlavour::V2Plugin)
}

/// Makes the same facts for every node of `definition`.
pub(super) fn facts_of_all(definition: &LabDefinition, flavour: ComposeFlavour) -> BTreeMap<NodeName, Facts> {
    let nodes = definition.written.nodes.iter();
    nodes.map(|node| (node.get_ref().clone(), facts(flavour))).collect()
}

/// Makes an inventory that has every node of `definition`.
pub(super) fn inventory(definition: &LabDefinition) -> Inventory {
    let nodes = definition.written.nodes.iter().enumerate().map(|(index, name)| Node {
        name: name.get_ref().clone(),
        private_ip: format!("10.0.0.{}", index + 10),
        address: format!("10.0.0.{}", index + 10),
        public_address: None,
        groups: Vec::new(),
        vars: BTreeMap::new(),
        login: Login::default(),
    });
    let secrets = definition.written.secrets.iter().map(|secret| {
        let source = crate::domain::SecretSource::Env("LABCTL_SAMPLE".into());
        (secret.name.get_ref().clone(), source)
    });
    Inventory {
        source: "a sample of nodes".into(),
        nodes: nodes.collect(),
        vars: BTreeMap::new(),
        secrets: secrets.collect(),
        registry: None,
        images: BTreeMap::new(),
    }
}
