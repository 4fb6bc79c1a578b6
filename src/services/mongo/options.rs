//! The arguments of `mongod` that the stand-in understands.
//!
//! Responsible for telling apart what it obeys, what it may ignore because nothing depends on it, and what it
//! must refuse because ignoring it would be a lie (`--auth`, `--replSet`). It may not touch the system.

use std::path::PathBuf;

use thiserror::Error;

/// What `mongod` listens on when nobody says.
const DEFAULT_PORT: u16 = 27017;
/// Where `mongod` keeps its data when nobody says.
const DEFAULT_DBPATH: &str = "/data/db";
/// Flags without a value that change nothing here.
const IGNORED: &[&str] = &[
    "--smallfiles",
    "--nojournal",
    "--journal",
    "--noprealloc",
    "--quiet",
    "--verbose",
    "-v",
    "--logappend",
];
/// Flags with a value that change nothing here.
const IGNORED_WITH_VALUE: &[&str] = &["--oplogSize", "--wiredTigerCacheSizeGB", "--storageEngine"];

/// Why the arguments cannot be obeyed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum OptionsError {
    /// A flag the stand-in does not have.
    #[error("{flag:?} is not known to this stand-in for MongoDB; it takes {}", known())]
    Unknown {
        /// The flag as given.
        flag: String,
    },
    /// A flag that needs a value and has none.
    #[error("{flag} needs a value")]
    NoValue {
        /// The flag.
        flag: String,
    },
    /// A flag that takes no value and has one.
    #[error("{flag} takes no value")]
    UselessValue {
        /// The flag.
        flag: String,
    },
    /// A value that is none.
    #[error("{flag} cannot be {value:?}: {reason}")]
    BadValue {
        /// The flag.
        flag: String,
        /// The value as given.
        value: String,
        /// What it should be.
        reason: &'static str,
    },
}

fn known() -> String {
    let obeyed = [
        "--dbpath",
        "--port",
        "--bind_ip",
        "--bind_ip_all",
        "--help",
        "--version",
    ];
    let ignored = IGNORED
        .iter()
        .chain(IGNORED_WITH_VALUE)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    format!("{}, and ignores {ignored}", obeyed.join(", "))
}

/// How to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The directory the data is kept in; it must exist.
    pub dbpath: PathBuf,
    /// The TCP port; 0 lets the system choose.
    pub port: u16,
    /// The addresses to listen on.
    pub bind: Vec<String>,
    /// The flags that were accepted and have no effect, to be named in the log.
    pub ignored: Vec<String>,
}

/// What the arguments ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// Serve until stopped.
    Serve(Options),
    /// Say which arguments there are.
    Help,
    /// Say what this is.
    Version,
}

impl Invocation {
    /// Reads `arguments`, a leading `mongod` allowed, as the entry point of the upstream image does.
    pub fn parse(arguments: &[String]) -> Result<Self, OptionsError> {
        let mut options = Options {
            dbpath: DEFAULT_DBPATH.into(),
            port: DEFAULT_PORT,
            bind: vec!["127.0.0.1".into()],
            ignored: vec![],
        };
        let start = usize::from(arguments.first().is_some_and(|first| first == "mongod"));
        let mut rest = arguments[start..].iter();
        while let Some(argument) = rest.next() {
            let (flag, inline) = match argument.split_once('=') {
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            match flag {
                "--help" | "-h" => return Ok(Self::Help),
                "--version" => return Ok(Self::Version),
                "--bind_ip_all" => {
                    refuse_value(flag, inline)?;
                    options.bind = vec!["0.0.0.0".into()];
                }
                "--dbpath" | "--port" | "--bind_ip" => options.set(flag, take_value(flag, inline, &mut rest)?)?,
                _ if IGNORED.contains(&flag) => {
                    refuse_value(flag, inline)?;
                    options.ignored.push(flag.to_owned());
                }
                _ if IGNORED_WITH_VALUE.contains(&flag) => {
                    take_value(flag, inline, &mut rest)?;
                    options.ignored.push(flag.to_owned());
                }
                _ => return Err(OptionsError::Unknown { flag: argument.clone() }),
            }
        }
        Ok(Self::Serve(options))
    }

    /// The text of `--help`.
    pub fn help() -> String {
        format!(
            "a stand-in for MongoDB, as much of it as DockChat needs; it takes {}",
            known()
        )
    }
}

impl Options {
    fn set(&mut self, flag: &str, value: String) -> Result<(), OptionsError> {
        let bad = |reason| OptionsError::BadValue {
            flag: flag.to_owned(),
            value: value.clone(),
            reason,
        };
        match flag {
            "--port" => self.port = value.parse().map_err(|_| bad("a port is a number up to 65535"))?,
            "--dbpath" if value.is_empty() => return Err(bad("a path is needed")),
            "--dbpath" => self.dbpath = PathBuf::from(value),
            _ => {
                let addresses: Vec<String> = value.split(',').map(|part| part.trim().to_owned()).collect();
                if addresses.iter().any(String::is_empty) {
                    return Err(bad("addresses are separated by single commas"));
                }
                self.bind = addresses
                    .into_iter()
                    .map(|a| if a == "*" { "0.0.0.0".to_owned() } else { a })
                    .collect();
            }
        }
        Ok(())
    }
}

fn take_value<'a>(
    flag: &str,
    inline: Option<String>,
    rest: &mut impl Iterator<Item = &'a String>,
) -> Result<String, OptionsError> {
    inline
        .or_else(|| rest.next().cloned())
        .ok_or_else(|| OptionsError::NoValue { flag: flag.to_owned() })
}

fn refuse_value(flag: &str, inline: Option<String>) -> Result<(), OptionsError> {
    match inline {
        None => Ok(()),
        Some(_) => Err(OptionsError::UselessValue { flag: flag.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn parse(line: &str) -> Result<Invocation, OptionsError> {
        Invocation::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn serving(line: &str) -> Options {
        match parse(line).unwrap() {
            Invocation::Serve(options) => options,
            other => panic!("{line:?} should serve, not {other:?}"),
        }
    }

    #[test]
    fn without_arguments_it_listens_on_loopback_as_mongod_does() {
        let options = serving("");
        assert_eq!((options.port, options.bind), (27017, vec!["127.0.0.1".to_owned()]));
        assert_eq!(options.dbpath, PathBuf::from("/data/db"));
    }

    #[test]
    fn smallfiles_is_taken_and_named_as_ignored() {
        assert_eq!(serving("--smallfiles").ignored, ["--smallfiles"]);
        assert_eq!(
            serving("mongod --smallfiles --nojournal").ignored,
            ["--smallfiles", "--nojournal"]
        );
    }

    #[test]
    fn values_come_after_a_space_or_an_equals_sign() {
        let options = serving("--port=28000 --dbpath /srv --bind_ip localhost,10.0.0.1");
        assert_eq!((options.port, options.dbpath), (28000, PathBuf::from("/srv")));
        assert_eq!(options.bind, ["localhost", "10.0.0.1"]);
        assert_eq!(serving("--bind_ip_all").bind, ["0.0.0.0"]);
        assert_eq!(serving("--bind_ip_all --bind_ip=127.0.0.1").bind, ["127.0.0.1"]);
    }

    #[rstest]
    #[case("--auth")]
    #[case("--replSet rs0")]
    #[case("--port")]
    #[case("--port 70000")]
    #[case("--bind_ip ,")]
    #[case("--smallfiles=true")]
    #[case("extra")]
    fn what_it_cannot_obey_is_refused(#[case] line: &str) {
        assert!(parse(line).is_err(), "{line:?} should be refused");
    }
}
