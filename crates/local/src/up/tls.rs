//! The stack's certificates: an authority that is made once for the user, and a fresh leaf at each start.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};
use tokio_rustls::rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};

use super::data;
use crate::failure::Failure;

/// Days that a leaf is valid; a stack that runs longer must be started again. Clients refuse leaves of over 398.
const LEAF_DAYS: i64 = 397;

/// The TLS side of every API, and the file that clients are to trust (none without a home folder: then for this run only).
pub(super) struct Tls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) ca_file: Option<std::path::PathBuf>,
}

/// Loads or makes the authority, and signs a leaf for the stack's names in `region`.
pub(super) fn prepare(region: &str) -> Result<Tls, Failure> {
    let (ca_key, ca_file) = authority()?;
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let wildcard = format!("*.execute-api.{region}.amazonaws.com");
    let mut leaf = CertificateParams::new([names.as_slice(), &[wildcard]].concat()).map_err(failed)?;
    leaf.distinguished_name = name("Dunlin local stack");
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    leaf.not_before = OffsetDateTime::now_utc() - Duration::days(1);
    leaf.not_after = leaf.not_before + Duration::days(LEAF_DAYS);
    let leaf_key = KeyPair::generate().map_err(failed)?;
    let issuer = Issuer::new(authority_params(), ca_key);
    let certificate = leaf.signed_by(&leaf_key, &issuer).map_err(failed)?;
    let key = PrivateKeyDer::Pkcs8(leaf_key.serialize_der().into());
    // ring by name: with two providers in one build the default builder panics.
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate.into()], key))
        .map_err(|error| Failure::internal(format!("cannot set up TLS: {error}")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Tls { config: Arc::new(config), ca_file })
}

fn authority() -> Result<(KeyPair, Option<std::path::PathBuf>), Failure> {
    let (Some(dir), Some(file)) = (data::user_dir(), data::authority_file()) else {
        return Ok((KeyPair::generate().map_err(failed)?, None));
    };
    let key_file = dir.join("ca-key.pem");
    if let (Some(key), Some(_)) = (data::read(&key_file)?, data::read(&file)?) {
        let key = KeyPair::from_pem(&key).map_err(|error| {
            let (key_file, file) = (key_file.display(), file.display());
            Failure::data(format!(
                "{key_file} is no private key ({error}): remove it and {file}, and trust the new one"
            ))
        })?;
        return Ok((key, Some(file)));
    }
    data::make_dir(&dir)?;
    let key = KeyPair::generate().map_err(failed)?;
    data::write_private(&key_file, &key.serialize_pem())?;
    data::write_private(&file, &authority_params().self_signed(&key).map_err(failed)?.pem())?;
    Ok((key, Some(file)))
}

/// The same at every start: a leaf's issuer is known by this name and the key.
fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("Dunlin local certificate authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn failed(error: rcgen::Error) -> Failure {
    Failure::internal(format!("cannot make a certificate: {error}"))
}
