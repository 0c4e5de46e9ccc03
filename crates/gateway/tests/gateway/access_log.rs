//! Access logs (L1, L2): what stands in a line, for which events, and what becomes of lines that nobody takes.

use std::time::Duration;

use dunlin_gateway::{
    AccessLogConfig, ApiConfig, ApiKeyConfig, Authorization, AuthorizerConfig, BackendError, ConfigError,
    Gateway, GatewayConfig, ModelConfig, Permitted, RequestModels, RouteConfig, StageConfig, StageThrottles,
    Throttle, UsagePlanConfig,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    control::{advance, controlled},
    harness::{Act, Script, Stack, api, config, route, soon, two_way, upgrade_lines, with_timeout},
    management::Caller,
};

/// Every variable of L1 but the keys of an authorizer's context.
const VARIABLES: [&str; 53] = [
    "apiId",
    "authenticate.error",
    "authenticate.latency",
    "authenticate.status",
    "authorize.error",
    "authorize.latency",
    "authorize.status",
    "authorizer.error",
    "authorizer.integrationLatency",
    "authorizer.integrationStatus",
    "authorizer.latency",
    "authorizer.principalId",
    "authorizer.requestId",
    "authorizer.status",
    "connectedAt",
    "connectionId",
    "domainName",
    "error.message",
    "error.messageString",
    "error.responseType",
    "error.validationErrorString",
    "eventType",
    "extendedRequestId",
    "identity.accountId",
    "identity.apiKey",
    "identity.apiKeyId",
    "identity.caller",
    "identity.cognitoAuthenticationProvider",
    "identity.cognitoAuthenticationType",
    "identity.cognitoIdentityId",
    "identity.cognitoIdentityPoolId",
    "identity.principalOrgId",
    "identity.sourceIp",
    "identity.user",
    "identity.userAgent",
    "identity.userArn",
    "integration.error",
    "integration.integrationStatus",
    "integration.latency",
    "integration.requestId",
    "integration.status",
    "integrationLatency",
    "messageId",
    "requestId",
    "requestTime",
    "requestTimeEpoch",
    "routeKey",
    "stage",
    "status",
    "waf.error",
    "waf.latency",
    "waf.status",
    "authorizer.tier",
];

/// A line with all variables, as JSON.
fn everything() -> String {
    let fields = VARIABLES.map(|name| match name {
        // It brings its own quotes.
        "error.messageString" => format!("\"{name}\":[$context.{name}]"),
        name => format!("\"{name}\":\"$context.{name}\""),
    });
    format!("{{{}}}", fields.join(","))
}

struct Log(mpsc::Receiver<String>);

impl Log {
    async fn line(&mut self) -> String {
        soon(self.0.recv()).await.unwrap()
    }

    /// The variables that are set, of the next line.
    async fn set(&mut self) -> Value {
        let line = self.line().await;
        assert!(!line.contains('\n'), "{line}");
        // A lone dash in the place of a quoted text is none.
        let line: Value = serde_json::from_str(&line.replace("[-]", "\"-\"")).unwrap();
        let set = line.as_object().unwrap().iter().filter(|(_, value)| *value != "-");
        set.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

fn logged(format: &str, routes: Vec<RouteConfig>) -> (ApiConfig, Log) {
    let (lines, log) = mpsc::channel(64);
    let mut api = api("a1b2c3d4e5", routes);
    api.stages[0].access_log = Some(AccessLogConfig { format: format.to_owned(), lines });
    (api, Log(log))
}

async fn start(format: &str, routes: Vec<RouteConfig>) -> (Stack, Log) {
    let (api, log) = logged(format, routes);
    let stack = Stack::start_with(controlled(), vec![api]).await;
    stack.script.on("default", Act::Echo);
    (stack, log)
}

/// Takes these fields out of an object; the rest must be what is expected.
#[track_caller]
fn check(mut set: Value, taken: &[&str], expected: Value) {
    for name in taken {
        assert!(set.as_object_mut().unwrap().remove(*name).is_some(), "{name} is not set: {set}");
    }
    assert_eq!(set, expected);
}

/// What differs from run to run.
const VARYING: [&str; 7] = [
    "connectedAt",
    "connectionId",
    "domainName",
    "requestId",
    "extendedRequestId",
    "requestTime",
    "requestTimeEpoch",
];

#[tokio::test]
async fn every_event_has_a_line_with_what_is_known_of_it() {
    let routes = vec![route("$connect"), route("$disconnect"), two_way("$default"), route("join")];
    let (stack, mut log) = start(&everything(), routes).await;
    let mut client = stack.connect_to("/dev", &[("user-agent", "a \"quoted\" client")]).await;
    let event = stack.script.json("connect").await;
    let line = log.set().await;
    for name in ["connectionId", "requestId", "requestTime", "domainName"] {
        assert_eq!(line[name], event["requestContext"][name], "{name}");
    }
    let common = |own: Value| {
        let mut all = json!({
            "apiId": "a1b2c3d4e5",
            "stage": "dev",
            "identity.sourceIp": "127.0.0.1",
            "identity.userAgent": "a \"quoted\" client",
            "integration.integrationStatus": "200",
            "integration.latency": "0",
            "integrationLatency": "0",
        });
        all.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        all
    };
    // The time goes by the millisecond.
    let untimed = |mut line: Value| {
        line["integration.latency"] = "0".into();
        line["integrationLatency"] = "0".into();
        line
    };
    let own = json!({ "eventType": "CONNECT", "routeKey": "$connect", "status": "200", "integration.status": "200" });
    check(untimed(line), &VARYING, common(own));

    client.send("x").await;
    assert_eq!(client.text().await, "x");
    let event = stack.script.json("default").await;
    let line = log.set().await;
    assert_eq!(line["messageId"], event["requestContext"]["messageId"]);
    let own = json!({
        "eventType": "MESSAGE", "routeKey": "$default", "status": "200", "integration.status": "200",
        "messageId": line["messageId"],
    });
    check(untimed(line), &VARYING, common(own));

    stack.script.on("join", Act::thrown("no \"way\""));
    client.send(r#"{"action":"join"}"#).await;
    assert!(client.text().await.contains("Internal server error"));
    let line = log.set().await;
    let own = json!({
        "eventType": "MESSAGE", "routeKey": "join", "status": "502", "messageId": line["messageId"],
        "error.message": "Internal server error", "error.messageString": ["Internal server error"],
        "error.responseType": "INTEGRATION_FAILURE",
        "integration.error": "the function failed: no \"way\"",
    });
    check(untimed(line), &VARYING, common(own));

    drop(client);
    let line = log.set().await;
    let own = json!({
        "eventType": "DISCONNECT", "routeKey": "$disconnect", "status": "200", "integration.status": "200",
    });
    check(untimed(line), &VARYING, common(own));
}

#[tokio::test]
async fn messages_that_reach_nobody_are_logged_and_callbacks_are_not() {
    let format = "$context.requestId $context.eventType $context.routeKey $context.status $context.error.message \
                  $context.error.responseType $context.integration.status";
    let (mut api, mut log) = logged(format, vec![route("$connect"), two_way("join"), two_way("slow")]);
    let routes = [("join".to_owned(), Throttle { rate_per_second: 0.0, burst: 0 })].into();
    api.stages[0].throttles = StageThrottles { default: None, routes };
    api.routes[2] = with_timeout(two_way("slow"), Duration::from_secs(3));
    let stack = Stack::start_with(controlled(), vec![api]).await;
    stack.script.on("slow", Act::Hang);
    let (mut client, id) = stack.connect_with_id().await;
    let after_id = |line: String| line.split_once(' ').unwrap().1.to_owned();
    assert_eq!(after_id(log.line().await), "CONNECT $connect 200 - - 200");
    let mut caller = Caller::new(&stack).await;
    let target = format!("/dev/@connections/{}", id.replace('=', "%3D"));
    assert_eq!(caller.call("POST", &target, "x").await.0, 200);
    assert_eq!(client.text().await, "x");
    client.send("nowhere").await;
    assert_eq!(after_id(log.line().await), "MESSAGE - 403 Forbidden ACCESS_DENIED -");
    client.send(r#"{"action":"join"}"#).await;
    assert_eq!(after_id(log.line().await), "MESSAGE join 429 Too Many Requests THROTTLED -");
    client.send(r#"{"action":"slow"}"#).await;
    stack.script.event("slow").await;
    advance(&mut caller, Duration::from_secs(3)).await;
    assert_eq!(
        after_id(log.line().await),
        "MESSAGE slow 504 Endpoint request timed out INTEGRATION_TIMEOUT -"
    );
}

#[tokio::test]
async fn handshakes_are_logged_with_their_gates() {
    let connect = RouteConfig {
        authorization: Authorization::Custom(AuthorizerConfig {
            name: "guard".to_owned(),
            function: "guard".to_owned(),
            permitted: Permitted::Everywhere,
            identity_sources: vec!["route.request.querystring.token".to_owned()],
        }),
        ..route("$connect")
    };
    let format = "$context.extendedRequestId $context.status $context.authorizer.status \
                  $context.authorizer.integrationStatus $context.authorize.status $context.authorizer.principalId \
                  $context.authorizer.tier $context.authorizer.error $context.error.message";
    let (stack, mut log) = start(format, vec![connect, two_way("$default")]).await;
    let policy = |effect: &str| {
        let statement = json!({ "Action": "execute-api:Invoke", "Effect": effect, "Resource": "*" });
        let answer = json!({
            "principalId": "me",
            "policyDocument": { "Version": "2012-10-17", "Statement": [statement] },
            "context": { "tier": 3 },
        });
        Act::Answer(answer.to_string())
    };
    let lines = upgrade_lines(&stack.host());
    for (act, target, status, expected) in [
        (policy("Allow"), "/dev?token=x", 101, "200 200 200 200 me 3 - -"),
        (policy("Deny"), "/dev?token=x", 403, "403 200 200 403 - - - Forbidden"),
        (policy("Allow"), "/dev", 401, "401 - - - - - - Unauthorized"),
        (Act::thrown("Unauthorized"), "/dev?token=x", 401, "401 401 200 - - - Unauthorized Unauthorized"),
        (
            Act::Fail(BackendError::Throttled),
            "/dev?token=x",
            500,
            "500 500 - - - - the function is throttled Internal server error",
        ),
    ] {
        stack.script.on("guard", act);
        assert_eq!(stack.handshake(target, &lines).await, status);
        let line = log.line().await;
        assert_eq!(line.split_once(' ').unwrap().1, expected);
    }

    // A9: a handshake that nobody signed.
    let connect = RouteConfig { authorization: Authorization::Iam, ..route("$connect") };
    let format = "$context.requestId $context.status $context.authenticate.status $context.authorizer.status";
    let (stack, mut log) = start(format, vec![connect]).await;
    assert_eq!(stack.handshake("/dev", &upgrade_lines(&stack.host())).await, 403);
    assert_eq!(log.line().await.split_once(' ').unwrap().1, "403 403 -");
}

/// A5: what the authorizer said is there for every event of the connection.
#[tokio::test]
async fn other_formats_work_as_well() {
    let routes = || vec![route("$connect"), two_way("$default")];
    let agent = [("user-agent", "a<b>&\"c\"")];
    for (format, expected) in [
        (
            "$context.identity.sourceIp $context.identity.caller $context.identity.user \
             \"$context.eventType $context.routeKey\" $context.status $context.requestId",
            "127.0.0.1 - - \"CONNECT $connect\" 200 ",
        ),
        (
            "<request agent=\"$context.identity.userAgent\">$context.routeKey</request><!--$context.requestId-->",
            "<request agent=\"a&lt;b&gt;&amp;&quot;c&quot;\">$connect</request><!--",
        ),
        ("$context.routeKey,$context.error.message,$context.requestId\n", "$connect,-,"),
    ] {
        let (stack, mut log) = start(format, routes()).await;
        let _client = stack.connect_to("/dev", &agent).await;
        let line = log.line().await;
        assert!(line.starts_with(expected), "{line}");
        assert!(line.len() >= expected.len() + 16, "{line}");
    }
}

#[tokio::test]
async fn lines_that_nobody_takes_are_dropped_and_counted() {
    let (lines, mut taken) = mpsc::channel(1);
    let mut api = api("a1b2c3d4e5", vec![two_way("$default")]);
    api.stages[0].access_log =
        Some(AccessLogConfig { format: "$context.eventType $context.requestId".to_owned(), lines });
    let stack = Stack::start_with(config(), vec![api]).await;
    stack.script.on("default", Act::Echo);
    let mut client = stack.connect().await;
    for _ in 0..3 {
        client.send("x").await;
        assert_eq!(client.text().await, "x");
    }
    // The last line may still be on its way to nowhere.
    soon(async {
        while stack.gateway.counters().access_lines_dropped_total < 3 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(taken.try_recv().unwrap().starts_with("CONNECT "));
    assert!(taken.try_recv().is_err());
}

#[test]
fn formats_without_an_id_are_refused() {
    for (format, problem) in [
        (
            "$context.connectionId".to_owned(),
            "has an access log format without $context.requestId or $context.extendedRequestId",
        ),
        (
            format!("$context.requestId{}", "x".repeat(3 * 1024)),
            "has an access log format of more than 3072 bytes",
        ),
    ] {
        let (lines, _) = mpsc::channel(1);
        let mut api = ApiConfig::new("a1", "$request.body.action");
        api.stages.push(StageConfig {
            access_log: Some(AccessLogConfig { format, lines }),
            ..StageConfig::new("dev")
        });
        let config: GatewayConfig = config();
        let error = Gateway::new(config, vec![api], Script::default()).err().unwrap();
        let expected = ConfigError::Stage { api_id: "a1".to_owned(), stage: "dev".to_owned(), problem };
        assert_eq!(error, expected);
    }
}

/// M3, E1, A10: why a body does not fit, and whose key let the client in; the key itself is masked.
#[tokio::test]
async fn guards_are_logged() {
    let format = "$context.requestId $context.status $context.error.responseType $context.identity.apiKey \
                  $context.identity.apiKeyId $context.error.validationErrorString";
    let say = RouteConfig {
        request_models: Some(RequestModels {
            selection: "x".to_owned(),
            by_key: vec![("$default".to_owned(), "Say".to_owned())],
        }),
        ..two_way("$default")
    };
    let connect = RouteConfig {
        api_key_required: true,
        required_parameters: vec!["route.request.querystring.room".to_owned()],
        ..RouteConfig::new("$connect")
    };
    let (mut api, mut log) = logged(format, vec![connect, say]);
    api.models = vec![ModelConfig { name: "Say".to_owned(), schema: json!({"required": ["text"]}) }];
    let mut config = controlled();
    config.api_keys =
        vec![ApiKeyConfig { id: "key1".to_owned(), value: "0123456789abcdefghij".to_owned(), enabled: true }];
    config.usage_plans = vec![UsagePlanConfig {
        id: "plan".to_owned(),
        stages: vec![("a1b2c3d4e5".to_owned(), "dev".to_owned())],
        keys: vec!["key1".to_owned()],
        ..UsagePlanConfig::default()
    }];
    let stack = Stack::start_with(config, vec![api]).await;
    let mut rest = async || {
        let line = log.line().await;
        line.split_once(' ').unwrap().1.to_owned()
    };
    let lines = upgrade_lines(&stack.host());
    stack.handshake("/dev?room=a", &lines).await;
    assert_eq!(rest().await, "403 ACCESS_DENIED - - -");
    stack.handshake("/dev", &(lines + "x-api-key: 0123456789abcdefghij\r\n")).await;
    assert_eq!(rest().await, "400 BAD_REQUEST_PARAMETERS - - -");
    let mut client = stack.connect_to("/dev?room=a", &[("x-api-key", "0123456789abcdefghij")]).await;
    let key = "**************efghij key1";
    assert_eq!(rest().await, format!("200 - {key} -"));
    client.send("{}").await;
    assert_eq!(rest().await, format!("400 BAD_REQUEST_BODY {key} at '': missing properties 'text'"));
}
