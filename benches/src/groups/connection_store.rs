//! The store in memory, against the ordered maps that it is made of.

use std::{cell::RefCell, collections::BTreeMap, ops::Bound, rc::Rc};

use dunlin_connection_store::{
    Connection, ConnectionStore, MemoryStore, SUBSCRIBERS_PAGE_MAX, Shard, ShardCount, StoreError, Subscriber,
    Topic,
};
use dunlin_events::ConnectionId;
use futures_util::FutureExt;

use crate::{
    data::{NOW, connection_id, connection_ids, size_name, topic},
    pairs::{Group, Pair, Stopwatch, Work},
};

/// Connections that follow the same topic while others come and go.
const OTHERS: u64 = 1_000;

/// Connections that come, then go, in turns: the clock is read once for all of them.
const NEWCOMERS: u64 = 256;

/// Topics of a list that is replaced; half of them stay.
const LIST: usize = 10;

pub(super) fn fill(group: &mut Group) {
    group.pair("subscribe/1", || {
        Pair::new(store_turns(Turn::Come), "two ordered maps", maps_turns(Turn::Come))
    });
    group.pair("disconnect/1", || {
        Pair::new(store_turns(Turn::Go), "two ordered maps", maps_turns(Turn::Go))
    });
    group.pair("replace/10", || Pair::new(store_replace(), "an ordered map", map_replace()));
    for subscribers in [10, 1_000, 100_000] {
        group.pair(&format!("enumerate/{}", size_name(subscribers)), move || {
            Pair::new(store_enumerate(subscribers), "copying the rows", map_enumerate(subscribers))
        });
    }
}

/// The store in memory never waits.
fn now<T>(future: impl Future<Output = Result<T, StoreError>>) -> T {
    future
        .now_or_never()
        .expect("the store in memory never waits")
        .expect("the store in memory does not fail")
}

fn follow(store: &MemoryStore, id: &ConnectionId, topics: &[Topic]) {
    now(store.add(&Connection::new(id.clone(), NOW)));
    now(store.replace_topics(id, topics, NOW));
}

fn store_with(subscribers: u64) -> MemoryStore {
    let store = MemoryStore::new();
    for id in connection_ids(subscribers) {
        follow(&store, &id, &[topic(0)]);
    }
    store
}

/// By topic and shard: its subscribers.
type Rows = BTreeMap<(Topic, Shard), BTreeMap<ConnectionId, Subscriber>>;

fn row(id: &ConnectionId) -> Subscriber {
    let connection = Connection::new(id.clone(), NOW);
    Subscriber {
        connection_id: connection.id,
        connected_at: connection.connected_at,
        expires_at: connection.expires_at,
    }
}

fn place(topic: &Topic, id: &ConnectionId) -> (Topic, Shard) {
    (topic.clone(), Shard::of(id, ShardCount::ONE))
}

fn insert(rows: &mut Rows, topic: &Topic, id: &ConnectionId) {
    rows.entry(place(topic, id)).or_default().insert(id.clone(), row(id));
}

fn remove(rows: &mut Rows, topic: &Topic, id: &ConnectionId) {
    let place = place(topic, id);
    let Some(subscribers) = rows.get_mut(&place) else { return };
    subscribers.remove(id);
    if subscribers.is_empty() {
        rows.remove(&place);
    }
}

fn rows_with(subscribers: u64) -> Rows {
    let mut rows = Rows::new();
    for id in connection_ids(subscribers) {
        insert(&mut rows, &topic(0), &id);
    }
    rows
}

/// Which of two that undo each other is measured.
#[derive(Clone, Copy, PartialEq)]
enum Turn {
    Come,
    Go,
}

/// Newcomers come and follow a topic, then go again, of which one is measured.
fn turns(
    measured: Turn,
    mut come: impl FnMut(&ConnectionId) + 'static,
    mut go: impl FnMut(&ConnectionId) + 'static,
    mut count: impl FnMut() -> u64 + 'static,
) -> Work {
    let newcomers: Vec<ConnectionId> = (OTHERS..OTHERS + NEWCOMERS).map(connection_id).collect();
    Work::custom(move |iterations, stopwatch: &mut Stopwatch| {
        let mut done = 0;
        while done < iterations {
            let now = &newcomers[..(iterations - done).min(NEWCOMERS) as usize];
            let mut all_come = || now.iter().for_each(&mut come);
            let mut all_go = || now.iter().for_each(&mut go);
            let before = count();
            if measured == Turn::Come { stopwatch.measure(all_come) } else { all_come() }
            let came = count() - before;
            if measured == Turn::Go { stopwatch.measure(all_go) } else { all_go() }
            assert_eq!(count(), before, "who comes goes again");
            done += came;
        }
        done
    })
}

fn store_turns(measured: Turn) -> Work {
    let store = Rc::new(store_with(OTHERS));
    let (come, go, list) = (Rc::clone(&store), Rc::clone(&store), [topic(0)]);
    turns(
        measured,
        move |id| follow(&come, id, &list),
        move |id| assert!(now(go.remove(id))),
        move || subscribers_of(&store, &topic(0), |_| ()),
    )
}

fn maps_turns(measured: Turn) -> Work {
    let list = [topic(0)];
    let connections: BTreeMap<ConnectionId, Vec<Topic>> =
        connection_ids(OTHERS).into_iter().map(|id| (id, list.to_vec())).collect();
    let maps = Rc::new(RefCell::new((connections, rows_with(OTHERS))));
    let (come, go) = (Rc::clone(&maps), Rc::clone(&maps));
    turns(
        measured,
        move |id| {
            let (connections, rows) = &mut *come.borrow_mut();
            connections.insert(id.clone(), list.to_vec());
            insert(rows, &list[0], id);
        },
        move |id| {
            let (connections, rows) = &mut *go.borrow_mut();
            let topics = connections.remove(id).expect("it was inserted");
            remove(rows, &topics[0], id);
        },
        move || maps.borrow().1.values().next().map_or(0, |rows| rows.len() as u64),
    )
}

/// A connection follows other topics than before: half of its list goes, the other half stays, as many are new.
fn store_replace() -> Work {
    let newcomer = connection_id(OTHERS);
    let mut lists = lists();
    let store = store_with(OTHERS);
    follow(&store, &newcomer, &lists.0);
    Work::each(
        move || {
            std::mem::swap(&mut lists.0, &mut lists.1);
            now(store.replace_topics(&newcomer, &lists.0, NOW))
        },
        |replacement| assert_eq!((replacement.added.len(), replacement.removed.len()), (LIST / 2, LIST / 2)),
    )
}

/// None of them is what the others follow.
fn lists() -> (Vec<Topic>, Vec<Topic>) {
    let from = |first: usize| (first..first + LIST).map(topic).collect();
    (from(1), from(1 + LIST / 2))
}

fn map_replace() -> Work {
    let newcomer = connection_id(OTHERS);
    let (first, second) = lists();
    let (mut going, mut coming) = (first[..LIST / 2].to_vec(), second[LIST / 2..].to_vec());
    let mut rows = rows_with(OTHERS);
    first.iter().for_each(|topic| insert(&mut rows, topic, &newcomer));
    let expected = rows.len();
    Work::each(
        move || {
            going.iter().for_each(|topic| remove(&mut rows, topic, &newcomer));
            coming.iter().for_each(|topic| insert(&mut rows, topic, &newcomer));
            std::mem::swap(&mut going, &mut coming);
            rows.len()
        },
        move |topics| assert_eq!(*topics, expected),
    )
}

/// Everyone who follows a topic, page by page.
fn subscribers_of(store: &MemoryStore, topic: &Topic, mut take: impl FnMut(&[Subscriber])) -> u64 {
    let (mut found, mut after) = (0, None);
    loop {
        let page =
            now(store.subscribers(topic, Shard::new(0), after.as_ref(), SUBSCRIBERS_PAGE_MAX, NOW));
        found += page.subscribers.len() as u64;
        take(&page.subscribers);
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

/// A publisher reads who follows a topic.
fn store_enumerate(subscribers: u64) -> Work {
    let (store, topic) = (store_with(subscribers), topic(0));
    Work::each(
        move || subscribers_of(&store, &topic, |page| _ = std::hint::black_box(page)),
        move |found| assert_eq!(*found, subscribers),
    )
}

/// The same pages, of rows kept as a page has them: what the store adds is its lock, the way to the shard, the check of every
/// expiry and the look at what follows a page.
fn map_enumerate(subscribers: u64) -> Work {
    let rows = rows_with(subscribers);
    let place = (topic(0), Shard::new(0));
    let mut expected = Vec::new();
    subscribers_of(&store_with(subscribers), &place.0, |page| expected.extend_from_slice(page));
    let mut copied = Vec::new();
    pages_of(&rows[&place], |page| copied.extend_from_slice(page));
    assert_eq!(copied, expected, "both make the same pages");
    Work::each(
        move || pages_of(&rows[&place], |page| _ = std::hint::black_box(page)),
        move |found| assert_eq!(*found, subscribers),
    )
}

fn pages_of(rows: &BTreeMap<ConnectionId, Subscriber>, mut take: impl FnMut(&[Subscriber])) -> u64 {
    let (mut found, mut after) = (0, Bound::Unbounded);
    loop {
        let range = rows.range::<ConnectionId, _>((after.as_ref(), Bound::Unbounded));
        let page: Vec<Subscriber> = range.take(SUBSCRIBERS_PAGE_MAX).map(|(_, row)| row.clone()).collect();
        found += page.len() as u64;
        take(&page);
        match page.last() {
            Some(last) if page.len() == SUBSCRIBERS_PAGE_MAX => {
                after = Bound::Excluded(last.connection_id.clone());
            }
            _ => return found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs::doubles;

    #[test]
    fn twice_the_subscribers_cost_twice_as_much() {
        doubles("enumerate", |times| store_enumerate(times * 1_000));
        doubles("copying the rows", |times| map_enumerate(times * 1_000));
    }
}
