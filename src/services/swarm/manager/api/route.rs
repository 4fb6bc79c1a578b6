//! What a request line means.

use hyper::Uri;
use percent_encoding::percent_decode_str;

use crate::swarm::manager::cluster::ApiVersion;

/// The version, the parts of the path, and the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    /// What the client speaks; none where it does not say.
    pub(super) version: Option<ApiVersion>,
    /// The path without version, beginning with `/`, as the client wrote it.
    pub(super) path: String,
    /// The query without `?`; empty where there is none.
    pub(super) query: String,
}

impl Route {
    /// A question of the manager's own, in the newest version an engine speaks.
    pub(super) fn newest(path: &str) -> Self {
        Self {
            version: None,
            path: path.to_owned(),
            query: String::new(),
        }
    }

    pub(super) fn of(uri: &Uri) -> Self {
        let path = uri.path();
        let rest = path.trim_start_matches('/');
        let (first, after) = rest.split_once('/').unwrap_or((rest, ""));
        let version = first.strip_prefix('v').and_then(|number| number.parse().ok());
        let path = if version.is_some() {
            format!("/{after}")
        } else {
            path.to_owned()
        };
        Self {
            version,
            path,
            query: uri.query().unwrap_or_default().to_owned(),
        }
    }

    /// The first part of the path, and what follows it, decoded: `("containers", "node-1/web/json")`.
    pub(super) fn parts(&self) -> (String, String) {
        let decoded = percent_decode_str(self.path.trim_matches('/'))
            .decode_utf8_lossy()
            .into_owned();
        match decoded.split_once('/') {
            Some((kind, rest)) => (kind.to_owned(), rest.to_owned()),
            None => (decoded, String::new()),
        }
    }

    /// The values of `name` in the query.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The query with `changes`, each a name with its new value, or none to leave it out.
    pub(super) fn query_with(&self, changes: &[(&str, Option<String>)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(self.query.as_bytes()) {
            if !changes.iter().any(|(changed, _)| *changed == name) {
                query.append_pair(&name, &value);
            }
        }
        for (name, value) in changes {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }
}

/// Puts `path` and `query` together.
pub(super) fn target(path: &str, query: &str) -> String {
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(uri: &str) -> Route {
        Route::of(&uri.parse().unwrap())
    }

    #[test]
    fn a_version_is_told_from_a_path() {
        assert_eq!(route("/v1.21/info").version, Some(ApiVersion::new(1, 21)));
        assert_eq!(route("/v1.21/info").path, "/info");
        assert_eq!(route("/version").version, None);
        assert_eq!(route("/version").path, "/version");
    }

    #[test]
    fn names_are_decoded_and_queries_changed() {
        let asked = route("/v1.41/containers/node-1%2Fweb/json?all=1&filters=%7B%7D");
        assert_eq!(asked.parts(), ("containers".to_owned(), "node-1/web/json".to_owned()));
        assert_eq!(asked.value("filters").as_deref(), Some("{}"));
        assert_eq!(
            asked.query_with(&[("filters", None), ("limit", Some("2".to_owned()))]),
            "all=1&limit=2"
        );
    }
}
