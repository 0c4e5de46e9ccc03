//! Section 3.2: one-way and two-way routes.

use serde_json::{Value, json};

use crate::{
    Api, Case, Checked,
    Mark::{Documented, Inferred, Observed},
    Site, equal, holds,
    observer::own_id,
    script::Script,
};

use super::routing::{error_frame, goes_on};

pub(super) const CASES: &[Case] = &[
    Case::new("T1.one-way", Documented, "a route discards what its function returns", |site| {
        Box::pin(discards(site, "tell-one-way"))
    }),
    Case::new(
        "T1.half",
        Documented,
        "the route's expression without a route response changes nothing",
        |site| Box::pin(discards(site, "half")),
    ),
    Case::new("T1.two-way", Documented, "with both it answers", |site| {
        Box::pin(async {
            equal("answer", answer(site, json!({"statusCode": 200, "body": "hello"})).await?, "hello")
        })
    }),
    Case::new(
        "T2.responses",
        Documented,
        "integration responses do not make a one-way route answer",
        |site| {
            Box::pin(async {
                let mut client = site.connect(Api::Main).await?;
                client.send(r#"{"action":"mock-one-way"}"#).await?;
                goes_on(&mut client).await
            })
        },
    ),
    Case::new("T3.unchanged", Observed, "the body is one text frame, as it is", |site| {
        Box::pin(async {
            let body = " {\"a\" : 1,\n\t\"ä\":\"\\u0041\"} ";
            equal("answer", answer(site, json!({"statusCode": 200, "body": body})).await?, body)
        })
    }),
    Case::new("T3.status", Observed, "status and headers mean nothing, whatever they are", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            for status in [201, 301, 401, 500, 501] {
                let body = format!("body of {status}");
                let result = json!({"statusCode": status, "headers": {"X-A": "b"}, "body": body});
                equal("answer", client.ask(Script::answer(result).message("tell")).await?, body)?;
            }
            goes_on(&mut client).await
        })
    }),
    Case::new("T4.empty", Observed, "without a body an empty frame is sent", |site| {
        Box::pin(async { equal("answer", answer(site, json!({"statusCode": 200})).await?, "") })
    }),
    Case::new(
        "T5.foreign",
        Observed,
        "keys of one's own beside statusCode make the answer malformed",
        |site| Box::pin(malformed(site, json!({"statusCode": 200, "body": "hello", "Data": "x"}))),
    ),
    Case::new("T5.bare", Inferred, "so is a text, a number or a list", |site| {
        Box::pin(async {
            for result in [json!("hello"), json!(7), json!(["hello"])] {
                malformed(site, result).await?;
            }
            Ok(())
        })
    }),
    Case::new("T5.nothing", Inferred, "nothing at all is harmless on a one-way route", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            let script = Script { post: Some("done".to_owned()), ..Script::answer(Value::Null) };
            equal("post", client.ask(script.message("tell-one-way")).await?, "done")?;
            goes_on(&mut client).await
        })
    }),
    Case::new("T6.keys", Documented, "a proxy result may have all of its keys", |site| {
        Box::pin(async {
            let result = json!({
                "statusCode": 200, "headers": {"a": "b"}, "multiValueHeaders": {"c": ["d"]},
                "body": "hello", "isBase64Encoded": false,
            });
            equal("answer", answer(site, result).await?, "hello")
        })
    }),
    Case::new("T8.at-once", Inferred, "messages of one connection run at once", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            client.send(Script { sleep_ms: Some(3_000), ..Script::body("slow") }.message("tell")).await?;
            client.send(Script::body("fast").message("tell")).await?;
            let answers = [client.text().await?, client.text().await?];
            equal("answers", answers, ["fast", "slow"])
        })
    }),
];

async fn answer(site: &Site, result: Value) -> Checked<String> {
    site.connect(Api::Main).await?.ask(Script::answer(result).message("tell")).await
}

async fn malformed(site: &Site, result: Value) -> Checked {
    let mut client = site.connect(Api::Main).await?;
    let frame = client.ask(Script::answer(result).message("tell")).await?;
    error_frame(&frame, "Internal server error")?;
    goes_on(&mut client).await
}

/// The function posts, then returns a body; whatever comes of that would come before the answers to two more messages, each
/// of which goes to the function and back.
async fn discards(site: &Site, action: &str) -> Checked {
    let mut client = site.connect(Api::Main).await?;
    let script = Script { post: Some("posted".to_owned()), ..Script::body("returned") };
    equal("post", client.ask(script.message(action)).await?, "posted")?;
    for _ in 0..2 {
        let id = own_id(&mut client).await?;
        holds("a connection id", !id.is_empty(), id)?;
    }
    Ok(())
}
