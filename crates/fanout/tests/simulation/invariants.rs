//! What must hold in every world, as functions of its trace.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_connection_store::Shard;
use dunlin_fanout::{Checkpoint, Commit, POSTING_TIME_PERCENT, Report, YOUNG_CONNECTION_AGE};
use dunlin_management::ManagementErrorKind;
use tokio::time::Duration;

use crate::trace::{Entry, Event, Id, Outcome, Trace};
use crate::world::connection_id;

type Check = fn(&Trace) -> Result<(), String>;

/// Each by its name.
pub(crate) const ALL: [(&str, Check); 12] = [
    ("everyone is reached or reported", everyone_is_reached_or_reported),
    ("nobody is posted to after found gone", nobody_is_posted_to_after_found_gone),
    ("a ghost costs one post", a_ghost_costs_one_post),
    ("nobody gets it twice from one pass", nobody_gets_it_twice_from_one_pass),
    ("only subscribers are posted to", only_subscribers_are_posted_to),
    ("only the gone are pruned", only_the_gone_are_pruned),
    ("the window is held", the_window_is_held),
    ("the deadline is held", the_deadline_is_held),
    ("a pass is cut short only for a reason", a_pass_is_cut_short_only_for_a_reason),
    ("the service's hint is waited for", the_services_hint_is_waited_for),
    ("a pass pushes its own version, and none that is passed", a_pass_pushes_its_own_version),
    ("the counts add up", the_counts_add_up),
];

/// The first that does not hold, and why.
pub(crate) fn check_all(trace: &Trace) -> Result<(), (&'static str, String)> {
    ALL.iter().try_for_each(|(name, check)| check(trace).map_err(|why| (*name, why)))
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// Whoever followed the topic before the pass began and lived until it ended got the update from it, or was refused for
/// good and is counted as failed, or is where the checkpoint goes on.
fn everyone_is_reached_or_reported(trace: &Trace) -> Result<(), String> {
    let posts = trace.posts();
    for (pass, plan) in trace.passes.iter().enumerate() {
        let Some(report) = trace.report(pass).filter(|report| !report.is_older()) else { continue };
        let settled: BTreeSet<Id> = posts
            .iter()
            .filter(|post| post.pass == pass && is_settled(post.outcome))
            .map(|post| post.id)
            .collect();
        for (id, shard) in live_during(trace, pass) {
            let is_its_business = plan.from.as_ref().is_none_or(|from| covers(from, id, shard));
            let is_left = report.checkpoint.as_ref().is_some_and(|left| covers(left, id, shard));
            ensure(!is_its_business || settled.contains(&id) || is_left, || {
                format!("pass {pass} neither reached {id} nor says that it did not")
            })?;
        }
    }
    Ok(())
}

fn is_settled(outcome: Option<Outcome>) -> bool {
    match outcome {
        Some(Outcome::Delivered) => true,
        Some(Outcome::Failed { kind, .. }) => !kind.is_retryable(),
        Some(Outcome::Gone) | None => false,
    }
}

/// Connections whose row was there and that lived, from before the pass began until it ended, with their shards.
fn live_during(trace: &Trace, pass: usize) -> BTreeMap<Id, u16> {
    let mut live = BTreeMap::new();
    let mut began = false;
    for Entry { event, .. } in &trace.entries {
        match *event {
            Event::Joined { id, shard, .. } if !began => _ = live.insert(id, shard),
            Event::Left { id } | Event::Died { id } => _ = live.remove(&id),
            Event::PassBegan { pass: other } if other == pass => began = true,
            Event::PassEnded { pass: other, .. } if other == pass => break,
            _ => {}
        }
    }
    live
}

fn covers(checkpoint: &Checkpoint, id: Id, shard: u16) -> bool {
    let named = checkpoint.missed.iter().any(|missed| missed.connection_id == connection_id(id));
    named
        || checkpoint.position.as_ref().is_some_and(|position| {
            let after = position.after.as_deref();
            (Shard::new(shard), Some(connection_id(id).as_str())) > (position.shard, after)
        })
}

/// A 410 is believed if the connection was old enough when the post began, or if it is the second one.
fn nobody_is_posted_to_after_found_gone(trace: &Trace) -> Result<(), String> {
    let mut began_at = BTreeMap::new();
    let mut gone = BTreeSet::new();
    let mut young = BTreeSet::new();
    for Entry { at, event } in &trace.entries {
        match *event {
            Event::PostBegan { pass, id, .. } => {
                began_at.insert((pass, id), *at);
                ensure(!gone.contains(&(pass, id)), || {
                    format!("{id} was gone, and pass {pass} posts again")
                })?;
            }
            Event::PostAnswered { pass, id, outcome: Outcome::Gone } => {
                let began_at = began_at[&(pass, id)];
                let is_old = trace.age_at(id, began_at).is_some_and(|age| age >= YOUNG_CONNECTION_AGE);
                if is_old || !young.insert((pass, id)) {
                    gone.insert((pass, id));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// One that was dead when a pass began costs it one post, two if it is young, and none once it is pruned. What answers
/// 429 or 5xx in its place is no answer about the connection.
fn a_ghost_costs_one_post(trace: &Trace) -> Result<(), String> {
    let mut dead = BTreeSet::new();
    let mut pruned = BTreeSet::new();
    let mut posts: BTreeMap<(usize, Id), u32> = BTreeMap::new();
    let mut first_at: BTreeMap<(usize, Id), Duration> = BTreeMap::new();
    // Of each pass, who was dead and who pruned when it began.
    let mut ghosts: BTreeMap<usize, (BTreeSet<Id>, BTreeSet<Id>)> = BTreeMap::new();
    for Entry { at, event } in &trace.entries {
        match *event {
            Event::Died { id } => _ = dead.insert(id),
            Event::Pruned { id, .. } => _ = pruned.insert(id),
            Event::PassBegan { pass } => _ = ghosts.insert(pass, (dead.clone(), pruned.clone())),
            Event::PostBegan { pass, id, .. } => _ = first_at.entry((pass, id)).or_insert(*at),
            Event::PostAnswered { pass, id, outcome } => {
                let Some((dead, pruned)) = ghosts.get(&pass).filter(|(dead, _)| dead.contains(&id)) else {
                    continue;
                };
                let posts = posts.entry((pass, id)).or_default();
                *posts += u32::from(matches!(outcome, Outcome::Gone | Outcome::Delivered));
                let first_at = first_at.get(&(pass, id)).copied().unwrap_or_default();
                let is_young = trace.age_at(id, first_at).is_some_and(|age| age < YOUNG_CONNECTION_AGE);
                let most = if is_young { 2 } else { 1 };
                ensure(*posts <= most, || {
                    format!("{posts} posts of pass {pass} to {id}, {dead:?} are dead")
                })?;
                let resumed = trace.passes[pass].from.is_some();
                ensure(resumed || !pruned.contains(&id), || {
                    format!("pass {pass} posts to {id}, which was pruned before it began")
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn nobody_gets_it_twice_from_one_pass(trace: &Trace) -> Result<(), String> {
    let mut reached = BTreeSet::new();
    trace.posts().iter().filter(|post| post.outcome == Some(Outcome::Delivered)).try_for_each(|post| {
        let first = reached.insert((post.pass, post.id));
        ensure(first, || format!("pass {} delivers to {} twice", post.pass, post.id))
    })
}

/// Whoever left before a pass began is not posted to by it, unless its checkpoint names them.
fn only_subscribers_are_posted_to(trace: &Trace) -> Result<(), String> {
    let mut rows = BTreeSet::new();
    let mut found: BTreeMap<usize, BTreeSet<Id>> = BTreeMap::new();
    for Entry { event, .. } in &trace.entries {
        match *event {
            Event::Joined { id, .. } => {
                rows.insert(id);
                found.values_mut().for_each(|found| _ = found.insert(id));
            }
            Event::Left { id } | Event::Pruned { id, .. } => _ = rows.remove(&id),
            Event::PassBegan { pass } => _ = found.insert(pass, rows.clone()),
            Event::PostBegan { pass, id, .. } => {
                let from = trace.passes[pass].from.as_ref();
                let named = from.is_some_and(|from| {
                    from.missed.iter().any(|missed| missed.connection_id == connection_id(id))
                });
                let follows = found.get(&pass).is_some_and(|found| found.contains(&id));
                ensure(named || follows, || format!("pass {pass} posts to {id}, which does not follow"))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn only_the_gone_are_pruned(trace: &Trace) -> Result<(), String> {
    let mut answered_gone = BTreeSet::new();
    let mut dead = BTreeSet::new();
    trace.entries.iter().try_for_each(|entry| match entry.event {
        Event::Died { id } => {
            dead.insert(id);
            Ok(())
        }
        Event::PostAnswered { pass, id, outcome: Outcome::Gone } => {
            answered_gone.insert((pass, id));
            Ok(())
        }
        Event::Pruned { pass, id } => {
            ensure(answered_gone.contains(&(pass, id)), || format!("pass {pass} prunes {id} unasked"))?;
            ensure(dead.contains(&id), || format!("pass {pass} prunes {id}, which lives"))
        }
        _ => Ok(()),
    })
}

/// Of all passes together, at every instant.
fn the_window_is_held(trace: &Trace) -> Result<(), String> {
    let mut in_flight = 0;
    trace.entries.iter().try_for_each(|entry| {
        match entry.event {
            Event::PostBegan { .. } => in_flight += 1,
            Event::PostAnswered { .. } | Event::PostDropped { .. } => in_flight -= 1,
            _ => {}
        }
        ensure(in_flight <= trace.window, || format!("{in_flight} posts in flight at {:?}", entry.at))
    })
}

/// Posts begin in the first part of the time, none outlives its pass, and the caller has the report by the deadline.
fn the_deadline_is_held(trace: &Trace) -> Result<(), String> {
    for (pass, plan) in trace.passes.iter().enumerate() {
        let Some(began_at) = trace.began_at(pass) else { continue };
        let ended_at = trace.ended_at(pass).ok_or_else(|| format!("pass {pass} never ends"))?;
        ensure(ended_at <= began_at + plan.given, || format!("pass {pass} ends late, at {ended_at:?}"))?;
        let stop_at = began_at + stop_after(plan.given) + Duration::from_micros(1);
        for post in trace.posts().iter().filter(|post| post.pass == pass) {
            ensure(post.began_at < stop_at, || format!("pass {pass} posts at {:?}", post.began_at))?;
            ensure(post.ended_at.is_some_and(|at| at <= ended_at), || {
                format!("the post of pass {pass} to {} outlives it", post.id)
            })?;
        }
    }
    Ok(())
}

/// Whoever is skipped or not found had to wait for somebody: for an answer that was still to come when the posting ended, for
/// another attempt, for the pace, or for a store that failed. A pass that merely idles is a defect, too.
fn a_pass_is_cut_short_only_for_a_reason(trace: &Trace) -> Result<(), String> {
    let posts = trace.posts();
    for (pass, plan) in trace.passes.iter().enumerate() {
        let cut_short = |report: &&Report| !report.is_older() && (report.skipped > 0 || !report.enumerated);
        let Some(report) = trace.report(pass).filter(cut_short) else { continue };
        let stop_at = trace.began_at(pass).unwrap_or_default() + stop_after(plan.given);
        let busy = posts
            .iter()
            .any(|post| post.began_at <= stop_at && post.ended_at.is_none_or(|ended_at| ended_at >= stop_at));
        let tries_again = posts.iter().any(|post| {
            let outcome = post.outcome.filter(|_| post.pass == pass);
            outcome == Some(Outcome::Gone) || outcome.is_some() && !is_settled(outcome)
        });
        let mut reading = false;
        let mut store_failed = false;
        for Entry { at, event } in &trace.entries {
            match *event {
                Event::StoreCalled { pass: of, call: "subscribers" } if of == pass => reading = true,
                Event::StoreAnswered { pass: of, call: "commit_head", .. } if of == pass => {
                    reading = *at >= stop_at;
                }
                Event::StoreAnswered { pass: of, call: "subscribers", succeeded } if of == pass => {
                    reading = *at >= stop_at;
                    store_failed |= !succeeded;
                }
                _ => {}
            }
        }
        let paced = report.posts_per_s_max.is_some();
        ensure(busy || tries_again || paced || reading || store_failed, || {
            format!("pass {pass} was cut short for no reason")
        })?;
    }
    Ok(())
}

/// The time in which posts are begun. Shares of a duration are rounded.
fn stop_after(given: Duration) -> Duration {
    given.mul_f64(f64::from(POSTING_TIME_PERCENT) / 100.0)
}

fn the_services_hint_is_waited_for(trace: &Trace) -> Result<(), String> {
    let mut not_before = BTreeMap::new();
    trace.entries.iter().try_for_each(|Entry { at, event }| match *event {
        Event::PostAnswered { pass, id, outcome: Outcome::Failed { retry_after: Some(hint), .. } } => {
            not_before.insert((pass, id), *at + hint);
            Ok(())
        }
        Event::PostBegan { pass, id, .. } => {
            let early = not_before.get(&(pass, id)).filter(|&&not_before| *at < not_before);
            ensure(early.is_none(), || format!("pass {pass} posts to {id} at {at:?}, before {early:?}"))
        }
        _ => Ok(()),
    })
}

/// What is counted as delivered is the update's own frame, and nothing is pushed once a newer version was committed
/// before: whoever gets an older frame later than a newer one got both from passes that crossed.
fn a_pass_pushes_its_own_version(trace: &Trace) -> Result<(), String> {
    let mut newest = 0;
    let mut passed = BTreeSet::new();
    for Entry { event, .. } in &trace.entries {
        match *event {
            Event::Committed { pass } => {
                let version = trace.passes[pass].version;
                if version < newest {
                    passed.insert(pass);
                }
                newest = newest.max(version);
            }
            Event::PostBegan { pass, id, version } => {
                let own = trace.passes[pass].version;
                ensure(version == own, || format!("pass {pass} of version {own} posts {version} to {id}"))?;
                ensure(!passed.contains(&pass), || format!("pass {pass} pushes what was passed"))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Every number of the report is what the trace shows.
fn the_counts_add_up(trace: &Trace) -> Result<(), String> {
    let all_posts = trace.posts();
    for (pass, plan) in trace.passes.iter().enumerate() {
        let Some(report) = trace.report(pass) else { continue };
        let posts: Vec<_> = all_posts.iter().filter(|post| post.pass == pass).collect();
        let count = |wanted: &dyn Fn(Outcome) -> bool| {
            posts.iter().filter(|post| post.outcome.is_some_and(wanted)).count() as u64
        };
        let calls = |event: &Event| matches!(event, Event::StoreCalled { pass: of, .. } if *of == pass);
        let pruned = |event: &Event| matches!(event, Event::Pruned { pass: of, .. } if *of == pass);
        let events = |wanted: &dyn Fn(&Event) -> bool| {
            trace.entries.iter().filter(|entry| wanted(&entry.event)).count() as u64
        };
        let failed_with = |wanted: fn(ManagementErrorKind) -> bool| {
            count(&|outcome| matches!(outcome, Outcome::Failed { kind, .. } if wanted(kind)))
        };
        let missed = report.checkpoint.as_ref().map_or(0, |left| left.missed.len() as u64);
        let position = report.checkpoint.as_ref().and_then(|left| left.position.as_ref());
        let delivered = count(&|outcome| outcome == Outcome::Delivered);
        let units = plan.message_bytes.div_ceil(32 * 1024).max(1) as u64;
        // Whoever was posted to is in one of the counts; who is in none was not posted to.
        let touched = posts.iter().map(|post| post.id).collect::<BTreeSet<_>>().len() as u64;
        let gone_answers = count(&|outcome| outcome == Outcome::Gone);
        for (what, reported, seen) in [
            ("posts", report.posts, posts.len() as u64),
            ("delivered", report.delivered, delivered),
            ("failed", report.failed, failed_with(|kind| !kind.is_retryable())),
            ("throttled", report.throttled, failed_with(|kind| kind == ManagementErrorKind::Throttled)),
            ("skipped", report.skipped, missed),
            ("messages metered", report.cost.messages_metered, delivered * units),
            ("bytes posted", report.cost.posted_bytes, (posts.len() * plan.message_bytes) as u64),
            ("store calls", report.cost.store_calls, events(&calls)),
        ] {
            ensure(reported == seen, || format!("pass {pass} reports {reported} {what}, and had {seen}"))?;
        }
        let Report { gone, enumerated, .. } = *report;
        ensure(gone <= gone_answers, || {
            format!("pass {pass} reports {gone} gone of {gone_answers} answers")
        })?;
        ensure(report.pruned <= events(&pruned), || format!("pass {pass} reports too many pruned"))?;
        ensure(report.subscribers() >= touched, || {
            format!("pass {pass} posted to {touched}, reports fewer")
        })?;
        ensure(enumerated == position.is_none() || report.commit == Commit::Older, || {
            format!("pass {pass} says {enumerated} of being enumerated")
        })?;
    }
    Ok(())
}
