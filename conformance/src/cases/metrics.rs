//! Section 10: metrics.

use std::time::Duration;

use tokio::time::{Instant, interval};

use crate::{Api, Case, Checked, Mark::Documented, Site, equal, fails, observer::own_id, script::Script};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "L3.connects",
        Documented,
        "ConnectCount counts calls of the integration of $connect",
        |site| {
            Box::pin(async {
                grows(site, Api::Main, "ConnectCount", 1, async { site.connect(Api::Main).await.map(drop) })
                    .await
            })
        },
    )
    .in_quiet(),
    Case::new("L3.messages", Documented, "MessageCount counts messages in both directions", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Bare).await?;
            let asked = async { client.ask(r#"{"action":"known"}"#).await.map(drop) };
            grows(site, Api::Bare, "MessageCount", 2, asked).await
        })
    })
    .in_quiet(),
    Case::new(
        "L3.client",
        Documented,
        "ClientError counts what fails before an integration is called",
        |site| {
            Box::pin(async {
                let mut client = site.connect(Api::Bare).await?;
                let asked = async { client.ask(r#"{"action":"unknown"}"#).await.map(drop) };
                grows(site, Api::Bare, "ClientError", 1, asked).await
            })
        },
    )
    .in_quiet(),
    Case::new(
        "L3.integration",
        Documented,
        "IntegrationError counts what an integration fails with",
        |site| {
            Box::pin(async {
                let mut client = site.connect(Api::Main).await?;
                let asked = async { client.ask(Script::throw("on purpose").message("tell")).await.map(drop) };
                grows(site, Api::Main, "IntegrationError", 1, asked).await
            })
        },
    )
    .in_quiet(),
    Case::new("L3.execution", Documented, "ExecutionError counts calls that could not be made", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            let asked = async { client.ask(r#"{"action":"stranger"}"#).await.map(drop) };
            grows(site, Api::Main, "ExecutionError", 1, asked).await
        })
    })
    .in_quiet(),
    Case::new("L3.latency", Documented, "IntegrationLatency is that of each call", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            let asked = async { own_id(&mut client).await.map(drop) };
            grows(site, Api::Main, "IntegrationLatency_count", 1, asked).await
        })
    })
    .in_quiet(),
    Case::new(
        "C13.latency",
        Documented,
        "callbacks and MOCK integrations have no integration latency",
        |site| {
            Box::pin(async {
                let mut client = site.connect(Api::Main).await?;
                let id = own_id(&mut client).await?;
                let called = async {
                    equal("status of a POST", site.manage("POST", &id, "hello").await?.status, 200)?;
                    equal("message", client.text().await?, "hello")?;
                    super::routing::goes_on(&mut client).await
                };
                grows(site, Api::Main, "IntegrationLatency_count", 0, called).await
            })
        },
    )
    .in_quiet(),
];

/// How often a metric is looked at: a call is counted a moment after it is answered.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long one is looked at.
const LOOK_TIME_MAX: Duration = Duration::from_secs(5);

/// That a metric of an API grows by this while something happens.
async fn grows(site: &Site, api: Api, name: &str, by: u64, what: impl Future<Output = Checked>) -> Checked {
    let id = site.own_host(api)?;
    let id = id.split('.').next().unwrap_or_default();
    let before = settled(site, name, id, None).await?.unwrap_or(0);
    what.await?;
    match settled(site, name, id, Some(before + by)).await? {
        Some(after) => equal(&format!("growth of {name}"), after.saturating_sub(before), by),
        None => fails(format!("a metric {name}"), "none"),
    }
}

/// A count that does not change any more, and is the one that is expected unless that takes too long.
async fn settled(site: &Site, name: &str, api_id: &str, expected: Option<u64>) -> Checked<Option<u64>> {
    let (started, mut looks) = (Instant::now(), interval(LOOK_EVERY));
    let mut last = None;
    loop {
        looks.tick().await;
        let now = count(&site.metrics().await?, name, api_id);
        let as_expected = expected.is_none_or(|expected| now == Some(expected));
        if last == Some(now) && (as_expected || started.elapsed() > LOOK_TIME_MAX) {
            return Ok(now);
        }
        last = Some(now);
    }
}

/// All of an API's lines of this metric, of whatever stage and route.
fn count(page: &str, name: &str, api_id: &str) -> Option<u64> {
    let api = format!("ApiId=\"{api_id}\"");
    let of_api = page.lines().filter_map(|line| {
        let (labels, value) = line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} ")?;
        labels.contains(&api).then(|| value.parse::<f64>().ok().map(|value| value as u64))?
    });
    of_api.reduce(|sum, more| sum + more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_api_are_added_up() {
        let page = "# HELP A x\nA{ApiId=\"a\",Stage=\"s\"} 2\nA{ApiId=\"a\",Stage=\"s\",Route=\"r\"} 3\nA{ApiId=\"b\"} 4\nAB{ApiId=\"a\"} 5\n";
        assert_eq!(
            (count(page, "A", "a"), count(page, "A", "b"), count(page, "A", "c")),
            (Some(5), Some(4), None)
        );
    }
}
