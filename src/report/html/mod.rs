//! A run as one HTML file that needs nothing beside it: no network, no script, no font. Everything a node or a lab's author
//! wrote is escaped by the template engine; the page's own policy forbids scripts besides.

mod bars;
mod cards;
mod page;
mod steps;
mod timeline;

use super::chronicle::Chronicle;
use page::Page;
pub(crate) use steps::numbered;
use tera::{Context, Tera};

/// The templates; by its name the engine knows that the first is HTML, and escapes.
const TEMPLATES: [(&str, &str); 2] = [
    ("report.html", include_str!("report.html")),
    ("report.css", include_str!("report.css")),
];

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
#[error("the report could not be rendered")]
pub struct RenderError(#[from] tera::Error);

/// Renders `chronicle` as a page.
pub fn html_report(chronicle: &Chronicle) -> Result<String, RenderError> {
    let mut tera = Tera::default();
    tera.add_raw_templates(TEMPLATES)?;
    let context = Context::from_serialize(&Page::of(chronicle))?;
    Ok(tera.render("report.html", &context)?)
}
