//! What a request must bring before an integration is called: a body that fits (section 9), an API key (A10), parameters (M4).

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};
use std::time::{Duration, SystemTime};

use dunlin_gateway::{
    ApiConfig, ApiKeyConfig, ApiKeySource, Authorization, AuthorizerConfig, Gateway, GatewayConfig,
    Integration, LambdaFunction, Mapping, ModelConfig, Permitted, Quota, QuotaPeriod, RequestModels,
    RouteConfig, Templates, Throttle, UsagePlanConfig,
};
use serde_json::{Value, json};

use crate::harness::{Act, Script, Stack, api, config, read_head, route, status_of, two_way, upgrade_lines};

fn checked(key: &str, selection: &str, models: &[(&str, &str)]) -> RouteConfig {
    let by_key = models.iter().map(|(key, name)| ((*key).to_owned(), (*name).to_owned())).collect();
    let request_models = Some(RequestModels { selection: selection.to_owned(), by_key });
    RouteConfig { request_models, ..two_way(key) }
}

fn with_models(routes: Vec<RouteConfig>) -> ApiConfig {
    let model = |name: &str, schema: Value| ModelConfig { name: name.to_owned(), schema };
    let say = json!({"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}});
    ApiConfig { models: vec![model("Say", say), model("Any", json!({}))], ..api("a1b2c3d4e5", routes) }
}

/// M1, M3, R10a: the frame names the message, the function is not called, and the connection stays.
#[tokio::test]
async fn bodies_that_do_not_fit_are_refused() {
    let routes = vec![
        route("$connect"),
        checked("say", "$request.body.kind", &[("text", "Say")]),
        two_way("$default"),
    ];
    let stack = Stack::start_with(config(), vec![with_models(routes)]).await;
    stack.script.on("say", Act::Echo);
    let (mut client, id) = stack.connect_with_id().await;
    for body in [
        r#"{"action":"say","kind":"text"}"#,
        r#"{"action":"say","kind":"text","text":1}"#,
        // No model, and no default.
        r#"{"action":"say","kind":"other","text":"hi"}"#,
        // Routed leniently, and no JSON to a validator (R7).
        r#"{"action":"say","kind":"text",text:"hi"}"#,
    ] {
        client.send(body).await;
        let frame = client.text().await;
        let start = format!(r#"{{"message": "Bad request body", "connectionId":"{id}", "messageId":""#);
        assert!(frame.starts_with(&start), "{body}: {frame}");
        let frame: Value = serde_json::from_str(&frame).unwrap();
        // E2: ids of messages end as the connection's do.
        assert_eq!(frame["messageId"].as_str().unwrap()[12..], id[12..]);
    }
    assert_eq!(stack.script.unseen("say"), 0);
    let good = r#"{"action":"say","kind":"text","text":"hi"}"#;
    client.send(good).await;
    assert_eq!(client.text().await, good);
    // M2: without an expression nothing is checked.
    client.send("no json").await;
    stack.script.event("default").await;
}

/// M2: whatever stands behind the route.
#[tokio::test]
async fn every_kind_of_integration_is_guarded() {
    let constant = || Templates {
        selection: None,
        by_key: vec![("$default".to_owned(), r#"{"statusCode": 200}"#.to_owned())],
    };
    let mock = Integration::Mock(Mapping {
        request: constant(),
        responses: vec![dunlin_gateway::IntegrationResponse {
            templates: constant(),
            ..dunlin_gateway::IntegrationResponse::new("$default")
        }],
        ..Mapping::default()
    });
    let lambda = Integration::Lambda {
        function: LambdaFunction::new("f"),
        mapping: Mapping {
            responses: vec![dunlin_gateway::IntegrationResponse::new("$default")],
            ..Mapping::default()
        },
        asynchronous: false,
    };
    for integration in [mock, lambda] {
        let guarded = RouteConfig {
            integration: Some(integration),
            ..checked("$default", r"\$default", &[("$default", "Say")])
        };
        let stack = Stack::start_with(config(), vec![with_models(vec![guarded])]).await;
        let mut client = stack.connect().await;
        client.send("{}").await;
        assert!(client.text().await.starts_with(r#"{"message": "Bad request body""#));
        client.send(r#"{"text":"hi"}"#).await;
        let answer = client.text().await;
        assert!(answer.starts_with(r#"{"statusCode""#), "{answer}");
    }
}

#[tokio::test]
async fn models_that_are_none_are_refused_or_found_out() {
    let bad = |models_unchecked| {
        let model = ModelConfig { name: "Bad".to_owned(), schema: json!({"type": "objekt"}) };
        let routes = vec![checked("$default", "x", &[("$default", "Bad")])];
        ApiConfig { models: vec![model], models_unchecked, ..api("a1", routes) }
    };
    let refused = |api| Gateway::new(config(), vec![api], Script::default()).err().unwrap().to_string();
    let error = refused(bad(false));
    assert!(error.starts_with("API a1: model Bad is no JSON Schema: at '/type'"), "{error}");
    let none = api("a1", vec![checked("$default", "x", &[("$default", "None")])]);
    assert_eq!(
        refused(none),
        "API a1: route \"$default\" has a request model \"None\", which is not a model of its API"
    );
    // M2: DisableSchemaValidation leaves it to the messages.
    let stack = Stack::start_with(config(), vec![bad(true)]).await;
    let mut client = stack.connect().await;
    client.send("{}").await;
    assert!(client.text().await.starts_with(r#"{"message": "Internal server error""#));
}

/// M4.
#[tokio::test]
async fn parameters_may_be_required() {
    let required_parameters =
        ["route.request.querystring.room", "route.request.header.X-Client"].map(str::to_owned).to_vec();
    let stack = Stack::start(vec![RouteConfig { required_parameters, ..route("$connect") }]).await;
    let host = stack.host();
    for (target, headers, expected) in [
        ("/dev?room=a", "x-client: b\r\n", 101),
        ("/dev?room=a", "", 400),
        ("/dev?room=", "x-client: b\r\n", 400),
        ("/dev", "", 400),
    ] {
        let lines = upgrade_lines(&host) + headers;
        assert_eq!(stack.handshake(target, &lines).await, expected, "{target} {headers}");
    }
    let answer = stack.raw(format!("GET /dev HTTP/1.1\r\n{}\r\n", upgrade_lines(&host)).as_bytes()).await;
    assert!(answer.contains("Missing required request parameters: [room, X-Client]"), "{answer}");
    assert_eq!(stack.script.unseen("connect"), 1, "one that was let in");
}

const VALUE: &str = "0123456789abcdefghij";

fn keyed(throttle: Option<Throttle>, quota: Option<Quota>) -> GatewayConfig {
    let key =
        |id: &str, value: &str, enabled| ApiKeyConfig { id: id.to_owned(), value: value.to_owned(), enabled };
    let mut config = config();
    config.api_keys = vec![key("key1", VALUE, true), key("key2", "a-second-key-of-the-same-plan", false)];
    config.usage_plans = vec![UsagePlanConfig {
        id: "plan".to_owned(),
        stages: vec![("a1b2c3d4e5".to_owned(), "dev".to_owned())],
        keys: vec!["key1".to_owned(), "key2".to_owned()],
        throttle,
        quota,
    }];
    config
}

fn guarded() -> RouteConfig {
    RouteConfig { api_key_required: true, ..route("$connect") }
}

async fn status(stack: &Stack, target: &str, key: Option<&str>) -> u16 {
    let header = key.map(|key| format!("x-api-key: {key}\r\n")).unwrap_or_default();
    stack.handshake(target, &(upgrade_lines(&stack.host()) + &header)).await
}

/// A10, E1.
#[tokio::test]
async fn api_keys_open_stages() {
    let apis = vec![api("a1b2c3d4e5", vec![guarded(), route("$default"), route("$disconnect")])];
    let stack = Stack::start_with(keyed(None, None), apis).await;
    for (target, key, expected) in [
        ("/dev", None, 403),
        ("/dev", Some("0123456789abcdefghi"), 403),
        ("/dev", Some("0123456789abcdefghiJ"), 403),
        // Not enabled; not of a plan of this stage.
        ("/dev", Some("a-second-key-of-the-same-plan"), 403),
        ("/prod", Some(VALUE), 403),
    ] {
        assert_eq!(status(&stack, target, key).await, expected, "{target} {key:?}");
    }
    assert_eq!(stack.script.unseen("connect"), 0);
    let mut client = stack.connect_to("/dev", &[("X-API-Key", VALUE)]).await;
    let connect = stack.script.json("connect").await;
    assert_eq!(connect["headers"]["x-api-key"], VALUE);
    client.send("hi").await;
    for event in [connect, stack.script.json("default").await] {
        let identity = &event["requestContext"]["identity"];
        assert_eq!((&identity["apiKey"], &identity["apiKeyId"]), (&json!(VALUE), &json!("key1")));
    }
    drop(client);
    assert_eq!(stack.script.json("disconnect").await["headers"]["x-api-key"], "");
}

#[tokio::test]
async fn plans_have_throttles_and_quotas() {
    let apis = || vec![api("a1b2c3d4e5", vec![guarded()])];
    let one = Throttle { rate_per_second: 0.0, burst: 1 };
    let stack = Stack::start_with(keyed(Some(one), None), apis()).await;
    assert_eq!(status(&stack, "/dev", Some(VALUE)).await, 101);
    assert_eq!(status(&stack, "/dev", Some(VALUE)).await, 429);

    let day = Arc::new(AtomicU64::new(20_000));
    let mut config = keyed(None, Some(Quota { limit: 2, offset: 0, period: QuotaPeriod::Day }));
    config.clock = Arc::new({
        let day = Arc::clone(&day);
        move || SystemTime::UNIX_EPOCH + Duration::from_secs(day.load(Relaxed) * 24 * 60 * 60)
    });
    let stack = Stack::start_with(config, apis()).await;
    for expected in [101, 101, 429] {
        assert_eq!(status(&stack, "/dev", Some(VALUE)).await, expected);
    }
    let lines = upgrade_lines(&stack.host());
    let refusal =
        stack.raw(format!("GET /dev HTTP/1.1\r\n{lines}x-api-key: {VALUE}\r\n\r\n").as_bytes()).await;
    assert!(refusal.ends_with(r#"{"message":"Limit Exceeded"}"#), "{refusal}");
    day.fetch_add(1, Relaxed);
    assert_eq!(status(&stack, "/dev", Some(VALUE)).await, 101, "a day later");
}

/// A10: the key may come from the authorizer, and a header is then of no use.
#[tokio::test]
async fn an_authorizer_may_name_the_key() {
    let authorization = Authorization::Custom(AuthorizerConfig {
        name: "Guard".to_owned(),
        function: "guard".to_owned(),
        permitted: Permitted::Everywhere,
        identity_sources: Vec::new(),
    });
    let api = ApiConfig {
        api_key_source: ApiKeySource::Authorizer,
        ..api("a1b2c3d4e5", vec![RouteConfig { authorization, ..guarded() }])
    };
    let stack = Stack::start_with(keyed(None, None), vec![api]).await;
    let answer = |key: Option<&str>| {
        let mut answer = json!({
            "principalId": "u",
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}],
            },
        });
        if let Some(key) = key {
            answer["usageIdentifierKey"] = json!(key);
        }
        Act::Answer(answer.to_string())
    };
    for (key, header, expected) in
        [(Some(VALUE), None, 101), (Some("other"), Some(VALUE), 403), (None, Some(VALUE), 403)]
    {
        stack.script.on("guard", answer(key));
        assert_eq!(status(&stack, "/dev", header).await, expected, "{key:?} {header:?}");
    }
}

#[tokio::test]
async fn mistakes_are_refused() {
    let refused = |route| {
        let apis = vec![api("a1", vec![route])];
        Gateway::new(config(), apis, Script::default()).err().unwrap().to_string()
    };
    let asks = "asks for an API key or for parameters, which only $connect can";
    assert_eq!(
        refused(RouteConfig { api_key_required: true, ..route("join") }),
        format!("API a1: route \"join\" {asks}")
    );
    let required =
        |text: &str| RouteConfig { required_parameters: vec![text.to_owned()], ..route("$connect") };
    assert_eq!(
        refused(required("route.request.body.a")),
        "API a1: route \"$connect\" asks for the parameter \"route.request.body.a\"; it must be \
         route.request.header.… or route.request.querystring.…"
    );
    let selection = checked("join", "$request.header.a", &[]);
    assert!(refused(selection).starts_with("API a1: route \"join\" has a model selection expression"));
}

/// Whoever is refused is not told more than the status says.
#[tokio::test]
async fn a_refusal_does_not_repeat_the_key() {
    let apis = vec![api("a1b2c3d4e5", vec![guarded()])];
    let stack = Stack::start_with(keyed(None, None), apis).await;
    let lines = upgrade_lines(&stack.host());
    let request = format!("GET /dev HTTP/1.1\r\n{lines}x-api-key: wrong-wrong-wrong\r\n\r\n");
    let mut stream = stack.tcp().await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert_eq!(status_of(&head), 403);
    assert!(!head.contains("wrong"));
}
