//! Section 3: what may stand behind a route besides a proxy function, and the mappings on both ways.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use dunlin_gateway::{
    ApiConfig, BackendError, Gateway, HttpEndpoint, Integration, IntegrationResponse, LambdaFunction,
    Mapping, Passthrough, RouteConfig, StageConfig, Templates,
    rustls::{RootCertStore, ServerConfig, pki_types::CertificateDer},
};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::certificates::certificates;
use crate::harness::{Act, Script, Stack, api, config, route, soon, two_way, upgrade_lines};

fn templates(by_key: &[(&str, &str)]) -> Templates {
    let owned = |(key, template): &(&str, &str)| ((*key).to_owned(), (*template).to_owned());
    Templates { selection: None, by_key: by_key.iter().map(owned).collect() }
}

fn selected(selection: &str, by_key: &[(&str, &str)]) -> Templates {
    Templates { selection: Some(selection.to_owned()), ..templates(by_key) }
}

fn response(key: &str, template: &str) -> IntegrationResponse {
    IntegrationResponse { templates: templates(&[("$default", template)]), ..IntegrationResponse::new(key) }
}

/// A two-way `$default` route to this.
fn behind(integration: Integration) -> RouteConfig {
    RouteConfig { integration: Some(integration), ..two_way("$default") }
}

fn mock(request: Templates, responses: Vec<IntegrationResponse>) -> RouteConfig {
    behind(Integration::Mock(Mapping { request, responses, ..Mapping::default() }))
}

async fn answers(route: RouteConfig, messages: &[&str]) -> Vec<String> {
    let stack = Stack::start(vec![route]).await;
    let mut client = stack.connect().await;
    let mut answers = Vec::new();
    for message in messages {
        client.send(message).await;
        answers.push(client.text().await);
    }
    answers
}

fn is_failure(answer: &str) -> bool {
    answer.starts_with(r#"{"message": "Internal server error", "connectionId":""#)
}

#[tokio::test]
async fn a_mock_answers_by_itself() {
    let always = mock(
        templates(&[("$default", r#"{"statusCode": 200}"#)]),
        vec![response("$default", "always"), response("/404/", "never")],
    );
    assert_eq!(answers(always, &["a", r#"{"b":1}"#]).await, ["always", "always"]);

    // G4, G5: the template by the message, the response by the status.
    let request = selected(
        "${request.body.kind}",
        &[
            ("good", r#"{"statusCode": 200}"#),
            ("bad", r#"{"statusCode": "404"}"#),
            ("none", "{}"),
            ("$default", r#"{"statusCode": 503}"#),
        ],
    );
    let responses = vec![
        response("/4\\d\\d/", "not found: $context.connectionId.length()"),
        response("/5/", "no pattern of a part"),
        response("$default", r#"{"from": "$context.routeKey", "said": $input.json('$')}"#),
    ];
    let answers = answers(
        mock(request, responses),
        &[r#"{"kind":"good"}"#, r#"{"kind":"bad"}"#, r#"{"kind":"other"}"#, r#"{"kind":"none"}"#, "no json"],
    )
    .await;
    let default = r#"{"from": "$default", "said": ""}"#;
    assert_eq!(answers[..3], [default, "not found: 16", default]);
    assert!(is_failure(&answers[3]), "{}", answers[3]);
    assert_eq!(answers[4], default);
}

/// What the request template leaves in `$context` is there for the response's: the only way for a MOCK to answer with the
/// message.
#[tokio::test]
async fn a_mock_can_echo() {
    let route = mock(
        templates(&[("$default", "#set($context.message = $input.body){\"statusCode\": 200}")]),
        vec![response("$default", "$context.message")],
    );
    assert_eq!(answers(route, &["hello", r#"{"a":"ä"}"#]).await, ["hello", r#"{"a":"ä"}"#]);
}

/// G3. A MOCK without a template is its own message.
#[tokio::test]
async fn messages_without_a_template() {
    let cases = [
        (Passthrough::WhenNoMatch, Templates::default(), true),
        (Passthrough::WhenNoMatch, templates(&[("other", "{}")]), true),
        (Passthrough::WhenNoTemplates, Templates::default(), true),
        (Passthrough::WhenNoTemplates, templates(&[("other", "{}")]), false),
        (Passthrough::Never, Templates::default(), false),
    ];
    for (passthrough, request, passes) in cases {
        let mapping = Mapping { request, passthrough, responses: vec![response("$default", "passed")] };
        let answer = answers(behind(Integration::Mock(mapping)), &[r#"{"statusCode":200}"#]).await;
        assert_eq!(answer[0] == "passed", passes, "{passthrough:?}: {}", answer[0]);
        // U25.
        let is_refused = answer[0].starts_with(r#"{"message": "Unsupported Media Type", "connectionId":""#);
        assert_eq!(is_refused, !passes, "{}", answer[0]);
    }
}

/// H11: what the handshake of a MOCK comes to.
#[tokio::test]
async fn a_mock_decides_about_handshakes() {
    let request = templates(&[(
        "$default",
        "#if($input.params('token') == 'good'){\"statusCode\": 200}#else{\"statusCode\": 403}#end",
    )]);
    let responses = vec![response("/200/", ""), response("/403/", "")];
    let integration = Integration::Mock(Mapping { request, responses, ..Mapping::default() });
    let connect = RouteConfig { integration: Some(integration), ..route("$connect") };
    let stack = Stack::start(vec![connect]).await;
    for (target, expected) in [("/dev?token=good", 101), ("/dev?token=bad", 403), ("/dev", 403)] {
        assert_eq!(stack.handshake(target, &upgrade_lines(&stack.host())).await, expected, "{target}");
    }
}

fn function() -> LambdaFunction {
    LambdaFunction::new("f")
}

#[tokio::test]
async fn a_function_behind_mappings() {
    let request =
        r#"{"who": "$context.connectionId", "say": $input.json('$.text'), "in": "$stageVariables.none"}"#;
    let mapping = Mapping {
        request: templates(&[("$default", request)]),
        responses: vec![
            response("/.*not allowed.*/", r#"{"refused": $input.json('$.errorMessage')}"#),
            response("$default", "$input.path('$.answer')!"),
        ],
        ..Mapping::default()
    };
    let lambda = Integration::Lambda { function: function(), mapping, asynchronous: false };
    let stack = Stack::start(vec![route("$connect"), behind(lambda)]).await;
    let (mut client, id) = stack.connect_with_id().await;
    for (act, answer) in [
        (Act::Answer(r#"{"answer":42}"#.to_owned()), "42!"),
        (Act::thrown("this is not allowed here"), r#"{"refused": "this is not allowed here"}"#),
        (Act::Answer("no json".to_owned()), "!"),
    ] {
        stack.script.on("f", act);
        client.send(r#"{"text":"hi"}"#).await;
        assert_eq!(client.text().await, answer);
        assert_eq!(stack.script.json("f").await, json!({"who": id, "say": "hi", "in": ""}));
    }
    // G5: nothing but the default is for an error that no pattern is for.
    stack.script.on("f", Act::thrown("boom"));
    client.send(r#"{"text":"hi"}"#).await;
    assert_eq!(client.text().await, "!");
    stack.script.on("f", Act::Fail(BackendError::Unavailable));
    client.send(r#"{"text":"hi"}"#).await;
    assert!(is_failure(&client.text().await));
}

/// G8: the client hears that the event was taken, not what became of it.
#[tokio::test]
async fn a_function_that_nobody_waits_for() {
    let mapping = Mapping { responses: vec![response("$default", "unused")], ..Mapping::default() };
    let lambda = Integration::Lambda { function: function(), mapping, asynchronous: true };
    let stack = Stack::start(vec![behind(lambda)]).await;
    let mut client = stack.connect().await;
    client.send(r#"{"later":true}"#).await;
    assert_eq!(client.text().await, "");
    assert_eq!(stack.script.json("f").await, json!({"later": true}));
}

/// An endpoint that answers as the path says and keeps what it was sent.
struct Endpoint {
    scheme: &'static str,
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl Endpoint {
    async fn start() -> Self {
        let (endpoint, listener) = Self::bind("http").await;
        let seen = Arc::clone(&endpoint.seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&seen)));
            }
        });
        endpoint
    }

    /// The same with TLS.
    async fn start_tls(config: Arc<ServerConfig>) -> Self {
        let (endpoint, listener) = Self::bind("https").await;
        let seen = Arc::clone(&endpoint.seen);
        let acceptor = TlsAcceptor::from(config);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    // A client that does not trust us goes away.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, seen).await;
                    }
                });
            }
        });
        endpoint
    }

    async fn bind(scheme: &'static str) -> (Self, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Endpoint { scheme, address, seen: Arc::default() }, listener)
    }

    fn at(&self, path: &str) -> HttpEndpoint {
        HttpEndpoint {
            method: "POST".to_owned(),
            uri: format!("{}://{}{path}", self.scheme, self.address),
            timeout: Duration::from_secs(29),
            parameters: Vec::new(),
        }
    }

    fn seen(&self) -> Value {
        self.seen.lock().unwrap().pop().unwrap()
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, seen: Arc<Mutex<Vec<Value>>>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&seen)));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    seen: Arc<Mutex<Vec<Value>>>,
) -> hyper::Result<Response<Full<Bytes>>> {
    let (parts, body) = request.into_parts();
    let body = String::from_utf8(body.collect().await?.to_bytes().to_vec()).unwrap();
    let headers: serde_json::Map<String, Value> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()))
        .collect();
    let target = parts.uri.path_and_query().unwrap().as_str();
    seen.lock()
        .unwrap()
        .push(json!({ "method": parts.method.as_str(), "target": target, "headers": headers, "body": body }));
    let status = match parts.uri.path() {
        "/teapot" => 418,
        "/never" => std::future::pending().await,
        _ => 200,
    };
    let body = if parts.uri.path() == "/large" {
        "x".repeat(200_000)
    } else {
        format!(r#"{{"got":"{}"}}"#, body.len())
    };
    Ok(Response::builder().status(status).header("x-kind", "plain").body(Full::new(body.into())).unwrap())
}

#[tokio::test]
async fn an_endpoint_gets_the_message_and_what_is_mapped() {
    let endpoint = Endpoint::start().await;
    let parameters = [
        ("integration.request.header.connectionId", "context.connectionId"),
        ("integration.request.header.X-Source", "context.identity.sourceIp"),
        ("integration.request.header.fixed", "'a b'"),
        ("integration.request.header.absent", "context.nothing"),
        ("integration.request.querystring.room", "route.request.body.room"),
        ("integration.request.path.who", "route.request.body.who.name"),
    ];
    let mut target = endpoint.at("/rooms/{who}?v=1");
    target.parameters = parameters.map(|(to, from)| (to.to_owned(), from.to_owned())).into();
    let stack = Stack::start(vec![route("$connect"), behind(Integration::HttpProxy(target))]).await;
    let (mut client, id) = stack.connect_with_id().await;
    let message = r#"{"room":"a/b","who":{"name":"me you"}}"#;
    client.send(message).await;
    assert_eq!(client.text().await, format!(r#"{{"got":"{}"}}"#, message.len()));
    let seen = endpoint.seen();
    assert_eq!(seen["method"], "POST");
    assert_eq!(seen["target"], "/rooms/me%20you?v=1&room=a%2Fb");
    assert_eq!(seen["body"], message);
    assert_eq!(seen["headers"]["connectionid"], id.as_str());
    assert_eq!(seen["headers"]["x-source"], "127.0.0.1");
    assert_eq!(seen["headers"]["fixed"], "a b");
    assert_eq!(seen["headers"].get("absent"), None);
}

#[tokio::test]
async fn an_endpoint_behind_mappings() {
    let endpoint = Endpoint::start().await;
    let mapping = Mapping {
        request: templates(&[("$default", r#"{"text": $input.json('$.text')}"#)]),
        responses: vec![
            IntegrationResponse {
                templates: selected(
                    "${integration.response.statuscode}-${integration.response.header.X-Kind}",
                    &[("418-plain", "short and stout: $input.path('$.got')"), ("$default", "wrong")],
                ),
                ..IntegrationResponse::new("/418/")
            },
            response("$default", "$input.json('$.got')"),
        ],
        ..Mapping::default()
    };
    for (path, expected) in [("/teapot", "short and stout: 14"), ("/", "\"14\"")] {
        let integration = Integration::Http { endpoint: endpoint.at(path), mapping: mapping.clone() };
        assert_eq!(answers(behind(integration), &[r#"{"text":"hi"}"#]).await, [expected]);
        assert_eq!(endpoint.seen()["body"], r#"{"text": "hi"}"#);
    }
}

/// H11, H12: the proxied status decides; without a proxy it does only where a response is for it.
#[tokio::test]
async fn endpoints_decide_about_handshakes() {
    let endpoint = Endpoint::start().await;
    let http = |path: &str, responses: Vec<IntegrationResponse>| Integration::Http {
        endpoint: endpoint.at(path),
        mapping: Mapping { responses, ..Mapping::default() },
    };
    for (integration, expected) in [
        (Integration::HttpProxy(endpoint.at("/")), 101),
        (Integration::HttpProxy(endpoint.at("/teapot")), 418),
        (http("/teapot", vec![]), 101),
        (http("/teapot", vec![response("$default", "")]), 101),
        (http("/teapot", vec![response("/4../", "")]), 418),
    ] {
        let stack =
            Stack::start(vec![RouteConfig { integration: Some(integration), ..route("$connect") }]).await;
        assert_eq!(stack.handshake("/dev", &upgrade_lines(&stack.host())).await, expected);
    }
}

#[tokio::test]
async fn endpoints_that_fail() {
    let endpoint = Endpoint::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = taken.local_addr().unwrap();
    drop(taken);
    let mut slow = endpoint.at("/never");
    slow.timeout = Duration::from_millis(50);
    let down = HttpEndpoint { uri: format!("http://{nobody}/"), ..endpoint.at("/") };
    for (endpoint, message) in [
        (slow, "Endpoint request timed out"),
        (down, "Internal server error"),
        (endpoint.at("/large"), "Internal server error"),
    ] {
        let answer = soon(answers(behind(Integration::HttpProxy(endpoint)), &["x"])).await;
        assert!(
            answer[0].starts_with(&format!(r#"{{"message": "{message}", "connectionId":""#)),
            "{answer:?}"
        );
    }
}

#[test]
fn mistakes_in_integrations_are_named() {
    let refused = |integration: Integration| {
        let gateway = Gateway::new(config(), vec![api("a1", vec![behind(integration)])], Script::default());
        gateway.err().unwrap().to_string()
    };
    let mock =
        |request, responses| refused(Integration::Mock(Mapping { request, responses, ..Mapping::default() }));
    let endpoint = |uri: &str| HttpEndpoint {
        method: "GET".to_owned(),
        uri: uri.to_owned(),
        timeout: Duration::from_secs(1),
        parameters: Vec::new(),
    };
    for (said, problem) in [
        (
            mock(templates(&[("$default", "a\n#if(true)")]), vec![]),
            "a request template \"$default\" with a mistake in line 2, column 1: #if has no #end",
        ),
        (
            mock(selected("$context.x", &[]), vec![]),
            "a request template selection expression \"$context.x\": \"$context.x\" is not known",
        ),
        (
            mock(templates(&[]), vec![response("200", "")]),
            "an integration response \"200\"; its key must be $default or /a pattern/",
        ),
        (
            mock(templates(&[]), vec![response("/(/", "")]),
            "an integration response \"/(/\", which is no pattern",
        ),
        (refused(Integration::HttpProxy(endpoint("ftp://x/"))), "an integration URI \"ftp://x/\""),
        (
            refused(Integration::HttpProxy(HttpEndpoint {
                parameters: vec![("integration.request.headers.x".to_owned(), "'v'".to_owned())],
                ..endpoint("http://x/")
            })),
            "a request parameter \"integration.request.headers.x\"; it must be",
        ),
        (
            refused(Integration::HttpProxy(HttpEndpoint {
                timeout: Duration::from_secs(30),
                ..endpoint("http://x/")
            })),
            "an integration timeout of 30000 ms",
        ),
    ] {
        assert!(said.starts_with("API a1: route \"$default\" has ") && said.contains(problem), "{said}");
    }
}

/// An endpoint with TLS is called if an authority vouches for it, in version 1.2 and 1.3; else the message fails.
#[tokio::test]
async fn endpoints_with_tls() {
    let (authority, server) = certificates();
    let trusting = |authority: Option<CertificateDer<'static>>| {
        let mut roots = RootCertStore::empty();
        authority.into_iter().for_each(|authority| roots.add(authority).unwrap());
        let mut config = config();
        config.endpoint_authorities = Some(Arc::new(roots));
        config
    };
    let endpoint = Endpoint::start_tls(server).await;
    for (config, is_trusted) in [(trusting(Some(authority)), true), (trusting(None), false)] {
        let route = behind(Integration::HttpProxy(endpoint.at("/over/tls")));
        let stack = Stack::start_with(config, vec![api("a1b2c3d4e5", vec![route])]).await;
        let mut client = stack.connect().await;
        client.send("hello").await;
        let answer = client.text().await;
        if is_trusted {
            assert_eq!(answer, r#"{"got":"5"}"#);
            assert_eq!(endpoint.seen()["target"], "/over/tls");
        } else {
            assert!(is_failure(&answer), "{answer}");
        }
    }
}

/// A stage says where its endpoint is.
#[tokio::test]
async fn endpoints_from_stage_variables() {
    let endpoint = Endpoint::start().await;
    let route =
        |uri: &str| behind(Integration::HttpProxy(HttpEndpoint { uri: uri.to_owned(), ..endpoint.at("/") }));
    let stage = |name: &str, host: &str| StageConfig {
        variables: vec![("host".to_owned(), host.to_owned())],
        ..StageConfig::new(name)
    };
    let here = endpoint.address.to_string();
    let stages = || vec![stage("dev", &here), stage("prod", "not an address"), StageConfig::new("none")];
    let api = ApiConfig { stages: stages(), ..api("a1", vec![route("http://${stageVariables.host}/x")]) };
    let stack = Stack::start_with(config(), vec![api]).await;
    for (target, expected) in [("/dev", true), ("/prod", false), ("/none", false)] {
        let mut client = stack.connect_to(target, &[]).await;
        client.send("hello").await;
        let answer = client.text().await;
        assert_eq!(is_failure(&answer), !expected, "{target}: {answer}");
    }
    assert_eq!(endpoint.seen()["target"], "/x");
}

/// G5: a two-way route needs an integration response; a one-way route does not. H11: nor does an endpoint behind `$connect`.
#[tokio::test]
async fn answers_need_an_integration_response() {
    let only_errors = || Mapping { responses: vec![response("/[45]../", "an error")], ..Mapping::default() };
    let answer = answers(
        behind(Integration::Mock(only_errors())),
        &[r#"{"statusCode":200}"#, r#"{"statusCode":404}"#],
    );
    let answer = answer.await;
    assert!(is_failure(&answer[0]), "{}", answer[0]);
    assert_eq!(answer[1], "an error");

    let one_way = RouteConfig { two_way: false, ..behind(Integration::Mock(only_errors())) };
    let stack =
        Stack::start(vec![RouteConfig { key: "quiet".to_owned(), ..one_way }, two_way("$default")]).await;
    stack.script.on("default", Act::Echo);
    let mut client = stack.connect().await;
    client.send(r#"{"action":"quiet","statusCode":200}"#).await;
    client.send("after").await;
    assert_eq!(client.text().await, "after");

    let endpoint = Endpoint::start().await;
    let http = Integration::Http { endpoint: endpoint.at("/teapot"), mapping: Mapping::default() };
    let mock = Integration::Mock(Mapping {
        request: templates(&[("$default", r#"{"statusCode": 200}"#)]),
        ..Mapping::default()
    });
    for (integration, expected) in [(http, 101), (mock, 500)] {
        let connect = RouteConfig { integration: Some(integration), ..route("$connect") };
        let stack = Stack::start(vec![connect]).await;
        assert_eq!(stack.handshake("/dev", &upgrade_lines(&stack.host())).await, expected);
    }
}

/// G6: every kind of source, on the only route that has all of them.
#[tokio::test]
async fn every_source_is_mapped() {
    let endpoint = Endpoint::start().await;
    let parameters = [
        ("integration.request.header.one", "route.request.header.X-Many"),
        ("integration.request.header.all", "route.request.multivalueheader.x-many"),
        ("integration.request.querystring.one", "route.request.querystring.q"),
        ("integration.request.querystring.all", "route.request.multivaluequerystring.q"),
        ("integration.request.header.variable", "stageVariables.v"),
    ];
    let mut target = endpoint.at("/x");
    target.parameters = parameters.map(|(to, from)| (to.to_owned(), from.to_owned())).into();
    let connect = RouteConfig { integration: Some(Integration::HttpProxy(target)), ..route("$connect") };
    let mut api = api("a1", vec![connect]);
    api.stages[0].variables = vec![("v".to_owned(), "of the stage".to_owned())];
    let stack = Stack::start_with(config(), vec![api]).await;
    let lines = upgrade_lines(&stack.host()) + "X-Many: a\r\nX-Many: b\r\n";
    assert_eq!(stack.handshake("/dev?q=1&q=2", &lines).await, 101);
    let seen = endpoint.seen();
    assert_eq!(seen["target"], "/x?one=2&all=1%2C2");
    assert_eq!((&seen["headers"]["one"], &seen["headers"]["all"]), (&json!("b"), &json!("a,b")));
    assert_eq!(seen["headers"]["variable"], "of the stage");
}
