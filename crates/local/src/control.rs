//! `dunlin clock`, `dunlin fault` and `dunlin metrics`: what a running stack lets its owner do, by its ready file.

use std::{io::Write as _, path::Path, time::Duration};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    cli::{ClockAction, ClockArgs, FaultAction, FaultArgs, FaultRule, ReadyFileArg},
    failure::Failure,
};

/// How long a stack may take to answer. Setting the clock ahead deletes what has expired from all tables.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of an answer: far more than the metrics of the largest stack.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

pub(crate) async fn clock(args: ClockArgs) -> Result<(), Failure> {
    let stack = RunningStack::of(&args.ready_file)?;
    print(&match args.action {
        None => stack.call(Method::GET, "clock", None).await?,
        Some(ClockAction::Advance { by }) => {
            let body = json!({ "advance_ms": u64::try_from(by.as_millis()).unwrap_or(u64::MAX) });
            stack.call(Method::POST, "clock", Some(body)).await?
        }
    });
    Ok(())
}

pub(crate) async fn fault(args: FaultArgs) -> Result<(), Failure> {
    let stack = RunningStack::of(&args.ready_file)?;
    print(&match args.action {
        FaultAction::List => stack.call(Method::GET, "faults", None).await?,
        FaultAction::Set(rule) => {
            let path = one(&rule.id)?;
            stack.call(Method::PUT, &path, Some(rule.into_json())).await?
        }
        FaultAction::Remove { id: Some(id), all: _ } => stack.call(Method::DELETE, &one(&id)?, None).await?,
        FaultAction::Remove { id: None, all: _ } => stack.call(Method::DELETE, "faults", None).await?,
    });
    Ok(())
}

pub(crate) async fn metrics(args: ReadyFileArg) -> Result<(), Failure> {
    print(&RunningStack::of(&args)?.call(Method::GET, "metrics", None).await?);
    Ok(())
}

/// Where a rule is; its id is checked again by the stack, here only as part of a path.
fn one(id: &str) -> Result<String, Failure> {
    let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let problem =
        || Failure::usage(format!("{id:?} is no id of a rule; letters, digits, -, _ and . are expected"));
    (is_plain && !id.is_empty()).then(|| format!("faults/{id}")).ok_or_else(problem)
}

impl FaultRule {
    fn into_json(self) -> Value {
        let FaultRule { id: _, fault, route, connection, function, share, seed, count, delay, status } = self;
        let delay_ms = delay.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        let fields = [
            ("fault", json!(fault)),
            ("route", json!(route)),
            ("connection", json!(connection)),
            ("function", json!(function)),
            ("share", json!(share)),
            ("seed", json!(seed)),
            ("count", json!(count)),
            ("delay_ms", json!(delay_ms)),
            ("status", json!(status)),
        ];
        let given = fields.into_iter().filter(|(_, value)| !value.is_null());
        Value::Object(given.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
    }
}

/// What a ready file says of a stack's control surface.
#[derive(Deserialize)]
struct Ready {
    control_token: Option<String>,
    apis: Vec<ReadyApi>,
}

#[derive(Deserialize)]
struct ReadyApi {
    management: String,
}

struct RunningStack {
    token: String,
    /// `host:port`
    address: String,
}

impl RunningStack {
    fn of(arg: &ReadyFileArg) -> Result<Self, Failure> {
        let file: &Path = &arg.ready_file;
        let name = file.display();
        let text = std::fs::read_to_string(file).map_err(|error| {
            Failure::no_input(format!("cannot read {name}: {error}; `dunlin up --ready-file` writes it"))
        })?;
        let no_ready_file = |why: &str| Failure::data(format!("{name} is no ready file: {why}"));
        let ready: Ready = serde_json::from_str(&text).map_err(|error| no_ready_file(&error.to_string()))?;
        let api = ready.apis.first().ok_or_else(|| no_ready_file("it has no APIs"))?;
        let address = api.management.strip_prefix("http://").and_then(|rest| rest.split('/').next());
        let address = address.ok_or_else(|| no_ready_file("management is no http:// address"))?;
        let token = ready.control_token.ok_or_else(|| {
            Failure::unavailable("the stack runs with --strict: there is nothing to control".to_owned())
        })?;
        Ok(RunningStack { token, address: address.to_owned() })
    }

    /// Makes one call and gives what is answered.
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<String, Failure> {
        let address = &self.address;
        let nobody = |why: String| {
            Failure::unavailable(format!("{address}: {why}; is the stack of this ready file running?"))
        };
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("/_dunlin/{path}"))
            .header("host", address)
            .header("x-dunlin-control-token", &self.token)
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Failure::internal(error.to_string()))?;
        let exchange = async {
            let tcp = TcpStream::connect(address).await.map_err(|error| nobody(error.to_string()))?;
            tcp.set_nodelay(true).map_err(|error| nobody(error.to_string()))?;
            let (mut sender, connection) =
                handshake(TokioIo::new(tcp)).await.map_err(|error| nobody(error.to_string()))?;
            let asked = async {
                let response =
                    sender.send_request(request).await.map_err(|error| nobody(error.to_string()))?;
                let (parts, body) = response.into_parts();
                let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
                let body = body.map_err(|error| nobody(error.to_string()))?.to_bytes();
                Ok((parts.status, String::from_utf8_lossy(&body).into_owned()))
            };
            tokio::pin!(asked, connection);
            tokio::select! {
                biased;
                answer = &mut asked => answer,
                _ = &mut connection => asked.await,
            }
        };
        let (status, text) = timeout(ANSWER_TIMEOUT, exchange)
            .await
            .map_err(|_| nobody("it does not answer".to_owned()))??;
        if status.is_success() {
            return Ok(text);
        }
        #[derive(Deserialize)]
        struct Refusal {
            message: String,
        }
        let problem = serde_json::from_str(&text).map_or(text, |refusal: Refusal| refusal.message);
        Err(Failure::data(problem))
    }
}

fn print(text: &str) {
    // A list is for eyes too: one rule a line.
    let shown = match serde_json::from_str::<Vec<&RawValue>>(text) {
        Ok(rules) if !rules.is_empty() => {
            let rules: Vec<_> = rules.iter().map(|rule| rule.get()).collect();
            format!("[\n  {}\n]", rules.join(",\n  "))
        }
        _ => text.trim_end().to_owned(),
    };
    // Nobody may be reading any more.
    drop(writeln!(std::io::stdout().lock(), "{shown}"));
}
