use std::{path::Path, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
        version::{TLS12, TLS13},
    },
};

use super::Address;
use crate::{Unmet, fails};

/// A TCP or TLS stream.
pub type Stream = Box<dyn Duplex>;

/// Both directions of a connection.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Which certificates are trusted: the system's, and those of one file.
#[derive(Clone)]
pub struct Roots(Arc<RootCertStore>);

impl Roots {
    /// Reads them. What the system has and cannot be read is passed over.
    ///
    /// # Errors
    /// One sentence about the file.
    pub fn read(ca_file: Option<&Path>) -> Result<Self, String> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(file) = ca_file {
            let wrong =
                |problem: String| format!("cannot use the certificates in {}: {problem}", file.display());
            let certificates =
                CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                store.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
        }
        Ok(Roots(Arc::new(store)))
    }

    /// A client of one or both versions of TLS.
    pub(crate) fn connector(&self, versions: Versions) -> Result<TlsConnector, Unmet> {
        let versions: &[_] = match versions {
            Versions::Both => &[&TLS12, &TLS13],
            Versions::Tls12 => &[&TLS12],
            Versions::Tls13 => &[&TLS13],
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = match builder.with_protocol_versions(versions) {
            Ok(builder) => builder.with_root_certificates(Arc::clone(&self.0)).with_no_client_auth(),
            Err(error) => return fails("a TLS client", error),
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// What a client of TLS speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Versions {
    Both,
    Tls12,
    Tls13,
}

/// Opens a TCP connection.
///
/// # Errors
/// Nobody listens, or nobody answers in time.
pub(crate) async fn connect_tcp(address: &Address, patience: Duration) -> Result<TcpStream, Unmet> {
    let expected = || format!("somebody who listens at {}", address.authority());
    match timeout(patience, TcpStream::connect(address.socket())).await {
        Ok(Ok(stream)) => match stream.set_nodelay(true) {
            Ok(()) => Ok(stream),
            Err(error) => fails(expected(), error),
        },
        Ok(Err(error)) => fails(expected(), error),
        Err(_) => fails(expected(), format!("nothing within {patience:?}")),
    }
}

/// Opens a connection, with TLS where the address says so.
///
/// # Errors
/// Nobody listens, nobody answers in time, or the certificate is not trusted.
pub async fn connect(address: &Address, roots: &Roots, patience: Duration) -> Result<Stream, Unmet> {
    let tcp = connect_tcp(address, patience).await?;
    if !address.is_tls {
        return Ok(Box::new(tcp));
    }
    connect_tls(tcp, address, roots, Versions::Both, patience).await
}

/// Speaks TLS over a connection.
pub(crate) async fn connect_tls(
    tcp: TcpStream,
    address: &Address,
    roots: &Roots,
    versions: Versions,
    patience: Duration,
) -> Result<Stream, Unmet> {
    let expected = || format!("TLS at {}", address.authority());
    let name = match ServerName::try_from(address.socket().0.to_owned()) {
        Ok(name) => name,
        Err(error) => return fails(expected(), error),
    };
    match timeout(patience, roots.connector(versions)?.connect(name, tcp)).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => fails(expected(), error),
        Err(_) => fails(expected(), format!("nothing within {patience:?}")),
    }
}

/// Reads until the other side ends, at most `bytes_max` bytes and `patience` long; gives what came.
pub async fn pass_over(stream: &mut (impl AsyncRead + Unpin), bytes_max: u64, patience: Duration) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Cut off or not: what came is what the caller wants to see.
    let _ = timeout(patience, stream.take(bytes_max).read_to_end(&mut bytes)).await;
    bytes
}
