//! A run from the first connect to the last close.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use goose::client::GooseClientBuilder;
use goose::config::GooseConfiguration;
use goose::metrics::GooseMetrics;
use goose::{GooseAttack, GooseError};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant as TokioInstant, interval, sleep, timeout, timeout_at};

use crate::LoadError;
use crate::assess::{self, Measured};
use crate::plan::{Load, Plan};
use crate::process::{cpu_time, raise_descriptor_limit};
use crate::progress::{Progress, Snapshot};
use crate::publisher::{self, Published};
use crate::report::Report;
use crate::socket::CONNECT_TIMEOUT;
use crate::swarm::{Ramp, Swarm};
use crate::target::Target;
use crate::user::{self, REPLY_TIMEOUT};

/// Further watch for duplicates once everything has arrived.
const DUPLICATE_WATCH: Duration = Duration::from_millis(250);

/// Wait for goose's end once all clients were told to stop. Closing 15,000 connections takes a few seconds.
const GOOSE_END_TIMEOUT: Duration = Duration::from_secs(60);

/// How often the driver looks for an interrupt and shows progress.
const TICK: Duration = Duration::from_millis(100);

/// All that a run needs.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// Where the stack is.
    pub target: Target,
    /// The size of the run.
    pub load: Load,
    /// Part of the device ids: a run must not meet the last values of another one's devices.
    pub run_id: String,
    /// Wait for pushes after the last publish; it ends early when all have arrived.
    pub straggler_wait: Duration,
    /// Wall clock at the start, for the report only.
    pub started_unix_ms: u64,
    /// A file for goose's own report; its ending (html, md, json) decides the format.
    pub goose_report: Option<PathBuf>,
    /// Whether to draw progress on stderr.
    pub progress: bool,
}

/// Connects the clients, publishes the schedule, waits for the pushes, closes, and reports.
///
/// One run at a time in a process: goose's state is global.
///
/// # Errors
///
/// A [`LoadError`] if nothing could be measured. What went wrong while measuring is in the report.
pub async fn run(config: RunConfig) -> Result<Report, LoadError> {
    raise_descriptor_limit(config.load.users).map_err(LoadError::Usage)?;
    let started = Instant::now();
    let plan = Plan::new(config.load, config.run_id)?;
    config.target.ws.probe().await?;
    publisher::probe(&config.target.mqtt, &plan.run_id).await.map_err(|reason| {
        LoadError::Unavailable(format!("no MQTT broker answers at {}: {reason}", config.target.mqtt))
    })?;

    let swarm = Arc::new(Swarm::new(plan, config.target));
    let attack = attack(&swarm, config.goose_report.as_ref())
        .map_err(|error| LoadError::Internal(format!("goose refuses its configuration: {error}")))?;
    let (ended_sender, ended) = oneshot::channel();
    let goose = tokio::spawn(async move {
        let result = Box::pin(attack.execute()).await;
        drop::<oneshot::Sender<()>>(ended_sender);
        result
    });
    let progress = Shown { progress: Progress::new(config.progress), started };
    let driven = drive(&swarm, ended, config.straggler_wait, &progress).await;
    swarm.stop();
    progress.show("closing", &swarm);
    let metrics = end(goose).await;
    progress.progress.finish();
    let Driven { ramp, published, cpu } = driven?;
    let metrics = metrics?;
    if ramp.following == 0 {
        let reason = swarm.outcomes().first_failure.unwrap_or_else(|| "none of them started".to_owned());
        return Err(LoadError::Unavailable(format!(
            "no client could follow a device at {}: {reason}",
            swarm.target.ws.url
        )));
    }
    let published = match published {
        Some(Ok(published)) => published,
        Some(Err(reason)) => {
            return Err(LoadError::Unavailable(format!("cannot publish to {}: {reason}", swarm.target.mqtt)));
        }
        None => return Err(LoadError::Internal("nothing was published".to_owned())),
    };
    Ok(assess::report(
        &swarm,
        Measured {
            started_unix_ms: config.started_unix_ms,
            ramp,
            published,
            times: swarm.recorder.merged(),
            outcomes: swarm.outcomes(),
            goose_pushes: goose_pushes(&metrics),
            cpu,
            cpu_total: cpu_time(),
            wall: started.elapsed(),
        },
    ))
}

/// The progress of this run.
struct Shown {
    progress: Progress,
    started: Instant,
}

impl Shown {
    fn show(&self, phase: &str, swarm: &Swarm) {
        let arrived = swarm.arrived_count();
        self.progress.show(&Snapshot {
            phase: phase.to_owned(),
            elapsed: self.started.elapsed(),
            sockets: swarm.ramp().borrow().following as u64,
            reach: Some((arrived, arrived.saturating_add_signed(swarm.outstanding()))),
            ..Snapshot::default()
        });
    }
}

struct Driven {
    ramp: Ramp,
    /// Absent if no client follows anything.
    published: Option<Result<Published, String>>,
    /// Processor time from the start of the schedule to the last delivery.
    cpu: Duration,
}

async fn drive(
    swarm: &Arc<Swarm>,
    goose_ended: oneshot::Receiver<()>,
    straggler_wait: Duration,
    progress: &Shown,
) -> Result<Driven, LoadError> {
    let ramp = tokio::select! {
        ramp = ramp_up(swarm, progress) => ramp?,
        // Goose ends by itself when every client failed.
        _ = goose_ended => swarm.close_ramp(),
    };
    if ramp.following == 0 {
        return Ok(Driven { ramp, published: None, cpu: Duration::ZERO });
    }
    let cpu_before = cpu_time();
    let published = publish(swarm, progress).await?;
    if published.is_ok() {
        await_stragglers(swarm, straggler_wait, progress).await?;
    }
    Ok(Driven { ramp, published: Some(published), cpu: cpu_time().saturating_sub(cpu_before) })
}

async fn ramp_up(swarm: &Swarm, progress: &Shown) -> Result<Ramp, LoadError> {
    let load = &swarm.plan.load;
    let ramp_time = Duration::from_secs_f64(load.users as f64 / load.ramp_per_second);
    let deadline = TokioInstant::now() + 2 * ramp_time + CONNECT_TIMEOUT + REPLY_TIMEOUT;
    let mut ramp = swarm.ramp();
    let mut tick = interval(TICK);
    loop {
        tokio::select! {
            settled = timeout_at(deadline, ramp.wait_for(|ramp| ramp.settled() >= load.users)) => {
                // Late clients are closed out; they are attempted and not following.
                drop(settled);
                return Ok(swarm.close_ramp());
            }
            _ = tick.tick() => check_interrupt()?,
        }
        progress.show("connecting", swarm);
    }
}

async fn publish(swarm: &Arc<Swarm>, progress: &Shown) -> Result<Result<Published, String>, LoadError> {
    let (sender, mut receiver) = oneshot::channel();
    let publishing = Arc::clone(swarm);
    std::thread::Builder::new()
        .name("publisher".to_owned())
        .spawn(move || {
            // Nobody waits any more after an interrupt.
            let _ = sender.send(publisher::publish(&publishing));
        })
        .map_err(|error| LoadError::Internal(format!("cannot start the publisher's thread: {error}")))?;
    let mut tick = interval(TICK);
    loop {
        tokio::select! {
            published = &mut receiver => {
                return published.map_err(|_| LoadError::Internal("the publisher's thread panicked".to_owned()));
            }
            _ = tick.tick() => check_interrupt()?,
        }
        progress.show("publishing", swarm);
    }
}

async fn await_stragglers(swarm: &Swarm, wait: Duration, progress: &Shown) -> Result<(), LoadError> {
    let deadline = TokioInstant::now() + wait;
    let mut tick = interval(TICK);
    loop {
        tokio::select! {
            arrived = timeout_at(deadline, swarm.all_arrived()) => {
                if arrived.is_ok() {
                    sleep(DUPLICATE_WATCH).await;
                }
                return Ok(());
            }
            _ = tick.tick() => check_interrupt()?,
        }
        progress.show("waiting for the last", swarm);
    }
}

/// Goose catches the keyboard's interrupt; its own users only look between transactions.
fn check_interrupt() -> Result<(), LoadError> {
    if goose::is_killswitch_triggered() { Err(LoadError::Interrupted) } else { Ok(()) }
}

async fn end(goose: JoinHandle<Result<GooseMetrics, GooseError>>) -> Result<GooseMetrics, LoadError> {
    match timeout(GOOSE_END_TIMEOUT, goose).await {
        Ok(Ok(Ok(metrics))) => Ok(metrics),
        Ok(Ok(Err(error))) => Err(LoadError::Internal(format!("goose failed: {error}"))),
        Ok(Err(error)) => Err(LoadError::Internal(format!("goose failed: {error}"))),
        Err(_) => Err(LoadError::Internal(format!(
            "goose did not end within {} s of the last push",
            GOOSE_END_TIMEOUT.as_secs()
        ))),
    }
}

/// Goose with one shared HTTP client, which nobody uses: a client per user costs 120 KB and 4 ms each.
fn attack(swarm: &Arc<Swarm>, report: Option<&PathBuf>) -> Result<GooseAttack, GooseError> {
    let load = &swarm.plan.load;
    let mut configuration = GooseConfiguration::default();
    configuration.users = Some(load.users);
    configuration.increase_rate = Some(load.ramp_per_second.to_string());
    configuration.iterations = Some(1);
    // Warnings only; goose's own lines would mix with the summary.
    configuration.quiet = 1;
    configuration.no_print_metrics = true;
    configuration.no_error_summary = true;
    configuration.no_transaction_metrics = true;
    configuration.no_scenario_metrics = true;
    configuration.no_telnet = true;
    configuration.report_file = report.iter().map(|path| path.display().to_string()).collect();
    let attack = GooseAttack::initialize_with_config(configuration)?
        .set_client_builder_without_cookies(GooseClientBuilder::new().without_cookies())?
        .register_scenario(user::scenario(swarm));
    Ok(attack)
}

fn goose_pushes(metrics: &GooseMetrics) -> u64 {
    let (method, name) = user::ROW_PUSH;
    metrics.requests.get(&format!("{method} {name}")).map_or(0, |row| row.success_count as u64)
}
