//! Reads checks of what an HTTP server answers.

use super::faults::Faults;
use super::fields::{self, Fields, Value};
use super::read_check::{compile, read_match, read_number};
use super::written::{WrittenCheckKind, WrittenSpread};
use crate::domain::HttpUser;
use regex::Regex;

/// Reads a request and what the answer must be.
pub(super) fn read_http(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenCheckKind> {
    let mut fields = Fields::of("an `http` check", value, faults)?;
    let host = fields.text("host", faults);
    let port = read_number(&mut fields, "port", 1..=65_535, faults);
    let path = fields.text("path", faults);
    let host_header = fields.text("host_header", faults);
    let status = fields.number("status", 100..=599, faults);
    let body = read_match(&mut fields, faults);
    let user = read_user(&mut fields, faults);
    let mut form = Vec::new();
    for (key, value) in fields.entries("form", faults) {
        if let Some(text) = fields::as_text(value, faults) {
            form.push((key.into_inner(), text));
        }
    }
    let spread = fields.get("spread").map(|value| read_spread(value, faults));
    if spread.is_some() && !form.is_empty() {
        let fault = faults.fault(fields.key_place("form"), "a form is posted once");
        faults.push(fault.hint("`spread` sends the same request many times: leave `form` out"));
    }
    fields.finish(faults);
    Some(WrittenCheckKind::Http {
        host,
        port: port?,
        path,
        host_header,
        form,
        status: status.map_or(200, |status| u16::try_from(status.into_inner()).unwrap_or(200)),
        body,
        user,
        spread: match spread {
            Some(spread) => Some(spread?),
            None => None,
        },
    })
}

/// Reads who asks. What stands in a lab file is no secret, and secrets are not for the address of a page.
fn read_user(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<HttpUser> {
    let text = fields.text("user", faults)?;
    match text.get_ref().split_once(':') {
        Some((name, password)) if !text.get_ref().contains("{{") => Some(HttpUser {
            name: name.to_owned(),
            password: password.to_owned(),
        }),
        _ => {
            let fault = faults.fault(text.span(), "this is no user with a password");
            faults.push(fault.hint("write `NAME:PASSWORD` as it is; it is shown to everybody"));
            None
        }
    }
}

fn read_spread(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenSpread> {
    let mut fields = Fields::of("`spread`", value, faults)?;
    let requests = read_number(&mut fields, "requests", 2..=1_000, faults);
    let over = read_number(&mut fields, "over", 1..=1_000, faults);
    let by = fields.required_text("by", faults);
    let pattern = by.as_ref().and_then(|text| compile(text, faults));
    let groups = pattern.as_deref().and_then(|pattern| Regex::new(pattern).ok());
    if let (Some(by), Some(regex)) = (&by, groups)
        && regex.captures_len() != 2
    {
        let fault = faults.fault(by.span(), "this must have one group");
        faults.push(fault.hint("put parentheses around the part that names the server"));
    }
    let place = fields.key_place("over");
    fields.finish(faults);
    Some(WrittenSpread {
        place,
        requests: requests?,
        by: pattern?,
        over: over?,
    })
}
