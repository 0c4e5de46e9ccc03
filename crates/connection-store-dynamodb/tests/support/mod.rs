//! A DynamoDB emulator on a port of its own, and a store on it.

use std::net::SocketAddr;

use dunlin_connection_store_dynamodb::DynamoDbStore;
use dynoxide::Database;
use tokio::net::TcpListener;

pub(crate) const TABLE: &str = "connections";

/// Serves an empty database until the test's runtime ends.
pub(crate) async fn emulator() -> (SocketAddr, Database) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    let database = Database::memory().expect("a database in memory");
    let served = database.clone();
    tokio::spawn(dynoxide::server::serve_with_shutdown(listener, served, std::future::pending()));
    (address, database)
}

/// A store whose requests go to this address.
pub(crate) fn store_at(address: SocketAddr, seed: u64) -> DynamoDbStore {
    DynamoDbStore::from_lookup(TABLE, seed, |name| match name {
        "AWS_REGION" => Some("us-east-1".to_owned()),
        "AWS_ACCESS_KEY_ID" => Some("AKIDEXAMPLE".to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
        "AWS_ENDPOINT_URL_DYNAMODB" => Some(format!("http://{address}")),
        _ => None,
    })
    .expect("every variable is there")
}
