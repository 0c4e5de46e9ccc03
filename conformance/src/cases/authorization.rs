//! Section 8: authorizers and signatures.

use serde_json::{Value, json};

use crate::{
    Api, Case, Checked, Event,
    Mark::{Documented, Inferred, Observed},
    Observer, Site, equal, holds,
    script::Script,
    wire::{Client, Handshake, presign, sign_headers},
};

use super::handshake::{opened, refused};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "A1.connect-only",
        Documented,
        "an authorizer is asked at $connect and not for messages",
        |site| {
            Box::pin(async {
                let (mut observer, mut client) = let_in(site).await?;
                observer.event("REQUEST").await?;
                equal("the next event", observer.any_event().await?.event_type(), "CONNECT")?;
                client.ask(Script::echo().message("tell")).await?;
                client.send_frame(&crate::wire::Frame::close(1000, "")).await?;
                equal("the event after it", observer.any_event().await?.event_type(), "DISCONNECT")
            })
        },
    ),
    Case::new("A2.keys", Documented, "an authorizer's event has these keys", |site| {
        Box::pin(async {
            let expected = [
                "type",
                "methodArn",
                "headers",
                "multiValueHeaders",
                "queryStringParameters",
                "multiValueQueryStringParameters",
                "stageVariables",
                "requestContext",
            ];
            let mut keys = request(site).await?.keys();
            keys.sort();
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            equal("keys", keys, expected)
        })
    }),
    Case::new("A2.arn", Documented, "its methodArn is that of $connect", |site| {
        Box::pin(async {
            let event = request(site).await?;
            let arn = event.value["methodArn"].as_str().unwrap_or_default();
            let api = event.context("apiId").as_str().unwrap_or_default();
            let stage = event.context("stage").as_str().unwrap_or_default();
            let end = format!(":{api}/{stage}/$connect");
            holds(
                &format!("arn:…{end}"),
                arn.starts_with("arn:aws") && arn.contains(":execute-api:") && arn.ends_with(&end),
                arn,
            )
        })
    }),
    Case::new("A2.variables", Observed, "stageVariables are there and empty if the stage has none", |site| {
        Box::pin(async { equal("stageVariables", &request(site).await?.value["stageVariables"], &json!({})) })
    }),
    Case::new("A2.context", Observed, "its context is that of CONNECT, without authorizer", |site| {
        Box::pin(async {
            let event = request(site).await?;
            equal("eventType", event.context("eventType"), "CONNECT")?;
            equal("authorizer", event.context("authorizer"), &Value::Null)
        })
    }),
    Case::new("A3.allow", Documented, "principal and policy are enough to be let in", |site| {
        Box::pin(async { opened(site, guarded(site, &Script::answer(allow("*")))?).await })
    }),
    Case::new("A3.principal", Documented, "an answer without a principal is none", |site| {
        Box::pin(async {
            let mut answer = allow("*");
            answer.as_object_mut().and_then(|answer| answer.remove("principalId"));
            refused(site, guarded(site, &Script::answer(answer))?, 500).await
        })
    }),
    Case::new("A4.covered", Observed, "a policy for {stage}/* covers $connect", |site| {
        Box::pin(covers(site, "*", true))
    }),
    Case::new("A4.uncovered", Observed, "one for {stage}/*/* does not", |site| {
        Box::pin(covers(site, "*/*", false))
    }),
    Case::new("A5.events", Observed, "principal and context are in every event of the connection", |site| {
        Box::pin(async {
            let (mut observer, mut client) = let_in(site).await?;
            let connect = observer.event("CONNECT").await?;
            let message = Event::parse(client.ask(Script::echo().message("tell")).await?)?;
            client.send_frame(&crate::wire::Frame::close(1000, "")).await?;
            let disconnect = observer.event("DISCONNECT").await?;
            for event in [connect, message, disconnect] {
                let told = &event.context("authorizer");
                equal(
                    &format!("principalId in {}", event.event_type()),
                    told["principalId"].as_str(),
                    Some("ada"),
                )?;
                equal(&format!("word in {}", event.event_type()), told["word"].as_str(), Some("hello"))?;
            }
            Ok(())
        })
    }),
    Case::new("A5.text", Inferred, "numbers and booleans of the context are text there", |site| {
        Box::pin(async {
            let event = message(site).await?;
            let told = event.context("authorizer");
            equal("number", &told["number"], &json!("7"))?;
            equal("flag", &told["flag"], &json!("true"))
        })
    }),
    Case::new("A5.latency", Observed, "CONNECT has integrationLatency, MESSAGE does not", |site| {
        Box::pin(async {
            let (mut observer, mut client) = let_in(site).await?;
            let connect = observer.event("CONNECT").await?;
            let message = Event::parse(client.ask(Script::echo().message("tell")).await?)?;
            let latency = &connect.context("authorizer")["integrationLatency"];
            holds("a number", latency.is_u64(), latency)?;
            equal("that of MESSAGE", &message.context("authorizer")["integrationLatency"], &Value::Null)
        })
    }),
    Case::new(
        "A6.query",
        Documented,
        "without an identity source in the query it is 401, and nobody is asked",
        |site| {
            Box::pin(async {
                let script = Script::answer(allow("*")).to_string();
                unasked(site, site.handshake(Api::Guarded)?.header("X-Identity", &script)).await
            })
        },
    ),
    Case::new("A6.header", Documented, "without one in the headers too", |site| {
        Box::pin(async {
            unasked(site, guarded(site, &Script::answer(allow("*")))?.without("X-Identity")).await
        })
    }),
    Case::new("A6.empty", Documented, "an empty one is as good as none", |site| {
        Box::pin(async {
            unasked(site, guarded(site, &Script::answer(allow("*")))?.header("X-Identity", "")).await
        })
    }),
    Case::new("A6.name", Inferred, "the name of a header is compared without case", |site| {
        Box::pin(async {
            let handshake = guarded(site, &Script::answer(allow("*")))?.without("X-Identity");
            opened(site, handshake.header("x-IDENTITY", "me")).await
        })
    }),
    Case::new("A7.each", Documented, "each handshake asks the authorizer", |site| {
        Box::pin(async {
            let mut observer = site.observer().await?;
            for _ in 0..2 {
                let handshake = observer.watch(guarded(site, &Script::answer(allow("*")))?);
                let _client = handshake.send(site).await?.opened()?;
                observer.event("REQUEST").await?;
                observer.event("CONNECT").await?;
            }
            Ok(())
        })
    }),
    Case::new("A9.headers", Documented, "a handshake may be signed in its headers", |site| {
        Box::pin(async {
            let handshake = signed(site, site.keys()?)?;
            opened(site, handshake).await
        })
    }),
    Case::new("A9.query", Documented, "or in its query", |site| {
        Box::pin(async {
            let handshake = site.handshake(Api::Signed)?;
            let host = site.address(Api::Signed)?.authority();
            let query = presign(site.keys()?, &handshake.url(), &host)?;
            opened(site, handshake.raw_query(&query)).await
        })
    }),
    Case::new("A9.unsigned", Documented, "an unsigned one is refused with 403", |site| {
        Box::pin(async { refused(site, site.handshake(Api::Signed)?, 403).await })
    }),
    Case::new("A9.forged", Documented, "so is one that is signed with another secret", |site| {
        Box::pin(async { refused(site, signed(site, &site.keys()?.forged())?, 403).await })
    }),
    Case::new("A10.key", Documented, "a handshake with a key of a usage plan is let in", |site| {
        Box::pin(async {
            opened(site, site.handshake(Api::Keyed)?.header("x-api-key", site.api_key()?)).await
        })
    }),
    Case::new("A10.missing", Inferred, "one without is refused with 403", |site| {
        Box::pin(async { refused(site, site.handshake(Api::Keyed)?, 403).await })
    }),
    Case::new("A10.unknown", Inferred, "so is one with a key that nobody has", |site| {
        Box::pin(async {
            let handshake = site.handshake(Api::Keyed)?.header("x-api-key", "a-key-that-nobody-was-given");
            refused(site, handshake, 403).await
        })
    }),
    Case::new(
        "A10.authorizer",
        Documented,
        "the key may be the usageIdentifierKey of an authorizer's answer",
        |site| {
            Box::pin(async {
                let mut answer = allow("*");
                answer["usageIdentifierKey"] = site.api_key()?.into();
                opened(site, vouched(site, answer)?).await?;
                refused(site, vouched(site, allow("*"))?, 403).await
            })
        },
    ),
];

/// What lets a client in, for this resource.
pub(super) fn allow(resource: &str) -> Value {
    policy("Allow", resource)
}

fn policy(effect: &str, resource: &str) -> Value {
    let statement = json!({"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource});
    json!({"principalId": "ada", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}})
}

/// A handshake whose authorizer does this.
pub(super) fn guarded(site: &Site, authorizer: &Script) -> Checked<Handshake> {
    Ok(site.handshake(Api::Guarded)?.query("auth", &authorizer.to_string()).header("X-Identity", "me"))
}

/// The same of an API whose authorizer names the API key.
fn vouched(site: &Site, answer: Value) -> Checked<Handshake> {
    Ok(site.handshake(Api::Vouched)?.query("auth", &Script::answer(answer).to_string()))
}

pub(super) async fn denied(site: &Site) -> Checked {
    refused(site, guarded(site, &Script::answer(policy("Deny", "*")))?, 403).await
}

pub(super) async fn unauthorized(site: &Site) -> Checked {
    refused(site, guarded(site, &Script::throw("Unauthorized"))?, 401).await
}

pub(super) async fn crashed(site: &Site) -> Checked {
    refused(site, guarded(site, &Script::throw("on purpose"))?, 500).await
}

pub(super) async fn malformed(site: &Site) -> Checked {
    refused(site, guarded(site, &Script::answer(json!({"statusCode": 200})))?, 500).await
}

/// The event of the authorizer.
pub(super) async fn request(site: &Site) -> Checked<Event> {
    let (mut observer, _client) = let_in(site).await?;
    observer.event("REQUEST").await
}

/// A MESSAGE event of a stage without variables, behind an authorizer.
pub(super) async fn message(site: &Site) -> Checked<Event> {
    let (_, mut client) = let_in(site).await?;
    Event::parse(client.ask(Script::echo().message("tell")).await?)
}

/// Somebody whom an authorizer with a context lets in, and who watches.
async fn let_in(site: &Site) -> Checked<(Observer, Client)> {
    let observer = site.observer().await?;
    let mut answer = allow("*");
    answer["context"] = json!({"word": "hello", "number": 7, "flag": true});
    let handshake = observer.watch(guarded(site, &Script::answer(answer))?);
    let client = handshake.send(site).await?.opened()?;
    Ok((observer, client))
}

async fn covers(site: &Site, rest: &str, covers: bool) -> Checked {
    let address = site.address(Api::Guarded)?;
    let stage = address.path.rsplit('/').next().unwrap_or_default();
    let policy = allow(&format!("arn:aws:execute-api:*:*:*/{stage}/{rest}"));
    let handshake = guarded(site, &Script::answer(policy))?;
    if covers { opened(site, handshake).await } else { refused(site, handshake, 403).await }
}

/// That a handshake is a 401 which the authorizer does not hear of: what it hears of next is another one.
async fn unasked(site: &Site, handshake: Handshake) -> Checked {
    let mut observer = site.observer().await?;
    refused(site, observer.watch(handshake).query("n", "1"), 401).await?;
    let other = observer.watch(guarded(site, &Script::answer(allow("*")))?).query("n", "2");
    let _client = other.send(site).await?.opened()?;
    let asked = observer.event("REQUEST").await?;
    equal("the first that is asked about", &asked.value["queryStringParameters"]["n"], "2")
}

fn signed(site: &Site, keys: &crate::wire::Keys) -> Checked<Handshake> {
    let mut handshake = site.handshake(Api::Signed)?;
    let host = site.address(Api::Signed)?.authority();
    for (name, value) in sign_headers(keys, "GET", &handshake.url(), &host, b"")? {
        handshake = handshake.header(&name, &value);
    }
    Ok(handshake)
}
