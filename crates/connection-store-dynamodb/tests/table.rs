//! Making the table, and what is said of one that has another shape.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use dunlin_connection_store::{Connection, ConnectionStore as _, Shard, StoreErrorKind, Timestamp, Topic};
use dunlin_connection_store_dynamodb::{DynamoDbStore, TableError};
use dynoxide::Database;
use dynoxide::storage_backend::ManualClock;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_epoch_ms(1_760_000_000_250);

async fn world() -> (Database, DynamoDbStore) {
    let (address, database) = support::emulator().await;
    (database, support::store_at(&format!("http://{address}"), support::TABLE, 42))
}

/// A table with this key (attribute and type, the first the partition's) and these further properties.
fn make(database: &Database, key: &[(&str, &str)], more: &Value) {
    let attributes: Vec<Value> =
        key.iter().map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind})).collect();
    let roles = ["HASH", "RANGE"];
    let schema: Vec<Value> = key
        .iter()
        .zip(roles)
        .map(|((name, _), role)| json!({"AttributeName": name, "KeyType": role}))
        .collect();
    let mut table = json!({
        "TableName": support::TABLE,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": attributes,
        "KeySchema": schema,
    });
    table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    database.create_table(serde_json::from_value(table).unwrap()).unwrap();
}

fn expire_by(database: &Database, attribute: &str) {
    let request = json!({
        "TableName": support::TABLE,
        "TimeToLiveSpecification": {"Enabled": true, "AttributeName": attribute},
    });
    database.update_time_to_live(serde_json::from_value(request).unwrap()).unwrap();
}

fn expires_by(database: &Database) -> Value {
    let request = json!({"TableName": support::TABLE});
    let answer = database.describe_time_to_live(serde_json::from_value(request).unwrap()).unwrap();
    serde_json::to_value(answer).unwrap()["TimeToLiveDescription"].clone()
}

#[tokio::test]
async fn a_table_is_made_once_however_often_it_is_asked_for() {
    let (database, store) = world().await;
    let (one, other) = tokio::join!(store.ensure_table(), store.ensure_table());
    one.unwrap();
    other.unwrap();
    store.add(&Connection::new("a".parse().unwrap(), NOW)).await.unwrap();
    store.ensure_table().await.unwrap();
    assert!(store.connection(&"a".parse().unwrap(), NOW).await.unwrap().is_some(), "what is in it stays");
    let ttl = expires_by(&database);
    assert_eq!((&ttl["TimeToLiveStatus"], &ttl["AttributeName"]), (&json!("ENABLED"), &json!("expires_at")));
}

#[tokio::test]
async fn what_does_not_matter_is_left_as_it_is() {
    let (database, store) = world().await;
    make(
        &database,
        &[("pk", "S"), ("sk", "S")],
        &json!({"StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}}),
    );
    store.ensure_table().await.unwrap();
    assert_eq!(expires_by(&database)["AttributeName"], "expires_at", "the time to live is turned on");
}

#[tokio::test]
async fn a_table_with_another_key_is_refused_in_one_sentence() {
    for (key, found) in [
        (&[("id", "S")][..], "id (HASH, S)"),
        (&[("pk", "S")], "pk (HASH, S)"),
        (&[("pk", "S"), ("sk", "N")], "pk (HASH, S) and sk (RANGE, N)"),
        (&[("sk", "S"), ("pk", "S")], "pk (RANGE, S) and sk (HASH, S)"),
    ] {
        let (database, store) = world().await;
        make(&database, key, &json!({}));
        let error = store.ensure_table().await.unwrap_err();
        assert!(matches!(error, TableError::Key { .. }), "{error:?}");
        let expected = format!(
            "table \"connections\" has the key {found}; the store needs pk (HASH, S) and sk (RANGE, S), so it needs another table"
        );
        assert_eq!(support::chain(&error), expected);
        assert_ne!(
            expires_by(&database)["TimeToLiveStatus"],
            "ENABLED",
            "a table of another app is not touched"
        );
    }
}

#[tokio::test]
async fn a_table_that_expires_by_something_else_is_refused() {
    let (database, store) = world().await;
    make(&database, &[("pk", "S"), ("sk", "S")], &json!({}));
    expire_by(&database, "ttl");
    let error = store.ensure_table().await.unwrap_err();
    assert_eq!(
        support::chain(&error),
        "table \"connections\" expires items by the attribute \"ttl\"; the store needs \"expires_at\""
    );
}

#[tokio::test]
async fn the_table_deletes_what_has_expired_and_nothing_else() {
    let clock = Arc::new(ManualClock::new(NOW.epoch_s()));
    let database = Database::memory_with_clock(clock.clone()).unwrap();
    let address = support::serve(database.clone()).await;
    let store = support::store_at(&format!("http://{address}"), support::TABLE, 42);
    store.ensure_table().await.unwrap();
    let later = NOW + Duration::from_secs(60);
    let topics: [Topic; 2] = ["t".parse().unwrap(), "u".parse().unwrap()];
    for (name, at) in [("early", NOW), ("late", later)] {
        let connection = Connection::new(name.parse().unwrap(), at);
        store.add(&connection).await.unwrap();
        store.replace_topics(&connection.id, &topics, at).await.unwrap();
    }
    store.commit_head(&topics[0], 1, "{}".into()).await.unwrap();

    let expiry = Connection::new("early".parse().unwrap(), NOW).expires_at;
    clock.set(expiry.epoch_s() - 1);
    assert_eq!(database.sweep_ttl().unwrap(), 0);
    clock.set(expiry.epoch_s() + 1);
    assert_eq!(database.sweep_ttl().unwrap(), 3, "the connection and both of its rows");
    for topic in &topics {
        let page = store.subscribers(topic, Shard::new(0), None, 10, expiry).await.unwrap();
        let found: Vec<_> = page.subscribers.iter().map(|one| one.connection_id.as_str()).collect();
        assert_eq!(found, ["late"]);
    }
    assert!(store.heads(&topics).await.unwrap()[0].is_some(), "a head does not expire");
    assert!(!store.remove(&"early".parse().unwrap()).await.unwrap());
}

#[tokio::test]
async fn a_table_that_is_not_there_is_named_by_every_method() {
    let (_, store) = world().await;
    let error = store.connection(&"a".parse().unwrap(), NOW).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Internal);
    let text = support::chain(&error);
    assert!(text.starts_with("connection: store failed: request to table \"connections\": "), "{text}");
    assert!(text.contains("ResourceNotFoundException"), "{text}");
}
