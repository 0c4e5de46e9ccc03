//! The stack's functions as the function host takes them, and its Invoke API.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::SystemTime};

use dunlin_gateway::sigv4::{Denied, SignedRequest, Verifier};
use dunlin_lambda_host::{
    ApplicationLogLevel, Authorize, EventInvokeConfig, EventRecord, FunctionConfig, HostConfig, LambdaHost,
    LogFormat, LoggingConfig, PlatformLines, RecordKind, RecordSink, SystemLogLevel,
};
use dunlin_stack::{Function, LogLevel, Logging, Stack};
use http::StatusCode;
use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    credentials::{Credentials, Keyring},
    listen::Listening,
    queues::{Letter, Queues},
};
use crate::{cli::PlatformLog, failure::Failure};

/// Where a function finds the rest of the stack.
pub(super) struct Addresses {
    pub(super) dynamodb: String,
    pub(super) lambda: String,
    pub(super) ca_file: Option<PathBuf>,
    /// Beginnings of a variable's value, and what takes their place: the address that a template builds for an API of its
    /// own becomes the local one, the path after it stays.
    pub(super) rewrites: Vec<(String, String)>,
}

/// The Invoke API's service in credential scopes.
const INVOKE_SERVICE: &str = "lambda";

/// Each language's name for a file of certificate authorities to trust.
const CA_VARIABLES: [&str; 4] =
    ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"];

/// Starts the host with every function of the stack, their code in place. No process runs before its first event.
pub(super) fn start(
    stack: &Stack,
    keyring: &Keyring,
    addresses: &Addresses,
    queues: &Arc<Queues>,
    platform_log: PlatformLog,
    strict: bool,
) -> Result<Arc<LambdaHost>, Failure> {
    let mut config = HostConfig {
        event_records: Some(records(stack, queues)),
        platform_lines: match platform_log {
            PlatformLog::Off => PlatformLines::Off,
            PlatformLog::Reports => PlatformLines::Reports,
            PlatformLog::All => PlatformLines::All,
        },
        ..HostConfig::new(&stack.region, &stack.account_id)
    };
    if strict {
        config.event_delay_divisor = 1;
    }
    let host = LambdaHost::start(config).map_err(|error| Failure::internal(error.to_string()))?;
    let functions = stack.functions.iter().map(|function| FunctionConfig {
        handler: function.handler.clone(),
        timeout: function.timeout,
        memory_mb: function.memory_mb,
        environment: rewrite(&function.environment, &addresses.rewrites),
        host_environment: host_environment(function, keyring, addresses),
        reserved_concurrency: function.reserved_concurrency.map(|reserved| reserved as usize),
        event_invoke: EventInvokeConfig {
            retries_max: function.event_retries,
            age_max: function.event_age_max,
            on_success: function.on_success.clone(),
            on_failure: function.on_failure.clone(),
            dead_letter_target: function.dead_letters.clone(),
        },
        logging: logging(&function.logging),
        ..FunctionConfig::new(&function.name, &function.code)
    });
    host.set_functions(functions.collect())
        .map_err(|error| Failure::data(format!("{}: {error}", stack.template.display())))?;
    match host.check_code().first() {
        None => Ok(host),
        Some((function, error)) => Err(Failure::no_input(format!(
            "function {function}: {error} (`cargo xtask build` does that for the apps of this repository)"
        ))),
    }
}

fn logging(logging: &Logging) -> LoggingConfig {
    let name = |level: Option<LogLevel>| level.map(LogLevel::as_str);
    LoggingConfig {
        format: match logging.format {
            dunlin_stack::LogFormat::Text => LogFormat::Text,
            dunlin_stack::LogFormat::Json => LogFormat::Json,
        },
        application_level: name(logging.application_level)
            .and_then(ApplicationLogLevel::from_name)
            .unwrap_or_default(),
        system_level: name(logging.system_level).and_then(SystemLogLevel::from_name).unwrap_or_default(),
        group: Some(logging.log_group.clone()),
    }
}

/// Records of asynchronous invocations become letters in their queue.
fn records(stack: &Stack, queues: &Arc<Queues>) -> RecordSink {
    let (queues, runtime) = (queues.clone(), Handle::current());
    let targets: Vec<_> = stack
        .functions
        .iter()
        .flat_map(|function| {
            [&function.dead_letters, &function.on_failure, &function.on_success]
                .into_iter()
                .flatten()
                .map(|arn| (arn.clone(), function.name.clone()))
        })
        .collect();
    Arc::new(move |record: EventRecord| {
        // Several functions may share a queue; the letter itself says which one it was.
        let mut names = targets.iter().filter(|(arn, _)| *arn == record.target_arn).map(|(_, name)| name);
        let function = match (names.next(), names.next()) {
            (Some(name), None) => format!("function {name}"),
            _ => "a function".to_owned(),
        };
        let event = match record.attributes.iter().find(|(name, _)| *name == "RequestID") {
            Some((_, id)) => format!("event {id}"),
            None => "an event".to_owned(),
        };
        let about = match record.kind {
            RecordKind::OnSuccess => format!("{function} is done with {event}"),
            _ => format!("{function} gave up {event}"),
        };
        // The host calls from tasks of its own; the letter is written on a thread for such work.
        let _on_runtime = runtime.enter();
        queues.post(Letter {
            queue: record.target_arn,
            about,
            attributes: record.attributes,
            body: record.payload,
        });
    })
}

/// Serves the Invoke API to whoever signs with a credential of the stack.
pub(super) fn serve(
    host: &Arc<LambdaHost>,
    region: &str,
    keyring: &Keyring,
    listening: Listening,
    tasks: &TaskTracker,
    stop: CancellationToken,
) {
    let authorize = authorize(Verifier::new(INVOKE_SERVICE, region.to_owned(), keyring.lookup()));
    for listener in listening.listeners {
        let (host, authorize, stop) = (host.clone(), authorize.clone(), stop.clone());
        tasks.spawn(async move { host.serve_invoke_api(listener, Some(authorize), stop.cancelled()).await });
    }
}

fn authorize(verifier: Verifier) -> Authorize {
    Arc::new(move |parts, body| {
        let request = SignedRequest {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query(),
            headers: &parts.headers,
            body,
        };
        let denied = |denied: Denied| (StatusCode::FORBIDDEN, denied.to_string());
        verifier.verify(&request, SystemTime::now()).map_err(denied)
    })
}

fn rewrite(
    environment: &BTreeMap<String, String>,
    rewrites: &[(String, String)],
) -> BTreeMap<String, String> {
    let local = |value: &String| {
        let rewritten = rewrites.iter().find_map(|(remote, local)| {
            let rest = value.strip_prefix(remote)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{local}{rest}"))
        });
        rewritten.unwrap_or_else(|| value.clone())
    };
    environment.iter().map(|(name, value)| (name.clone(), local(value))).collect()
}

fn host_environment(
    function: &Function,
    keyring: &Keyring,
    addresses: &Addresses,
) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::from([
        ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), addresses.dynamodb.clone()),
        ("AWS_ENDPOINT_URL_LAMBDA".to_owned(), addresses.lambda.clone()),
    ]);
    if let Some(Credentials { access_key_id, secret_access_key, session_token }) =
        keyring.functions.get(&function.name)
    {
        variables.insert("AWS_ACCESS_KEY_ID".to_owned(), access_key_id.clone());
        variables.insert("AWS_SECRET_ACCESS_KEY".to_owned(), secret_access_key.clone());
        variables.insert("AWS_SESSION_TOKEN".to_owned(), session_token.clone().unwrap_or_default());
    }
    if let Some(file) = &addresses.ca_file {
        let file = file.to_string_lossy();
        variables.extend(CA_VARIABLES.map(|name| (name.to_owned(), file.clone().into_owned())));
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_rewrite(value: &str, expected: &str) {
        let rewrites = [(
            "https://a1.execute-api.us-east-1.amazonaws.com".to_owned(),
            "http://127.0.0.1:3001".to_owned(),
        )];
        let environment = BTreeMap::from([("V".to_owned(), value.to_owned())]);
        assert_eq!(rewrite(&environment, &rewrites)["V"], expected);
    }

    #[test]
    fn addresses_of_the_stacks_own_apis_become_local() {
        check_rewrite("https://a1.execute-api.us-east-1.amazonaws.com/dev", "http://127.0.0.1:3001/dev");
        check_rewrite("https://a1.execute-api.us-east-1.amazonaws.com", "http://127.0.0.1:3001");
    }

    #[test]
    fn everything_else_stays() {
        for other in [
            "https://b2.execute-api.us-east-1.amazonaws.com/dev",
            "https://a1.execute-api.us-east-1.amazonaws.com.example.org/dev",
            "see https://a1.execute-api.us-east-1.amazonaws.com/dev",
            "",
        ] {
            check_rewrite(other, other);
        }
    }
}
