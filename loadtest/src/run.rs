//! A run from the first connect to the last close.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use goose::client::GooseClientBuilder;
use goose::config::GooseConfiguration;
use goose::metrics::GooseMetrics;
use goose::{GooseAttack, GooseError};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};

use crate::LoadError;
use crate::assess::{self, Ran};
use crate::cause::Publisher;
use crate::clock;
use crate::collect::Collected;
use crate::measured::Measured;
use crate::plan::{Plan, Share};
use crate::process::raise_descriptor_limit;
use crate::progress::Progress;
use crate::scenario::Scenario;
use crate::session::{CLOSE_TIMEOUT, REPLY_TIMEOUT};
use crate::socket::CONNECT_TIMEOUT;
use crate::swarm::Swarm;
use crate::target::{Addresses, WsTarget};
use crate::timeline;
use crate::user;

/// From the first client to the start of the schedule, where nobody else decides it.
const START_DELAY: Duration = Duration::from_millis(300);

/// How often the driver looks for an interrupt.
const TICK: Duration = Duration::from_millis(100);

/// How long after its end a step is judged: most of its pushes are there.
const STEP_REST_NS: u64 = 1_000_000_000;

/// Wait for goose's end once all clients have ended. Its report of 15,000 of them takes a few seconds.
const GOOSE_END_TIMEOUT: Duration = Duration::from_secs(60);

/// Goose launches clients at least so fast; they wait for their sessions.
const LAUNCHES_PER_SECOND_MIN: f64 = 200.0;

/// All that a run needs.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// What to do.
    pub scenario: Scenario,
    /// Where, if a ready file said so; what the scenario or the command line names wins.
    pub addresses: Option<Addresses>,
    /// Over TLS, where the addresses are of a ready file.
    pub tls: bool,
    /// In every topic and stamp: a run must not meet the last values of another one's topics.
    pub run: u32,
    /// The part of the run that this process does.
    pub share: Share,
    /// When the schedule starts, in milliseconds of the Unix epoch, so that several processes start it together.
    pub start_at_unix_ms: Option<u64>,
    /// A file for goose's own report; its ending (html, md, json) decides the format.
    pub goose_report: Option<PathBuf>,
    /// The commit that the program was built from, for the report only.
    pub commit: Option<String>,
    /// Whether to show progress on stderr.
    pub progress: bool,
}

/// Plays a scenario and says what was measured. An interrupt ends it early, and what was measured until then counts.
///
/// One run at a time in a process: goose's state is global.
///
/// # Errors
///
/// A [`LoadError`] if nothing could be measured. What went wrong while measuring is in what is returned.
pub async fn run(config: RunConfig) -> Result<Measured, LoadError> {
    let started = Instant::now();
    let target = target(&config).await?;
    let plan = Plan::new(config.scenario, config.run, config.share);
    raise_descriptor_limit(plan.slots).map_err(LoadError::Usage)?;
    target.probe().await?;
    let mqtt = config.addresses.as_ref().map(|addresses| addresses.mqtt.as_str());
    let publisher = match plan.topics() {
        0 => None,
        _ => Publisher::resolve(&plan.scenario.app, mqtt).await?,
    };
    let swarm = Arc::new(Swarm::new(plan, target));
    let mut collected = Collected::new();
    let goose = launch(&swarm, config.goose_report.as_ref())?;

    let start_ns = match config.start_at_unix_ms {
        None => clock::now_ns() + u64::try_from(START_DELAY.as_nanos()).unwrap_or(0),
        Some(unix_ms) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let wait = Duration::from_millis(unix_ms).saturating_sub(now);
            clock::now_ns() + u64::try_from(wait.as_nanos()).unwrap_or(0)
        }
    };
    swarm.set_start(start_ns);
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + clock::until(start_ns);
    let timeline = play(&swarm, publisher.clone())?;
    let progress = Progress::new(config.progress);
    let driven = drive(&swarm, &mut collected, timeline, &goose, &progress).await;
    let goose_ended = end(&swarm, goose).await;
    collected.take(&swarm, swarm.now_offset_ns());
    progress.finish();
    let dropped = goose_ended?;
    if collected.seconds.iter().all(|second| second.connects == 0) && driven.ended_early.is_none() {
        let errors = swarm.recorder.errors();
        let of_connect = errors.iter().find(|error| error.during == "connect").or(errors.first());
        let reason = of_connect.map_or("none of them started", |error| error.first.as_str());
        return Err(LoadError::Unavailable(format!(
            "no client could connect to {}: {reason}",
            swarm.target.url
        )));
    }
    Ok(assess::measured(
        &swarm,
        collected,
        Ran {
            started_unix_ms: u64::try_from(unix.as_millis()).unwrap_or(0),
            cause: publisher.map(|publisher| publisher.describe()),
            commit: config.commit,
            wall: started.elapsed(),
            ended_early: driven.ended_early,
            ended_ns: driven.ended_ns,
            goose_dropped: dropped,
        },
    ))
}

/// The URL of a run: the scenario's own, else that of the ready file.
async fn target(config: &RunConfig) -> Result<WsTarget, LoadError> {
    let app = &config.scenario.app;
    let found = config.addresses.as_ref();
    let of_stack = found.map(|addresses| if config.tls { &addresses.wss } else { &addresses.ws });
    let url = app.url.as_ref().or(of_stack).ok_or_else(|| {
        LoadError::Usage(
            "no target: give --target URL or --ready-file FILE, or `url` in the scenario's target".to_owned(),
        )
    })?;
    let ca_file = app.ca_file.as_ref().or(found.and_then(|addresses| addresses.ca_file.as_ref()));
    let mut target = WsTarget::resolve_with(url, ca_file.map(PathBuf::as_path)).await?;
    for (name, value) in &app.headers {
        // Checked with the scenario.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            target.headers.push((name, value));
        }
    }
    Ok(target)
}

struct Driven {
    ended_early: Option<String>,
    ended_ns: u64,
}

async fn drive(
    swarm: &Arc<Swarm>,
    collected: &mut Collected,
    mut timeline: oneshot::Receiver<Result<(), String>>,
    goose: &JoinHandle<Result<GooseMetrics, GooseError>>,
    progress: &Progress,
) -> Driven {
    let plan = &swarm.plan;
    let mut driven = Driven { ended_early: None, ended_ns: plan.end_ns };
    // Every wait of a client is bounded; this is their sum, and the bound of the run.
    let rest = plan.scenario.straggler_wait + CONNECT_TIMEOUT + REPLY_TIMEOUT + 2 * CLOSE_TIMEOUT;
    let mut last_ns = plan.end_ns + u64::try_from(rest.as_nanos()).unwrap_or(0);
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut played, mut judged) = (false, 0);
    loop {
        tokio::select! {
            result = &mut timeline, if !played => {
                played = true;
                if let Ok(Err(reason)) = result {
                    driven.ended_early.get_or_insert(format!("the updates could not be begun: {reason}"));
                    driven.ended_ns = driven.ended_ns.min(swarm.now_offset_ns());
                    swarm.finish();
                }
            }
            _ = tick.tick() => {}
        }
        let now_ns = swarm.now_offset_ns();
        if now_ns >= (collected.seconds.len() as u64 + 1) * 1_000_000_000 {
            progress.show(&collected.take(swarm, now_ns));
        }
        // Goose catches the keyboard's interrupt; its own users only look between transactions.
        if goose::is_killswitch_triggered() && driven.ended_early.is_none() {
            driven.ended_early = Some(INTERRUPTED.to_owned());
            driven.ended_ns = driven.ended_ns.min(now_ns);
            swarm.stop();
            last_ns = now_ns + u64::try_from((2 * CLOSE_TIMEOUT).as_nanos()).unwrap_or(0);
        }
        if plan.scenario.steps.is_some() && !swarm.is_halted() {
            let over = plan.phases.iter().enumerate().find(|(number, phase)| {
                *number >= judged && phase.measured && phase.end_ns + STEP_REST_NS <= now_ns
            });
            if let Some((number, phase)) = over {
                judged = number + 1;
                if assess::breaks_early(swarm, collected, number) {
                    driven.ended_ns = phase.end_ns;
                    swarm.finish();
                }
            }
        }
        if goose.is_finished() || (played && swarm.playing.load(Ordering::Acquire) == 0) {
            return driven;
        }
        if now_ns >= last_ns {
            driven
                .ended_early
                .get_or_insert("some clients did not end in time, and were left behind".to_owned());
            swarm.stop();
            return driven;
        }
    }
}

/// The word for a run that the user ended.
pub const INTERRUPTED: &str = "interrupted";

fn play(
    swarm: &Arc<Swarm>,
    publisher: Option<Publisher>,
) -> Result<oneshot::Receiver<Result<(), String>>, LoadError> {
    let (sender, receiver) = oneshot::channel();
    let (playing, tasks) = (Arc::clone(swarm), Handle::current());
    std::thread::Builder::new()
        .name("timeline".to_owned())
        .spawn(move || {
            // Nobody waits any more after an interrupt.
            let _ = sender.send(timeline::play(&playing, publisher.as_ref(), &tasks));
        })
        .map_err(|error| LoadError::Internal(format!("cannot start the schedule's thread: {error}")))?;
    Ok(receiver)
}

/// Starts goose with one shared HTTP client, which nobody uses: a client per user costs 120 KB and 4 ms each.
fn launch(
    swarm: &Arc<Swarm>,
    report: Option<&PathBuf>,
) -> Result<JoinHandle<Result<GooseMetrics, GooseError>>, LoadError> {
    let users = &swarm.plan.scenario.users;
    // Faster than sessions arrive, so that each finds its client waiting.
    let rate =
        (2.0 * users.connects_per_second / f64::from(swarm.plan.share.of)).max(LAUNCHES_PER_SECOND_MIN);
    let mut configuration = GooseConfiguration::default();
    configuration.users = Some(swarm.plan.slots);
    configuration.increase_rate = Some(rate.min(100_000.0).to_string());
    configuration.iterations = Some(1);
    // Warnings only; goose's own lines would mix with the summary.
    configuration.quiet = 1;
    configuration.no_print_metrics = true;
    configuration.no_error_summary = true;
    configuration.no_transaction_metrics = true;
    configuration.no_scenario_metrics = true;
    configuration.no_telnet = true;
    configuration.report_file = report.iter().map(|path| path.display().to_string()).collect();
    let attack = GooseAttack::initialize_with_config(configuration)
        .and_then(|attack| {
            let client = GooseClientBuilder::new().without_cookies();
            Ok(attack.set_client_builder_without_cookies(client)?.register_scenario(user::scenario(swarm)))
        })
        .map_err(|error| LoadError::Internal(format!("goose refuses its configuration: {error}")))?;
    Ok(tokio::spawn(async move { Box::pin(attack.execute()).await }))
}

/// Waits for goose, and returns how many samples its report lacks.
async fn end(swarm: &Swarm, goose: JoinHandle<Result<GooseMetrics, GooseError>>) -> Result<u64, LoadError> {
    swarm.halt();
    match timeout(GOOSE_END_TIMEOUT, goose).await {
        Ok(Ok(Ok(_))) => Ok(0),
        Ok(Ok(Err(error))) => Err(LoadError::Internal(format!("goose failed: {error}"))),
        Ok(Err(error)) => Err(LoadError::Internal(format!("goose failed: {error}"))),
        Err(_) => {
            sleep(Duration::ZERO).await;
            Err(LoadError::Internal(format!(
                "goose did not end within {} s of the last client",
                GOOSE_END_TIMEOUT.as_secs()
            )))
        }
    }
}
