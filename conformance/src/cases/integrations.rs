//! Section 3.1: integrations and their mappings.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    Api, Case, Checked, Event,
    Mark::{Documented, Inferred, Observed},
    Site, equal, fails, holds,
    observer::{keys, own_id},
    script::Script,
};

use super::routing::{error_frame, goes_on};

pub(super) const CASES: &[Case] = &[
    Case::new("G1.timeout", Documented, "an integration may be given less time than 29 s", |site| {
        Box::pin(async {
            let script = Script { sleep_ms: Some(3_000), ..Script::body("too late") };
            let answer = ask(site, script.message("brief")).await?;
            error_frame(&answer, "Endpoint request timed out").map(drop)
        })
    }),
    Case::new("G1.default", Documented, "it has 29 s unless it is given less", |site| {
        Box::pin(default_timeout(site))
    })
    .takes_time(),
    Case::new("G2.shared", Documented, "routes may share an integration", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            for (action, route) in [("tell", "tell"), ("anything", "$default")] {
                let event = Event::parse(client.ask(Script::echo().message(action)).await?)?;
                equal("route", event.context("routeKey"), route)?;
            }
            Ok(())
        })
    }),
    Case::new("G3.no-match", Documented, "WHEN_NO_MATCH passes on what no template is for", |site| {
        Box::pin(passes(site, "passes", true))
    }),
    Case::new(
        "G3.no-templates",
        Documented,
        "WHEN_NO_TEMPLATES refuses it where there are templates",
        |site| Box::pin(passes(site, "strict", false)),
    ),
    Case::new("G3.untemplated", Documented, "and passes it on where there are none", |site| {
        Box::pin(passes(site, "untemplated", true))
    }),
    Case::new("G3.never", Documented, "NEVER refuses it", |site| Box::pin(passes(site, "never", false))),
    Case::new(
        "G4.request",
        Documented,
        "an expression over the message chooses the request template",
        |site| {
            Box::pin(async {
                equal("answer", ask(site, r#"{"action":"chosen","kind":"red"}"#).await?, "refused")
            })
        },
    ),
    Case::new("G4.default", Documented, "$default is the template of all others", |site| {
        Box::pin(async {
            let answer = ask(site, r#"{"action":"chosen","kind":"blue"}"#).await?;
            holds(
                "the template of a status 200 or other",
                ["served", "otherwise"].contains(&&*answer),
                answer,
            )
        })
    }),
    Case::new(
        "G4.response",
        Documented,
        "an expression over the status chooses the response template",
        |site| Box::pin(async { equal("answer", ask(site, r#"{"action":"chosen"}"#).await?, "served") }),
    ),
    Case::new(
        "G5.message",
        Documented,
        "a function's error message chooses the integration response",
        |site| {
            Box::pin(async {
                let answer = ask(site, Script::throw("a red error").message("plain")).await?;
                equal("answer", answer, "failed: a red error")
            })
        },
    ),
    Case::new("G5.default", Documented, "without an error the default one is taken", |site| {
        Box::pin(async {
            let answer = ask(site, Script::answer(json!({"fine": true})).message("plain")).await?;
            equal("answer", answer, r#"answered: {"fine":true}"#)
        })
    }),
    Case::new(
        "G5.status",
        Documented,
        "an HTTP back end's status chooses the integration response",
        |site| {
            Box::pin(async {
                site.endpoint()?;
                let answer = ask(site, r#"{"action":"http","number":1,"status":"404"}"#).await?;
                equal("answer", answer, "refused")
            })
        },
    ),
    Case::new(
        "G6.parameters",
        Documented,
        "parameters come from message, stage, context and literals",
        |site| {
            Box::pin(async {
                site.endpoint()?;
                let mut client = site.connect(Api::Main).await?;
                let id = own_id(&mut client).await?;
                let seen =
                    parsed(&client.ask(r#"{"action":"http-proxy","number":7,"status":"201"}"#).await?)?;
                let headers = &seen["headers"];
                equal("x-number", headers["x-number"].as_str(), Some("7"))?;
                equal("x-colour", headers["x-colour"].as_str(), Some("green"))?;
                equal("x-connection", headers["x-connection"].as_str(), Some(&*id))?;
                equal("x-fixed", headers["x-fixed"].as_str(), Some("as it is"))?;
                equal("target", seen["target"].as_str(), Some("/proxy?status=201"))
            })
        },
    ),
    Case::new(
        "G7.velocity",
        Documented,
        "templates are VTL with $util, $stageVariables and $context",
        |site| {
            Box::pin(async {
                let answer = ask(site, r#"{"action":"velocity"}"#).await?;
                let words: Vec<_> = answer.split_whitespace().collect();
                equal(
                    "what the template gives",
                    words,
                    ["1;3;", "green", "MESSAGE", "YWI=", "ab", "a+b", "a", "b", "\\\""],
                )
            })
        },
    ),
    Case::new("G7.input", Documented, "$input reads the message", |site| {
        Box::pin(async {
            site.endpoint()?;
            let answer = ask(site, r#"{"action":"http","number":5}"#).await?;
            equal("what the endpoint got", answer, "served: number 5")
        })
    }),
    Case::new("G8.event", Inferred, "X-Amz-Invocation-Type: Event hands over without waiting", |site| {
        Box::pin(async {
            let mut observer = site.observer().await?;
            let relay = Some(observer.id().to_owned());
            // Longer than the integration may take, and than the next message does.
            let script = Script { relay, sleep_ms: Some(3_000), ..Script::default() };
            let mut client = site.connect(Api::Main).await?;
            client.send(script.message("handed")).await?;
            let event = observer.any_event().await?;
            equal("what the function got", event.value["handed"].as_str(), Some("over"))?;
            // Had the gateway waited, the client would be told by now that it waited too long.
            let later = Script { sleep_ms: Some(1_000), ..Script::body("later") };
            equal("the next frame", client.ask(later.message("tell")).await?, "later")
        })
    }),
    Case::new(
        "G9.unpermitted",
        Documented,
        "a function is invoked only if its policy lets the API",
        |site| {
            Box::pin(async {
                let answer = ask(site, Script::body("invoked").message("stranger")).await?;
                error_frame(&answer, "Internal server error").map(drop)
            })
        },
    ),
    Case::new(
        "G11.unmapped",
        Documented,
        "a back end that is no Lambda proxy learns only what is mapped",
        |site| {
            Box::pin(async {
                site.endpoint()?;
                let mut client = site.connect(Api::Main).await?;
                let id = own_id(&mut client).await?;
                let seen = client.ask(r#"{"action":"http-bare"}"#).await?;
                holds("no connection id", !seen.contains(id.trim_end_matches('=')), &seen)?;
                equal("body", parsed(&seen)?["body"].as_str(), Some(r#"{"action":"http-bare"}"#))
            })
        },
    ),
    Case::new(
        "H12.upgrade",
        Observed,
        "an HTTP back end of $connect gets the client's upgrade headers",
        |site| {
            Box::pin(async {
                let endpoint = site.endpoint()?;
                let mark = format!("mark{}", fastrand::u64(..));
                super::handshake::opened(site, site.handshake(Api::Proxied)?.query("mark", &mark)).await?;
                let Some(seen) = endpoint.seen(&mark) else {
                    return fails("a request at the endpoint", "none");
                };
                equal("Sec-WebSocket-Version", seen["headers"]["sec-websocket-version"].as_str(), Some("13"))
            })
        },
    ),
];

/// One second before the default has passed nothing has happened; one later the client is told.
async fn default_timeout(site: &Site) -> Checked {
    let mut client = site.connect(Api::Main).await?;
    let script = Script { post: Some("running".to_owned()), sleep_ms: Some(35_000), ..Script::default() };
    equal("post", client.ask(script.message("tell")).await?, "running")?;
    site.wait(Duration::from_secs(28)).await?;
    goes_on(&mut client).await?;
    site.wait(Duration::from_secs(2)).await?;
    error_frame(&client.text().await?, "Endpoint request timed out").map(drop)
}

async fn ask(site: &Site, message: impl Into<String>) -> Checked<String> {
    site.connect(Api::Main).await?.ask(message).await
}

fn parsed(text: &str) -> Checked<Value> {
    serde_json::from_str(text).or_else(|_| fails("what the endpoint describes", text))
}

/// Whether the function gets the message itself: then it does what the message says, whose answer is a JSON text.
async fn passes(site: &Site, action: &str, passes: bool) -> Checked {
    let answer = ask(site, Script::answer(json!("passed")).message(action)).await?;
    if passes {
        return equal("answer", answer, r#""passed""#);
    }
    // Of the class 415, the model says; nobody has seen the frame's text.
    equal("keys of an error frame", keys(&answer), ["message", "connectionId", "requestId"])
}
