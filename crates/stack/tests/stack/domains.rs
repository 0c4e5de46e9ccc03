//! Custom domain names, and functions that stage variables name.

use dunlin_stack::{ApiMapping, Domain, IntegrationKind};

use crate::{parse, refusal};

const CHAT: &str = "\
Resources:
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties:
      Name: chat
      ProtocolType: WEBSOCKET
      RouteSelectionExpression: $request.body.action
      DisableExecuteApiEndpoint: true
  Dev:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Api, StageName: dev, AutoDeploy: true, StageVariables: {fn: F, env: One}}
  Prod:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Api, StageName: prod, AutoDeploy: true, StageVariables: {fn: 'F:live', env: Two}}
  Name:
    Type: AWS::ApiGatewayV2::DomainName
    Properties:
      DomainName: WS.example.com
      DomainNameConfigurations: [{CertificateArn: !Ref Certificate, EndpointType: REGIONAL}]
  Certificate: {Type: 'AWS::CertificateManager::Certificate', Properties: {DomainName: ws.example.com}}
  Root:
    Type: AWS::ApiGatewayV2::ApiMapping
    Properties: {ApiId: !Ref Api, DomainName: !Ref Name, Stage: !Ref Prod}
  Deep:
    Type: AWS::ApiGatewayV2::ApiMapping
    Properties: {ApiId: !Ref Api, DomainName: ws.example.com, Stage: !Ref Dev, ApiMappingKey: chat/v1}
Outputs:
  Target: {Value: !GetAtt Name.RegionalDomainName}
";

#[test]
fn domains_with_their_mappings() {
    let stack = parse(CHAT);
    assert_eq!(stack.notes, []);
    let api = &stack.apis[0];
    assert!(api.default_host_disabled);
    let mapping = |base_path: &str, stage: &str| ApiMapping {
        base_path: base_path.to_owned(),
        api_id: api.api_id.clone(),
        stage: stage.to_owned(),
    };
    let [Domain { name, mappings, .. }] = stack.domains.as_slice() else { panic!("{:?}", stack.domains) };
    assert_eq!(name, "ws.example.com");
    assert_eq!(mappings, &[mapping("", "prod"), mapping("chat/v1", "dev")]);
    assert!(stack.outputs["Target"].starts_with("d-"), "{}", stack.outputs["Target"]);
}

#[test]
fn mistakes() {
    for (from, to, expected) in [
        (
            "WS.example.com",
            "localhost",
            "18: DomainName of Name is \"localhost\"; it must be a host name such as ws.example.com",
        ),
        ("Stage: !Ref Dev", "Stage: test", "26: Stage of Deep is test, which is not a stage of Api"),
        (
            "DomainName: ws.example.com, Stage",
            "DomainName: other.example.com, Stage",
            "26: DomainName of Deep is other.example.com, which is not an AWS::ApiGatewayV2::DomainName of this template",
        ),
        (
            "chat/v1",
            "/chat",
            "26: ApiMappingKey of Deep is \"/chat\"; it must be a path such as chat or chat/v1, without a slash around it",
        ),
        (
            ", ApiMappingKey: chat/v1",
            "",
            "24: ApiMappingKey of Deep is \"\", which leads from ws.example.com elsewhere already; choose another",
        ),
        (
            "      DomainName: WS.example.com\n",
            "      DomainName: WS.example.com\n      MutualTlsAuthentication: {TruststoreUri: 's3://b/k'}\n",
            "19: MutualTlsAuthentication of Name asks clients for certificates, which is not supported; remove it",
        ),
    ] {
        assert!(CHAT.contains(from), "{from}");
        assert!(crate::refusals(&CHAT.replacen(from, to, 1)).contains(&expected.to_owned()), "{to}");
    }
}

/// The function of a route may be another one at each stage.
#[test]
fn functions_from_stage_variables() {
    let with = |uri: &str, functions: &[&str]| {
        let function = |name: &&str| {
            format!(
                "  Fn{name}: {{Type: 'AWS::Serverless::Function', Properties: {{FunctionName: {name}, CodeUri: c, Handler: h, \
                 Runtime: provided.al2023}}}}\n"
            )
        };
        let functions: String = functions.iter().map(function).collect();
        let more = format!(
            "  Route: {{Type: 'AWS::ApiGatewayV2::Route', Properties: {{ApiId: !Ref Api, RouteKey: $default, Target: !Sub \
             'integrations/${{I}}'}}}}\n  I:\n    Type: AWS::ApiGatewayV2::Integration\n    Properties:\n      ApiId: !Ref Api\n      \
             IntegrationType: AWS_PROXY\n      IntegrationUri: \
             arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{uri}/invocations\n{functions}Transform: \
             AWS::Serverless-2016-10-31\nOutputs"
        );
        CHAT.replacen("Outputs", &more, 1)
    };
    let stack = parse(&with("arn:aws:lambda:us-east-1:123456789012:function:${stageVariables.fn}", &["F"]));
    let api = &stack.apis[0];
    let integration = api.routes[0].integration.clone().unwrap();
    let IntegrationKind::LambdaProxy { function } = integration.kind else { panic!() };
    assert_eq!(function, "${stageVariables.fn}");
    for stage in &api.stages {
        assert_eq!(stack.function_at(stage, &function).unwrap().name, "F");
    }

    let stack = parse(
        &with("chat-${stageVariables.env}", &["chat-One", "chat-Two"].map(|name| name))
            .replace("Fnchat-", "Fn"),
    );
    let stages = &stack.apis[0].stages;
    let named =
        |place: usize| stack.function_at(&stages[place], "chat-${stageVariables.env}").unwrap().name.clone();
    assert_eq!((named(0), named(1)), ("chat-One".to_owned(), "chat-Two".to_owned()));

    let told = refusal(&with("chat-${stageVariables.env}", &["chat-One"]).replace("Fnchat-", "Fn"));
    assert_eq!(told, "27: at stage prod I calls chat-Two, which is not a function of this template");
    let told = crate::refusals(&with("${stageVariables.none}", &["F"]));
    assert_eq!(
        told[0],
        "27: I takes its function from the stage variable none, which stage dev does not have"
    );
}

/// `Domain` of SAM's type.
#[test]
fn sam_makes_domains_too() {
    let stack = parse(
        "Transform: AWS::Serverless-2016-10-31
Resources:
  Chat:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: $request.body.action
      Routes: {$default: {FunctionArn: !GetAtt F.Arn}}
      Domain: {DomainName: ws.example.com, CertificateArn: arn:c, BasePath: [chat, /v1]}
  F: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: c, Handler: h, Runtime: provided.al2023}}
Outputs: {Mapping: {Value: !Ref ChatchatApiMapping}}
",
    );
    let paths: Vec<_> = stack.domains[0].mappings.iter().map(|own| (&*own.base_path, &*own.stage)).collect();
    assert_eq!(paths, [("chat", "default"), ("v1", "default")]);
}
