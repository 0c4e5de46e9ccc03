//! The store's contract on a second DynamoDB, which knows nothing of the first: moto's, over HTTP.
//!
//! `cargo xtask test --moto` starts the server and names it in `DUNLIN_MOTO`; this target runs there and nowhere else.

mod support;

use dunlin_connection_store_dynamodb::DynamoDbStore;

async fn new_store() -> DynamoDbStore {
    let endpoint = std::env::var("DUNLIN_MOTO").expect("DUNLIN_MOTO is the endpoint of moto's server");
    // One server for all cases, so each has a table of its own.
    let store = support::store_at(&endpoint, &support::new_table_name(), 42);
    store.ensure_table().await.expect("a new table");
    store
}

dunlin_connection_store::conformance_tests!(new_store());
