//! Section 1.3: headers, query and subprotocol.

use serde_json::{Value, json};

use crate::{
    Api, Case, Checked, Event,
    Mark::{Documented, Inferred, Observed},
    Site, equal, holds,
    script::Script,
    wire::{Handshake, Head},
};

pub(super) const CASES: &[Case] = &[
    Case::new("H16.chosen", Documented, "the subprotocol that the function names is agreed", |site| {
        Box::pin(async {
            let head =
                offered(site, json!({"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "b"}})).await?;
            equal("subprotocol", head.header("sec-websocket-protocol"), Some("b"))
        })
    }),
    Case::new("H16.none", Documented, "without one in its answer none is", |site| {
        Box::pin(async {
            let head = offered(site, json!({"statusCode": 200})).await?;
            equal("subprotocol", head.header("sec-websocket-protocol"), None::<&str>)
        })
    }),
    Case::new("H17.offered", Documented, "what the client offers is one header with commas", |site| {
        Box::pin(async {
            let event = connected(site, |it| it.header("Sec-WebSocket-Protocol", "a, b")).await?;
            equal("subprotocols", event.header("Sec-WebSocket-Protocol"), Some("a, b"))
        })
    }),
    Case::new(
        "H18.dropped",
        Observed,
        "other headers and the body of the answer do not reach the client",
        |site| {
            Box::pin(async {
                let headers = json!({"X-Own": "1", "Set-Cookie": "a=b"});
                let head =
                    offered(site, json!({"statusCode": 200, "headers": headers, "body": "hello"})).await?;
                let leaked = ["x-own", "set-cookie"].into_iter().find_map(|name| head.header(name));
                equal("headers of the function's", leaked, None::<&str>)
            })
        },
    ),
    Case::new("H18.body", Observed, "the body of a refusal does not reach the client either", |site| {
        Box::pin(async {
            let script = Script::answer(json!({"statusCode": 403, "body": "the function's own words"}));
            match site.connect_telling(&script).await? {
                crate::wire::Answered::Refused(_, body) => {
                    holds("another body", !body.contains("own words"), body)
                }
                crate::wire::Answered::Open(..) => crate::fails("403", "101"),
            }
        })
    }),
    Case::new("H19.message", Documented, "messages repeat neither headers nor query", |site| {
        Box::pin(async {
            let mut client = site.handshake(Api::Main)?.query("a", "b").send(site).await?.opened()?;
            let event = Event::parse(client.ask(Script::echo().message("tell")).await?)?;
            let keys = event.keys();
            holds("no headers and no query", !keys.iter().any(|key| FROM_CONNECT.contains(&&**key)), keys)
        })
    }),
    Case::new("H20.case", Observed, "header names keep the case that the client wrote", |site| {
        Box::pin(async {
            let event = connected(site, |it| it.header("X-mIxEd", "1")).await?;
            equal("X-mIxEd", event.header("X-mIxEd"), Some("1"))
        })
    }),
    Case::new("H20.edge", Observed, "trace id and forwarded headers are added", |site| {
        Box::pin(async {
            let event = connected(site, |it| it).await?;
            let trace = event.header("X-Amzn-Trace-Id").unwrap_or_default();
            holds("X-Amzn-Trace-Id with Root=1-", trace.starts_with("Root=1-"), trace)?;
            let source = event.context("identity")["sourceIp"].as_str();
            equal("X-Forwarded-For", event.header("X-Forwarded-For"), source)?;
            // 443 and https on the service; a gateway on loopback has its own.
            let port = event.header("X-Forwarded-Port");
            holds(
                "a number in X-Forwarded-Port",
                port.is_some_and(|port| port.parse::<u16>().is_ok()),
                port,
            )?;
            let proto = if site.address(Api::Main)?.is_tls { "https" } else { "http" };
            equal("X-Forwarded-Proto", event.header("X-Forwarded-Proto"), Some(proto))
        })
    }),
    Case::new("H20.socket", Observed, "the WebSocket's own headers are shown", |site| {
        Box::pin(async {
            let event = connected(site, |it| it).await?;
            equal("Sec-WebSocket-Version", event.header("Sec-WebSocket-Version"), Some("13"))?;
            holds("Sec-WebSocket-Key", event.header("Sec-WebSocket-Key").is_some(), &event.text)
        })
    }),
    Case::new(
        "H20.hidden",
        Observed,
        "Connection, Upgrade and content-length are not shown to $connect",
        |site| Box::pin(async { hidden(&connected(site, |it| it).await?, 0) }),
    ),
    Case::new("H20.authorizer", Observed, "they are shown to authorizers", |site| {
        Box::pin(async { hidden(&super::authorization::request(site).await?, 3) })
    }),
    Case::new("H21.lists", Observed, "the multi-value maps have the same names with lists", |site| {
        Box::pin(async {
            let event = connected(site, |it| it.raw_query("m=1&m=2").another_header("X-Many", "1")).await?;
            let names = |key: &str| {
                let map = event.value[key].as_object();
                map.map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default()
            };
            equal("names of headers", names("multiValueHeaders"), names("headers"))?;
            let (lists, singles) = ("multiValueQueryStringParameters", "queryStringParameters");
            equal("names of parameters", names(lists), names(singles))?;
            equal("m", &event.value[lists]["m"], &json!(["1", "2"]))?;
            equal("X-Many", &event.value["multiValueHeaders"]["X-Many"], &json!(["1"]))
        })
    }),
    Case::new("H21.absent", Observed, "without a query both query maps are absent", |site| {
        Box::pin(async {
            let keys = connected(site, |it| it).await?.keys();
            holds("no query maps", !keys.iter().any(|key| key.contains("ueryString")), keys)
        })
    }),
    Case::new("H23.headers", Observed, "an accepted handshake has these headers and no request id", |site| {
        Box::pin(async {
            let (head, _) = site.handshake(Api::Main)?.send(site).await?.opened_with_head()?;
            let mut names: Vec<_> = head.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
            names.sort();
            equal("headers", names, ["connection", "date", "sec-websocket-accept", "upgrade"])
        })
    }),
    Case::new("H24.negotiated", Observed, "permessage-deflate is agreed to when it is offered", |site| {
        Box::pin(super::deflate::negotiated(site))
    }),
    Case::new(
        "H24.readable",
        Inferred,
        "compressed or not, an offer of permessage-deflate leaves messages readable",
        |site| Box::pin(super::deflate::readable(site)),
    ),
];

/// What only CONNECT has.
const FROM_CONNECT: [&str; 4] =
    ["headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters"];

/// The CONNECT event of this handshake.
pub(super) async fn connected(site: &Site, change: impl FnOnce(Handshake) -> Handshake) -> Checked<Event> {
    let mut observer = site.observer().await?;
    let handshake = observer.watch(change(site.handshake(Api::Main)?));
    let _client = handshake.send(site).await?.opened()?;
    observer.event("CONNECT").await
}

/// The head of the answer to a client that offers two subprotocols.
async fn offered(site: &Site, answer: Value) -> Checked<Head> {
    let handshake = site.handshake(Api::Main)?.header("Sec-WebSocket-Protocol", "a, b");
    let handshake = handshake.query("probe", &Script::answer(answer).to_string());
    Ok(handshake.send(site).await?.opened_with_head()?.0)
}

fn hidden(event: &Event, shown: usize) -> Checked {
    let names =
        event.value["headers"].as_object().into_iter().flatten().map(|(name, _)| name.to_ascii_lowercase());
    let found: Vec<_> =
        names.filter(|name| ["connection", "upgrade", "content-length"].contains(&&**name)).collect();
    equal("how many of Connection, Upgrade, content-length", found.len(), shown)
}
