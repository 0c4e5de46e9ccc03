use std::time::Duration;

use dunlin_stack::{Permission, RuleAction};
use serde_json::json;

use crate::{notes, parse};

#[test]
fn what_is_not_known_is_listed_once() {
    let stack = parse(
        "
Parameters:
  P: {Type: String, Default: x, AllowedPattern: '[a-z]'}
Resources:
  Queue: {Type: 'AWS::SQS::Queue', Properties: {Anything: !GetAZs x}}
  Other: {Type: 'AWS::SQS::Queue'}
  Role: {Type: 'AWS::IAM::Role'}
  One:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: .
      Runtime: provided.al2
      ReservedConcurrentExecutions: 5
      VpcConfig: {SubnetIds: [!Ref Queue]}
      Policies: [AWSLambdaBasicExecutionRole]
      Events:
        Every: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}
  Two:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: ., Runtime: provided.al2, ReservedConcurrentExecutions: 5}
  Rule:
    Type: AWS::IoT::TopicRule
    Properties:
      TopicRulePayload:
        Sql: SELECT * FROM 'a'
        Actions: [{S3: {BucketName: b}}]
  Off:
    Type: AWS::IoT::TopicRule
    Properties:
      TopicRulePayload:
        Sql: SELECT * FROM 'a'
        RuleDisabled: true
        Actions: [{Lambda: {FunctionArn: !GetAtt One.Arn}}]
",
    );
    let notes = notes(&stack);
    assert_eq!(
        notes,
        [
            "line 5: Anything of AWS::SQS::Queue has no effect here (Queue)",
            "line 8: the service refuses AWS::Serverless types without Transform: AWS::Serverless-2016-10-31 (One, Two)",
            "line 14: VpcConfig of AWS::Serverless::Function has no effect here (One)",
            "line 17: events of type Schedule do not occur here (One)",
            "line 26: S3 actions of topic rules are not carried out here (Rule)",
            "line 27: a topic rule is disabled (Off)",
        ]
    );
    assert_eq!(stack.rules, []);
    assert_eq!(stack.functions.len(), 2);
}

#[test]
fn globals_are_merged() {
    let stack = parse(
        "
Globals:
  Function:
    Runtime: provided.al2023
    Timeout: 7
    CodeUri: shared/
    Environment: {Variables: {A: global, B: global}}
Resources:
  Plain: {Type: 'AWS::Serverless::Function'}
  Own:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: 9
      CodeUri: ../own.zip
      Environment: {Variables: {B: own, C: own}}
  Apart:
    Type: AWS::Serverless::Function
    IgnoreGlobals: [Timeout, Environment]
  Bare: {Type: 'AWS::Lambda::Function', Properties: {Code: bare, Runtime: provided.al2023}}
",
    );
    let sketch: Vec<_> = stack
        .functions
        .iter()
        .map(|f| {
            let environment: Vec<_> = f.environment.iter().map(|(k, v)| format!("{k}={v}")).collect();
            format!("{} {} {} {}", f.logical_id, f.timeout.as_secs(), f.code.display(), environment.join(","))
        })
        .collect();
    assert_eq!(
        sketch,
        [
            "Plain 7 /app/shared A=global,B=global",
            "Own 9 /app/../own.zip A=global,B=own,C=own",
            "Apart 3 /app/shared ",
            "Bare 3 /app/bare ",
        ]
    );
}

#[test]
fn json_is_a_template_too() {
    let stack = parse(
        r#"{
	"Parameters": {"Size": {"Type": "Number", "Default": 512}},
	"Resources": {
		"F": {
			"Type": "AWS::Lambda::Function",
			"Properties": {
				"Code": "build",
				"Runtime": "provided.al2023",
				"MemorySize": {"Ref": "Size"},
				"Environment": {"Variables": {"ARN": {"Fn::Join": ["/", [{"Ref": "AWS::Region"}, "x"]]}}}
			}
		}
	}
}"#,
    );
    assert_eq!(stack.functions[0].memory_mb, 512);
    assert_eq!(stack.functions[0].environment["ARN"], "us-east-1/x");
    assert_eq!(stack.functions[0].at.line, 4);
}

#[test]
fn tables() {
    let stack = parse(
        "
Resources:
  Simple: {Type: 'AWS::Serverless::SimpleTable', Properties: {PrimaryKey: {Name: no, Type: Number}}}
  Default: {Type: 'AWS::Serverless::SimpleTable'}
  Indexed:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: indexed
      AttributeDefinitions: [{AttributeName: a, AttributeType: S}, {AttributeName: b, AttributeType: N}]
      KeySchema: [{AttributeName: a, KeyType: HASH}]
      ProvisionedThroughput: {ReadCapacityUnits: 5, WriteCapacityUnits: '6'}
      TimeToLiveSpecification: {Enabled: false, AttributeName: gone}
      GlobalSecondaryIndexes:
        - IndexName: by-b
          KeySchema: [{AttributeName: b, KeyType: HASH}]
          Projection: {ProjectionType: ALL}
          ProvisionedThroughput: {ReadCapacityUnits: 1, WriteCapacityUnits: 1}
",
    );
    let [simple, default, indexed] = stack.tables.as_slice() else { panic!("{:?}", stack.tables) };
    assert_eq!(simple.create_table["KeySchema"], json!([{"AttributeName": "no", "KeyType": "HASH"}]));
    assert_eq!(
        simple.create_table["AttributeDefinitions"],
        json!([{"AttributeName": "no", "AttributeType": "N"}])
    );
    assert_eq!(default.create_table["KeySchema"], json!([{"AttributeName": "id", "KeyType": "HASH"}]));
    assert_eq!(indexed.ttl_attribute, None);
    assert_eq!(indexed.arn, "arn:aws:dynamodb:us-east-1:123456789012:table/indexed");
    assert_eq!(indexed.create_table["BillingMode"], "PROVISIONED");
    assert_eq!(
        indexed.create_table["ProvisionedThroughput"],
        json!({"ReadCapacityUnits": 5, "WriteCapacityUnits": 6})
    );
    assert_eq!(
        indexed.create_table["GlobalSecondaryIndexes"],
        json!([{
            "IndexName": "by-b",
            "KeySchema": [{"AttributeName": "b", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
            "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
        }])
    );
}

const API: &str = "
Resources:
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties: {Name: api, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}
  Both:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Api, RouteKey: both, RouteResponseSelectionExpression: $default}
  BothResponse:
    Type: AWS::ApiGatewayV2::RouteResponse
    Properties: {ApiId: !Ref Api, RouteId: !Ref Both, RouteResponseKey: $default}
  Expression:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Api, RouteKey: expression, RouteResponseSelectionExpression: $default}
  Response:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Api, RouteKey: response}
  ResponseResponse:
    Type: AWS::ApiGatewayV2::RouteResponse
    Properties: {ApiId: !Ref Api, RouteId: !Ref Response, RouteResponseKey: $default}
  Plain:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Api, RouteKey: $connect}
  Auto:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Api, StageName: auto, AutoDeploy: true, StageVariables: {level: 3}}
  ById:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Api, StageName: by-id, DeploymentId: !Ref Deployment}
  Deployment:
    Type: AWS::ApiGatewayV2::Deployment
    DependsOn: [Both, Plain]
    Properties: {ApiId: !Ref Api}
  ByName:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Api, StageName: by-name, DefaultRouteSettings: {ThrottlingRateLimit: 10}}
  Named:
    Type: AWS::ApiGatewayV2::Deployment
    Properties: {ApiId: !Ref Api, StageName: by-name}
  Never:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Api, StageName: never}
";

/// T1: an answer needs the expression and the route response. H7: a stage needs a deployment.
#[test]
fn two_way_routes_and_deployed_stages() {
    let stack = parse(API);
    let api = &stack.apis[0];
    let routes: Vec<_> = api.routes.iter().map(|route| (route.key.as_str(), route.two_way)).collect();
    assert_eq!(routes, [("both", true), ("expression", false), ("response", false), ("$connect", false)]);
    assert!(api.routes.iter().all(|route| route.integration.is_none()));
    let stages: Vec<_> = api.stages.iter().map(|stage| (stage.name.as_str(), stage.deployed)).collect();
    assert_eq!(stages, [("auto", true), ("by-id", true), ("by-name", true), ("never", false)]);
    assert_eq!(api.stages[0].variables["level"], "3");
    let notes = notes(&stack);
    assert_eq!(
        notes,
        [
            "line 12: a route is one-way: it needs both RouteResponseSelectionExpression and a RouteResponse to \
             answer (Expression, Response)",
            "line 40: a stage has no deployment and refuses every connection (Never)",
        ]
    );
}

#[test]
fn a_second_api_keeps_to_itself() {
    let second =
        API.replace("Resources:\n", "").replace("  Api:", "  Second:").replace("!Ref Api", "!Ref Second");
    let mut text = API.to_owned();
    for line in second.lines() {
        // Logical ids stand two spaces deep.
        let is_id = line.starts_with("  ") && !line.starts_with("   ") && !line.contains("Second");
        text.push_str(&if is_id { format!("  Second{}", line.trim_start()) } else { line.to_owned() });
        text.push('\n');
    }
    let text = text
        .replace("!Ref Second, RouteId: !Ref ", "!Ref Second, RouteId: !Ref Second")
        .replace(
            "by-id, DeploymentId: !Ref Deployment}\n  SecondDeployment",
            "by-id, DeploymentId: !Ref SecondDeployment}\n  SecondDeployment",
        )
        .replace("DependsOn: [Both, Plain]", "DependsOn: []");
    let stack = parse(&text);
    let [first, second] = stack.apis.as_slice() else { panic!("{:?}", stack.apis) };
    assert_ne!(first.api_id, second.api_id);
    assert_eq!(first.stages, second.stages);
    let keys = |api: &dunlin_stack::WebSocketApi| {
        api.routes.iter().map(|route| (route.key.clone(), route.two_way)).collect::<Vec<_>>()
    };
    assert_eq!(keys(first), keys(second));
}

#[test]
fn integrations_time_out_and_permissions_match() {
    let stack = parse(
        "
Resources:
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties: {Name: api, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}
  Stage: {Type: 'AWS::ApiGatewayV2::Stage', Properties: {ApiId: !Ref Api, StageName: dev, AutoDeploy: true}}
  Route:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Api, RouteKey: $default, Target: !Join [/, [integrations, !Ref Integration]]}
  Integration:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: AWS_PROXY
      TimeoutInMillis: 50
      CredentialsArn: arn:aws:iam::123456789012:role/caller
      IntegrationUri:
        Fn::Join:
          - ''
          - - 'arn:aws:apigateway:'
            - !Ref AWS::Region
            - ':lambda:path/2015-03-31/functions/'
            - !GetAtt F.Arn
            - ':live/invocations'
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f
      Runtime: provided.al2023
      Events:
        Moved: {Type: IoTRule, Properties: {Sql: SELECT * FROM 'moved', AwsIotSqlVersion: 2016-03-23}}
  ByName: {Type: 'AWS::Lambda::Permission', Properties: {FunctionName: !Ref F, Action: 'lambda:InvokeFunction', Principal: a}}
  ByArn:
    Type: AWS::Lambda::Permission
    Properties:
      FunctionName: !GetAtt F.Arn
      Action: lambda:*
      Principal: apigateway.amazonaws.com
      SourceArn: !Sub 'arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/$default'
  Elsewhere:
    Type: AWS::Lambda::Permission
    Properties: {FunctionName: '123456789012:function:dunlin-F', Action: 'lambda:InvokeFunction', Principal: b, SourceAccount: '1'}
  Reads:
    Type: AWS::Lambda::Permission
    Properties: {FunctionName: dunlin-F, Action: 'lambda:GetFunction', Principal: c}
",
    );
    let integration = stack.apis[0].routes[0].integration.as_ref().unwrap();
    assert_eq!(integration.timeout, Duration::from_millis(50));
    assert_eq!(integration.credentials_arn.as_deref(), Some("arn:aws:iam::123456789012:role/caller"));

    let api_id = &stack.apis[0].api_id;
    let permission = |principal: &str, source_arn: Option<String>| Permission {
        function: "dunlin-F".to_owned(),
        principal: principal.to_owned(),
        source_arn,
    };
    assert_eq!(
        stack.permissions,
        [
            permission(
                "iot.amazonaws.com",
                Some("arn:aws:iot:us-east-1:123456789012:rule/dunlin_FMoved".to_owned())
            ),
            permission("a", None),
            permission(
                "apigateway.amazonaws.com",
                Some(format!("arn:aws:execute-api:us-east-1:123456789012:{api_id}/*/$default"))
            ),
        ]
    );
    let gateway = "apigateway.amazonaws.com";
    assert!(stack.may_invoke(gateway, &stack.route_arn(api_id, "dev", "$default"), "dunlin-F"));
    assert!(!stack.may_invoke(gateway, &stack.route_arn(api_id, "dev", "$connect"), "dunlin-F"));
    assert!(!stack.may_invoke(gateway, &stack.route_arn("other", "dev", "$default"), "dunlin-F"));
    assert!(stack.may_invoke("a", "anything", "dunlin-F"));
    assert!(!stack.may_invoke("b", "anything", "dunlin-F"));
    assert!(!stack.may_invoke("a", "anything", "other"));

    let [rule] = stack.rules.as_slice() else { panic!("{:?}", stack.rules) };
    assert_eq!((rule.name.as_str(), rule.sql.text.as_str()), ("dunlin_FMoved", "SELECT * FROM 'moved'"));
    assert_eq!(
        (rule.sql_version.as_str(), rule.actions.as_slice()),
        ("2016-03-23", &[RuleAction::Lambda { function: "dunlin-F".to_owned() }][..])
    );
}

#[test]
fn long_names_are_cut_and_stay_apart() {
    let id = "F".repeat(80);
    let text = format!(
        "Resources:\n  {id}1: {{Type: 'AWS::Serverless::Function', Properties: {{CodeUri: a, Runtime: provided.al2}}}}\n  \
         {id}2: {{Type: 'AWS::Serverless::Function', Properties: {{CodeUri: a, Runtime: provided.al2}}}}\n"
    );
    let stack = parse(&text);
    assert!(stack.functions.iter().all(|function| function.name.len() == 64));
    assert_ne!(stack.functions[0].name, stack.functions[1].name);
}
