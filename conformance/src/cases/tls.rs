//! TLS (H2).

use tokio::io::AsyncWriteExt;

use crate::{
    Checked, Site, Unmet, fails,
    wire::{Handshake, TlsVersions, connect_tcp, connect_tls, pass_over},
};

/// A client of either version gets a WebSocket.
pub(super) async fn versions(site: &Site) -> Checked {
    let address = site.secure()?;
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let tcp = connect_tcp(address, site.patience).await?;
        let stream = connect_tls(tcp, address, &site.roots, versions, site.patience).await?;
        Handshake::to(address).send_over(stream, site).await?.opened()?;
    }
    Ok(())
}

/// A client that offers TLS 1.1 and nothing newer, with cipher suites that it had.
const HELLO_OF_1_1: &[u8] = b"\x16\x03\x01\x00\x37\x01\x00\x00\x33\x03\x02\
    conformance suite says hello now\x00\x00\x0c\xc0\x13\xc0\x14\xc0\x09\xc0\x0a\x00\x2f\x00\x35\x01\x00";

/// What a TLS server answers if it goes on: the first byte of a handshake record.
const HANDSHAKE_RECORD: u8 = 0x16;

pub(super) async fn older(site: &Site) -> Checked {
    let mut tcp = connect_tcp(site.secure()?, site.patience).await?;
    if let Err(error) = tcp.write_all(HELLO_OF_1_1).await {
        return fails("a server that reads", error);
    }
    match pass_over(&mut tcp, 1, site.patience).await.first() {
        Some(&HANDSHAKE_RECORD) => fails("an alert, or the end", "a server that speaks TLS 1.1"),
        _ => Ok::<(), Unmet>(()),
    }
}
