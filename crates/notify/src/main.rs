//! One function of the notify app: `_HANDLER` chooses which.
//!
//! Exit codes: 64 if the environment does not fit, 70 if the Runtime API is lost, 0 when the platform ends the process.

use std::{env, process::ExitCode, sync::Arc, time::SystemTime};

use anyhow::{Context as _, Result};
use dunlin_connection_store::Timestamp;
use dunlin_connection_store_dynamodb::DynamoDbStore;
use dunlin_fanout::POSTS_IN_FLIGHT_MAX;
use dunlin_lambda::RunError;
use dunlin_management_aws::{ClientConfig, LeanManagementClient};
use dunlin_notify::{App, Backends, Config};

const EXIT_USAGE: u8 = 64;
const EXIT_SOFTWARE: u8 = 70;

// One invocation at a time is the rule, and one thread is what such a function has.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    dunlin_lambda::init_tracing();
    let lookup = |name: &str| env::var(name).ok();
    let (code, error) = match run(lookup).await {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(error @ RunError::Runtime(_))) => (EXIT_SOFTWARE, error.into()),
        Ok(Err(error)) => (EXIT_USAGE, error.into()),
        Err(error) => (EXIT_USAGE, error),
    };
    eprintln!("notify: {error:#}");
    ExitCode::from(code)
}

/// Makes the clients, once, and runs the function. The outer error is one of the environment.
async fn run(lookup: impl Fn(&str) -> Option<String> + Copy) -> Result<Result<(), RunError>> {
    let store = |table_name| DynamoDbStore::from_lookup(table_name, fastrand::u64(..), lookup);
    let app = |Backends { table_name, management_endpoint }| -> Result<_> {
        let management = ClientConfig::for_endpoint(&management_endpoint, lookup)
            .map(|config| config.with_connections_max(POSTS_IN_FLIGHT_MAX))
            .and_then(LeanManagementClient::new)
            .context("MANAGEMENT_ENDPOINT and credentials")?;
        let app = App::new(store(table_name)?, management, now, || fastrand::u64(..));
        // The platform sets the name.
        let function_name = lookup("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| "notify".to_owned());
        Ok(Arc::new(app.with_metrics(function_name)))
    };
    Ok(match Config::from_lookup(lookup)? {
        Config::Connect { table_name } => {
            dunlin_lambda::run(dunlin_notify::connect(store(table_name)?, now)).await
        }
        Config::Disconnect { table_name } => {
            dunlin_lambda::run(dunlin_notify::disconnect(store(table_name)?)).await
        }
        Config::SetNotifyList(backends) => {
            dunlin_lambda::run(dunlin_notify::set_notify_list(app(backends)?)).await
        }
        Config::Default => dunlin_lambda::run(dunlin_notify::default()).await,
        Config::NotifyParameter(backends) => {
            dunlin_lambda::run(dunlin_notify::notify_parameter(app(backends)?)).await
        }
    })
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
