//! The function behind the suite's template: it does what the event asks of it (`PROBE.md`).
//!
//! It stands on the runtime directly, since it has to say what no handler would.

use std::{borrow::Cow, collections::HashMap, process, time::Duration};

use dunlin_conformance::script::{OBSERVER, Script, fill};
use dunlin_events::ConnectionId;
use dunlin_management::{ManagementClient, PostOutcome};
use dunlin_management_aws::LeanManagementClient;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use serde_json::{
    json,
    value::{RawValue, to_raw_value},
};

/// What the probe reads of an event, whatever kind it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    #[serde(default)]
    request_context: Context<'a>,
    query_string_parameters: Option<HashMap<String, String>>,
    #[serde(borrow)]
    body: Option<Cow<'a, str>>,
    /// Of an event that a mapping template made.
    probe: Option<Script>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Context<'a> {
    event_type: Option<&'a str>,
    connection_id: Option<&'a str>,
    #[serde(borrow)]
    identity: Identity<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Identity<'a> {
    #[serde(borrow)]
    user_agent: Option<Cow<'a, str>>,
}

/// What a client's message says to the probe.
#[derive(Deserialize)]
struct Message {
    probe: Script,
}

/// What an observer gets.
#[derive(Serialize)]
struct Relayed<'a> {
    event: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    posted: Option<&'a str>,
}

impl Event<'_> {
    fn script(&self) -> Script {
        let query = |name| self.query_string_parameters.as_ref()?.get(name);
        let told = match (self.kind, self.request_context.event_type) {
            (Some("REQUEST"), _) => query("auth").and_then(|text| serde_json::from_str(text).ok()),
            (_, Some("CONNECT")) => query("probe").and_then(|text| serde_json::from_str(text).ok()),
            (_, Some("MESSAGE")) => {
                let message: Option<Message> =
                    self.body.as_deref().and_then(|body| serde_json::from_str(body).ok());
                message.map(|message| message.probe)
            }
            _ => self.probe.clone(),
        };
        told.unwrap_or_default()
    }

    /// Who asked to see the events of this connection; its messages are told to their sender alone.
    fn observer(&self) -> Option<&str> {
        if self.request_context.event_type == Some("MESSAGE") {
            return None;
        }
        let agent = self.request_context.identity.user_agent.as_deref()?;
        agent.split_once(OBSERVER).map(|(_, id)| id)
    }
}

async fn probe(
    management: &LeanManagementClient,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<Box<RawValue>, Diagnostic> {
    let raw = event.payload;
    let event: Event<'_> = serde_json::from_str(raw.get()).map_err(failed)?;
    let script = event.script();
    let posted = match (&script.post, event.request_context.connection_id) {
        (Some(text), Some(id)) => Some(post(management, id, text.clone()).await),
        _ => None,
    };
    if let Some(observer) = script.relay.as_deref().or(event.observer()) {
        let relayed = Relayed { event: &raw, posted: posted.as_deref() };
        let text = serde_json::to_string(&relayed).map_err(failed)?;
        relay(management, observer, text).await;
    }
    if let Some(sleep) = script.sleep_ms {
        tokio::time::sleep(Duration::from_millis(sleep)).await;
    }
    if script.exit {
        process::exit(3);
    }
    if let Some(message) = script.throw {
        return Err(Diagnostic { error_type: "Probe".to_owned(), error_message: message });
    }
    let result = match script.result {
        _ if script.echo => json!({ "statusCode": 200, "body": raw.get() }),
        Some(result) => fill(result, script.fill.unwrap_or_default().min(FILL_LETTERS_MAX)),
        None => json!({ "statusCode": 200 }),
    };
    to_raw_value(&result).map_err(failed)
}

/// Letters that an answer is filled with: ours, below what a function may answer.
const FILL_LETTERS_MAX: usize = 1024 * 1024;

const DELIVERED: &str = "delivered";
const GONE: &str = "gone";

/// Tells the observer, who waits for it: more than once, if the machine is too busy for the first time.
async fn relay(management: &LeanManagementClient, observer: &str, text: String) {
    for _ in 0..RELAYS_MAX {
        match &*post(management, observer, text.clone()).await {
            DELIVERED | GONE => return,
            problem => eprintln!("the observer {observer} was not told: {problem}"),
        }
    }
}

/// Attempts at telling an observer: ours.
const RELAYS_MAX: usize = 3;

/// What became of a post, in a word.
async fn post(management: &LeanManagementClient, id: &str, text: String) -> Cow<'static, str> {
    let id: ConnectionId = match id.parse() {
        Ok(id) => id,
        Err(_) => return "not an id".into(),
    };
    match management.post(&id, text.into()).await {
        Ok(PostOutcome::Delivered) => DELIVERED.into(),
        Ok(PostOutcome::Gone) => GONE.into(),
        Err(error) => error.to_string().into(),
    }
}

fn failed(error: serde_json::Error) -> Diagnostic {
    Diagnostic { error_type: "Probe".to_owned(), error_message: error.to_string() }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // The same program plays the function that does not start.
    if std::env::var("_HANDLER").is_ok_and(|handler| handler == "broken") {
        process::exit(1);
    }
    // MANAGEMENT_ENDPOINT is the main API's, which every observer is connected to.
    let management = LeanManagementClient::from_env()?;
    let management = &management;
    lambda_runtime::run(service_fn(|event| probe(management, event))).await
}
