//! Renders checks.

use super::resolve::Resolver;
use super::template::{Purpose, Scope};
use super::written::{
    Template, WrittenCheck, WrittenCheckKind, WrittenMatch, WrittenNumber, WrittenSpread, WrittenSuperseded,
    WrittenSwarmNode, WrittenTask,
};
use crate::domain::{
    Check, CheckKind, ContainersCheck, HttpCheck, NodeName, Spread, SwarmCheck, SwarmNodeCheck, Text, TextMatch,
};
use std::time::Duration;
use toml::Spanned;

/// The pause between two looks where the lab does not say.
const EVERY: Duration = Duration::from_secs(1);

/// The host that a check talks to where the lab does not say: the node itself.
const LOCAL: &str = "127.0.0.1";

impl Resolver<'_> {
    /// Renders `check` of `task`, which is about `node`; `None` where it was at fault.
    pub(super) fn check(
        &mut self,
        check: &WrittenCheck,
        scope: &Scope,
        node: &NodeName,
        task: &WrittenTask,
    ) -> Option<Check> {
        let hint = check
            .hint
            .as_ref()
            .map(|hint| self.early(hint, scope).trim().to_owned());
        let kind = self.check_kind(check.kind.as_ref()?, scope, node)?;
        let about = check.on.as_ref().map_or(node, |on| on.get_ref());
        let superseded_by = match &check.superseded_by {
            None => task.superseded_by.as_ref(),
            Some(WrittenSuperseded { task, on }) => {
                let is_meant = on.is_empty() || on.iter().any(|name| name.get_ref() == about);
                is_meant.then_some(task)
            }
        };
        Some(Check {
            kind,
            on: check.on.as_ref().map(|on| on.get_ref().clone()),
            within: check.within.as_ref().map_or(Duration::ZERO, |within| *within.get_ref()),
            every: check.every.unwrap_or(EVERY),
            hint,
            only_in_run: check.only_in_run,
            superseded_by: superseded_by.map(|task| task.get_ref().clone()),
            superseded_signs: Vec::new(),
        })
    }

    fn check_kind(&mut self, kind: &WrittenCheckKind, scope: &Scope, node: &NodeName) -> Option<CheckKind> {
        Some(match kind {
            WrittenCheckKind::Exit(code) => CheckKind::Exit { code: *code },
            WrittenCheckKind::Stdout(wanted) => CheckKind::Stdout(self.text_match(wanted, scope)),
            WrittenCheckKind::Stderr(wanted) => CheckKind::Stderr(self.text_match(wanted, scope)),
            WrittenCheckKind::Captured(name) => CheckKind::Captured {
                name: name.get_ref().clone(),
            },
            WrittenCheckKind::Command {
                command,
                as_root,
                exit,
                stdout,
            } => CheckKind::Command {
                command: self.command(command, scope),
                as_root: *as_root,
                exit: *exit,
                stdout: self.text_match(stdout, scope),
            },
            WrittenCheckKind::File {
                path,
                exists,
                content,
                mode,
                owner,
            } => CheckKind::File {
                path: self.path(path, scope, node),
                exists: *exists,
                content: self.text_match(content, scope),
                mode: *mode,
                owner: owner.clone(),
            },
            WrittenCheckKind::Http { .. } => return self.http(kind, scope),
            WrittenCheckKind::Engine {
                labels,
                default_options,
                options_once,
            } => CheckKind::Engine {
                labels: self.texts(labels, scope),
                default_options: *default_options,
                options_once: *options_once,
            },
            WrittenCheckKind::Swarm { host, port, nodes } => CheckKind::Swarm(SwarmCheck {
                host: self.host(host.as_ref(), scope),
                port: self.number(port, scope)?,
                nodes: nodes.iter().map(|node| self.swarm_node(node, scope)).collect(),
            }),
            WrittenCheckKind::Containers { .. } => return self.containers(kind, scope),
            WrittenCheckKind::Images { present, absent, like } => CheckKind::Images {
                present: self.texts(present, scope),
                absent: self.texts(absent, scope),
                like: self.texts(like, scope),
            },
            WrittenCheckKind::Port { host, port, open } => CheckKind::Port {
                host: self.host(host.as_ref(), scope),
                port: self.number(port, scope)?,
                open: *open,
            },
        })
    }

    fn http(&mut self, kind: &WrittenCheckKind, scope: &Scope) -> Option<CheckKind> {
        let WrittenCheckKind::Http {
            host,
            port,
            path,
            host_header,
            form,
            status,
            body,
            user,
            spread,
        } = kind
        else {
            return None;
        };
        let form = form
            .iter()
            .map(|(key, value)| (key.clone(), self.text(value, scope, Purpose::Plain)));
        Some(CheckKind::Http(HttpCheck {
            form: form.collect(),
            host: self.host(host.as_ref(), scope),
            port: self.number(port, scope)?,
            path: self.request_path(path.as_ref(), scope),
            host_header: host_header.as_ref().map(|text| self.text(text, scope, Purpose::Plain)),
            status: *status,
            body: self.text_match(body, scope),
            user: user.clone(),
            spread: match spread {
                Some(spread) => Some(self.spread(spread, scope)?),
                None => None,
            },
        }))
    }

    fn spread(&mut self, written: &WrittenSpread, scope: &Scope) -> Option<Spread> {
        let (requests, over) = (
            self.number(&written.requests, scope)?,
            self.number(&written.over, scope)?,
        );
        if self.judges && (over == 0 || over > requests) {
            let message = format!("{requests} requests cannot be spread over {over} servers");
            self.faults.push(self.faults.fault(written.place.clone(), message));
        }
        Some(Spread {
            requests,
            by: written.by.clone(),
            over,
        })
    }

    fn request_path(&mut self, path: Option<&Template>, scope: &Scope) -> Text {
        let Some(template) = path else {
            return Text::literal("/");
        };
        let text = self.text(template, scope, Purpose::Plain);
        if self.judges && !text.to_string().starts_with('/') {
            let fault = self
                .faults
                .fault(template.span(), "the path of a request starts with `/`");
            self.faults.push(fault);
        }
        text
    }

    fn containers(&mut self, kind: &WrittenCheckKind, scope: &Scope) -> Option<CheckKind> {
        let WrittenCheckKind::Containers {
            name,
            project,
            service,
            labels,
            image,
            command,
            linked_as,
            constraints,
            publishes,
            state,
            count,
            or_more,
            except_ours,
        } = kind
        else {
            return None;
        };
        Some(CheckKind::Containers(ContainersCheck {
            name: self.one_text(name.as_ref(), scope),
            project: self.one_text(project.as_ref(), scope),
            service: self.one_text(service.as_ref(), scope),
            labels: self.texts(labels, scope),
            image: self.one_text(image.as_ref(), scope),
            command: self.texts(command, scope),
            linked_as: self.one_text(linked_as.as_ref(), scope),
            constraints: self.texts(constraints, scope),
            publishes: match publishes {
                Some(port) => Some(self.number(port, scope)?),
                None => None,
            },
            state: state.clone(),
            count: self.number(count, scope)?,
            or_more: *or_more,
            except_ours: *except_ours,
        }))
    }

    fn swarm_node(&mut self, written: &WrittenSwarmNode, scope: &Scope) -> SwarmNodeCheck {
        let name = written.node.get_ref();
        let node = self.inventory.node(name);
        let facts = self.facts.get(name);
        let addresses = node.into_iter().flat_map(|node| [&node.private_ip, &node.address]);
        let found = facts.and_then(|facts| facts.private_address.as_ref());
        let engine = facts.and_then(|facts| facts.engine.as_ref()).map(|engine| &engine.name);
        let mut known_as: Vec<String> = addresses.chain(found).chain(engine).cloned().collect();
        known_as.sort();
        known_as.dedup();
        SwarmNodeCheck {
            node: name.clone(),
            known_as,
            labels: self.texts(&written.labels, scope),
        }
    }

    fn host(&mut self, host: Option<&Template>, scope: &Scope) -> Text {
        host.map_or_else(|| Text::literal(LOCAL), |host| self.text(host, scope, Purpose::Plain))
    }

    fn one_text(&mut self, template: Option<&Template>, scope: &Scope) -> Option<Text> {
        template.map(|text| self.text(text, scope, Purpose::Plain))
    }

    fn texts(&mut self, templates: &[Template], scope: &Scope) -> Vec<Text> {
        templates
            .iter()
            .map(|text| self.text(text, scope, Purpose::Plain))
            .collect()
    }

    fn text_match(&mut self, wanted: &WrittenMatch, scope: &Scope) -> TextMatch {
        TextMatch {
            equals: wanted
                .equals
                .as_ref()
                .map(|text| self.text(text, scope, Purpose::Plain)),
            contains: self.texts(&wanted.contains, scope),
            lacks: self.texts(&wanted.lacks, scope),
            regex: wanted.regex.clone(),
            times: wanted.times.as_ref().and_then(|times| self.number(times, scope)),
        }
    }

    /// Renders a whole number; `None`, and a fault, where it is none of type `N`.
    fn number<N: TryFrom<u64>>(&mut self, number: &WrittenNumber, scope: &Scope) -> Option<N> {
        let template: &Spanned<String> = match number {
            WrittenNumber::Given(number) => return N::try_from(*number).ok(),
            WrittenNumber::Rendered(template) => template,
        };
        let before = self.faults.count();
        let text = self.early(template, scope);
        let number = text
            .trim()
            .parse::<u64>()
            .ok()
            .and_then(|number| N::try_from(number).ok());
        if number.is_none() && self.judges && self.faults.count() == before {
            let fault = self.faults.fault(
                template.span(),
                format!("`{}` is not a number that fits here", text.trim()),
            );
            self.faults.push(fault);
        }
        number
    }
}
