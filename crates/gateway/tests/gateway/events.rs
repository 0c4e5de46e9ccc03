//! Section 4: the events have the shape and the order of the real ones.

use dunlin_events::OrderedMap;
use dunlin_gateway::StageConfig;
use serde_json::value::RawValue;

use crate::harness::{Stack, api, config, route};

/// The keys of an object in the order of the text, without those that suppose an authorizer.
fn keys(json: &str) -> Vec<String> {
    let map: OrderedMap<'_, &RawValue> = serde_json::from_str(json).unwrap();
    map.iter().map(|(key, _)| key.to_owned()).filter(|key| key != "authorizer").collect()
}

fn member(json: &str, key: &str) -> String {
    let map: OrderedMap<'_, &RawValue> = serde_json::from_str(json).unwrap();
    map.get(key).unwrap_or_else(|| panic!("no {key}")).get().to_owned()
}

fn sample(name: &str) -> String {
    // Tests run in the folder of their package.
    std::fs::read_to_string(format!("../events/tests/samples/{name}.json")).unwrap()
}

#[track_caller]
fn check_keys(event: &str, sample_name: &str) {
    let sample = sample(sample_name);
    assert_eq!(keys(event), keys(&sample));
    let context = member(event, "requestContext");
    assert_eq!(keys(&context), keys(&member(&sample, "requestContext")));
    let identity = member(&member(&sample, "requestContext"), "identity");
    assert_eq!(keys(&member(&context, "identity")), keys(&identity));
}

#[tokio::test]
async fn connect() {
    let stack = Stack::start(vec![route("$connect")]).await;
    let headers = [
        ("authorization", "Bearer example-token"),
        ("origin", "https://app.example.com"),
        ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
        ("user-agent", "example-client/1.0"),
        ("cookie", "a=1"),
        ("x-custom", "first"),
        ("x-custom", "second"),
    ];
    let _client = stack.connect_to("/dev?device=pump-7&token=a%2Bb%3D&device=pump-8", &headers).await;
    let event = String::from_utf8(stack.script.event("connect").await.into()).unwrap();
    check_keys(&event, "connect");

    let event: serde_json::Value = serde_json::from_str(&event).unwrap();
    let context = &event["requestContext"];
    assert_eq!(event["isBase64Encoded"], false);
    // H20: without Connection and Upgrade, with what the edge adds. H21, U14.
    let names: Vec<&str> = event["headers"].as_object().unwrap().keys().map(String::as_str).collect();
    // The client library writes some names its own way.
    let expected = [
        "Host",
        "Origin",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "X-Amzn-Trace-Id",
        "X-Forwarded-For",
        "X-Forwarded-Port",
        "X-Forwarded-Proto",
        "authorization",
        "cookie",
        "sec-websocket-extensions",
        "user-agent",
        "x-custom",
    ];
    assert_eq!(names, expected);
    assert_eq!(event["headers"]["Host"], stack.host());
    assert_eq!(event["headers"]["x-custom"], "second");
    assert_eq!(event["multiValueHeaders"]["x-custom"], serde_json::json!(["first", "second"]));
    assert_eq!(event["headers"]["X-Forwarded-For"], "127.0.0.1");
    assert_eq!(event["headers"]["X-Forwarded-Port"], stack.address.port().to_string());
    assert_eq!(event["headers"]["X-Forwarded-Proto"], "http");
    assert!(event["headers"]["X-Amzn-Trace-Id"].as_str().unwrap().starts_with("Root=1-"));
    assert_eq!(event["queryStringParameters"], serde_json::json!({"device": "pump-8", "token": "a+b="}));
    let multi = serde_json::json!({"device": ["pump-7", "pump-8"], "token": ["a+b="]});
    assert_eq!(event["multiValueQueryStringParameters"], multi);

    assert_eq!(context["routeKey"], "$connect");
    assert_eq!(context["eventType"], "CONNECT");
    assert_eq!(context["messageDirection"], "IN");
    assert_eq!(context["stage"], "dev");
    assert_eq!(context["domainName"], stack.host());
    assert_eq!(context["apiId"], "a1b2c3d4e5");
    assert_eq!(
        context["identity"],
        serde_json::json!({"userAgent": "example-client/1.0", "sourceIp": "127.0.0.1"})
    );
    assert_eq!(context["extendedRequestId"], context["requestId"]);
    let (connected, requested) =
        (context["connectedAt"].as_u64().unwrap(), context["requestTimeEpoch"].as_u64().unwrap());
    assert!(connected <= requested && requested - connected < 10_000);
    assert_eq!(context["requestTime"], dunlin_events::request_time(requested));
}

#[tokio::test]
async fn what_is_not_there_stays_away() {
    let stack = Stack::start(vec![route("$connect")]).await;
    let _client = stack.connect().await;
    let event = String::from_utf8(stack.script.event("connect").await.into()).unwrap();
    // H21: no query; E1: no user agent.
    assert_eq!(keys(&event), ["headers", "multiValueHeaders", "requestContext", "isBase64Encoded"]);
    assert_eq!(keys(&member(&member(&event, "requestContext"), "identity")), ["sourceIp"]);
    let _client = stack.connect_to("/dev?", &[]).await;
    let event = String::from_utf8(stack.script.event("connect").await.into()).unwrap();
    assert_eq!(keys(&event), ["headers", "multiValueHeaders", "requestContext", "isBase64Encoded"]);
}

#[tokio::test]
async fn header_names_keep_their_case_and_the_trace_goes_on() {
    use tokio::io::AsyncWriteExt;
    let stack = Stack::start(vec![route("$connect")]).await;
    let lines = crate::harness::upgrade_lines(&stack.host());
    let own = "X-MiXed-Case: 1\r\nx-amzn-trace-id: Root=1-own\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: gopher\r\n";
    let mut stream = stack.tcp().await;
    stream.write_all(format!("GET /dev HTTP/1.1\r\n{lines}{own}\r\n").as_bytes()).await.unwrap();
    let event = stack.script.json("connect").await;
    let headers = &event["headers"];
    assert_eq!(headers["X-MiXed-Case"], "1");
    assert_eq!(headers["x-amzn-trace-id"], "Root=1-own");
    assert_eq!(headers["X-Forwarded-For"], "203.0.113.9, 127.0.0.1");
    assert_eq!(headers["X-Forwarded-Proto"], "http");
}

#[tokio::test]
async fn message() {
    let stack = Stack::start(vec![route("$connect"), route("sendReading")]).await;
    let mut client = stack.connect_to("/dev", &[("user-agent", "example-client/1.0")]).await;
    let connect = stack.script.json("connect").await;
    // E3: verbatim.
    let body = "{ \"action\" : \"sendReading\",\n \"value\":\t21.50, \"name\":\"Pümpe \\u0041\"} ";
    client.send(body).await;
    let event = String::from_utf8(stack.script.event("sendReading").await.into()).unwrap();
    check_keys(&event, "message");
    let event: serde_json::Value = serde_json::from_str(&event).unwrap();
    assert_eq!(event["body"], body);
    assert_eq!(event["isBase64Encoded"], false);
    let (context, before) = (&event["requestContext"], &connect["requestContext"]);
    assert_eq!(context["routeKey"], "sendReading");
    assert_eq!(context["eventType"], "MESSAGE");
    for same in ["connectionId", "connectedAt", "domainName", "identity", "stage", "apiId"] {
        assert_eq!(context[same], before[same], "{same}");
    }
    assert_ne!(context["requestId"], before["requestId"]);
    assert_eq!(context["extendedRequestId"], context["requestId"]);
    // E2: a common end.
    let end = |id: &serde_json::Value| id.as_str().unwrap()[12..].to_owned();
    assert_eq!(end(&context["messageId"]), end(&context["connectionId"]));
    assert_ne!(context["messageId"], context["connectionId"]);
}

#[tokio::test]
async fn disconnect() {
    let stack = Stack::start(vec![route("$disconnect")]).await;
    let mut client = stack.connect_to("/dev", &[("user-agent", "example-client/1.0")]).await;
    client.socket.close(None).await.unwrap();
    let event = String::from_utf8(stack.script.event("disconnect").await.into()).unwrap();
    check_keys(&event, "disconnect");
    let sample = sample("disconnect");
    assert_eq!(keys(&member(&event, "headers")), keys(&member(&sample, "headers")));
    assert_eq!(keys(&member(&event, "multiValueHeaders")), keys(&member(&sample, "multiValueHeaders")));
    let event: serde_json::Value = serde_json::from_str(&event).unwrap();
    assert_eq!(event["headers"]["Host"], stack.host());
    assert_eq!(event["multiValueHeaders"]["x-api-key"], serde_json::json!([""]));
    assert_eq!(event["requestContext"]["eventType"], "DISCONNECT");
    assert_eq!(event["requestContext"]["routeKey"], "$disconnect");
}

#[tokio::test]
async fn stage_variables() {
    let mut api = api("a1b2c3d4e5", vec![route("$connect"), route("$default")]);
    let variable = |name: &str| (name.to_owned(), format!("value of {name}"));
    api.stages.push(StageConfig {
        name: "vars".to_owned(),
        variables: vec![variable("z"), variable("a")],
        ..StageConfig::default()
    });
    let stack = Stack::start_with(config(), vec![api]).await;
    let mut client = stack.connect_to("/vars", &[]).await;
    client.send("x").await;
    // U20: behind the header maps.
    let connect = String::from_utf8(stack.script.event("connect").await.into()).unwrap();
    let expected = ["headers", "multiValueHeaders", "stageVariables", "requestContext", "isBase64Encoded"];
    assert_eq!(keys(&connect), expected);
    let message = String::from_utf8(stack.script.event("default").await.into()).unwrap();
    assert_eq!(member(&message, "stageVariables"), r#"{"z":"value of z","a":"value of a"}"#);
    assert_eq!(keys(&message), ["stageVariables", "requestContext", "body", "isBase64Encoded"]);
}
