//! Who may connect, and how often: authorizers and throttles.

use dunlin_stack::{Authorization, Observation, Route, RouteLogLevel, Stack, Throttle};

use crate::{notes, parse, refusal, refusals};

/// An API whose `$connect` has these properties, and an authorizer with those.
fn template(connect: &str, authorizer: &str) -> String {
    format!(
        "
Resources:
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties: {{Name: api, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}
  Stage: {{Type: 'AWS::ApiGatewayV2::Stage', Properties: {{ApiId: !Ref Api, StageName: dev, AutoDeploy: true}}}}
  Connect:
    Type: AWS::ApiGatewayV2::Route
    Properties: {{ApiId: !Ref Api, RouteKey: $connect, {connect}}}
  Authorizer:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties:
      ApiId: !Ref Api
      Name: door
      {authorizer}
  Function: {{Type: 'AWS::Lambda::Function', Properties: {{Code: f, Runtime: provided.al2023}}}}
"
    )
}

const CUSTOM: &str = "AuthorizationType: CUSTOM, AuthorizerId: !Ref Authorizer";
const REQUEST: &str = "AuthorizerType: REQUEST
      AuthorizerUri: !Sub 'arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${Function.Arn}/invocations'
      IdentitySource: [route.request.header.Token, route.request.querystring.t]";

fn connect(stack: &Stack) -> &Route {
    stack.apis[0].routes.iter().find(|route| route.key == "$connect").unwrap()
}

#[test]
fn a_custom_one() {
    let stack = parse(&template(CUSTOM, REQUEST));
    let Authorization::Custom(authorizer) = &connect(&stack).authorization else { panic!("{stack:?}") };
    assert_eq!((authorizer.name.as_str(), authorizer.function.as_str()), ("door", "dunlin-Function"));
    assert_eq!(authorizer.identity_sources, ["route.request.header.Token", "route.request.querystring.t"]);
    assert_eq!(authorizer.credentials_arn, None);
    assert_eq!(notes(&stack), [""; 0]);
}

/// A stage variable may name its function, which must then be there.
#[test]
fn from_a_stage_variable() {
    let named = |variables: &str| {
        let authorizer = REQUEST.replace("${Function.Arn}", "${!stageVariables.guard}");
        let stage = format!("AutoDeploy: true, StageVariables: {{{variables}}}");
        template(CUSTOM, &authorizer).replace("AutoDeploy: true", &stage)
    };
    let stack = parse(&named("guard: dunlin-Function"));
    let Authorization::Custom(authorizer) = &connect(&stack).authorization else { panic!("{stack:?}") };
    assert_eq!(stack.function_at(&stack.apis[0].stages[0], &authorizer.function), Some(&stack.functions[0]));
    assert_eq!(
        refusal(&named("guard: other")),
        "7: at stage dev Authorizer calls other, which is not a function of this template"
    );
    assert_eq!(
        refusal(&named("other: x")),
        "7: Authorizer takes its function from the stage variable guard, which stage dev does not have"
    );
}

#[test]
fn the_others() {
    for (connect_with, expected) in [
        ("AuthorizationType: NONE", Authorization::None),
        ("OperationName: x", Authorization::None),
        ("AuthorizationType: AWS_IAM", Authorization::Iam),
    ] {
        let stack = parse(&template(connect_with, REQUEST));
        assert_eq!(connect(&stack).authorization, expected, "{connect_with}");
    }
}

#[test]
fn refused() {
    for (connect, authorizer, expected) in [
        (
            "AuthorizationType: CUSTOM",
            REQUEST.to_owned(),
            "7: Connect has no AuthorizerId; AWS::ApiGatewayV2::Route needs one",
        ),
        (
            "AuthorizationType: CUSTOM, AuthorizerId: other",
            REQUEST.to_owned(),
            "9: AuthorizerId of Connect is other, which is not an authorizer of its API; name one with Ref",
        ),
        (
            "AuthorizationType: SECRET",
            REQUEST.to_owned(),
            "9: AuthorizationType of Connect is SECRET; it must be NONE, AWS_IAM or CUSTOM",
        ),
        (
            CUSTOM,
            REQUEST.replace("AuthorizerType: REQUEST", "AuthorizerType: JWT"),
            "15: AuthorizerType of Authorizer is JWT; a WebSocket API takes REQUEST",
        ),
        (
            CUSTOM,
            REQUEST.replace("[route.request.header.Token, ", "[[a], "),
            "17: IdentitySource of Authorizer has a list in it; it takes texts such as route.request.header.Token",
        ),
        (
            CUSTOM,
            REQUEST.replace("${Function.Arn}", "arn:aws:lambda:us-east-1:1:function:gone"),
            "16: Authorizer calls arn:aws:lambda:us-east-1:1:function:gone, which is not a function of this template",
        ),
    ] {
        assert_eq!(refusal(&template(connect, &authorizer)), expected, "{connect} {authorizer}");
    }
}

#[test]
fn sams_way() {
    let text = "
Resources:
  Chat:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: $request.body.action
      Auth: {AuthType: CUSTOM, AuthArn: !GetAtt Door.Arn, IdentitySource: [route.request.header.Token]}
      Routes:
        $connect: {FunctionArn: !GetAtt Say.Arn}
        say: {FunctionArn: !GetAtt Say.Arn}
  Door: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: d, Runtime: provided.al2023}}
  Say: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: s, Runtime: provided.al2023}}
";
    let stack = parse(text);
    let Authorization::Custom(authorizer) = &connect(&stack).authorization else { panic!("{stack:?}") };
    assert_eq!((&*authorizer.logical_id, &*authorizer.function), ("ChatConnectAuthorizer", "dunlin-Door"));
    assert_eq!(authorizer.name, "ChatConnectAuthorizer");
    let source = stack.authorizer_arn(&stack.apis[0].api_id, &authorizer.authorizer_id);
    assert!(stack.may_invoke("apigateway.amazonaws.com", &source, "dunlin-Door"));
    assert!(!stack.may_invoke("apigateway.amazonaws.com", &source, "dunlin-Say"));
    assert_eq!(stack.apis[0].routes[1].authorization, Authorization::None);

    let role = text.replace("AuthType: CUSTOM", "AuthType: CUSTOM, InvokeRole: 'arn:aws:iam::1:role/r'");
    let stack = parse(&role);
    let Authorization::Custom(authorizer) = &connect(&stack).authorization else { panic!("{stack:?}") };
    assert_eq!(authorizer.credentials_arn.as_deref(), Some("arn:aws:iam::1:role/r"));
    assert!(!stack.may_invoke("apigateway.amazonaws.com", &source, "dunlin-Door"));
}

#[test]
fn throttles() {
    let with = |settings: &str| {
        let stage = "StageName: dev, ";
        template("OperationName: x", REQUEST).replace(stage, &format!("{stage}{settings}, "))
    };
    let stack = parse(&with(
        "DefaultRouteSettings: {ThrottlingRateLimit: 2.5, ThrottlingBurstLimit: 3}, RouteSettings: {$connect: \
         {ThrottlingBurstLimit: 0, LoggingLevel: INFO}, say: {DetailedMetricsEnabled: true}}",
    ));
    let stage = &stack.apis[0].stages[0];
    assert_eq!(stage.default_throttle, Some(Throttle { rate_per_second: 2.5, burst: 3 }));
    assert_eq!(stage.route_throttles.len(), 1);
    assert_eq!(stage.route_throttles["$connect"], Throttle { rate_per_second: 10_000.0, burst: 0 });
    let quiet = Observation::default();
    assert_eq!(stage.default_observation, quiet);
    let info = Observation { logging_level: RouteLogLevel::Info, ..quiet };
    assert_eq!(stage.route_observations["$connect"], info);
    assert_eq!(stage.route_observations["say"], Observation { detailed_metrics: true, ..quiet });
    assert_eq!(stage.access_log, None);
    for (settings, expected) in [
        (
            "DefaultRouteSettings: {ThrottlingRateLimit: -1}",
            "6: ThrottlingRateLimit of Stage is -1; it must be a number of requests a second",
        ),
        (
            "DefaultRouteSettings: {ThrottlingRateLimit: 1e999}",
            "6: ThrottlingRateLimit of Stage is 1e999; it must be a number of requests a second",
        ),
        (
            "DefaultRouteSettings: {ThrottlingBurstLimit: x}",
            "6: ThrottlingBurstLimit of Stage is x; it must be a whole number from 0 to 4294967295",
        ),
        (
            "RouteSettings: {say: {LoggingLevel: DEBUG}}",
            "6: LoggingLevel of Stage is DEBUG; it must be OFF, ERROR or INFO",
        ),
        ("RouteSettings: {say: 1}", "6: say of Stage is a text; it must be a mapping"),
    ] {
        assert_eq!(refusals(&with(settings))[0], expected, "{settings}");
    }
}

#[test]
fn access_logs() {
    let with = |settings: &str| {
        let stage = "StageName: dev, ";
        template("OperationName: x", REQUEST).replace(stage, &format!("{stage}{settings}, "))
    };
    let stack = parse(&with("AccessLogSettings: {DestinationArn: x, Format: $context.requestId}"));
    let log = stack.apis[0].stages[0].access_log.clone().unwrap();
    assert_eq!(log.format, "$context.requestId");
    let problem = stack.problem(&log.at, "the format is wrong").to_string();
    assert!(problem.contains(":6:") && problem.contains("the format is wrong"), "{problem}");
    assert_eq!(parse(&with("AccessLogSettings: {DestinationArn: x}")).apis[0].stages[0].access_log, None);
    let refused = refusals(&with("AccessLogSettings: {Format: [a]}"));
    assert_eq!(refused[0], "6: Format of Stage is a list; it must be a text");
}
