//! Section 7.1: quotas and throttles.

use std::time::Duration;

use serde_json::json;

use crate::{
    Api, Case,
    Mark::{Documented, Inferred, Observed},
    equal, holds,
    script::{FILL, Script},
};

use super::{
    handshake::{opened, refused},
    routing::{error_frame, goes_on, route_of},
};

pub(super) const CASES: &[Case] = &[
    Case::new("7.1.authorizer", Documented, "the answer of an authorizer has at most 8 KB", |site| {
        Box::pin(async {
            let mut policy = super::authorization::allow("*");
            policy["context"] = json!({"filler": FILL});
            let script = |letters| Script { fill: Some(letters), ..Script::answer(policy.clone()) };
            opened(site, super::authorization::guarded(site, &script(7 * 1024))?).await?;
            refused(site, super::authorization::guarded(site, &script(8 * 1024))?, 500).await
        })
    }),
    Case::new(
        "Q1.route",
        Documented,
        "a route's throttle is its own, the stage's is for the others",
        |site| {
            Box::pin(async {
                let mut client = site.connect(Api::Main).await?;
                let refused = client.ask(r#"{"action":"scarce"}"#).await?;
                holds("a refusal", !refused.contains(r#""route":"#), refused)?;
                goes_on(&mut client).await
            })
        },
    ),
    Case::new("Q1.refill", Documented, "a throttle is a bucket that fills up again", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            let seldom = r#"{"action":"seldom"}"#;
            route_of(&client.ask(seldom).await?, "seldom")?;
            error_frame(&client.ask(seldom).await?, "Too Many Requests")?;
            site.wait(Duration::from_secs(11)).await?;
            route_of(&client.ask(seldom).await?, "seldom")
        })
    })
    .takes_time(),
    Case::new("Q2.zero", Observed, "a throttle of 0 refuses everything", |site| {
        Box::pin(async {
            for _ in 0..3 {
                refused(site, site.handshake(Api::Closed)?, 429).await?;
            }
            Ok(())
        })
    }),
    Case::new(
        "Q3.frame",
        Inferred,
        "a throttled message is told Too Many Requests, and the connection stays",
        |site| {
            Box::pin(async {
                let mut client = site.connect(Api::Main).await?;
                let frame = client.ask(r#"{"action":"scarce"}"#).await?;
                let told = error_frame(&frame, "Too Many Requests")?;
                equal("message", &told["message"], "Too Many Requests")?;
                goes_on(&mut client).await
            })
        },
    ),
];
