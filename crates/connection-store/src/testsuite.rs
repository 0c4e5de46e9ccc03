//! The conformance suite: what every store must do, whatever it is made of.
//!
//! A backend calls [`conformance_tests!`](crate::conformance_tests) once in its tests, with an expression
//! that makes a new, empty store; each case becomes a test of its own. The store must keep its promises
//! under real concurrency: some cases run writers on several threads. Others go through every order that the calls of
//! several callers can have ([`orders`], which serves for finer steps than calls as well).

mod followers;
mod heads;
mod interleaved;
mod lists;
mod model;
pub mod orders;

use dunlin_events::ConnectionId;
pub use followers::*;
pub use heads::*;
pub use interleaved::*;
pub use lists::*;
pub use model::*;

use crate::{Connection, ConnectionStore, PageToken, Shard, ShardCount, Timestamp, Topic};

/// Makes one test of each case. The argument is an `async` expression that yields a new, empty store.
///
/// ```
/// # use dunlin_connection_store::{MemoryStore, conformance_tests};
/// conformance_tests!(async { MemoryStore::new() });
/// ```
#[macro_export]
macro_rules! conformance_tests {
    ($make:expr) => {
        $crate::conformance_tests! { @each $make;
            adding_twice_keeps_the_first
            an_unknown_connection_has_nothing
            a_list_is_replaced_as_a_whole
            the_same_list_again_changes_nothing
            a_full_list_fits_and_a_longer_one_is_refused
            removal_takes_every_subscription
            replacements_at_once_end_with_one_list
            a_removal_during_a_replacement_leaves_no_row
            pages_return_every_subscriber_once_in_order
            a_page_goes_on_after_a_subscriber_that_left
            shards_share_the_subscribers
            growing_keeps_the_rows_there_are
            what_expired_never_comes_back
            heads_take_newer_versions_only
            heads_come_in_the_order_asked
            commits_at_once_leave_the_newest
            estimates_are_kept_with_the_head
            pruning_takes_the_connection_and_all_it_follows
            no_update_is_missed
            no_update_is_missed_in_any_order
            the_newest_update_wins_in_any_order
            a_removal_wins_in_any_order
            an_enumeration_goes_on_while_everything_changes
            an_expired_connection_makes_room
            random_calls_end_as_in_memory
        }
    };
    (@each $make:expr; $($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::testsuite::$case(::std::sync::Arc::new($make.await)).await;
            }
        )*
    };
}

/// The time of the suite: some moment that is not a whole second.
const NOW: Timestamp = Timestamp::from_epoch_ms(1_760_000_000_250);

/// Times that a case with a race is repeated.
const ROUNDS: u32 = 12;

fn id(text: &str) -> ConnectionId {
    text.parse().expect("the suite's ids are valid")
}

fn topic(text: &str) -> Topic {
    text.parse().expect("the suite's topics are valid")
}

fn topics(names: &[&str]) -> Vec<Topic> {
    names.iter().map(|name| topic(name)).collect()
}

fn shards(count: u16) -> ShardCount {
    ShardCount::new(count).expect("the suite's counts are valid")
}

async fn connect(store: &impl ConnectionStore, name: &str) -> ConnectionId {
    store.add(&Connection::new(id(name), NOW)).await.expect("add");
    id(name)
}

async fn follow(store: &impl ConnectionStore, id: &ConnectionId, names: &[&str]) {
    store.replace_topics(id, &topics(names), NOW).await.expect("replace_topics");
}

/// Everyone who follows the topic at `now`, from every shard and page, with the shard; checks that each page is in order.
async fn followers_at(
    store: &impl ConnectionStore,
    name: &str,
    count: ShardCount,
    limit: usize,
    now: Timestamp,
) -> Vec<(Shard, ConnectionId)> {
    let mut found = Vec::new();
    for shard in count.shards() {
        let mut after: Option<PageToken> = None;
        let mut in_shard: Vec<ConnectionId> = Vec::new();
        loop {
            let page = store
                .subscribers(&topic(name), shard, after.as_ref(), limit, now)
                .await
                .expect("subscribers");
            assert!(page.subscribers.len() <= limit, "a page holds at most what was asked for");
            in_shard.extend(page.subscribers.into_iter().map(|subscriber| subscriber.connection_id));
            let Some(next) = page.next else { break };
            assert_ne!(after.as_ref(), Some(&next), "every page goes on");
            after = Some(next);
        }
        assert!(in_shard.is_sorted(), "subscribers come in the order of their ids: {in_shard:?}");
        found.extend(in_shard.into_iter().map(|id| (shard, id)));
    }
    found
}

async fn followers(store: &impl ConnectionStore, name: &str) -> Vec<ConnectionId> {
    let found = followers_at(store, name, shards(8), 100, NOW).await;
    found.into_iter().map(|(_, id)| id).collect()
}
