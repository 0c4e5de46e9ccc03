//! The stack's certificates: an authority that is made once for the user, and a fresh leaf at each start.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    sync::Arc,
};

use dunlin_stack::{Stack, URL_SUFFIX};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};
use tokio_rustls::rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};

use super::data;
use crate::failure::{Failure, NO_INPUT};

/// Days that a leaf is valid; a stack that runs longer must be started again. Clients refuse leaves of over 398.
const LEAF_DAYS: i64 = 397;

/// The TLS side of every API, and the file that clients are to trust (none without a folder to keep it in: then the
/// authority is for this run only).
pub(super) struct Tls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) ca_file: Option<PathBuf>,
}

/// Loads or makes the authority, and signs a leaf for the stack's names, custom domains among them, and for `host`, unless that stands for
/// all addresses of the machine.
pub(super) fn prepare(stack: &Stack, host: IpAddr) -> Result<Tls, Failure> {
    let (ca_key, ca_file) = authority()?;
    let mut names = vec!["localhost".to_owned(), format!("*.execute-api.{}.{URL_SUFFIX}", stack.region)];
    names.extend(stack.domains.iter().map(|domain| domain.name.clone()));
    let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    names.extend(loopback.map(|address| address.to_string()));
    if !host.is_unspecified() && !loopback.contains(&host) {
        names.push(host.to_string());
    }
    let mut leaf = CertificateParams::new(names).map_err(failed)?;
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

fn authority() -> Result<(KeyPair, Option<PathBuf>), Failure> {
    if let (Some(dir), Some(file)) = (data::user_dir(), data::authority_file()) {
        match kept_authority(&dir, &file) {
            Ok(key) => return Ok((key, Some(file))),
            // A folder that cannot be used, such as that of a user without a home, is no reason not to start.
            Err(failure) if failure.code == NO_INPUT => {
                tracing::warn!(
                    "{}; the certificate authority for wss is made for this run only, so that no client can trust it: set \
                     XDG_DATA_HOME to a folder that can be written to",
                    failure.message
                );
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok((KeyPair::generate().map_err(failed)?, None))
}

/// The key that is kept in `dir`, made if there is none, with its certificate in `file`. Stacks that start at the same
/// moment get the same: the first key stays, and any certificate for it is as good as another.
fn kept_authority(dir: &Path, file: &Path) -> Result<KeyPair, Failure> {
    let key_file = dir.join("ca-key.pem");
    let parse = |key: &str| {
        KeyPair::from_pem(key).map_err(|error| {
            let (key_file, file) = (key_file.display(), file.display());
            Failure::data(format!(
                "{key_file} is no private key ({error}): remove it and {file}, and trust the new one"
            ))
        })
    };
    let write_certificate = |key: &KeyPair| {
        data::write_private(file, &authority_params().self_signed(key).map_err(failed)?.pem())
    };
    if data::read(&key_file)?.is_none() {
        data::make_dir(dir)?;
        let key = KeyPair::generate().map_err(failed)?;
        if data::write_first(&key_file, &key.serialize_pem())? {
            // In the place of one that may be left of another key.
            write_certificate(&key)?;
            return Ok(key);
        }
    }
    let key = parse(&data::read(&key_file)?.unwrap_or_default())?;
    if data::read(file)?.is_none() {
        write_certificate(&key)?;
    }
    Ok(key)
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
