//! TLS: rustls with *ring*, and whom to trust.
//!
//! Nothing here is read unless an endpoint needs it, since a function that speaks plain http to a local stack should not
//! pay for a hundred authorities at its start.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use crate::ConfigError;

/// Certificate authorities that an endpoint may be certified by.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Roots {
    /// Those of the system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR` where they are set, as the SDKs' own clients do.
    /// A function has them in its base image, where they are kept up to date.
    #[default]
    System,
    /// Those of a PEM file.
    File(PathBuf),
    /// Those of a PEM text.
    Pem(Vec<u8>),
}

impl Roots {
    /// The text of authorities that were given, checked; `None` for those of the system.
    pub(crate) fn pem(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        let pem = match self {
            Roots::System => return Ok(None),
            Roots::File(file) => fs::read(file).map_err(|error| self.problem(error))?,
            Roots::Pem(pem) => pem.clone(),
        };
        match certificates(&pem) {
            Ok(certificates) if certificates.is_empty() => Err(self.problem("there is no certificate in it")),
            Ok(_) => Ok(Some(pem)),
            Err(error) => Err(self.problem(error)),
        }
    }

    fn problem(&self, problem: impl fmt::Display) -> ConfigError {
        let from = match self {
            Roots::System => "the system's certificate authorities".to_owned(),
            Roots::File(file) => file.display().to_string(),
            Roots::Pem(_) => "the certificate authorities that were given".to_owned(),
        };
        ConfigError::Roots { from, problem: problem.to_string() }
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Box<dyn std::error::Error>> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    let mut store = tokio_rustls::rustls::RootCertStore::empty();
    for certificate in &certificates {
        store.add(certificate.clone())?;
    }
    Ok(certificates)
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Roots::System => f.write_str("System"),
            Roots::File(file) => f.debug_tuple("File").field(file).finish(),
            Roots::Pem(pem) => write!(f, "Pem({} bytes)", pem.len()),
        }
    }
}

#[cfg(feature = "lean")]
mod lean {
    use std::sync::Arc;

    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    use super::Roots;
    use crate::ConfigError;

    impl Roots {
        /// Reads the authorities, and what speaks TLS with whom they certify.
        pub(crate) fn connector(&self) -> Result<TlsConnector, ConfigError> {
            let mut store = RootCertStore::empty();
            let (trusted, _) = match self.pem()? {
                Some(pem) => store.add_parsable_certificates(
                    super::certificates(&pem).map_err(|error| self.problem(error))?,
                ),
                // A system may have some that are of no use; what counts is that there are others.
                None => store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
            };
            if trusted == 0 {
                return Err(self.problem("there are none; set SSL_CERT_FILE to a file that has them"));
            }
            // ring by name: a build may have two providers, and then there is no default.
            let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| self.problem(error))?
                .with_root_certificates(store)
                .with_no_client_auth();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Ok(TlsConnector::from(Arc::new(config)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_authority_is_refused_with_its_place() {
        let refused = |roots: Roots| roots.pem().unwrap_err().to_string();
        assert!(refused(Roots::File("/nowhere/ca.pem".into())).starts_with("/nowhere/ca.pem: "));
        assert!(refused(Roots::Pem(b"hello".to_vec())).contains("no certificate"));
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
        assert!(Roots::Pem(broken).pem().is_err());
        assert_eq!(Roots::System.pem(), Ok(None));
    }

    #[cfg(feature = "lean")]
    #[test]
    fn authorities_are_read_for_tls_only() {
        let client = |endpoint| {
            let credentials = crate::Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
            let config = crate::ClientConfig::new(endpoint, "eu-west-1", credentials)?;
            crate::LeanManagementClient::new(config.with_roots(Roots::File("/nowhere/ca.pem".into())))
        };
        assert!(client("http://localhost:3001/dev").is_ok());
        let error = client("https://localhost:3001/dev").unwrap_err();
        assert!(matches!(error, ConfigError::Roots { .. }), "{error}");
    }

    #[test]
    fn a_given_authority_is_taken() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        assert_eq!(Roots::Pem(pem.clone().into_bytes()).pem(), Ok(Some(pem.into_bytes())));
    }
}
