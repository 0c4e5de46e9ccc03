//! Every kind of back end.

use std::collections::BTreeMap;

use dunlin_stack::{
    ContentHandling, HttpEndpoint, IntegrationKind, IntegrationResponse, Mapping, Passthrough, Route, Stack,
    Templates,
};

use crate::{notes, parse, refusals};

const API: &str = "\
Resources:
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties: {Name: api, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}
  F: {Type: 'AWS::Lambda::Function', Properties: {Code: f, Runtime: provided.al2023}}
";

const STAGE: &str = "  Stage: {Type: 'AWS::ApiGatewayV2::Stage', Properties: {ApiId: !Ref Api, StageName: dev, AutoDeploy: true}}\n";

const URI: &str =
    "!Sub 'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${F.Arn}/invocations'";

fn with(resources: &str) -> Stack {
    parse(&format!("{API}{STAGE}{}", resources.replace("URI", URI)))
}

fn only_route(stack: &Stack) -> &Route {
    let [route] = stack.apis[0].routes.as_slice() else { panic!("{:?}", stack.apis[0].routes) };
    route
}

/// What stands behind `$default`.
fn back_end(integration: &str, responses: &str) -> IntegrationKind {
    let route = "  Route: {Type: 'AWS::ApiGatewayV2::Route', Properties: {ApiId: !Ref Api, RouteKey: $default, Target: !Sub 'integrations/${I}'}}\n";
    let stack = with(&format!(
        "{route}  I:\n    Type: AWS::ApiGatewayV2::Integration\n    Properties:\n      ApiId: !Ref Api\n{integration}{responses}"
    ));
    assert!(stack.notes.is_empty(), "{:?}", notes(&stack));
    only_route(&stack).integration.clone().unwrap().kind
}

fn templates(selection: Option<&str>, by_key: &[(&str, &str)]) -> Templates {
    let owned = |(key, text): &(&str, &str)| ((*key).to_owned(), (*text).to_owned());
    Templates { selection: selection.map(str::to_owned), by_key: by_key.iter().map(owned).collect() }
}

#[test]
fn a_mock_with_its_responses() {
    let response = |id: &str, rest: &str| {
        format!(
            "  {id}:\n    Type: AWS::ApiGatewayV2::IntegrationResponse\n    Properties: {{ApiId: !Ref Api, IntegrationId: !Ref I, {rest}}}\n"
        )
    };
    let kind = back_end(
        "      IntegrationType: MOCK
      PassthroughBehavior: NEVER
      TemplateSelectionExpression: ${request.body.kind}
      RequestTemplates: {a: '{\"statusCode\": 200}', $default: '{\"statusCode\": 404}'}
",
        &(response(
            "One",
            "IntegrationResponseKey: /404/, ContentHandlingStrategy: CONVERT_TO_TEXT, ResponseTemplates: {$default: gone}",
        ) + &response("Two", "IntegrationResponseKey: $default")),
    );
    let by_key = [("a", "{\"statusCode\": 200}"), ("$default", "{\"statusCode\": 404}")];
    let expected = Mapping {
        request: templates(Some("${request.body.kind}"), &by_key),
        passthrough: Passthrough::Never,
        responses: vec![
            IntegrationResponse {
                key: "/404/".to_owned(),
                templates: templates(None, &[("$default", "gone")]),
                content: Some(ContentHandling::ToText),
            },
            IntegrationResponse {
                key: "$default".to_owned(),
                templates: Templates::default(),
                content: None,
            },
        ],
    };
    assert_eq!(kind, IntegrationKind::Mock(expected));
}

#[test]
fn functions_and_endpoints() {
    let lambda = |parameters: &str| {
        back_end(&format!("      IntegrationType: AWS\n      IntegrationUri: URI\n{parameters}"), "")
    };
    let asynchronous = |kind| match kind {
        IntegrationKind::Lambda { function, asynchronous, .. } => {
            assert_eq!(function, "dunlin-F");
            asynchronous
        }
        other => panic!("{other:?}"),
    };
    assert!(!asynchronous(lambda("")));
    assert!(asynchronous(lambda(
        "      RequestParameters: {integration.request.header.X-Amz-Invocation-Type: \"'Event'\"}\n"
    )));

    assert!(asynchronous(lambda(
        "      RequestParameters: {integration.request.header.x-amz-invocation-type: \"'Event'\"}\n"
    )));

    let http = |kind: &str| {
        back_end(
            &format!(
                "      IntegrationType: {kind}\n      IntegrationMethod: put\n      IntegrationUri: http://localhost:8080/{{x}}\n      \
                 RequestParameters: {{integration.request.path.x: context.connectionId}}\n"
            ),
            "",
        )
    };
    let endpoint = HttpEndpoint {
        method: "PUT".to_owned(),
        uri: "http://localhost:8080/{x}".to_owned(),
        parameters: BTreeMap::from([(
            "integration.request.path.x".to_owned(),
            "context.connectionId".to_owned(),
        )]),
    };
    assert_eq!(http("HTTP_PROXY"), IntegrationKind::HttpProxy(endpoint.clone()));
    assert_eq!(http("HTTP"), IntegrationKind::Http { endpoint, mapping: Mapping::default() });
}

#[test]
fn mistakes() {
    let sentence = |resources: &str| refusals(&format!("{API}{STAGE}{}", resources.replace("URI", URI)));
    let integration = "  I:\n    Type: AWS::ApiGatewayV2::Integration\n    Properties: {ApiId: !Ref Api, IntegrationType: KIND}\n";
    for (kind, expected) in [
        ("FTP", "9: IntegrationType of I is FTP; it must be AWS_PROXY, AWS, HTTP_PROXY, HTTP or MOCK"),
        ("HTTP", "7: I has no IntegrationUri; AWS::ApiGatewayV2::Integration needs one"),
        (
            "HTTP, IntegrationUri: 'ftp://x'",
            "9: IntegrationUri of I is ftp://x; it must start with http:// or https://",
        ),
        (
            "MOCK, ContentHandlingStrategy: x",
            "9: ContentHandlingStrategy of I is x; it must be CONVERT_TO_BINARY or CONVERT_TO_TEXT",
        ),
        (
            "MOCK, PassthroughBehavior: x",
            "9: PassthroughBehavior of I is x; it must be WHEN_NO_MATCH, WHEN_NO_TEMPLATES or NEVER",
        ),
    ] {
        assert_eq!(sentence(&integration.replace("KIND", kind)), [expected]);
    }
}
