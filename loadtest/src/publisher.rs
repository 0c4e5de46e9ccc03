//! The devices: one thread that publishes each update at its time and measures how late it was.
//!
//! The thread parks until shortly before an update is due and spins for the rest, because tokio's timer counts in
//! milliseconds and the kernel wakes a thread some fifty microseconds late, neither of which is little against a push. QoS 0 keeps the schedule open: no acknowledgement decides when the next update goes out.

use std::hint;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;
use mqtt5::{ConnectOptions, MqttClient};
use tokio::runtime;
use tokio::time::{sleep, timeout};

use crate::histogram::{record, times};
use crate::swarm::Swarm;
use crate::wire;

/// Wait for the broker's answer to a connect, and for it to take a publish.
pub(crate) const BROKER_TIMEOUT: Duration = Duration::from_secs(10);

/// From the connect to the intended time of the first update.
const START_DELAY: Duration = Duration::from_millis(50);

/// Below this the thread parks; above it, it also serves the MQTT client's own tasks.
const PARK_MAX: Duration = Duration::from_millis(5);

/// Below this the thread spins: the kernel's timer slack, 50 µs, and as much again for the wake-up. At a hundred updates
/// a second it is a hundredth of a processor.
const SPIN_MAX: Duration = Duration::from_micros(100);

/// The longest park or sleep: how soon a stopped run ends.
const NAP_MAX: Duration = Duration::from_millis(100);

/// What the publisher did.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) count: u64,
    /// From the first publish to the last.
    pub(crate) span: Duration,
    /// Of the updates in the measured part of the schedule.
    pub(crate) lag: Histogram<u64>,
    /// Why it ended early.
    pub(crate) failure: Option<String>,
}

/// Connects and disconnects, to learn early whether a broker is there.
///
/// # Errors
///
/// A sentence with the reason.
pub(crate) async fn probe(mqtt: &str, run_id: &str) -> Result<(), String> {
    let client = connect(mqtt, &format!("load-{run_id}-probe")).await?;
    // It is only a courtesy: the broker notices the closed socket as well.
    let _ = timeout(BROKER_TIMEOUT, client.disconnect()).await;
    Ok(())
}

/// Publishes the whole plan, on the calling thread.
///
/// # Errors
///
/// A sentence, if it cannot begin.
pub(crate) fn publish(swarm: &Arc<Swarm>) -> Result<Published, String> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the publisher: {error}"))?;
    let client =
        runtime.block_on(connect(&swarm.target.mqtt, &format!("load-{}-publisher", swarm.plan.run_id)))?;
    let start_ns = swarm.clock.now_ns() + u64::try_from(START_DELAY.as_nanos()).unwrap_or(0);
    swarm.set_start(start_ns);

    let mut published = Published { count: 0, span: Duration::ZERO, lag: times(), failure: None };
    let mut first_ns = None;
    for update in 0..swarm.plan.updates() {
        let intended_ns = start_ns + swarm.plan.offset_ns(update);
        let device = swarm.plan.device_of(update);
        let topic = wire::topic(&swarm.plan.device_id(device));
        let payload = wire::update(swarm.plan.version_of(update), intended_ns);
        if !wait_until(swarm, &runtime, intended_ns) {
            break;
        }
        swarm.publishing(device);
        let sent_ns = swarm.clock.now_ns();
        let sent =
            runtime.block_on(async { timeout(BROKER_TIMEOUT, client.publish_qos0(topic, payload)).await });
        let failure = match sent {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("the broker took nothing for {} s", BROKER_TIMEOUT.as_secs())),
        };
        if let Some(failure) = failure {
            swarm.not_published(device);
            published.failure = Some(format!("publishing to {} failed: {failure}", swarm.target.mqtt));
            break;
        }
        if !swarm.plan.is_warm_up(swarm.plan.offset_ns(update)) {
            record(&mut published.lag, Duration::from_nanos(sent_ns.saturating_sub(intended_ns)));
        }
        published.count += 1;
        published.span = Duration::from_nanos(sent_ns - *first_ns.get_or_insert(sent_ns));
    }
    runtime.block_on(async {
        // Every update was written; a broker that does not take the goodbye loses none.
        let _ = timeout(BROKER_TIMEOUT, client.disconnect()).await;
    });
    Ok(published)
}

async fn connect(mqtt: &str, client_id: &str) -> Result<MqttClient, String> {
    // Keep-alive off: between updates nobody serves the client's timers, and the run is bounded.
    let options = ConnectOptions::new(client_id)
        .with_clean_start(true)
        .with_keep_alive(Duration::ZERO)
        .with_automatic_reconnect(false);
    let client = MqttClient::with_options(options);
    match timeout(BROKER_TIMEOUT, client.connect(&format!("mqtt://{mqtt}"))).await {
        Ok(Ok(())) => Ok(client),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", BROKER_TIMEOUT.as_secs())),
    }
}

/// Waits for a time on the swarm's clock. `false` if the run was stopped.
fn wait_until(swarm: &Swarm, runtime: &runtime::Runtime, time_ns: u64) -> bool {
    loop {
        if swarm.is_stopped() {
            return false;
        }
        let left = swarm.clock.until(time_ns);
        if left.is_zero() {
            return true;
        }
        if left > PARK_MAX {
            // The timer needs the runtime around it when it is made.
            runtime.block_on(async { sleep((left - PARK_MAX).min(NAP_MAX)).await });
        } else if left > SPIN_MAX {
            // May return early.
            thread::park_timeout(left - SPIN_MAX);
        } else {
            hint::spin_loop();
        }
    }
}
