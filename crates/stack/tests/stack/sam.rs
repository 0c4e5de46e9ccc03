use std::time::Duration;

use dunlin_stack::{IntegrationKind, Stack, WebSocketApi};

use crate::{notes, parse, refusal, refusals};

const CHAT: &str = "
Transform: AWS::Serverless-2016-10-31
Parameters: {StageName: {Type: String, Default: live}}
Globals:
  WebSocketApi: {StageVariables: {level: 3}}
Resources:
  Chat:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: $request.body.action
      Routes:
        $connect: {FunctionArn: !GetAtt Connect.Arn}
        $default: {FunctionArn: !GetAtt Say.Arn, RouteResponseSelectionExpression: $default}
        sayHello:
          FunctionArn: !GetAtt Say.Arn
          IntegrationTimeout: 5000
          RouteResponseSelectionExpression: $default
  DefaultAnswer:
    Type: AWS::ApiGatewayV2::RouteResponse
    Properties: {ApiId: !Ref Chat, RouteId: !Ref ChatDefaultRoute, RouteResponseKey: $default}
  Connect: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: c, Runtime: provided.al2023}}
  Say: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: s, Runtime: provided.al2023}}
Outputs:
  Url: {Value: !Sub '${Chat.ApiEndpoint}/${ChatDefaultStage}'}
  Role: {Value: !GetAtt SayRole.Arn}
";

fn chat(stack: &Stack) -> &WebSocketApi {
    assert_eq!(stack.apis.len(), 1);
    &stack.apis[0]
}

/// What SAM's translator 1.115 makes of the same template, as far as it matters here.
#[test]
fn a_websocket_api_is_written_out() {
    let stack = parse(CHAT);
    let api = chat(&stack);
    assert_eq!((api.logical_id.as_str(), api.name.as_str()), ("Chat", "Chat"));
    assert_eq!(api.route_selection_expression, "$request.body.action");
    let [stage] = api.stages.as_slice() else { panic!("{:?}", api.stages) };
    assert_eq!((stage.name.as_str(), stage.deployed), ("default", true));
    assert_eq!(stage.variables["level"], "3");
    let routes: Vec<_> = api
        .routes
        .iter()
        .map(|route| {
            let integration = route.integration.as_ref().unwrap();
            let IntegrationKind::LambdaProxy { function } = &integration.kind else { panic!("{route:?}") };
            (route.key.as_str(), function.as_str(), integration.timeout, route.two_way)
        })
        .collect();
    let longest = Duration::from_secs(29);
    assert_eq!(
        routes,
        [
            ("$connect", "dunlin-Connect", longest, false),
            ("$default", "dunlin-Say", longest, true),
            // SAM makes no route response; the template has to.
            ("sayHello", "dunlin-Say", Duration::from_secs(5), false)
        ]
    );
    assert_eq!(
        notes(&stack),
        [
            "line 14: a route is one-way: it needs both RouteResponseSelectionExpression and a RouteResponse to answer \
          (ChatSayhelloRoute)"
        ]
    );
    for (route, function, allowed) in [
        ("$connect", "dunlin-Connect", true),
        ("$connect", "dunlin-Say", false),
        ("sayHello", "dunlin-Say", true),
        ("$disconnect", "dunlin-Connect", false),
    ] {
        let source = stack.route_arn(&api.api_id, "default", route);
        assert_eq!(stack.may_invoke("apigateway.amazonaws.com", &source, function), allowed, "{route}");
    }
    assert_eq!(
        stack.outputs["Url"],
        format!("wss://{}.execute-api.us-east-1.amazonaws.com/default", api.api_id)
    );
    assert_eq!(stack.outputs["Role"], "arn:aws:iam::123456789012:role/dunlin-SayRole");
}

#[test]
fn its_stage_may_be_named() {
    let named = |name: &str| {
        CHAT.replace("      Routes:\n", &format!("      StageName: {name}\n      Routes:\n"))
            .replace("ChatDefaultStage", if name.starts_with('!') { "ChatStage" } else { "ChatprodStage" })
    };
    for (name, expected) in [("prod", "prod"), ("!Ref StageName", "live")] {
        let stack = parse(&named(name));
        let api = chat(&stack);
        assert_eq!(api.stages[0].name, expected);
        let source = stack.route_arn(&api.api_id, expected, "$connect");
        assert!(stack.may_invoke("apigateway.amazonaws.com", &source, "dunlin-Connect"), "{name}");
        assert!(stack.outputs["Url"].ends_with(expected), "{:?}", stack.outputs);
    }
    assert_eq!(
        refusals(&named("$default"))[0],
        "11: StageName of Chat is $default, which is for HTTP APIs; choose another"
    );
}

#[test]
fn what_sam_refuses_is_refused() {
    let routes = |routes: &str| {
        let start = CHAT.find("        $connect").unwrap();
        let end = CHAT.find("  DefaultAnswer").unwrap();
        let rest = CHAT[end..].split_once("  Connect:").unwrap().1;
        let rest = rest.split_once("Outputs").unwrap().0;
        format!("{}{routes}\n  Connect:{rest}", &CHAT[..start])
    };
    for (text, expected) in [
        (
            routes("        say-hello: {FunctionArn: a}"),
            "12: route say-hello of Chat: SAM takes keys of letters and digits only, besides $connect, $disconnect and $default; write AWS::ApiGatewayV2::Route for others",
        ),
        (routes("        say: {Function: a}"), "12: a route of Chat has no property Function"),
        (
            routes("        say: {IntegrationTimeout: 1}"),
            "12: route say of Chat has no FunctionArn; it needs one",
        ),
        (
            routes(
                "        say: {FunctionArn: !GetAtt Connect.Arn, RequestParameters: {a: {Required: true}}}",
            ),
            "12: route say of Chat has RequestParameters, which only $connect takes",
        ),
        (
            routes("        say: {FunctionArn: gone}"),
            "12: FunctionName of ChatSayPermission is gone, which is not a function of this template",
        ),
        (
            routes("        say: {FunctionArn: !GetAtt Connect.Arn}\n      Auth: {AuthType: AWS_IAM}"),
            "13: Auth of Chat needs a route $connect, which it guards; add one",
        ),
        (
            routes("        $connect: {FunctionArn: !GetAtt Connect.Arn}\n      Auth: {AuthType: CUSTOM}"),
            "13: Auth of Chat has no AuthArn; AuthType CUSTOM needs one",
        ),
        (
            routes(
                "        $connect: {FunctionArn: !GetAtt Connect.Arn}\n      Auth: {AuthType: AWS_IAM, Name: n}",
            ),
            "13: Name in Auth of Chat goes with AuthType CUSTOM only",
        ),
        (
            routes("        $connect: {FunctionArn: !GetAtt Connect.Arn}\n      Auth: {AuthType: JWT}"),
            "13: AuthType of Chat must be NONE, AWS_IAM or CUSTOM",
        ),
        (
            routes("        $connect: {FunctionArn: !GetAtt Connect.Arn}\n      Cors: true"),
            "13: AWS::Serverless::WebSocketApi has no property Cors",
        ),
        (
            routes("        {}"),
            "12: Routes of Chat must be a mapping with at least one route key, written out",
        ),
    ] {
        assert_eq!(refusals(&text)[0], expected, "{text}");
    }
    assert_eq!(
        refusal("Resources:\n  Chat:\n    Type: AWS::Serverless::WebSocketApi\n"),
        "2: Chat has no RouteSelectionExpression; AWS::Serverless::WebSocketApi needs one"
    );
    assert_eq!(
        refusal("Globals: {WebSocketApis: {}}\nResources:\n  T: {Type: 'AWS::Serverless::SimpleTable'}\n"),
        "1: Globals has no WebSocketApis; SAM takes Function, Api, HttpApi, WebSocketApi, SimpleTable, StateMachine, \
         LayerVersion, CapacityProvider, MicroVMImage, NetworkConnector"
    );
}

#[test]
fn what_it_makes_must_not_meet_what_is_there() {
    let text = CHAT.replace(
        "  Connect: {Type",
        "  ChatConnectRoute: {Type: 'AWS::Serverless::SimpleTable'}\n  Connect: {Type",
    );
    assert!(
        refusals(&text)
            .iter()
            .any(|told| told
                .ends_with("SAM makes a resource ChatConnectRoute of this, and there is one already")),
        "{:?}",
        refusals(&text)
    );
}

#[test]
fn loops_are_written_out() {
    let stack = parse(
        "
Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
Parameters: {Names: {Type: CommaDelimitedList, Default: 'orders, clients'}}
Resources:
  Fn::ForEach::Tables:
    - Name
    - !Ref Names
    - Table${Name}:
        Type: AWS::Serverless::SimpleTable
        Properties: {TableName: !Sub 'my-${Name}', Tags: {of: !Ref Name}}
  Fn::ForEach::Odd:
    - Id
    - [a-1, b_2]
    - Queue&{Id}: {Type: 'AWS::SQS::Queue', Properties: {QueueName: '${Id}'}}
  Function:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f
      Runtime: provided.al2023
      Environment:
        Variables:
          FIXED: x
          Fn::ForEach::Vars: [V, [A, B], {'VAR_${V}': !Sub '${Tableorders.Arn}/${V}'}]
",
    );
    let names: Vec<_> = stack.tables.iter().map(|table| (&*table.logical_id, &*table.name)).collect();
    assert_eq!(names, [("Tableorders", "my-orders"), ("Tableclients", "my-clients")]);
    let queues: Vec<_> = stack.queues.iter().map(|queue| (&*queue.logical_id, &*queue.name)).collect();
    assert_eq!(queues, [("Queuea1", "a-1"), ("Queueb2", "b_2")]);
    let environment = &stack.functions[0].environment;
    assert_eq!(environment.keys().collect::<Vec<_>>(), ["FIXED", "VAR_A", "VAR_B"]);
    assert!(environment["VAR_B"].ends_with("table/my-orders/B"));
}

#[test]
fn loops_that_are_none() {
    let with = |transform: &str, entry: &str| format!("Transform: {transform}\nResources:\n  {entry}\n");
    const ON: &str = "AWS::LanguageExtensions";
    for (text, expected) in [
        (
            with(
                "AWS::Serverless-2016-10-31",
                "Fn::ForEach::L: [N, [a], {'T${N}': {Type: 'AWS::Serverless::SimpleTable'}}]",
            ),
            "3: Fn::ForEach needs AWS::LanguageExtensions among the template's Transform",
        ),
        (
            with(ON, "Fn::ForEach::L: [N, [a]]"),
            "3: Fn::ForEach::L takes three values: a name, a list of texts, and a mapping to repeat",
        ),
        (
            with(ON, "Fn::ForEach::L: [N, [a, b], {T: {Type: 'AWS::Serverless::SimpleTable'}}]"),
            "3: Fn::ForEach::L makes the key T twice; put ${N} into it",
        ),
        (
            with(ON, "Fn::ForEach::L: [N, [a-b], {'T${N}': {Type: 'AWS::Serverless::SimpleTable'}}]"),
            "3: \"Ta-b\" cannot name a resource; names have letters and digits only",
        ),
        (
            with(ON, "Fn::ForEach::L: [N, !Ref Gone, {'T${N}': {Type: 'AWS::Serverless::SimpleTable'}}]"),
            "3: Gone is neither a resource nor a parameter",
        ),
    ] {
        assert_eq!(refusal(&text), expected, "{text}");
    }
}
