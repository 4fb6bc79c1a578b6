//! Renders a login to a registry.

use super::resolve::{Resolver, Scene};
use super::template::{Purpose, Scope};
use super::written::{Template, WrittenLogin};
use crate::domain::{Action, Part, Text, UndoText};
use toml::Spanned;

/// Where a login stays that is not said to stay elsewhere: in a directory of the lab's, never in the user's own.
const CONFIG: &str = "~/.labctl/docker";

impl Resolver<'_> {
    /// Renders `login` with its undo: the directory that the login stays in goes.
    pub(super) fn login(&mut self, login: &WrittenLogin, scene: &Scene<'_>) -> (Action, Vec<UndoText>) {
        let scope = &scene.before;
        let (plain, private) = (Purpose::Plain, Purpose::Private);
        let server = self.word(("server", &login.server), scope, plain);
        let user = self.word(("user", &login.user), scope, plain);
        let password = self.word(("password", &login.password), scope, private);
        let default = Spanned::new(login.place.clone(), CONFIG.to_owned());
        let config = self.own_directory(login.config.as_ref().unwrap_or(&default), scope, scene.node);
        let undo = vec![UndoText::Directory(config.clone())];
        let action = Action::Login {
            server,
            user,
            password,
            config,
        };
        (action, undo)
    }

    /// Renders what the client is told; refuses what would make it ask, or mean something else.
    fn word(&mut self, (what, template): (&str, &Template), scope: &Scope, purpose: Purpose) -> Text {
        let before = self.faults.count();
        let mut text = self.text(template, scope, purpose);
        if what == "server" {
            text = server_of(text);
        }
        if !self.judges || self.faults.count() > before {
            return text;
        }
        let shown = text.to_string();
        if shown.trim().is_empty() {
            let message = format!("a login needs a {what}, and this is empty");
            let fault = self.faults.fault(template.span(), message);
            self.faults
                .push(fault.hint("where there is nothing to log in to, leave the step out with `when`"));
        } else if purpose == Purpose::Plain && shown.starts_with('-') {
            let message = format!("a {what} that begins with `-` would be taken for an option");
            self.faults.push(self.faults.fault(template.span(), message));
        }
        text
    }
}

/// Cuts the namespace from `registry`: images are named with it, and clients log in to the server alone. A whole URL is left as it is.
fn server_of(registry: Text) -> Text {
    let mut parts = Vec::new();
    for part in registry.into_parts() {
        match part {
            Part::Literal(text) if !text.contains("://") && text.contains('/') => {
                let server = text.split('/').next().unwrap_or_default();
                parts.push(Part::Literal(server.to_owned()));
                break;
            }
            part => parts.push(part),
        }
    }
    Text::new(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ComposeFlavour, StepOnNode};
    use crate::load::{LabSource, ResolveContext, parse_lab, resolve, sample};
    use rstest::rstest;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn step(login: &str) -> StepOnNode {
        let text = format!(
            "[lab]\nformat = 1\nid = \"small\"\ntitle = \"Small\"\nnodes = [\"node-0\"]\n[secrets]\npw = {{ generate = true }}\n\
             [[task]]\nid = \"task1\"\ntitle = \"Task\"\non = \"node-0\"\n\
             [[task.step]]\nid = \"a\"\ntitle = \"A\"\nlogin = {login}\nenv.DOCKER_HOST = \"tcp://10.0.0.10:3375\"\n\
             expect = [{{ exit = 0 }}, {{ stdout = \"Login Succeeded\" }}]\n"
        );
        let definition = parse_lab(&LabSource::from_text("lab.toml", &text, &[])).unwrap();
        let facts = sample::facts_of_all(&definition, ComposeFlavour::V1);
        let (inventory, nothing) = (sample::inventory(&definition), BTreeMap::new());
        let mut lab = resolve(&definition, &inventory, &facts, &nothing, &ResolveContext::default()).unwrap();
        lab.tasks.remove(0).steps.remove(0).on.remove(0)
    }

    #[test]
    fn a_login_stays_in_a_directory_of_the_labs_and_goes_with_it() {
        let step = step(r#"{ server = "10.0.0.10:5000", user = "me", password = "{{ secret.pw }}" }"#);
        assert_eq!(
            step.action.to_string(),
            "DOCKER_CONFIG=/home/ubuntu/.labctl/docker docker login --username me --password-stdin 10.0.0.10:5000"
        );
        assert_eq!(
            step.undo,
            [UndoText::Directory(Text::literal("/home/ubuntu/.labctl/docker"))]
        );
        assert_eq!(step.timeout, Duration::from_secs(60));
        let private = step.action.private_texts();
        assert!(
            private
                .iter()
                .flat_map(|text| text.holes())
                .all(|hole| hole.secret && hole.name == "pw")
        );
        assert_eq!(private.len(), 1);
    }

    #[rstest]
    #[case("registry.example/team/deep", "registry.example")]
    #[case("docker.io/me", "docker.io")]
    #[case("{{ nodes.node_0.private_ip }}:5000/x", "10.0.0.10:5000")]
    #[case("https://index.docker.io/v1/", "https://index.docker.io/v1/")]
    fn clients_log_in_to_the_server_without_the_namespace(#[case] server: &str, #[case] told: &str) {
        let login = format!(
            "{{ server = \"{server}\", user = \"me\", password = \"{{{{ secret.pw }}}}\", config = \"/srv/login\" }}"
        );
        assert_eq!(
            step(&login).action.to_string(),
            format!("DOCKER_CONFIG=/srv/login docker login --username me --password-stdin {told}")
        );
    }
}
