//! What `[registry]` and the secrets of an inventory are to a lab.

use super::sample;
use super::{LabDefinition, LabSource, ResolveContext, parse_inventory, parse_lab, resolve};
use crate::domain::{Action, ComposeFlavour, Diagnostics, Inventory, Lab, SourceText};
use rstest::rstest;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const NODE: &str = "[[node]]\nname = \"node-0\"\nprivate_ip = \"10.0.0.10\"\n";

const REGISTRY: &str = "[registry]\nhost = \"registry.example/team\"\nuser = \"me\"\npassword = \"hub\"\n\
                        [secrets]\nhub = { env = \"HUB\" }\n";

fn inventory(more: &str) -> Result<Inventory, Diagnostics> {
    let source = Arc::new(SourceText {
        name: "inventory.toml".into(),
        text: format!("{more}{NODE}"),
    });
    parse_inventory(&source, Path::new("/nonexistent")).map(|(inventory, _)| inventory)
}

/// Reads a lab that shows its registry, and writes the password to a file.
fn lab(secret: &str) -> Result<LabDefinition, Diagnostics> {
    let text = format!(
        "[lab]\nformat = 1\nid = \"small\"\ntitle = \"Small\"\nnodes = [\"node-0\"]\n\
         [vars]\nregistry = \"own:5000\"\nregistry_user = {{ help = \"who logs in\" }}\n\
         [secrets]\nregistry_password = {secret}\n\
         [[task]]\nid = \"task1\"\ntitle = \"Task\"\non = \"node-0\"\n\
         [[task.step]]\nid = \"a\"\ntitle = \"A\"\nundo = []\nexpect = [{{ exit = 0 }}]\n\
         run = [\"{{{{ vars.registry }}}}\", \"{{{{ vars.registry_user }}}}\"]\nstdin = \"{{{{ secret.registry_password }}}}\"\n"
    );
    parse_lab(&LabSource::from_text("lab.toml", &text, &[]))
}

fn resolved(definition: &LabDefinition, inventory: &Inventory, given: &[(&str, &str)]) -> Result<Lab, Diagnostics> {
    let facts = sample::facts_of_all(definition, ComposeFlavour::V1);
    let given: BTreeMap<String, String> = given
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    resolve(definition, inventory, &facts, &given, &ResolveContext::default())
}

fn shown(lab: &Lab) -> String {
    match &lab.tasks[0].steps[0].on[0].action {
        action @ Action::Run { .. } => action.to_string(),
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case(REGISTRY, &[], "registry.example/team me")]
#[case(REGISTRY, &[("registry", "registry.example/other")], "registry.example/other me")]
#[case(REGISTRY, &[("registry_user", "you")], "registry.example/team you")]
#[case("vars = { registry = \"registry.example\", registry_user = \"they\" }\n[registry]\nhost = \"registry.example/team\"\nuser = \"me\"\npassword = \"hub\"\n[secrets]\nhub = { env = \"HUB\" }\n", &[], "registry.example they")]
fn a_registry_of_the_inventory_is_the_default_of_the_labs_variables(
    #[case] more: &str,
    #[case] given: &[(&str, &str)],
    #[case] command: &str,
) {
    let definition = lab("{ help = \"its password\" }").unwrap();
    let lab = resolved(&definition, &inventory(more).unwrap(), given).unwrap();
    assert_eq!(shown(&lab), command);
}

#[test]
fn a_lab_that_is_told_of_another_server_wants_its_user_and_password_too() {
    let definition = lab("{}").unwrap();
    let inventory = inventory(REGISTRY).unwrap();
    let faults = resolved(&definition, &inventory, &[("registry", "other.example")]).unwrap_err();
    let told = faults.to_string();
    assert!(told.contains("needs a value for `registry_user`"), "{told}");
    let given = [("registry", "other.example"), ("registry_user", "you")];
    let told = resolved(&definition, &inventory, &given).unwrap_err().to_string();
    assert!(
        told.contains("does not say where the secret `registry_password` comes from"),
        "{told}"
    );
}

#[test]
fn a_secret_that_labctl_makes_up_needs_no_inventory() {
    let inventory = inventory("vars = { registry_user = \"me\" }\n").unwrap();
    assert!(resolved(&lab("{ help = \"x\" }").unwrap(), &inventory, &[]).is_err());
    let definition = lab("{ generate = true, help = \"x\" }").unwrap();
    let lab = resolved(&definition, &inventory, &[]).unwrap();
    assert_eq!(shown(&lab), "own:5000 me");
    let secret = definition.secrets().next().unwrap();
    assert!(secret.generate && secret.help == Some("x"));
}

#[rstest]
#[case("\"hunter2\"", "a table is wanted here")]
#[case("{ generate = \"yes\" }", "true or false is wanted here")]
#[case("{ genrate = true }", "a secret has no key `genrate`")]
#[case("{ default = \"hunter2\" }", "a secret has no key `default`")]
fn a_secret_that_is_not_declared_right_is_told(#[case] secret: &str, #[case] wanted: &str) {
    let told = lab(secret).unwrap_err().to_string();
    assert!(told.contains(wanted), "{told}");
}

#[rstest]
#[case("registry.example", true)]
#[case("registry.example:5000/team/deep", true)]
#[case("localhost/team", true)]
#[case("docker.io/me", true)]
#[case("[fd00::1]:5000", true)]
#[case("me", false)]
#[case("me/dockchat", false)]
#[case("https://registry.example", false)]
#[case("registry.example/", false)]
#[case("registry.example/a b", false)]
fn what_no_image_can_be_called_by_is_no_registry(#[case] host: &str, #[case] is_right: bool) {
    let read = inventory(&format!("[registry]\nhost = \"{host}\"\n"));
    assert_eq!(read.is_ok(), is_right);
}
