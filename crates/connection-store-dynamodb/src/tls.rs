//! TLS for deployment: rustls with *ring*, and the authorities of the system or of a variable.

use std::path::Path;

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_native_certs::CertificateResult;
use tokio_rustls::rustls::RootCertStore;

use crate::ConfigError;

/// A client that trusts the authorities of `AWS_CA_BUNDLE`, else those of `SSL_CERT_FILE`, else the system's. Both
/// variables take the place of the system's authorities, as the ordinary tools have it.
pub(crate) fn http_client(get: impl Fn(&str) -> Option<String>) -> Result<SharedHttpClient, ConfigError> {
    let named = ["AWS_CA_BUNDLE", "SSL_CERT_FILE"].into_iter().find_map(|name| Some((name, get(name)?)));
    let (origin, found) = match named {
        Some((name, path)) => {
            let found = rustls_native_certs::load_certs_from_paths(Some(Path::new(&path)), None);
            (format!("{name}={path}"), found)
        }
        None => ("the system".to_owned(), rustls_native_certs::load_native_certs()),
    };
    if let Some(first) = found.errors.first() {
        tracing::warn!(%origin, count = found.errors.len(), %first, "certificate authorities left out");
    }
    let trusted = trust_store(found).map_err(|reason| ConfigError::Authorities { origin, reason })?;
    let context = TlsContext::builder().with_trust_store(trusted).build();
    let context = context.expect("a context of nothing but a trust store is whole");
    Ok(Builder::new().tls_provider(Provider::rustls(CryptoMode::Ring)).tls_context(context).build_https())
}

/// The certificates that can be an authority's. The SDK's client takes text, and panics on what is not one.
fn trust_store(found: CertificateResult) -> Result<TrustStore, String> {
    let mut trusted = TrustStore::empty();
    let mut count = 0;
    for certificate in &found.certs {
        if RootCertStore::empty().add(certificate.clone()).is_ok() {
            let text = STANDARD.encode(certificate);
            trusted.add_pem_certificate(format!(
                "-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"
            ));
            count += 1;
        }
    }
    if count > 0 {
        return Ok(trusted);
    }
    Err(found.errors.first().map_or_else(
        || format!("{} certificates, of which none is an authority's", found.certs.len()),
        ToString::to_string,
    ))
}
