//! The store's contract on DynamoDB, over HTTP against an emulator.

mod support;

use dunlin_connection_store_dynamodb::DynamoDbStore;

async fn new_store() -> DynamoDbStore {
    let (address, _) = support::emulator().await;
    let store = support::store_at(&format!("http://{address}"), support::TABLE, 42);
    store.ensure_table().await.expect("a new table");
    store
}

dunlin_connection_store::conformance_tests!(new_store());
