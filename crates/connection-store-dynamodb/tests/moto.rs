//! The store's contract on a second DynamoDB, which knows nothing of the first: moto's, over HTTP.
//!
//! `cargo xtask test --moto` starts the server and names it in `DUNLIN_MOTO`; this target runs there and nowhere else.
//!
//! What moto has wrong: its server works on requests in several threads and has no lock around an operation, so that of
//! two conditional writes on one item both may find the condition true. A front therefore lets one request through at a
//! time; callers are as concurrent as ever. Nothing else of the contract had to be left out or excused.

mod support;

use std::net::SocketAddr;

use dunlin_connection_store_dynamodb::DynamoDbStore;
use support::front::Front;

async fn new_store() -> DynamoDbStore {
    let endpoint = std::env::var("DUNLIN_MOTO").expect("DUNLIN_MOTO is the endpoint of moto's server");
    let address: Option<SocketAddr> =
        endpoint.strip_prefix("http://").and_then(|address| address.parse().ok());
    let front = Front::one_at_a_time(address.expect("the endpoint is http:// and an address")).await;
    // One server for all cases, so each has a table of its own.
    let store = support::store_at(&format!("http://{}", front.address), &support::new_table_name(), 42);
    store.ensure_table().await.expect("a new table");
    store
}

dunlin_connection_store::conformance_tests!(new_store());
