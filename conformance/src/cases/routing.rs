//! Section 2: how a route is chosen, and the frames of what fails.

use serde_json::Value;

use crate::{
    Api, Case, Checked, Event,
    Mark::{Documented, Inferred, Observed},
    Site, equal, fails, holds,
    observer::{keys, own_id},
    script::Script,
    wire::Client,
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "R1.variable",
        Documented,
        "a variable in the expression is looked up in the message",
        |site| Box::pin(routes(site, Api::Main, r#"{"action":"mock"}"#, "mock")),
    ),
    Case::new("R1.composed", Documented, "several variables may have text between them", |site| {
        Box::pin(routes(site, Api::Composed, r#"{"service":"chat","action":"join"}"#, "chat/join"))
    }),
    Case::new("R1.path", Documented, "a variable may be a path with places in lists", |site| {
        Box::pin(routes(site, Api::Nested, r#"{"meta":{"kinds":["outer","inner"]}}"#, "inner"))
    }),
    Case::new(
        "R1.literal",
        Documented,
        "an expression without a variable names one route for all messages",
        |site| Box::pin(routes(site, Api::Literal, r#"{"action":"other"}"#, "always")),
    ),
    Case::new("R2.once", Documented, "what comes out is not evaluated again", |site| {
        Box::pin(routes(
            site,
            Api::Composed,
            r#"{"service":"chat","action":"${request.body.service}"}"#,
            "$default",
        ))
    }),
    Case::new("R3.missing", Documented, "a path that is not in the message gives the empty text", |site| {
        Box::pin(routes(site, Api::Composed, r#"{"service":"chat"}"#, "chat/"))
    }),
    Case::new("R3.list", Documented, "a list gives its items in brackets", |site| {
        Box::pin(routes(site, Api::Composed, r#"{"service":["a","b"],"action":"join"}"#, "[a, b]/join"))
    }),
    Case::new("R4.default", Documented, "without a match the message goes to $default", |site| {
        Box::pin(routes(site, Api::Composed, r#"{"service":"no","action":"such"}"#, "$default"))
    }),
    Case::new("R4.case", Inferred, "the match minds the case of letters", |site| {
        Box::pin(routes(site, Api::Composed, r#"{"service":"Chat","action":"join"}"#, "$default"))
    }),
    Case::new("R5.connect", Documented, "no message reaches $connect or $disconnect", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            for action in ["$connect", "$disconnect"] {
                let event = Event::parse(client.ask(Script::echo().message(action)).await?)?;
                equal("route", event.context("routeKey"), "$default")?;
                equal("event", event.context("eventType"), "MESSAGE")?;
            }
            Ok(())
        })
    }),
    Case::new("R6.text", Documented, "text that is not JSON goes to $default", |site| {
        Box::pin(routes(site, Api::Composed, "chat/join", "$default"))
    }),
    Case::new("R7.unquoted", Observed, "keys without quotes are understood", |site| {
        Box::pin(routes(site, Api::Main, r#"{action: "mock", data: "x"}"#, "mock"))
    }),
    Case::new("R7.partly", Observed, "some keys with quotes and some without too", |site| {
        Box::pin(routes(site, Api::Main, r#"{"action":"mock", body:"hello"}"#, "mock"))
    }),
    Case::new("R8.frame", Observed, "without a route and a $default the client is told Forbidden", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Bare).await?;
            let frame = client.ask(r#"{"action":"unknown"}"#).await?;
            error_frame(&frame, "Forbidden").map(drop)
        })
    }),
    Case::new("R8.stays", Observed, "the connection stays open", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Bare).await?;
            client.ask(r#"{"action":"unknown"}"#).await?;
            route_of(&client.ask(r#"{"action":"known"}"#).await?, "known")
        })
    }),
    Case::new("R9.throws", Observed, "a function that throws: Internal server error", |site| {
        Box::pin(fails_with(site, Script::throw("on purpose").message("tell"), "Internal server error"))
    }),
    Case::new(
        "R9.malformed",
        Observed,
        "a function's answer that is no proxy result: Internal server error",
        |site| {
            Box::pin(async {
                let answer = serde_json::json!({"ConnectionId": "x", "Data": "y", "statusCode": 200});
                fails_with(site, Script::answer(answer).message("tell"), "Internal server error").await
            })
        },
    ),
    Case::new(
        "R9.unpermitted",
        Observed,
        "a function that may not be invoked: Internal server error",
        |site| Box::pin(fails_with(site, r#"{"action":"stranger"}"#.to_owned(), "Internal server error")),
    ),
    Case::new(
        "R10.timeout",
        Observed,
        "an integration whose time runs out: Endpoint request timed out",
        |site| Box::pin(fails_with(site, sleeping().message("brief"), "Endpoint request timed out")),
    ),
    Case::new("R10b.one-way", Observed, "error frames are sent on one-way routes too", |site| {
        Box::pin(async {
            fails_with(site, Script::throw("on purpose").message("tell-one-way"), "Internal server error")
                .await?;
            fails_with(site, sleeping().message("brief-one-way"), "Endpoint request timed out").await
        })
    }),
    Case::new("R10c.request", Inferred, "the request id of the frame is that of the message", |site| {
        Box::pin(async {
            let mut observer = site.observer().await?;
            let relay = Some(observer.id().to_owned());
            let script = Script { relay, ..Script::throw("on purpose") };
            let mut client = site.connect(Api::Main).await?;
            let frame = client.ask(script.message("tell")).await?;
            let told = error_frame(&frame, "Internal server error")?;
            let event = observer.event("MESSAGE").await?;
            equal("requestId", &told["requestId"], event.context("requestId"))
        })
    }),
];

/// Longer than the integration of the routes `brief…` waits.
fn sleeping() -> Script {
    Script { sleep_ms: Some(3_000), ..Script::default() }
}

/// That a message reaches a route whose MOCK integration says which one it is.
async fn routes(site: &Site, api: Api, message: &str, route: &str) -> Checked {
    let mut client = site.connect(api).await?;
    let answer = client.ask(message).await?;
    route_of(&answer, route)
}

/// That an answer is that of a MOCK route.
pub(super) fn route_of(answer: &str, route: &str) -> Checked {
    let said = serde_json::from_str::<Value>(answer).ok();
    match said.as_ref().and_then(|said| said["route"].as_str()) {
        Some(taken) => equal("route", taken, route),
        None => fails(format!("the answer of the route {route}"), answer),
    }
}

/// That a message is answered with this error, and the connection goes on.
async fn fails_with(site: &Site, message: String, text: &str) -> Checked {
    let mut client = site.connect(Api::Main).await?;
    let id = own_id(&mut client).await?;
    let frame = client.ask(message).await?;
    let told = error_frame(&frame, text)?;
    equal("connectionId", told["connectionId"].as_str(), Some(&*id))?;
    goes_on(&mut client).await
}

pub(super) async fn goes_on(client: &mut Client) -> Checked {
    let answer = client.ask(r#"{"action":"mock"}"#).await?;
    route_of(&answer, "mock")
}

/// An error frame, to the letter but for its ids.
pub(super) fn error_frame(frame: &str, text: &str) -> Checked<Value> {
    let Ok(told) = serde_json::from_str::<Value>(frame) else { return fails("an error frame", frame) };
    equal("keys", keys(frame), ["message", "connectionId", "requestId"])?;
    let id = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    let expected = format!(
        r#"{{"message": "{text}", "connectionId":"{}", "requestId":"{}"}}"#,
        id("connectionId"),
        id("requestId")
    );
    holds(&expected, frame == expected, frame)?;
    holds("ids", !id("connectionId").is_empty() && !id("requestId").is_empty(), frame)?;
    Ok(told)
}
