//! The authority, and what it signs.
//!
//! Responsible for keys, certificates and their files. Keys are written before certificates and only for their owner, and every
//! file is put in place whole. Key and certificate are two files all the same: whoever is killed between them leaves a new key beside
//! an old certificate, which the next run mends. Runs in one directory wait for each other, so that there is one authority however
//! many of them begin at once. An authority of which a part was lost is never made anew: whoever trusts it would not notice.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use super::CertificateError;
use crate::whole_file::write_whole;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How far clocks may be behind.
const BACKDATED: i64 = 2;
/// How long the authority is good, in days: longer than any lab stands.
const AUTHORITY_DAYS: i64 = 3650;
/// How long a server's certificate is good, in days: clients refuse longer ones than 825.
const SERVER_DAYS: i64 = 820;

/// An authority with its key.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Opens the authority in `directory`, or makes one.
    pub(super) fn open_or_make(directory: &Path) -> Result<Self, CertificateError> {
        let (key_path, certificate_path) = (directory.join("ca.key"), directory.join("ca.pem"));
        let is_new = !certificate_path.exists();
        let key = match read(&key_path)? {
            Some(pem) => {
                KeyPair::from_pem(&pem).map_err(|source| refused(format!("{}", key_path.display()), source))?
            }
            None if is_new => {
                let key = KeyPair::generate().map_err(|source| refused("a key".to_owned(), source))?;
                write(&key_path, 0o600, &key.serialize_pem())?;
                key
            }
            None => return Err(CertificateError::Incomplete { missing: key_path }),
        };
        let parameters = parameters(directory, is_new)?;
        if is_new {
            let certificate = parameters
                .self_signed(&key)
                .map_err(|source| refused("the authority".to_owned(), source))?;
            write(&certificate_path, 0o644, &certificate.pem())?;
        }
        Ok(Self {
            issuer: Issuer::new(parameters, key),
        })
    }

    /// Makes a key and a certificate for a server that is reached as any of `hosts`; returns the certificate's path.
    pub(super) fn issue(&self, directory: &Path, name: &str, hosts: &[String]) -> Result<PathBuf, CertificateError> {
        let told = |source| refused(hosts.join(", "), source);
        let key = KeyPair::generate().map_err(told)?;
        let mut parameters = CertificateParams::new(hosts).map_err(told)?;
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.use_authority_key_identifier_extension = true;
        date(&mut parameters, SERVER_DAYS);
        let certificate = parameters.signed_by(&key, &self.issuer).map_err(told)?;
        write(&directory.join(format!("{name}.key")), 0o600, &key.serialize_pem())?;
        let path = directory.join(format!("{name}.pem"));
        write(&path, 0o644, &certificate.pem())?;
        Ok(path)
    }
}

/// Describes the authority. What it signs names it, so the name must be the same each time: it is kept beside the key.
fn parameters(directory: &Path, is_new: bool) -> Result<CertificateParams, CertificateError> {
    let path = directory.join("ca.name");
    let name = match read(&path)? {
        Some(name) => name,
        None if is_new => {
            let name = format!("labctl {}", Timestamp::now().as_nanosecond());
            write(&path, 0o644, &name)?;
            name
        }
        None => return Err(CertificateError::Incomplete { missing: path }),
    };
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name.trim());
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    date(&mut parameters, AUTHORITY_DAYS);
    Ok(parameters)
}

fn date(parameters: &mut CertificateParams, days: i64) {
    let day = |offset: i64| {
        let time = Timestamp::now() + DAY * i32::try_from(offset).unwrap_or(0);
        let date = time.to_zoned(jiff::tz::TimeZone::UTC).date();
        rcgen::date_time_ymd(
            i32::from(date.year()),
            u8::try_from(date.month()).unwrap_or(1),
            u8::try_from(date.day()).unwrap_or(1),
        )
    };
    parameters.not_before = day(-BACKDATED);
    parameters.not_after = day(days);
}

fn refused(what: String, source: rcgen::Error) -> CertificateError {
    CertificateError::Refused { what, source }
}

/// Reads the file at `path`; `None` where there is none.
fn read(path: &Path) -> Result<Option<String>, CertificateError> {
    match fs_err::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CertificateError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

fn write(path: &Path, mode: u32, text: &str) -> Result<(), CertificateError> {
    write_whole(path, mode, text.as_bytes()).map_err(|source| CertificateError::File {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn the_authority_stays_and_keys_are_their_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        let issue = |name: &str| {
            let authority = Authority::open_or_make(directory.path()).unwrap();
            authority
                .issue(directory.path(), name, &hosts(&["localhost", "127.0.0.1"]))
                .unwrap()
        };
        issue("one");
        let authority = fs_err::read(directory.path().join("ca.pem")).unwrap();
        issue("two");
        assert_eq!(fs_err::read(directory.path().join("ca.pem")).unwrap(), authority);
        for key in ["ca.key", "one.key", "two.key"] {
            let mode = fs_err::metadata(directory.path().join(key))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{key}");
        }
    }

    #[test]
    fn an_authority_of_which_a_part_is_lost_is_not_made_anew() {
        for lost in ["ca.key", "ca.name"] {
            let directory = tempfile::tempdir().unwrap();
            Authority::open_or_make(directory.path()).unwrap();
            let certificate = fs_err::read(directory.path().join("ca.pem")).unwrap();
            fs_err::remove_file(directory.path().join(lost)).unwrap();
            let Err(error) = Authority::open_or_make(directory.path()) else {
                panic!("{lost} was made anew");
            };
            assert!(error.to_string().contains(lost), "{error}");
            assert!(!directory.path().join(lost).exists());
            assert_eq!(fs_err::read(directory.path().join("ca.pem")).unwrap(), certificate);
        }
    }

    #[test]
    fn an_authority_that_was_begun_is_finished() {
        let directory = tempfile::tempdir().unwrap();
        Authority::open_or_make(directory.path()).unwrap();
        let key = fs_err::read(directory.path().join("ca.key")).unwrap();
        fs_err::remove_file(directory.path().join("ca.pem")).unwrap();
        Authority::open_or_make(directory.path()).unwrap();
        assert_eq!(fs_err::read(directory.path().join("ca.key")).unwrap(), key);
        assert!(directory.path().join("ca.pem").exists());
    }

    #[test]
    fn a_name_that_no_certificate_can_have_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_make(directory.path()).unwrap();
        let error = authority
            .issue(directory.path(), "one", &hosts(&["naïve.example"]))
            .unwrap_err();
        assert!(error.to_string().contains("naïve.example"), "{error}");
    }
}
