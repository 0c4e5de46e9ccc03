//! The store on DynamoDB: processor time of the function, beside the same requests said again on a bare socket. The table is
//! served by a thread of its own, which is not counted; what is left is the store and the SDK.

use std::{cell::RefCell, net::SocketAddr, rc::Rc};

use dunlin_connection_store::{Connection, ConnectionStore, SUBSCRIBERS_PAGE_MAX, Shard, StoreError, Topic};
use dunlin_connection_store_dynamodb::DynamoDbStore;
use dunlin_events::{ConnectionId, limits::BATCH_WRITE_ITEMS_MAX};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::{
    data::{NOW, connection_id, connection_ids, size_name, topic},
    pairs::{Group, Pair, Stopwatch, Work},
    place::Place,
    recorded::{Recorder, Replay},
    server,
};

/// Topics of a list that is replaced; half of them stay.
const LIST: usize = 10;

pub(super) fn fill(group: &mut Group) {
    let steps: [(&str, Vec<Step>, Vec<Step>); 3] = [
        ("subscribe/1", vec![Step::Add, Step::Follow(0..1)], vec![Step::Remove]),
        (
            "replace/10",
            vec![Step::Follow(LIST / 2..LIST + LIST / 2)],
            vec![Step::Remove, Step::Add, Step::Follow(0..LIST)],
        ),
        ("disconnect/10", vec![Step::Remove], vec![Step::Add, Step::Follow(0..LIST)]),
    ];
    for (name, measured, back) in steps {
        group.pair(name, move || steps_pair(&measured, &back));
    }
    for subscribers in [10, 1_000] {
        let name = format!("enumerate/{}", size_name(subscribers));
        group.pair(&name, move || enumerate_pair(subscribers, SUBSCRIBERS_PAGE_MAX));
    }
    group.heavy_pair("enumerate/100k", || enumerate_pair(100_000, SUBSCRIBERS_PAGE_MAX));
}

/// What a connection does.
#[derive(Clone, Debug)]
enum Step {
    Add,
    /// The topics of these devices.
    Follow(std::ops::Range<usize>),
    Remove,
}

/// A client on a runtime of this thread.
struct Client {
    runtime: Runtime,
    store: DynamoDbStore,
    id: ConnectionId,
}

impl Client {
    fn new(endpoint: SocketAddr) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        let lookup = |name: &str| {
            let value = match name {
                "AWS_REGION" => "us-east-1".to_owned(),
                "AWS_ENDPOINT_URL_DYNAMODB" => format!("http://{endpoint}"),
                "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "example".to_owned(),
                _ => return None,
            };
            Some(value)
        };
        Client {
            runtime: runtime.expect("a runtime needs nothing but memory"),
            store: DynamoDbStore::from_lookup("connections", 42, lookup).expect("every variable is there"),
            id: connection_id(0),
        }
    }

    fn wait<T>(&self, future: impl Future<Output = Result<T, StoreError>>) -> T {
        self.runtime.block_on(future).expect("the table is there")
    }

    fn step(&self, step: &Step) {
        match step {
            Step::Add => self.wait(self.store.add(&Connection::new(self.id.clone(), NOW))),
            Step::Follow(devices) => {
                let topics: Vec<Topic> = devices.clone().map(topic).collect();
                let replaced = self.wait(self.store.replace_topics(&self.id, &topics, NOW));
                assert!(!replaced.added.is_empty());
            }
            Step::Remove => assert!(self.wait(self.store.remove(&self.id)), "it was there"),
        }
    }

    fn steps(&self, steps: &[Step]) {
        steps.iter().for_each(|step| self.step(step));
    }

    /// How many follow the first topic, of whom a page has so many.
    fn enumerate(&self, page_max: usize) -> u64 {
        let (topic, mut found, mut after) = (topic(0), 0, None);
        loop {
            let page = self.store.subscribers(&topic, Shard::new(0), after.as_ref(), page_max, NOW);
            let page = self.wait(page);
            found += page.subscribers.len() as u64;
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    }
}

/// An empty table behind its server.
fn table() -> SocketAddr {
    let database = dynoxide::Database::memory().expect("a database in memory");
    let server = server::start(|listener| async {
        let served = dynoxide::server::serve_with_shutdown(listener, database, std::future::pending());
        served.await.expect("the table is served until the program ends");
    });
    let client = Client::new(server);
    client.runtime.block_on(client.store.ensure_table()).expect("a new table");
    server
}

/// Both sides measure the first steps; the others bring the table back to where it was. The bare side says what the store
/// said when the table was in the same state.
fn steps_pair(measured: &[Step], back: &[Step]) -> Pair {
    let server = table();
    let recorder = Recorder::start(server);
    let recorded = Client::new(recorder.address);
    // The way back ends where the measured steps begin.
    match measured[0] {
        Step::Add => {}
        _ => recorded.steps(&back[back.len() - 2..]),
    }
    drop(recorder.take());
    recorded.steps(measured);
    let measured_requests = recorder.take();
    recorded.steps(back);
    let back_requests = recorder.take();

    let client = Client::new(server);
    let (measured, back) = (measured.to_vec(), back.to_vec());
    let subject = Work::custom(move |iterations, stopwatch: &mut Stopwatch| {
        for _ in 0..iterations {
            stopwatch.measure(|| client.steps(&measured));
            client.steps(&back);
        }
        iterations
    })
    .at(Place::Server);
    let mut replay = Replay::to(server);
    let reference = Work::custom(move |iterations, stopwatch: &mut Stopwatch| {
        for _ in 0..iterations {
            stopwatch.measure(|| replay.say(&measured_requests));
            replay.say(&back_requests);
        }
        iterations
    })
    .at(Place::Server);
    Pair::new(subject, "the same requests on a bare socket", reference)
}

fn enumerate_pair(subscribers: u64, page_max: usize) -> Pair {
    let server = table();
    fill_table(server, subscribers);
    let recorder = Recorder::start(server);
    assert_eq!(Client::new(recorder.address).enumerate(page_max), subscribers);
    let requests = recorder.take();

    let client = Client::new(server);
    let subject = Work::each(move || client.enumerate(page_max), move |found| assert_eq!(*found, subscribers))
        .at(Place::Server);
    let replay = Rc::new(RefCell::new(Replay::to(server)));
    let answer_bytes = replay.borrow_mut().say(&requests);
    let reference = Work::each(
        move || replay.borrow_mut().say(&requests),
        move |bytes| assert_eq!(*bytes, answer_bytes),
    )
    .at(Place::Server);
    Pair::new(subject, "the same requests on a bare socket", reference)
}

/// Writes the rows of so many subscribers, as the store wrote that of the first: only the ids differ. The connections
/// themselves are not needed here.
fn fill_table(server: SocketAddr, subscribers: u64) {
    let recorder = Recorder::start(server);
    let first = Client::new(recorder.address);
    first.steps(&[Step::Add, Step::Follow(0..1)]);
    let recorded = recorder.take();
    let batch = recorded.iter().find_map(|request| Batch::of(request)).expect("a row is written in a batch");
    let mut replay = Replay::to(server);
    for ids in connection_ids(subscribers).chunks(BATCH_WRITE_ITEMS_MAX) {
        replay.say(&[batch.with(ids, &first.id)]);
    }
}

/// A request that writes one item.
struct Batch {
    head: String,
    table: String,
    write: Value,
}

impl Batch {
    fn of(request: &[u8]) -> Option<Self> {
        let (head, body) = std::str::from_utf8(request).ok()?.split_once("\r\n\r\n")?;
        if !head.contains("DynamoDB_20120810.BatchWriteItem") {
            return None;
        }
        let body: Value = serde_json::from_str(body).ok()?;
        let (table, writes) = body["RequestItems"].as_object()?.iter().next()?;
        let lines = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("content-length:"));
        let head = lines.collect::<Vec<_>>().join("\r\n");
        Some(Batch { head, table: table.clone(), write: writes[0].clone() })
    }

    /// The same for these connections instead of that one.
    fn with(&self, ids: &[ConnectionId], instead_of: &ConnectionId) -> Vec<u8> {
        let write = self.write.to_string();
        let writes: Vec<Value> = ids
            .iter()
            .map(|id| serde_json::from_str(&write.replace(instead_of.as_str(), id.as_str())))
            .collect::<Result<_, _>>()
            .expect("an id needs no escape");
        let body = json!({ "RequestItems": { self.table.as_str(): writes } }).to_string();
        format!("{}\r\ncontent-length: {}\r\n\r\n{body}", self.head, body.len()).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs::doubles;

    #[test]
    fn twice_the_subscribers_cost_twice_as_much() {
        // Pages of twenty-five: twice the subscribers are twice the requests.
        doubles("enumerate", |times| enumerate_pair(times * 200, 25).into_sides().0);
    }
}
