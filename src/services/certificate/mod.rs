//! Certificates for the services of a lab: an authority of its own, and what it signs.
//!
//! Responsible for making them where they are used, on the node, in one directory. A private key is made there and never
//! leaves it: none passes through labctl, its journal or the link. The authority is made once; a server's certificate
//! is made anew whenever it is asked for, which harms nobody, as clients trust the authority.

mod authority;
mod options;

use std::path::PathBuf;

use thiserror::Error;

pub use options::Options;

use super::console::say;

/// What every line of the log names.
const SERVICE: &str = "certificate";

/// Why there is no certificate.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// The arguments are wrong.
    #[error("{0}")]
    Options(String),
    /// A file could not be read or written.
    #[error("{path} cannot be read or written")]
    File {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// A part of the authority is not there.
    #[error(
        "{missing} is missing, and the authority beside it is of no use without it: where nothing trusts it any more, \
         empty that directory"
    )]
    Incomplete {
        /// The file.
        missing: PathBuf,
    },
    /// A name cannot stand in a certificate, or a key that is there cannot be used.
    #[error("{what} was refused")]
    Refused {
        /// What was being made.
        what: String,
        /// What is wrong with it.
        source: rcgen::Error,
    },
}

/// Does what `arguments` ask for.
pub fn run(arguments: &[String]) -> Result<(), CertificateError> {
    let Some(options) = Options::parse(arguments).map_err(CertificateError::Options)? else {
        return Ok(());
    };
    let path = make(&options)?;
    say(
        SERVICE,
        &format!("{} is good for {}", path.display(), options.hosts.join(", ")),
    );
    Ok(())
}

/// Makes what `options` ask for while no other run works in the same directory; returns the certificate's path.
fn make(options: &Options) -> Result<PathBuf, CertificateError> {
    let told = |source| CertificateError::File {
        path: options.directory.clone(),
        source,
    };
    // The lock is the directory's own, so that no file of it stays. It goes with the handle.
    let directory = std::fs::File::open(&options.directory).map_err(told)?;
    directory.lock().map_err(told)?;
    let authority = authority::Authority::open_or_make(&options.directory)?;
    authority.issue(&options.directory, &options.name, &options.hosts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use std::path::Path;
    use std::sync::Arc;

    fn options(directory: &Path, name: &str, hosts: &[&str]) -> Options {
        let mut arguments = vec!["--directory".to_owned(), directory.display().to_string()];
        arguments.extend(["--name".to_owned(), name.to_owned()]);
        for host in hosts {
            arguments.extend(["--host".to_owned(), (*host).to_owned()]);
        }
        Options::parse(&arguments).unwrap().unwrap()
    }

    fn certificate(path: &Path) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(path).unwrap()
    }

    /// Says whether a client that trusts the authority in `directory` takes `name.pem` for a server at `host`.
    fn is_trusted(directory: &Path, name: &str, host: &str) -> bool {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate(&directory.join("ca.pem"))).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap();
        let server = certificate(&directory.join(format!("{name}.pem")));
        let host = ServerName::try_from(host).unwrap();
        verifier
            .verify_server_cert(&server, &[], &host, &[], UnixTime::now())
            .is_ok()
    }

    #[test]
    fn a_server_is_trusted_by_its_names_and_addresses_and_no_others() {
        let directory = tempfile::tempdir().unwrap();
        let hosts = ["node-0.internal,10.0.0.10", "fd00::10"];
        make(&options(directory.path(), "registry", &hosts)).unwrap();
        for host in ["node-0.internal", "10.0.0.10", "fd00::10"] {
            assert!(is_trusted(directory.path(), "registry", host), "{host}");
        }
        for host in ["node-1.internal", "10.0.0.11", "fd00::11"] {
            assert!(!is_trusted(directory.path(), "registry", host), "{host}");
        }
    }

    #[test]
    fn one_authority_signs_for_all_names() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        make(&options(path, "discovery", &["10.0.0.10"])).unwrap();
        let authority = certificate(&path.join("ca.pem"));
        make(&options(path, "registry", &["10.0.0.11"])).unwrap();
        make(&options(path, "discovery", &["10.0.0.12"])).unwrap();
        assert_eq!(certificate(&path.join("ca.pem")), authority);
        assert!(is_trusted(path, "registry", "10.0.0.11"));
        assert!(is_trusted(path, "discovery", "10.0.0.12"));
        assert!(!is_trusted(path, "discovery", "10.0.0.10"), "it was made anew");
    }

    #[test]
    fn runs_that_begin_at_once_make_one_authority() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let names: Vec<String> = (0..16).map(|number| format!("server-{number}")).collect();
        std::thread::scope(|scope| {
            for name in &names {
                scope.spawn(move || make(&options(path, name, &["10.0.0.10"])).unwrap());
            }
        });
        for name in &names {
            assert!(is_trusted(path, name, "10.0.0.10"), "{name} is of another authority");
        }
    }
}
