//! Reads the nodes of an inventory: addresses that make sense, logins that can work.

use super::address::{is_private, looks_like_host};
use super::faults::Faults;
use super::fields::{Fields, Value};
use super::inventory_file::{read_plain, texts};
use super::inventory_login::{PartialLogin, fill_in, read_login};
use super::read_lab::name;
use crate::domain::{Node, NodeName, TaskId};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;

/// Reads the nodes of one inventory, one after the other.
pub(super) struct NodeReader<'f> {
    folder: &'f Path,
    /// What `[defaults]` says.
    pub(super) defaults: PartialLogin,
    /// Where the variables of nodes stand.
    pub(super) var_places: BTreeMap<Vec<String>, Range<usize>>,
    names: BTreeMap<NodeName, ()>,
    endpoints: BTreeMap<(String, u16), NodeName>,
}

impl<'f> NodeReader<'f> {
    /// Starts reading an inventory whose relative paths start at `folder`.
    pub(super) fn new(folder: &'f Path) -> Self {
        Self {
            folder,
            defaults: PartialLogin::default(),
            var_places: BTreeMap::new(),
            names: BTreeMap::new(),
            endpoints: BTreeMap::new(),
        }
    }

    /// Reads a `[[node]]`.
    pub(super) fn read(&mut self, value: &Value<'_>, faults: &mut Faults) -> Option<Node> {
        let mut fields = Fields::of("a node", value, faults)?;
        let node_name = fields.required_text("name", faults);
        if let Some(text) = &node_name {
            fields.set_place(text.span());
        }
        let node_name = node_name.and_then(|text| name(text, NodeName::new, faults));
        let allows_public = fields.flag("allow_public_private_ip", faults);
        let private_ip = self.read_private_ip(&mut fields, allows_public.is_some_and(Spanned::into_inner), faults);
        let address = read_host(&mut fields, "address", faults);
        let public_address = read_host(&mut fields, "public_address", faults);
        let groups = fields.texts("groups", faults);
        let groups: Vec<_> = groups
            .into_iter()
            .filter_map(|group| name(group, TaskId::new, faults))
            .collect();
        let vars = read_plain(&mut fields, "vars", faults);
        let login = read_login(&mut fields, self.folder, faults).over(&self.defaults);
        fields.finish(faults);
        let (node_name, private_ip) = (node_name?, private_ip?);
        for (var, _) in &vars {
            let path = vec!["node".into(), node_name.get_ref().to_string(), var.get_ref().clone()];
            self.var_places.insert(path, var.span());
        }
        let address_place = address.as_ref().map_or_else(|| private_ip.span(), Spanned::span);
        let address = address.map_or_else(|| private_ip.get_ref().clone(), Spanned::into_inner);
        let endpoint = (address.clone(), login.port.unwrap_or(22));
        self.refuse_twins(&node_name, endpoint, address_place, faults);
        Some(Node {
            name: node_name.into_inner(),
            private_ip: private_ip.into_inner(),
            address,
            public_address: public_address.map(Spanned::into_inner),
            groups: groups.iter().map(|group| group.get_ref().to_string()).collect(),
            vars: texts(vars),
            login,
        })
    }

    fn refuse_twins(
        &mut self,
        node: &Spanned<NodeName>,
        endpoint: (String, u16),
        place: Range<usize>,
        faults: &mut Faults,
    ) {
        if self.names.insert(node.get_ref().clone(), ()).is_some() {
            let fault = faults.fault(node.span(), format!("a second node is called `{}`", node.get_ref()));
            faults.push(fault.label("names are unique"));
        }
        let shown = format!("{} port {}", endpoint.0, endpoint.1);
        if let Some(other) = self.endpoints.insert(endpoint, node.get_ref().clone()) {
            let fault = faults.fault(
                place,
                format!("`{}` and `{other}` are the same machine", node.get_ref()),
            );
            faults.push(fault.label(format!("both are {shown}")));
        }
    }

    fn read_private_ip(
        &self,
        fields: &mut Fields<'_>,
        allows_public: bool,
        faults: &mut Faults,
    ) -> Option<Spanned<String>> {
        if !fields.has("private_ip") {
            fields.get("private_ip");
            let fault = faults
                .fault(fields.place(), "a node needs `private_ip`")
                .label("`private_ip` is missing here")
                .hint("it is what the nodes call each other by: on EC2 the 10.x address, or a DNS name");
            fields.miss(vec!["private_ip"], fault);
            return None;
        }
        let text = read_host(fields, "private_ip", faults)?;
        if text.get_ref().parse::<Ipv6Addr>().is_ok() {
            let fault = faults
                .fault(text.span(), format!("`{}` is an IPv6 address", text.get_ref()))
                .label("the nodes know each other by an IPv4 address or a DNS name")
                .hint(
                    "put an IPv6 address in `address`, where ssh goes, and in `public_address`, which browsers are told; \
                     Docker Engine, Swarm and HAProxy are told `private_ip`",
                );
            faults.push(fault);
            return None;
        }
        if !allows_public && !is_private(text.get_ref()) {
            let fault = faults
                .fault(text.span(), format!("`{}` is a public address", text.get_ref()))
                .label("a private one is wanted here: 10.x, 172.16.x to 172.31.x, 192.168.x, or a DNS name")
                .hint(
                    "the nodes talk to each other without encryption; put a public address in `address`, \
                     or say `allow_public_private_ip = true`",
                );
            faults.push(fault);
        }
        Some(text)
    }
}

/// Reads an address, an IPv6 one with brackets or without; a fault where it is empty or none.
fn read_host(fields: &mut Fields<'_>, key: &'static str, faults: &mut Faults) -> Option<Spanned<String>> {
    let text = fields.text(key, faults)?;
    let in_brackets = text.get_ref().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(inside) = in_brackets.filter(|inside| inside.parse::<Ipv6Addr>().is_ok()) {
        return Some(Spanned::new(text.span(), inside.to_owned()));
    }
    let host = text.get_ref();
    if host.trim().is_empty() {
        faults.push(fill_in(faults, &text, key));
        return None;
    }
    if looks_like_host(host) {
        return Some(text);
    }
    let mut fault = faults
        .fault(
            text.span(),
            format!("`{host}` is neither an IP address nor a host name"),
        )
        .label(format!("`{key}` takes just the address"));
    if host.contains('@') || host.contains(':') {
        fault = fault.hint("the user and the port are keys of their own: `user`, `port`");
    }
    faults.push(fault);
    None
}
