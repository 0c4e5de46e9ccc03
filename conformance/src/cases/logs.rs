//! Section 10: access logs.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, interval};

use crate::{Api, Case, Checked, Event, Mark::Documented, Site, equal, fails, holds, script::Script};

/// How often a log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) const CASES: &[Case] = &[
    Case::new(
        "L1.line",
        Documented,
        "each event is a line in the stage's format, with its request id",
        |site| {
            Box::pin(async {
                let (event, line) = logged(site, Script::echo()).await?;
                equal("route", &line["route"], "tell")?;
                equal("event", &line["event"], "MESSAGE")?;
                equal("connection", &line["connection"], event.context("connectionId"))?;
                equal("status", &line["status"], "200")
            })
        },
    ),
    Case::new("L1.unset", Documented, "what is not set is -", |site| {
        Box::pin(async { equal("error.message", &logged(site, Script::echo()).await?.1["error"], "-") })
    }),
    Case::new("L2.csv", Documented, "lines may be CSV", |site| {
        Box::pin(async {
            let id = connected(site, Api::Bare, r#"{"action":"known"}"#).await?;
            let line = find(site, |line| line.contains(&id) && line.contains("MESSAGE")).await?;
            let fields: Vec<_> = line.split(',').collect();
            equal("fields", fields.get(1..), Some([&*id, "MESSAGE", "known", "200"].as_slice()))
        })
    }),
    Case::new("L2.xml", Documented, "or XML", |site| {
        Box::pin(async {
            let id = connected(site, Api::Nested, r#"{"meta":{"kinds":["","inner"]}}"#).await?;
            let line = find(site, |line| line.contains(&id) && line.contains("inner")).await?;
            let so = line.starts_with("<request id=\"") && line.ends_with("<route>inner</route></request>");
            holds("an element with the route", so, line)
        })
    }),
    Case::new("L2.clf", Documented, "or the common log format", |site| {
        Box::pin(async {
            let id = connected(site, Api::Composed, r#"{"service":"chat","action":"join"}"#).await?;
            let line = find(site, |line| line.contains(&format!("chat/join {id}\""))).await?;
            let so = line.contains(" - - [")
                && line.contains(" +0000] \"MESSAGE chat/join ")
                && line.contains("\" 200 - ");
            holds("source, time, request and status", so, line)
        })
    }),
];

/// A MESSAGE event of the main API, and its line.
async fn logged(site: &Site, script: Script) -> Checked<(Event, Value)> {
    site.access_log()?;
    let mut client = site.connect(Api::Main).await?;
    let event = Event::parse(client.ask(script.message("tell")).await?)?;
    let id = event.context("requestId").as_str().unwrap_or_default().to_owned();
    let line = find(site, |line| line.contains(&format!("\"id\":\"{id}\""))).await?;
    match serde_json::from_str(&line) {
        Ok(line) => Ok((event, line)),
        Err(_) => fails("a line of JSON", line),
    }
}

/// The connection id of a client that sent a message to a MOCK route, which tells it.
async fn connected(site: &Site, api: Api, message: &str) -> Checked<String> {
    site.access_log()?;
    let answer = site.connect(api).await?.ask(message).await?;
    let told: Value = serde_json::from_str(&answer).unwrap_or_default();
    match told["connection"].as_str() {
        Some(id) => Ok(id.to_owned()),
        None => fails("the answer of a MOCK route", answer),
    }
}

/// The line that is looked for, once it is there.
async fn find(site: &Site, is_it: impl Fn(&str) -> bool) -> Checked<String> {
    let file = site.access_log()?;
    let (started, mut looks) = (Instant::now(), interval(LOOK_EVERY));
    loop {
        looks.tick().await;
        let log = match tokio::fs::read_to_string(file).await {
            Ok(log) => log,
            Err(error) => return fails("an access log", error),
        };
        if let Some(line) = log.lines().find(|line| is_it(line)) {
            return Ok(line.to_owned());
        }
        if started.elapsed() > site.patience {
            return fails("a line in the access log", format!("{} others", log.lines().count()));
        }
    }
}
