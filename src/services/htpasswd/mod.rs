//! The password file of a lab's own registry.
//!
//! Responsible for one line, `USER:HASH`, made where it is used: the password comes by standard input, and only its hash
//! is written. It is in no argument, no log and no error.
//!
//! The hash is bcrypt, the only one that Docker's registry takes, with the least cost that is in use (5, what Apache's own
//! `htpasswd` takes where nothing is said). A registry checks the password with every request, and a push makes
//! dozens of them: 5 takes it some 2 milliseconds each, 10 would take 32 times that. What a high cost is good for, guessing
//! passwords from a stolen file, is nothing against a generated one, and the file is its owner's alone.

mod options;

use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;

use bcrypt::{BcryptError, Version};
use secrecy::{ExposeSecret as _, SecretSlice};
use thiserror::Error;

pub use options::Options;

use super::console::say;
use super::whole_file::write_whole;

/// What every line of the log names.
const SERVICE: &str = "htpasswd";

/// How many times the hash is stretched, as a power of two; see above.
const COST: u32 = 5;

/// The longest password that bcrypt tells from a longer one, in bytes.
const LONGEST: usize = 72;

/// Why there is no password file. No variant holds any of the password.
#[derive(Debug, Error)]
pub enum HtpasswdError {
    /// The arguments are wrong.
    #[error("{0}")]
    Options(String),
    /// The password could not be read.
    #[error("the password could not be read from standard input")]
    Input(#[source] std::io::Error),
    /// There is none.
    #[error("the first line of standard input is empty, and it should be the password")]
    Empty,
    /// It is too long.
    #[error("the password is longer than {LONGEST} bytes, which is all that bcrypt looks at")]
    TooLong,
    /// It could not be hashed.
    #[error("the password could not be hashed")]
    Hash(#[source] BcryptError),
    /// The file could not be written.
    #[error("{path} cannot be written")]
    File {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
}

/// Does what `arguments` ask for.
pub fn run(arguments: &[String]) -> Result<(), HtpasswdError> {
    let Some(options) = Options::parse(arguments).map_err(HtpasswdError::Options)? else {
        return Ok(());
    };
    let password = read_password(std::io::stdin().lock())?;
    let line = password_line(&options.user, &password)?;
    write_whole(&options.file, 0o600, line.as_bytes()).map_err(|source| HtpasswdError::File {
        path: options.file.clone(),
        source,
    })?;
    say(SERVICE, &format!("{} lets {} in", options.file.display(), options.user));
    Ok(())
}

/// Reads the first line of `input`, without its end.
fn read_password(input: impl Read) -> Result<SecretSlice<u8>, HtpasswdError> {
    // A line that is longer than the longest password and its end is too long, however long it is.
    let most = LONGEST as u64 + 3;
    let mut line = Vec::new();
    BufReader::new(input.take(most))
        .read_until(b'\n', &mut line)
        .map_err(HtpasswdError::Input)?;
    for end in [b'\n', b'\r'] {
        if line.last() == Some(&end) {
            line.pop();
        }
    }
    match line.len() {
        0 => Err(HtpasswdError::Empty),
        length if length > LONGEST => Err(HtpasswdError::TooLong),
        _ => Ok(SecretSlice::from(line)),
    }
}

/// Returns the line that lets `user` in with `password`.
fn password_line(user: &str, password: &SecretSlice<u8>) -> Result<String, HtpasswdError> {
    let parts = bcrypt::hash_with_result(password.expose_secret(), COST).map_err(HtpasswdError::Hash)?;
    // Of the names of the one algorithm, `2y` is known to every reader of such files.
    Ok(format!("{user}:{}\n", parts.format_for_version(Version::TwoY)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn read(input: &[u8]) -> Result<Vec<u8>, HtpasswdError> {
        read_password(input).map(|password| password.expose_secret().to_vec())
    }

    #[rstest]
    #[case(b"s3cret", b"s3cret")]
    #[case(b"s3cret\n", b"s3cret")]
    #[case(b"s3cret\r\nsecond\n", b"s3cret")]
    #[case(b" two words \n", b" two words ")]
    #[case(&[b'x'; 72], &[b'x'; 72])]
    #[case(b"p\xc3\xa4ss\n", b"p\xc3\xa4ss")]
    fn the_password_is_the_first_line(#[case] input: &[u8], #[case] password: &[u8]) {
        assert_eq!(read(input).unwrap(), password);
    }

    #[test]
    fn no_password_and_one_that_would_be_cut_are_refused() {
        assert!(matches!(read(b""), Err(HtpasswdError::Empty)));
        assert!(matches!(read(b"\nsecond\n"), Err(HtpasswdError::Empty)));
        for length in [73, 74, 75, 76, 100_000] {
            assert!(
                matches!(read(&vec![b'x'; length]), Err(HtpasswdError::TooLong)),
                "{length} bytes"
            );
        }
        let longest = [vec![b'x'; 72], b"\r\n".to_vec()].concat();
        assert_eq!(read(&longest).unwrap().len(), 72);
    }

    #[test]
    fn the_line_takes_the_password_and_no_other() {
        let password = SecretSlice::from(b"s3cret-s3cret".to_vec());
        let line = password_line("me", &password).unwrap();
        let hash = line.strip_prefix("me:").unwrap().trim_end();
        assert!(hash.starts_with("$2y$05$"), "{hash}");
        assert_eq!(hash.len(), 60);
        assert!(bcrypt::verify(password.expose_secret(), hash).unwrap());
        assert!(!bcrypt::verify("s3cret-s3cre", hash).unwrap());
        assert_ne!(password_line("me", &password).unwrap(), line, "it is salted");
    }

    #[test]
    fn what_is_kept_of_the_password_shows_nothing_of_it() {
        let password = read_password(b"hunter2-hunter2\n".as_slice()).unwrap();
        assert!(!format!("{password:?}").contains("hunter2"));
    }

    #[rstest]
    #[case("")]
    #[case("a:b")]
    #[case("#me")]
    #[case("me too")]
    #[case("me\nyou:x")]
    fn a_name_that_would_be_another_line_is_refused(#[case] user: &str) {
        let arguments = ["--user", user, "--file", "x"].map(str::to_owned);
        assert!(Options::parse(&arguments).is_err());
    }
}
