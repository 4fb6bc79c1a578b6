//! Renders what a lab asks of an engine, and judges it while no node is touched yet.

use super::address::is_private;
use super::resolve::{Resolver, Scene};
use super::written::{Template, WrittenEngineSettings};
use crate::domain::{EngineOptionSet, EngineSettings, InitSystem, NodeName, OptionsSource, is_plain_option};

impl Resolver<'_> {
    /// Renders `written` for the node of `scene`, whose facts say where its engine reads options.
    pub(super) fn engine_settings(&mut self, written: &WrittenEngineSettings, scene: &Scene<'_>) -> EngineSettings {
        let hosts = self.engine_texts(&written.hosts, scene);
        let labels = self.engine_texts(&written.labels, scene);
        for (template, host) in &hosts {
            self.judge_host(template, host, scene.node);
        }
        for (template, label) in &labels {
            self.judge_label(template, label);
        }
        let texts = |found: Vec<(&Template, String)>| found.into_iter().map(|(_, text)| text).collect();
        let facts = self.facts.get(scene.node);
        EngineSettings {
            options: EngineOptionSet {
                hosts: texts(hosts),
                labels: texts(labels),
                tls: written.tls,
            },
            source: facts.map_or(OptionsSource::DefaultsFile, |facts| facts.engine_options.source.clone()),
            init: facts.map_or(InitSystem::Sysvinit, |facts| facts.init),
        }
    }

    /// Renders texts that stand on an engine's command line; those that come to nothing are left out.
    fn engine_texts<'t>(&mut self, templates: &'t [Template], scene: &Scene<'_>) -> Vec<(&'t Template, String)> {
        let mut texts = Vec::new();
        for template in templates {
            let text = self.early(template, &scene.before);
            if text.is_empty() {
                continue;
            }
            if self.judges && !is_plain_option(&text) {
                let message = format!("`{text}` cannot stand among an engine's options");
                let fault = self.faults.fault(template.span(), message);
                self.faults
                    .push(fault.hint("use letters, digits and any of _ - . / : = @ + , [ ]"));
            }
            texts.push((template, text));
        }
        texts
    }

    fn judge_label(&mut self, template: &Template, label: &str) {
        if self.judges && !label.contains('=') {
            let fault = self.faults.fault(template.span(), format!("`{label}` is no label"));
            self.faults.push(fault.hint("write `key=value`"));
        }
    }

    fn judge_host(&mut self, template: &Template, host: &str, node: &NodeName) {
        if !self.judges || self.exposes_engines || !is_exposed(host) {
            return;
        }
        let message = format!("`{host}` would make everyone root on {node} who reaches that address");
        let fault = self
            .faults
            .fault(template.span(), message)
            .label("an engine's port asks nobody who they are")
            .hint("let it listen on the node's private address, or say `--expose-docker` where all who reach it may be root");
        self.faults.push(fault);
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
