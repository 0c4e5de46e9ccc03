//! R11: binary payloads, as text on the socket.

use dunlin_gateway::{
    ContentHandling, Integration, IntegrationResponse, LambdaFunction, Mapping, RouteConfig, StageConfig,
};
use serde_json::json;

use crate::harness::{Act, Stack, api, config, two_way};

fn to_binary(integration: Integration) -> RouteConfig {
    RouteConfig {
        integration: Some(integration),
        content: Some(ContentHandling::ToBinary),
        ..two_way("$default")
    }
}

/// A function behind a proxy is told that the body is base64.
#[tokio::test]
async fn a_proxied_function_gets_base64() {
    let route = to_binary(Integration::LambdaProxy(LambdaFunction::new("f")));
    let stack = Stack::start(vec![route]).await;
    stack
        .script
        .on("f", Act::Answer(r#"{"statusCode":200,"body":"w6Q=","isBase64Encoded":true}"#.to_owned()));
    let mut client = stack.connect().await;
    client.send("/w==").await;
    assert_eq!(client.text().await, "ä");
    let event = stack.script.json("f").await;
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("/w=="), &json!(true)));
    client.send("no base64").await;
    assert!(client.text().await.starts_with(r#"{"message": "Internal server error""#));
    assert_eq!(stack.script.unseen("f"), 0);
}

#[tokio::test]
async fn a_function_behind_mappings_gets_bytes() {
    let mapping = Mapping {
        responses: vec![IntegrationResponse {
            content: Some(ContentHandling::ToText),
            ..IntegrationResponse::new("$default")
        }],
        ..Mapping::default()
    };
    let integration =
        Integration::Lambda { function: LambdaFunction::new("f"), mapping, asynchronous: false };
    let stack = Stack::start(vec![to_binary(integration)]).await;
    stack.script.on("f", Act::Answer(r#"{"a":1}"#.to_owned()));
    let mut client = stack.connect().await;
    client.send("eyJiIjoyfQ==").await;
    assert_eq!(client.text().await, "eyJhIjoxfQ==");
    assert_eq!(stack.script.json("f").await, json!({"b": 2}));
}

/// The function of a route can be another one at each stage.
#[tokio::test]
async fn stage_variables_name_functions() {
    let route = |name: &str| RouteConfig {
        integration: Some(Integration::LambdaProxy(LambdaFunction::new(name))),
        ..two_way("$default")
    };
    let mut api = api("a1b2c3d4e5", vec![route("chat-${stageVariables.color}")]);
    let colored = |name: &str, color: &str| StageConfig {
        variables: vec![("color".to_owned(), color.to_owned())],
        ..StageConfig::new(name)
    };
    api.stages = vec![colored("dev", "blue"), colored("prod", "green"), StageConfig::new("none")];
    let stack = Stack::start_with(config(), vec![api]).await;
    for (stage, function) in [("/dev", "chat-blue"), ("/prod", "chat-green")] {
        stack.connect_to(stage, &[]).await.send("hi").await;
        stack.script.event(function).await;
    }
    let mut client = stack.connect_to("/none", &[]).await;
    client.send("hi").await;
    assert!(client.text().await.starts_with(r#"{"message": "Internal server error""#));
}
