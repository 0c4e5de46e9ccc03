//! The store's contract on DynamoDB, over HTTP against an emulator.

mod support;

use dunlin_connection_store_dynamodb::DynamoDbStore;

async fn new_store() -> DynamoDbStore {
    let (address, _) = support::emulator().await;
    let store = support::store_at(address, 42);
    store.ensure_table().await.expect("a new table");
    store
}

dunlin_connection_store::conformance_tests!(new_store());

#[tokio::test]
async fn ensuring_a_table_twice_is_no_error() {
    let store = new_store().await;
    store.ensure_table().await.expect("the table is there");
}
