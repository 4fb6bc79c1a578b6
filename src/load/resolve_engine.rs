//! Renders what a lab asks of an engine, and judges it while no node is touched yet.

use super::address::is_private;
use super::resolve::{Resolver, Scene};
use super::template::Scope;
use super::written::{Template, WrittenEngineSettings};
use crate::domain::{EngineOptionSet, EngineSettings, InitSystem, NodeName, OptionsSource};

impl Resolver<'_> {
    /// Renders `written` for the node of `scene`, whose facts say where its engine reads options.
    pub(super) fn engine_settings(&mut self, written: &WrittenEngineSettings, scene: &Scene<'_>) -> EngineSettings {
        let options = EngineOptionSet {
            hosts: self.all_early(&written.hosts, &scene.before),
            labels: self.all_early(&written.labels, &scene.before),
            tls: written.tls,
        };
        if self.judges {
            self.judge_engine_options(written, &options, scene.node);
        }
        let facts = self.facts.get(scene.node);
        EngineSettings {
            options,
            source: facts.map_or(OptionsSource::DefaultsFile, |facts| facts.engine_options.source.clone()),
            init: facts.map_or(InitSystem::Sysvinit, |facts| facts.init),
        }
    }

    /// Renders texts of which those that come to nothing are left out.
    fn all_early(&mut self, templates: &[Template], scope: &Scope) -> Vec<String> {
        let texts = templates.iter().map(|template| self.early(template, scope));
        texts.filter(|text| !text.is_empty()).collect()
    }

    fn judge_engine_options(&mut self, written: &WrittenEngineSettings, options: &EngineOptionSet, node: &NodeName) {
        let place = written.place.clone();
        if let Some(text) = options.unfit() {
            let message = format!("`{text}` cannot stand among an engine's options");
            let fault = self.faults.fault(place.clone(), message);
            self.faults
                .push(fault.hint("use letters, digits and any of _ - . / : = @ + , [ ]"));
        }
        if let Some(label) = options.labels.iter().find(|label| !label.contains('=')) {
            let fault = self.faults.fault(place.clone(), format!("`{label}` is no label"));
            self.faults.push(fault.hint("write `key=value`"));
        }
        if self.exposes_engines {
            return;
        }
        if let Some(host) = options.hosts.iter().find(|host| is_exposed(host)) {
            let message = format!("`{host}` would make everyone root on {node} who reaches that address");
            let fault = self
                .faults
                .fault(place, message)
                .label("an engine's port asks nobody who they are")
                .hint("let it listen on the node's private address, or say `--expose-docker` where all who reach it may be root");
            self.faults.push(fault);
        }
    }
}

/// Says whether an engine that listens at `host` is reached from more than a private network.
fn is_exposed(host: &str) -> bool {
    let Some(address) = host.strip_prefix("tcp://").or((!host.contains("://")).then_some(host)) else {
        return false;
    };
    let name = address.rsplit_once(':').map_or(address, |(name, _)| name);
    !is_private(name.trim_start_matches('[').trim_end_matches(']'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("tcp://10.0.0.2:2375", false)]
    #[case("tcp://node-1.internal:2375", false)]
    #[case("tcp://[fd00::1]:2375", false)]
    #[case("unix:///var/run/docker.sock", false)]
    #[case("fd://", false)]
    #[case("tcp://0.0.0.0:2375", true)]
    #[case("tcp://[::]:2375", true)]
    #[case("tcp://54.1.2.3:2375", true)]
    #[case("0.0.0.0:2375", true)]
    fn what_is_open_to_more_than_a_private_network_is_told(#[case] host: &str, #[case] exposed: bool) {
        assert_eq!(is_exposed(host), exposed);
    }
}
