//! The management API (`@connections`) over HTTP, twice, behind one trait:
//! [`ManagementClient`](dunlin_management::ManagementClient).
//!
//! [`LeanManagementClient`] signs and sends the three requests itself; it is the one for fan-out, where the cost of a
//! post is the cost of the pass. `SdkManagementClient` goes through the service's SDK; it is the reference
//! that the lean client is checked against. Both make one attempt per call: the caller owns the retries.
//!
//! The crate must not know a store, a gateway or a function runtime.
//!
//! ```
//! use dunlin_management::{ManagementClient as _, PostOutcome};
//! use dunlin_management_aws::{ClientConfig, Credentials, LeanManagementClient};
//!
//! # use std::io::{Read as _, Write as _};
//! # fn serve_one(listener: std::net::TcpListener) -> std::io::Result<()> {
//! #     let (mut stream, _) = listener.accept()?;
//! #     let (mut request, mut buffer) = (String::new(), [0; 4096]);
//! #     while !request.ends_with(r#"{"type":"hello"}"#) {
//! #         let read = stream.read(&mut buffer)?;
//! #         assert!(read > 0, "{request}");
//! #         request.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
//! #     }
//! #     assert!(request.starts_with("POST /dev/@connections/L0SM9cOFvHcCIhw%3D HTTP/1.1\r\n"), "{request}");
//! #     stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
//! # let endpoint = format!("http://{}/dev", listener.local_addr()?);
//! # let server = std::thread::spawn(|| serve_one(listener));
//! # let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
//! // In a function: `LeanManagementClient::from_env()?`. The endpoint includes the stage.
//! let management = LeanManagementClient::new(ClientConfig::new(&endpoint, "eu-west-1", credentials)?)?;
//! let outcome = management.post(&"L0SM9cOFvHcCIhw=".parse()?, r#"{"type":"hello"}"#.into()).await?;
//! assert_eq!(outcome, PostOutcome::Delivered);
//! # server.join().unwrap()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | | what it is |
//! | --- | --- | --- |
//! | `lean` | default | [`LeanManagementClient`], without any SDK |
//! | `tls` | default | `https://` endpoints: rustls with *ring*, and the authorities of [`Roots`] |
//! | `sdk` | | `SdkManagementClient`; the SDK doubles the time of a build |
//!
//! A function that is deployed needs `tls`; against a local stack plain `http://` does.

#![cfg_attr(
    not(any(feature = "lean", feature = "sdk")),
    allow(dead_code, reason = "without a client nobody uses what clients need")
)]

#[cfg(any(feature = "lean", feature = "sdk"))]
mod answer;
mod config;
#[cfg(feature = "lean")]
mod connect;
#[cfg(feature = "lean")]
mod credentials;
#[cfg_attr(not(all(feature = "lean", feature = "tls")), allow(dead_code, reason = "others need less of it"))]
mod endpoint;
#[cfg(feature = "lean")]
mod lean;
#[cfg(feature = "lean")]
mod pool;
#[cfg(feature = "sdk")]
mod sdk;
#[cfg(feature = "lean")]
mod sign;
#[cfg(feature = "tls")]
mod tls;

pub use aws_credential_types::Credentials;
pub use aws_credential_types::provider::ProvideCredentials;
pub use config::{
    CONNECT_TIMEOUT, CONNECTIONS_MAX, ClientConfig, Clock, ConfigError, ENDPOINT_VARIABLES, REQUEST_TIMEOUT,
};
#[cfg(feature = "lean")]
pub use credentials::{REFRESH_BEFORE_EXPIRY, REFRESH_PAUSE};
pub use endpoint::{Endpoint, InvalidEndpoint};
#[cfg(feature = "lean")]
pub use lean::LeanManagementClient;
#[cfg(feature = "lean")]
pub use pool::{ANSWER_BYTES_MAX, IDLE_TIMEOUT};
#[cfg(feature = "sdk")]
pub use sdk::SdkManagementClient;
#[cfg(feature = "tls")]
pub use tls::Roots;
