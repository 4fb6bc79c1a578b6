//! INTERLOCK_DATA: what a container says of itself, as JSON in its environment.
//!
//! Responsible for its keys. What is not understood or not here is left out by name, and the rest holds. Pure.

use serde_json::{Map, Value};

use super::words::{HostName, Words};

/// The shortest and the longest time between two health checks, in milliseconds.
const INTERVALS: std::ops::RangeInclusive<u64> = 100..=3_600_000;

/// How many keys are left out by name; a container could have thousands.
const MOST_SAID: usize = 8;

/// What a container wants.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct InterlockData {
    pub(super) hostname: Option<HostName>,
    pub(super) domain: Option<HostName>,
    pub(super) alias_domains: Vec<HostName>,
    /// The port inside the container.
    pub(super) port: Option<u16>,
    /// In milliseconds.
    pub(super) check_interval: Option<u64>,
    pub(super) wishes: Wishes,
}

/// What only HAProxy can tell the sense of.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) check: Option<Words>,
    pub(super) balance_algorithm: Option<Words>,
    pub(super) backend_options: Vec<Words>,
}

impl InterlockData {
    /// Reads the JSON `text`, and says what of it is left out.
    pub(super) fn parse(text: &str) -> (Self, Vec<String>) {
        match serde_json::from_str(text) {
            Ok(Value::Object(keys)) => Self::of(&keys),
            Ok(_) => (Self::default(), vec!["INTERLOCK_DATA is no JSON object".to_owned()]),
            Err(error) => (Self::default(), vec![format!("INTERLOCK_DATA is no JSON: {error}")]),
        }
    }

    fn of(keys: &Map<String, Value>) -> (Self, Vec<String>) {
        let mut data = Self::default();
        let mut left_out = Vec::new();
        for (key, value) in keys.iter().filter(|(_, value)| !value.is_null()) {
            if let Err(reason) = data.take(&key.to_ascii_lowercase(), value) {
                left_out.push(format!("{key} is left out: {reason}"));
            }
        }
        if left_out.len() > MOST_SAID {
            let more = left_out.len() - MOST_SAID;
            left_out.truncate(MOST_SAID);
            left_out.push(format!("{more} more keys are left out"));
        }
        (data, left_out)
    }

    fn take(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match key {
            "hostname" => self.hostname = host_name(value)?,
            "domain" => self.domain = host_name(value)?,
            "alias_domains" => self.alias_domains = list(value, host_name)?.into_iter().flatten().collect(),
            "port" => self.port = number(value, &(0..=65535))?.and_then(|port| u16::try_from(port).ok()),
            "check" => self.wishes.check = option(value)?,
            "check_interval" => self.check_interval = number(value, &INTERVALS)?,
            "balance_algorithm" => self.wishes.balance_algorithm = words(value)?,
            "backend_options" => self.wishes.backend_options = list(value, option)?.into_iter().flatten().collect(),
            "mode" if value == "http" => {}
            // They change nothing where they are false or empty, and what they ask for is not here.
            _ if [Value::from(false), Value::from(0), Value::from("")].contains(value) => {}
            "ssl_only" | "ssl_backend" | "ssl_backend_tls_verify" => return Err("there is no TLS here".to_owned()),
            "mode" => return Err("only http is here".to_owned()),
            "warm" => return Err("containers are asked for nothing before they serve".to_owned()),
            _ => return Err("there is no such key".to_owned()),
        }
        Ok(())
    }
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "it is no text".to_owned())
}

fn host_name(value: &Value) -> Result<Option<HostName>, String> {
    match text(value)? {
        "" => Ok(None),
        name => Ok(Some(
            HostName::parse(name).ok_or_else(|| format!("{name:?} is no host's name"))?,
        )),
    }
}

fn words(value: &Value) -> Result<Option<Words>, String> {
    match text(value)? {
        "" => Ok(None),
        text => Ok(Some(Words::parse(text)?)),
    }
}

/// Reads what stands behind `option` in a backend.
fn option(value: &Value) -> Result<Option<Words>, String> {
    let words = words(value)?;
    let name = words.as_ref().map(|words| words.first().to_owned());
    match name.as_deref() {
        // It sends visitors to where they came to, which is HAProxy itself, for ever.
        Some("transparent") => Err("option transparent is not for a proxy that has visitors of its own".to_owned()),
        Some("external-check") => Err("no programs of a container run here".to_owned()),
        _ => Ok(words),
    }
}

/// Reads a number; 0 is as good as none.
fn number(value: &Value, range: &std::ops::RangeInclusive<u64>) -> Result<Option<u64>, String> {
    match value.as_u64() {
        Some(0) => Ok(None),
        Some(number) if range.contains(&number) => Ok(Some(number)),
        _ => Err(format!("it is no number from {} to {}", range.start(), range.end())),
    }
}

/// Reads a list of at most 32.
fn list<T>(value: &Value, read: impl Fn(&Value) -> Result<T, String>) -> Result<Vec<T>, String> {
    match value.as_array() {
        Some(list) if list.len() <= 32 => list.iter().map(read).collect(),
        Some(_) => Err("it has more than 32 entries".to_owned()),
        None => Err("it is no list".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn the_tutorials_data_is_read() {
        let (data, left_out) = InterlockData::parse(r#"{"hostname":"dockchat.com","domain":"dockchat.com"} "#);
        assert_eq!(data.hostname, HostName::parse("dockchat.com"));
        assert_eq!(data.hostname, data.domain);
        assert_eq!(left_out, [""; 0]);
    }

    #[test]
    fn every_key_is_read() {
        let (data, left_out) = InterlockData::parse(
            r#"{"alias_domains":["a.com","B.com"],"port":5000,"check":"httpchk GET /","check_interval":1000,"ssl_only":false,
                "balance_algorithm":"leastconn","backend_options":["forceclose","http-no-delay"],"mode":"http","domain":null}"#,
        );
        assert_eq!(left_out, [""; 0]);
        assert_eq!(
            data.alias_domains,
            [HostName::parse("a.com"), HostName::parse("b.com")].map(Option::unwrap)
        );
        assert_eq!((data.port, data.check_interval), (Some(5000), Some(1000)));
        assert_eq!(data.wishes.check, Words::parse("httpchk GET /").ok());
        assert_eq!(data.wishes.balance_algorithm, Words::parse("leastconn").ok());
        assert_eq!(data.wishes.backend_options.len(), 2);
        assert_eq!(data.domain, None);
    }

    #[rstest]
    #[case("{", "is no JSON")]
    #[case("[]", "no JSON object")]
    #[case(r#"{"port":"5000"}"#, "port is left out: it is no number")]
    #[case(r#"{"port":70000}"#, "port is left out")]
    #[case(r#"{"port":-1}"#, "port is left out")]
    #[case(r#"{"check_interval":1}"#, "check_interval is left out")]
    #[case(r#"{"hostname":"a b"}"#, "is no host's name")]
    #[case(r#"{"domain":["a"]}"#, "domain is left out: it is no text")]
    #[case(r#"{"check":"httpchk\nbind *:22"}"#, "visible ASCII")]
    #[case(r#"{"backend_options":"forceclose"}"#, "it is no list")]
    #[case(r#"{"ssl_only":true}"#, "no TLS")]
    #[case(r#"{"more":true}"#, "more is left out: there is no such key")]
    #[case(r#"{"mode":"tcp"}"#, "mode is left out: only http is here")]
    #[case(r#"{"check":"external-check"}"#, "no programs")]
    #[case(r#"{"backend_options":["http-no-delay"," transparent "]}"#, "option transparent")]
    fn what_cannot_be_done_is_named(#[case] text: &str, #[case] words: &str) {
        let (data, left_out) = InterlockData::parse(text);
        assert_eq!(data, InterlockData::default());
        assert!(left_out.len() == 1 && left_out[0].contains(words), "{left_out:?}");
    }

    #[test]
    fn of_very_many_wrong_keys_few_are_named() {
        let keys: Vec<String> = (0..1000).map(|number| format!("\"a{number}\":1")).collect();
        let (_, left_out) = InterlockData::parse(&format!("{{{}}}", keys.join(",")));
        assert_eq!(left_out.len(), MOST_SAID + 1);
        assert_eq!(left_out[MOST_SAID], "992 more keys are left out");
    }

    #[test]
    fn what_is_wrong_with_one_key_leaves_the_others() {
        let (data, left_out) = InterlockData::parse(r#"{"hostname":"a.com","port":"x"}"#);
        assert_eq!((data.hostname, left_out.len()), (HostName::parse("a.com"), 1));
    }
}
