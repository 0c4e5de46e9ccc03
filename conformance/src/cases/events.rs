//! Section 4: the events of a Lambda proxy.

use base64::{Engine, engine::general_purpose::URL_SAFE};
use serde_json::{Value, json};

use crate::{
    Api, Case, Checked, Event,
    Mark::{Inferred, Observed},
    Site, equal, holds,
    observer::keys,
    script::Script,
};

use super::{disconnect, headers::connected};

pub(super) const CASES: &[Case] = &[
    Case::new("4.1.connect", Observed, "CONNECT has these keys in this order", |site| {
        Box::pin(async {
            let event = connected(site, |it| it.query("a", "b")).await?;
            let expected = [
                "headers",
                "multiValueHeaders",
                "queryStringParameters",
                "multiValueQueryStringParameters",
                "stageVariables",
                "requestContext",
                "isBase64Encoded",
            ];
            equal("keys", event.keys(), expected)
        })
    }),
    Case::new("4.1.message", Observed, "MESSAGE has these keys in this order", |site| {
        Box::pin(async {
            let event = message(site, Api::Main).await?;
            equal("keys", event.keys(), ["stageVariables", "requestContext", "body", "isBase64Encoded"])
        })
    }),
    Case::new("4.1.disconnect", Observed, "DISCONNECT has these keys in this order", |site| {
        Box::pin(async {
            let event = disconnect::by_close(site, "").await?;
            let expected =
                ["headers", "multiValueHeaders", "stageVariables", "requestContext", "isBase64Encoded"];
            equal("keys", event.keys(), expected)
        })
    }),
    Case::new("4.1.disconnect-headers", Observed, "its headers are Host and three empty ones", |site| {
        Box::pin(async {
            let event = disconnect::by_close(site, "").await?;
            let host = event.context("domainName");
            let expected = json!({"Host": host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""});
            equal("headers", &event.value["headers"], &expected)
        })
    }),
    Case::new("4.1.variables", Observed, "stageVariables are those of the stage", |site| {
        Box::pin(async {
            equal(
                "stageVariables",
                &message(site, Api::Main).await?.value["stageVariables"],
                &json!({"colour": "green"}),
            )
        })
    }),
    Case::new("4.1.no-variables", Observed, "and absent if it has none", |site| {
        Box::pin(async {
            let keys = super::authorization::message(site).await?.keys();
            holds("no stageVariables", !keys.iter().any(|key| key == "stageVariables"), keys)
        })
    }),
    Case::new("4.1.never", Observed, "resource, path, httpMethod and pathParameters never occur", |site| {
        Box::pin(async {
            let event = connected(site, |it| it).await?;
            let found =
                ["resource", "path", "httpMethod", "pathParameters"].map(|key| event.value.get(key).cloned());
            equal("those keys", found, [None, None, None, None])?;
            equal("requestContext.accountId", event.context("accountId"), &Value::Null)
        })
    }),
    Case::new(
        "4.2.connect",
        Observed,
        "the requestContext of CONNECT has these keys in this order",
        |site| Box::pin(async { in_order(&connected(site, |it| it).await?, &[]) }),
    ),
    Case::new("4.2.message", Observed, "that of MESSAGE has messageId too", |site| {
        Box::pin(async { in_order(&message(site, Api::Main).await?, &["messageId"]) })
    }),
    Case::new("4.2.disconnect", Observed, "that of DISCONNECT has code and reason too", |site| {
        Box::pin(async {
            in_order(&disconnect::by_close(site, "").await?, &["disconnectStatusCode", "disconnectReason"])
        })
    }),
    Case::new("4.2.fallback", Observed, "routeKey is $default if it was the fallback", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            let event = Event::parse(client.ask(Script::echo().message("unheard-of")).await?)?;
            equal("routeKey", event.context("routeKey"), "$default")
        })
    }),
    Case::new(
        "4.2.request-id",
        Observed,
        "extendedRequestId is requestId, and each event has its own",
        |site| {
            Box::pin(async {
                let mut client = site.connect(Api::Main).await?;
                let first = Event::parse(client.ask(Script::echo().message("tell")).await?)?;
                let second = Event::parse(client.ask(Script::echo().message("tell")).await?)?;
                equal("extendedRequestId", first.context("extendedRequestId"), first.context("requestId"))?;
                let (first, second) = (first.context("requestId"), second.context("requestId"));
                holds("two request ids", first != second, first)
            })
        },
    ),
    Case::new("4.2.time", Observed, "requestTime is requestTimeEpoch in the common log format", |site| {
        Box::pin(async {
            let event = message(site, Api::Main).await?;
            let told = event.context("requestTime").as_str().unwrap_or_default().to_owned();
            let epoch_ms = event.context("requestTimeEpoch").as_u64().unwrap_or_default();
            equal("requestTime", told, dunlin_events::request_time(epoch_ms))
        })
    }),
    Case::new("4.2.connected", Observed, "connectedAt is the same as long as the connection lives", |site| {
        Box::pin(async {
            let mut observer = site.observer().await?;
            let handshake = observer.watch(site.handshake(Api::Main)?);
            let mut client = handshake.send(site).await?.opened()?;
            let first = observer.event("CONNECT").await?;
            let later = Event::parse(client.ask(Script::echo().message("tell")).await?)?;
            let connected = first.context("connectedAt");
            holds("milliseconds", connected.as_u64().is_some_and(|ms| ms > 1_500_000_000_000), connected)?;
            equal("connectedAt", later.context("connectedAt"), connected)?;
            let lag = first.context("requestTimeEpoch").as_u64().zip(connected.as_u64());
            holds("a request that is no earlier", lag.is_some_and(|(request, made)| request >= made), lag)
        })
    }),
    Case::new(
        "4.2.names",
        Observed,
        "domainName is the client's host, stage the stage, direction IN",
        |site| {
            Box::pin(async {
                let event = message(site, Api::Main).await?;
                let address = site.address(Api::Main)?;
                equal("domainName", event.context("domainName").as_str(), Some(&*address.authority()))?;
                equal("stage", event.context("stage").as_str(), address.path.rsplit('/').next())?;
                equal("messageDirection", event.context("messageDirection"), "IN")?;
                equal("eventType", event.context("eventType"), "MESSAGE")
            })
        },
    ),
    Case::new("E1.agent", Observed, "identity is userAgent, then sourceIp", |site| {
        Box::pin(async {
            let event = connected(site, |it| it).await?;
            equal("keys of identity", identity_keys(&event), ["userAgent", "sourceIp"])?;
            let agent = event.context("identity")["userAgent"].as_str();
            equal("userAgent", agent, event.header("User-Agent"))
        })
    }),
    Case::new("E1.no-agent", Observed, "userAgent is absent if the client sent none", |site| {
        Box::pin(async {
            equal("keys of identity", identity_keys(&message(site, Api::Main).await?), ["sourceIp"])
        })
    }),
    Case::new("E1.key", Observed, "with an API key apiKey and apiKeyId are there too", |site| {
        Box::pin(async {
            let key = site.api_key()?;
            let mut observer = site.observer().await?;
            let handshake = observer.watch(site.handshake(Api::Keyed)?).header("x-api-key", key);
            let _client = handshake.send(site).await?.opened()?;
            let event = observer.event("CONNECT").await?;
            let identity = event.context("identity");
            holds(
                "apiKey is the key",
                identity["apiKey"].as_str() == Some(key),
                identity.get("apiKey").is_some(),
            )?;
            holds("apiKeyId", identity["apiKeyId"].is_string(), identity.get("apiKeyId").is_some())?;
            holds("x-api-key in the headers", event.header("x-api-key") == Some(key), event.keys())
        })
    }),
    Case::new("E2.form", Observed, "ids are 11 bytes in URL-safe base64", |site| {
        Box::pin(async {
            let event = message(site, Api::Main).await?;
            for name in ["connectionId", "messageId", "requestId"] {
                id_bytes(&event, name)?;
            }
            Ok(())
        })
    }),
    Case::new("E2.suffix", Inferred, "messageId ends like connectionId, requestId does not", |site| {
        Box::pin(async {
            let event = message(site, Api::Main).await?;
            let tail = |name| Ok(id_bytes(&event, name)?[8..].to_vec());
            equal("last bytes of messageId", tail("messageId")?, tail("connectionId")?)?;
            holds("others of requestId", tail("requestId")? != tail("connectionId")?, &event.text)
        })
    }),
    Case::new("E3.verbatim", Observed, "body is the text, byte for byte", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            let text = "  {\"action\" :\t\"tell\" , \"probe\": {\"echo\":true}, \"ä\":\"\\u00e4 / \\/\"}\n\n";
            let event = Event::parse(client.ask(text).await?)?;
            equal("body", event.value["body"].as_str(), Some(text))
        })
    }),
];

/// The MESSAGE event of a client that sends no `User-Agent`.
async fn message(site: &Site, api: Api) -> Checked<Event> {
    Event::parse(site.connect(api).await?.ask(Script::echo().message("tell")).await?)
}

/// The keys of `requestContext`: those that every event has, and these.
fn in_order(event: &Event, own: &[&str]) -> Checked {
    const ORDER: [&str; 16] = [
        "routeKey",
        "disconnectStatusCode",
        "messageId",
        "eventType",
        "extendedRequestId",
        "requestTime",
        "messageDirection",
        "disconnectReason",
        "stage",
        "connectedAt",
        "requestTimeEpoch",
        "identity",
        "requestId",
        "domainName",
        "connectionId",
        "apiId",
    ];
    const OWN: [&str; 3] = ["disconnectStatusCode", "messageId", "disconnectReason"];
    let expected = ORDER.into_iter().filter(|key| !OWN.contains(key) || own.contains(key));
    equal("keys of requestContext", event.context_keys(), expected.collect::<Vec<_>>())
}

fn identity_keys(event: &Event) -> Vec<String> {
    let identity = event.text.split_once(r#""identity":"#).map(|(_, rest)| rest);
    let end = identity.and_then(|rest| rest.find('}'));
    identity.zip(end).map(|(rest, end)| keys(&rest[..=end])).unwrap_or_default()
}

fn id_bytes(event: &Event, name: &str) -> Checked<Vec<u8>> {
    let id = event.context(name).as_str().unwrap_or_default();
    let bytes = URL_SAFE.decode(id).unwrap_or_default();
    equal(&format!("bytes of {name} {id:?}"), bytes.len(), 11)?;
    Ok(bytes)
}
