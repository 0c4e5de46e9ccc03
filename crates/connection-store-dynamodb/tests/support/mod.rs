//! A DynamoDB emulator on a port of its own, and stores on it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test program uses its own part; a test fails by panicking"
)]

pub(crate) mod front;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use dunlin_connection_store_dynamodb::DynamoDbStore;
use dynoxide::Database;
use tokio::net::TcpListener;

pub(crate) const TABLE: &str = "connections";

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Serves an empty database until the test's runtime ends.
pub(crate) async fn emulator() -> (SocketAddr, Database) {
    let database = Database::memory().expect("a database in memory");
    (serve(database.clone()).await, database)
}

/// Serves this database until the test's runtime ends.
pub(crate) async fn serve(database: Database) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()));
    address
}

/// A store whose requests go to this endpoint, with the bounds that an app has.
pub(crate) fn store_at(endpoint: &str, table: &str, seed: u64) -> DynamoDbStore {
    DynamoDbStore::from_lookup(table, seed, variables(endpoint)).expect("every variable is there")
}

/// The variables of a function whose table is at this endpoint.
pub(crate) fn variables(endpoint: &str) -> impl Fn(&str) -> Option<String> {
    move |name| {
        let value = match name {
            "AWS_REGION" => "us-east-1",
            "AWS_ACCESS_KEY_ID" => "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY" => SECRET,
            "AWS_ENDPOINT_URL_DYNAMODB" => endpoint,
            _ => return None,
        };
        Some(value.to_owned())
    }
}

/// A client that asks once and waits for the answer: what is late, the test decides.
pub(crate) fn patient_client(address: SocketAddr) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("AKIDEXAMPLE", SECRET, None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(format!("http://{address}"))
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

/// A store whose requests are sent once and wait for their answer.
pub(crate) fn patient_store_at(address: SocketAddr, seed: u64) -> DynamoDbStore {
    DynamoDbStore::new(patient_client(address), TABLE, seed)
}

/// A name that no other table has, of this process or another one.
pub(crate) fn new_table_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{TABLE}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// An error with everything that led to it, as a log has it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
