//! `dunlin up`: joins the parts into one running stack, and takes it down again.

mod access;
mod access_log;
mod api_config;
mod apis;
mod banner;
mod credentials;
pub(crate) mod data;
mod functions;
mod listen;
mod lock;
mod open_files;
mod queues;
mod ready;
pub(crate) mod rules;
mod tables;
mod tls;

use std::{path::PathBuf, time::Instant};

use dunlin_stack::{Parameters, Stack, TemplateError};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{credentials::Keyring, ready::ReadyFile};
use crate::{cli::UpArgs, failure::Failure};

/// Runs the stack until a signal ends it.
pub(crate) async fn run(args: UpArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let mut signals = Signals::listen()?;
    open_files::allow();
    let stack = load(&args)?;
    let in_use = |dir: &PathBuf| {
        data::make_dir(dir).map_err(|failure| Failure {
            message: format!("{}; choose another folder with --data", failure.message),
            ..failure
        })?;
        lock::lock(dir)
    };
    let data_lock = args.data.as_ref().map(in_use).transpose()?;
    let keyring = Keyring::open(args.data.as_deref(), &stack)?;
    let tls = tls::prepare(&stack, args.host)?;

    // Every port is taken before anything starts, so that a taken one leaves nothing behind.
    let apis = apis::listen(&stack, args.host, args.port)?;
    let lambda = listen::listen(args.host, args.lambda_port, "--lambda-port")?;
    let dynamodb = listen::listen(args.host, args.dynamodb_port, "--dynamodb-port")?;

    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let addresses = functions::Addresses {
        dynamodb: format!("http://{}", dynamodb.address),
        lambda: format!("http://{}", lambda.address),
        ca_file: tls.ca_file.clone(),
        rewrites: apis.rewrites(&stack),
    };
    let tables = tables::serve(&stack, args.data.as_deref(), dynamodb, &tasks, stop.clone())?;
    let queues = queues::Queues::new(&stack, args.data.as_deref());
    let host = functions::start(&stack, &keyring, &addresses, &queues, args.platform_log, args.strict)?;
    functions::serve(&host, &stack.region, &keyring, lambda, &tasks, stop.clone());
    let rules = rules::start(&stack, host.clone(), queues.clone(), args.host, args.mqtt_port).await?;
    let (ready_apis, ready_domains) = (apis.ready(), apis.domains(&stack));
    // The gateway stops first: what `$disconnect` functions need is still there while it does.
    let gateway_stop = CancellationToken::new();
    let gateway_tasks = TaskTracker::new();
    let (file, data) = (args.access_log.as_deref(), args.data.as_deref());
    let logs = access_log::AccessLogs::open(&stack, file, data, &tasks, &stop)?;
    let config = apis::gateway_config(&stack, &keyring, tls.config, tables, apis.host(), &args);
    apis::serve(&stack, &logs, config, host.clone(), apis, &gateway_tasks, &gateway_stop)?;

    let ready = ready::Ready {
        version: 1,
        pid: std::process::id(),
        region: &stack.region,
        account_id: &stack.account_id,
        access_key_id: &keyring.operator.access_key_id,
        secret_access_key: &keyring.operator.secret_access_key,
        ca_file: tls.ca_file,
        mqtt: listen::reachable(rules.local_addr()).to_string(),
        dynamodb: addresses.dynamodb,
        lambda: addresses.lambda,
        control_token: (!args.strict).then_some(&*keyring.control_token),
        apis: ready_apis,
        domains: ready_domains,
        api_keys: ready::api_keys(&stack, &keyring),
    };
    let ready_file = args.ready_file.map(|file| ReadyFile::write(file, &ready)).transpose()?;
    banner::print(&stack, &ready, started.elapsed());

    signals.next().await;
    tracing::info!("stopping; a second signal stops at once");
    let stop_all = async {
        gateway_stop.cancel();
        gateway_tasks.close();
        gateway_tasks.wait().await;
        rules.shutdown().await;
        host.shutdown().await;
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    };
    tokio::select! {
        () = stop_all => {}
        () = signals.next() => {}
    }
    match queues.dropped() {
        0 => {}
        dropped => tracing::error!("{dropped} letters to queues were lost"),
    }
    drop(ready_file);
    drop(data_lock);
    Ok(())
}

/// The template as a stack, with its notes logged.
fn load(args: &UpArgs) -> Result<Stack, Failure> {
    let parameters = Parameters {
        values: args.parameters.iter().cloned().collect(),
        imports: args.imports.iter().cloned().collect(),
        region: args.region.clone(),
        ..Parameters::default()
    };
    let stack = Stack::load(&args.template, &parameters).map_err(|error| match error {
        TemplateError::Read { .. } => {
            Failure::no_input(format!("{error}; name the template with --template"))
        }
        _ => Failure::data(error.to_string()),
    })?;
    for note in &stack.notes {
        tracing::warn!("{note}");
    }
    if stack.apis.is_empty() {
        let template = args.template.display();
        return Err(Failure::data(format!(
            "{template} describes no WebSocket API: add an AWS::ApiGatewayV2::Api"
        )));
    }
    Ok(stack)
}

/// The signals that end the stack.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None under `nohup`, which asks to be left running when the terminal goes.
    hang_up: Option<Signal>,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let on = |kind| {
            signal(kind).map_err(|error| Failure::internal(format!("cannot listen for signals: {error}")))
        };
        Ok(Signals {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hang_up: if ignores_hang_up() { None } else { Some(on(SignalKind::hangup())?) },
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = async {
                match &mut self.hang_up {
                    Some(signal) => drop(signal.recv().await),
                    None => std::future::pending().await,
                }
            } => {}
        }
    }
}

/// Whether this process was started with SIGHUP ignored, which is the lowest bit of the mask that the kernel shows.
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
