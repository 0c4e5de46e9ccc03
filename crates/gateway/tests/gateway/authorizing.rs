//! Section 8: who may connect, before `$connect` is asked.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4::SigningParams,
};
use dunlin_gateway::{Authorization, AuthorizerConfig, BackendError, Gateway, Permitted, RouteConfig};
use serde_json::{Value, json};

use crate::harness::{
    Act, REGION, Script, Stack, api, config, read_head, route, status_of, two_way, upgrade_lines,
};
use tokio::io::AsyncWriteExt;

const ARN: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/dev/$connect";

fn authorized(sources: &[&str]) -> RouteConfig {
    let identity_sources = sources.iter().map(|source| (*source).to_owned()).collect();
    let authorizer = AuthorizerConfig {
        name: "Guard".to_owned(),
        function: "guard".to_owned(),
        permitted: Permitted::Everywhere,
        identity_sources,
    };
    RouteConfig { authorization: Authorization::Custom(authorizer), ..route("$connect") }
}

/// An authorizer's answer about one resource.
fn answer(effect: &str, resource: &str) -> Act {
    let policy = json!({
        "principalId": "user-42",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}],
        },
        "context": {"tenant": "north", "level": 3, "admin": true},
    });
    Act::Answer(policy.to_string())
}

/// An answer with this statement.
fn statement(statement: Value) -> Act {
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
    Act::Answer(json!({"principalId": "user-42", "policyDocument": policy}).to_string())
}

async fn stack(sources: &[&str]) -> Stack {
    Stack::start(vec![authorized(sources), route("$disconnect"), two_way("$default")]).await
}

/// H13, A3, A4.
#[tokio::test]
async fn an_authorizer_decides_first() {
    let stack = stack(&[]).await;
    let thrown = Act::thrown("Unauthorized");
    for (act, expected) in [
        (answer("Allow", ARN), 101),
        (answer("Allow", &ARN.replace("$connect", "*")), 101),
        (answer("Allow", "*"), 101),
        (answer("Allow", &ARN.replace("$connect", "*/*")), 403),
        (answer("Allow", &ARN.replace("dev", "prod")), 403),
        (answer("Deny", "*"), 403),
        (thrown, 401),
        (Act::thrown("unauthorized"), 500),
        (Act::Fail(BackendError::Unavailable), 500),
        (Act::status(200), 500),
        (Act::Answer("null".to_owned()), 500),
        (Act::Answer("no json".to_owned()), 500),
        // Policies without a resource, without statements, and of an unknown effect.
        (statement(json!({"Action": "execute-api:Invoke", "Effect": "Allow"})), 500),
        (
            Act::Answer(json!({"principalId": "u", "policyDocument": {"Version": "2012-10-17"}}).to_string()),
            500,
        ),
        (statement(json!({"Action": "execute-api:Invoke", "Effect": "Maybe", "Resource": "*"})), 500),
    ] {
        stack.script.on("guard", act);
        let status = stack.handshake("/dev", &upgrade_lines(&stack.host())).await;
        assert_eq!(status, expected);
        assert_eq!(stack.script.unseen("connect"), usize::from(status == 101), "asked only who was let in");
        if status == 101 {
            stack.script.event("connect").await;
        }
    }
}

/// A2: what it is asked.
#[tokio::test]
async fn an_authorizer_sees_the_whole_request() {
    let stack = stack(&[]).await;
    stack.script.on("guard", answer("Allow", ARN));
    let _client = stack.connect_to("/dev?token=a%20b&token=c", &[("x-mine", "v")]).await;
    let event = stack.script.event("guard").await;
    assert!(event.starts_with(br#"{"type":"REQUEST","methodArn":"#), "in the service's order");
    let event: Value = serde_json::from_slice(&event).unwrap();
    assert_eq!(event["type"], "REQUEST");
    assert_eq!(event["methodArn"], ARN);
    // H20: with the headers of the connection itself.
    assert_eq!(event["headers"]["Connection"], "Upgrade");
    assert_eq!(event["headers"]["Upgrade"], "websocket");
    assert_eq!(event["headers"]["content-length"], "0");
    assert_eq!(event["headers"]["x-mine"], "v");
    assert_eq!(event["queryStringParameters"], json!({"token": "c"}));
    assert_eq!(event["multiValueQueryStringParameters"], json!({"token": ["a b", "c"]}));
    assert_eq!(event["stageVariables"], json!({}));
    let context = &event["requestContext"];
    assert_eq!(context["routeKey"], "$connect");
    assert_eq!(context["eventType"], "CONNECT");
    assert_eq!(context.get("authorizer"), None);
    for absent in ["body", "isBase64Encoded", "path", "httpMethod", "resource", "pathParameters"] {
        assert_eq!(event.get(absent), None, "{absent}");
    }
    let connect = stack.script.json("connect").await;
    assert_eq!(connect["headers"].get("Connection"), None);
    assert_eq!(connect["requestContext"]["connectionId"], context["connectionId"]);
}

/// A5: every later event says who it is.
#[tokio::test]
async fn events_carry_what_the_authorizer_knows() {
    let stack = stack(&[]).await;
    stack.script.on("guard", answer("Allow", ARN));
    stack.script.on("default", Act::Echo);
    let known = json!({"principalId": "user-42", "tenant": "north", "level": "3", "admin": "true"});
    let mut client = stack.connect().await;
    let authorizer = |event: &Value| event["requestContext"]["authorizer"].clone();

    let mut on_connect = authorizer(&stack.script.json("connect").await);
    let latency = on_connect.as_object_mut().unwrap().remove("integrationLatency").unwrap();
    assert!(latency.is_u64(), "{latency}");
    assert_eq!(on_connect, known);
    client.send("hello").await;
    assert_eq!(client.text().await, "hello");
    assert_eq!(authorizer(&stack.script.json("default").await), known);
    drop(client);
    assert_eq!(authorizer(&stack.script.json("disconnect").await), known);
}

/// A6: nobody is asked about somebody who does not say who they are.
#[tokio::test]
async fn a_missing_identity_is_refused_unasked() {
    let sources =
        ["route.request.header.Auth", "route.request.querystring.token", "context.identity.sourceIp"];
    let stack = stack(&sources).await;
    stack.script.on("guard", answer("Allow", ARN));
    let lines = upgrade_lines(&stack.host());
    for (target, header, expected) in [
        ("/dev?token=t", "AUTH: x\r\n", 101),
        ("/dev?token=t", "", 401),
        ("/dev?token=t", "Auth:\r\n", 401),
        ("/dev?token=", "Auth: x\r\n", 401),
        ("/dev", "Auth: x\r\n", 401),
    ] {
        assert_eq!(stack.handshake(target, &format!("{lines}{header}")).await, expected, "{target} {header}");
    }
    assert_eq!(stack.script.unseen("guard"), 1);
}

#[tokio::test]
async fn an_authorizer_that_may_not_be_invoked_is_an_error() {
    let mut forbidden = authorized(&[]);
    if let Authorization::Custom(authorizer) = &mut forbidden.authorization {
        authorizer.permitted = Permitted::From(Vec::new());
    }
    let stack = Stack::start(vec![forbidden]).await;
    assert_eq!(stack.handshake("/dev", &upgrade_lines(&stack.host())).await, 500);
    assert_eq!(stack.script.unseen("guard"), 0);
}

#[test]
fn mistakes_in_authorizers_are_named() {
    let refused = |route: RouteConfig| {
        let gateway = Gateway::new(config(), vec![api("a1", vec![route])], Script::default());
        gateway.err().unwrap().to_string()
    };
    assert_eq!(
        refused(RouteConfig { key: "join".to_owned(), ..authorized(&[]) }),
        "API a1: route \"join\" has an authorizer, which only $connect can have"
    );
    assert_eq!(
        refused(authorized(&["$request.header.Auth"])),
        "API a1: route \"$connect\" has an authorizer Guard with the identity source \"$request.header.Auth\"; it must be \
         route.request.header.…, route.request.querystring.…, stageVariables.… or context.…"
    );
}

/// A9: the request line and the header lines of a signed handshake.
fn signed(stack: &Stack, location: SignatureLocation, secret: &str) -> (String, String) {
    let mut settings = SigningSettings::default();
    settings.signature_location = location;
    settings.expires_in = (location == SignatureLocation::QueryParams).then_some(Duration::from_secs(60));
    let identity = Credentials::new("AKIDOPERATOR", secret, None, None, "test").into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("execute-api")
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let host = stack.host();
    let url = format!("http://{host}/dev?a=1");
    let signable =
        SignableRequest::new("GET", &url, [("host", host.as_str())].into_iter(), SignableBody::Bytes(b""));
    let (instructions, _) = sign(signable.unwrap(), &params).unwrap().into_parts();
    let mut request = http::Request::builder().uri(&url).body(()).unwrap();
    instructions.apply_to_request_http1x(&mut request);
    let target = request.uri().path_and_query().unwrap().to_string();
    let headers = request.headers().iter();
    let lines = headers.map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()));
    (target, format!("{}{}", upgrade_lines(&host), lines.collect::<String>()))
}

#[tokio::test]
async fn signed_handshakes() {
    let stack =
        Stack::start(vec![RouteConfig { authorization: Authorization::Iam, ..route("$connect") }]).await;
    for location in [SignatureLocation::Headers, SignatureLocation::QueryParams] {
        for (secret, expected) in [("operator-secret", 101), ("guess", 403)] {
            let (target, lines) = signed(&stack, location, secret);
            assert_eq!(stack.handshake(&target, &lines).await, expected, "{location:?} {secret}");
        }
    }
    let mut stream = stack.tcp().await;
    let unsigned = format!("GET /dev HTTP/1.1\r\n{}\r\n", upgrade_lines(&stack.host()));
    stream.write_all(unsigned.as_bytes()).await.unwrap();
    assert_eq!(status_of(&read_head(&mut stream).await), 403);
    assert_eq!(stack.script.unseen("connect"), 2);
}
