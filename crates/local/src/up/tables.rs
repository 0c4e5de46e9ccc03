//! The stack's tables on an embedded DynamoDB.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use dunlin_stack::{Stack, Table};
use dynoxide::{Database, storage_backend::Clock};
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::listen::Listening;
use crate::failure::Failure;

/// How often expired items are looked for. The service takes days; readers have to filter either way.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60);

/// The stack's tables, for whoever sets the clock ahead.
#[derive(Clone)]
pub(super) struct Tables {
    database: Database,
    /// Seconds.
    ahead: Arc<AtomicU64>,
}

impl Tables {
    /// Sets the clock by which items expire ahead of the world's, and deletes what has expired by then. A database in a
    /// file keeps to the system's clock: its library takes another one in memory only.
    pub(super) async fn set_ahead(&self, ahead: Duration) {
        self.ahead.store(ahead.as_secs(), Relaxed);
        self.sweep().await;
    }

    async fn sweep(&self) {
        let database = self.database.clone();
        match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(items)) => tracing::debug!("{items} expired items deleted"),
            Ok(Err(error)) => tracing::warn!("expired items could not be deleted: {error}"),
        }
    }
}

/// The system's clock, and how many seconds it is to be ahead.
struct AheadClock(Arc<AtomicU64>);

impl Clock for AheadClock {
    fn now_unix_secs(&self) -> u64 {
        self.now().as_secs()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        self.now().as_secs_f64()
    }
}

impl AheadClock {
    fn now(&self) -> Duration {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        real + Duration::from_secs(self.0.load(Relaxed))
    }
}

/// Opens the database (a file in `data`, else memory), makes the stack's tables, and serves it over HTTP.
pub(super) fn serve(
    stack: &Stack,
    data: Option<&Path>,
    listening: Listening,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> Result<Tables, Failure> {
    let ahead = Arc::new(AtomicU64::new(0));
    let database = open(data, &ahead)?;
    for table in &stack.tables {
        ensure(&database, table)?;
    }
    for listener in listening.listeners {
        let server =
            dynoxide::server::serve_with_shutdown(listener, database.clone(), stop.clone().cancelled_owned());
        let stop = stop.clone();
        tasks.spawn(async move {
            // A client's half-sent request would hold a graceful end for ever: once told to stop, it is not waited for.
            tokio::select! {
                done = server => if let Err(error) = done { tracing::error!("DynamoDB stopped: {error}") },
                () = stop.cancelled() => {}
            }
        });
    }
    let tables = Tables { database, ahead };
    tasks.spawn(expire(tables.clone(), stop));
    Ok(tables)
}

fn open(data: Option<&Path>, ahead: &Arc<AtomicU64>) -> Result<Database, Failure> {
    let Some(dir) = data else {
        return Database::memory_with_clock(Arc::new(AheadClock(Arc::clone(ahead))))
            .map_err(|error| Failure::internal(format!("cannot make a database: {error}")));
    };
    let file = dir.join("dynamodb.sqlite");
    Database::new(&file.to_string_lossy()).map_err(|error| {
        tracing::debug!("cannot open the database: {error}");
        let file = file.display();
        Failure::data(format!(
            "{file} cannot be opened as a database of tables; move it away to start afresh, or choose another folder with --data"
        ))
    })
}

/// Makes the table, or checks that the one that is there has the same keys.
fn ensure(database: &Database, table: &Table) -> Result<(), Failure> {
    let failed = |error: dynoxide::DynoxideError| {
        Failure::data(format!("table {}: DynamoDB refuses it: {error}", table.logical_id))
    };
    let there = database.get_table_metadata(&table.name).map_err(failed)?.is_some();
    if there {
        let describe = from_json(json!({"TableName": table.name}))?;
        let found = to_json(&database.describe_table(describe).map_err(failed)?)?;
        let found = &found["Table"]["KeySchema"];
        if *found != table.create_table["KeySchema"] {
            return Err(Failure::data(format!(
                "table {} is kept with other keys than the template gives it: use another --data folder, or move this one away",
                table.name
            )));
        }
        return Ok(());
    }
    database.create_table(from_json(table.create_table.clone())?).map_err(failed)?;
    if let Some(attribute) = &table.ttl_attribute {
        let update = json!({
            "TableName": table.name,
            "TimeToLiveSpecification": {"AttributeName": attribute, "Enabled": true},
        });
        database.update_time_to_live(from_json(update)?).map_err(failed)?;
    }
    Ok(())
}

fn from_json<T: serde::de::DeserializeOwned>(body: Value) -> Result<T, Failure> {
    serde_json::from_value(body)
        .map_err(|error| Failure::data(format!("a table's description is not one: {error}")))
}

fn to_json<T: serde::Serialize>(answer: &T) -> Result<Value, Failure> {
    serde_json::to_value(answer).map_err(|error| Failure::internal(error.to_string()))
}

/// Deletes expired items now and then: the library does not by itself.
async fn expire(tables: Tables, stop: CancellationToken) {
    let mut interval = tokio::time::interval(EXPIRY_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = stop.cancelled() => return,
        }
        tables.sweep().await;
    }
}

#[cfg(test)]
mod tests {
    use dunlin_stack::Place;

    use super::*;

    #[tokio::test]
    async fn items_expire_when_the_clock_is_set_ahead() {
        let table = Table {
            logical_id: "Rows".to_owned(),
            name: "rows".to_owned(),
            arn: String::new(),
            at: Place { file: Path::new("template.yaml").into(), line: 1, column: 1 },
            create_table: json!({
                "TableName": "rows",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
            }),
            ttl_attribute: Some("expires_at".to_owned()),
        };
        let ahead = Arc::new(AtomicU64::new(0));
        let database = open(None, &ahead).unwrap();
        ensure(&database, &table).unwrap();
        let tables = Tables { database: database.clone(), ahead };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        for (key, expires_at) in [("soon", now + 3_600), ("late", now + 3 * 3_600)] {
            let item = json!({"pk": {"S": key}, "expires_at": {"N": expires_at.to_string()}});
            database.put_item(from_json(json!({"TableName": "rows", "Item": item})).unwrap()).unwrap();
        }
        let left = || {
            let scanned = database.scan(from_json(json!({"TableName": "rows"})).unwrap()).unwrap();
            to_json(&scanned).unwrap()["Count"].as_u64()
        };
        tables.set_ahead(Duration::from_secs(1_800)).await;
        assert_eq!(left(), Some(2));
        tables.set_ahead(Duration::from_secs(2 * 3_600)).await;
        assert_eq!(left(), Some(1));
    }
}
