use std::fmt::Write;

use dunlin_stack::{Parameters, Stack, TemplateError};

use crate::{parse, refusal, refusals};

/// An API with one route to one function; each test breaks one thing.
const GOOD: &str = "\
Resources:
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties:
      Name: api
      ProtocolType: WEBSOCKET
      RouteSelectionExpression: $request.body.action
  Stage:
    Type: AWS::ApiGatewayV2::Stage
    Properties:
      ApiId: !Ref Api
      StageName: dev
      AutoDeploy: true
  Route:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Api
      RouteKey: ping
      Target: !Sub integrations/${Integration}
  Integration:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: AWS_PROXY
      IntegrationUri: !Sub arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${Function.Arn}/invocations
  Function:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: code/
      Handler: ping
      Runtime: provided.al2023
  Permission:
    Type: AWS::Lambda::Permission
    Properties:
      FunctionName: !Ref Function
      Action: lambda:InvokeFunction
      Principal: apigateway.amazonaws.com
  Rule:
    Type: AWS::IoT::TopicRule
    Properties:
      TopicRulePayload:
        Sql: SELECT * FROM 'a'
        Actions:
          - Lambda: {FunctionArn: !GetAtt Function.Arn}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
Transform: AWS::Serverless-2016-10-31
";

/// `template` with more resources.
fn with_more(template: &str, resources: &str) -> String {
    template.replacen("Transform:", &format!("{resources}Transform:"), 1)
}

/// What is wrong after one thing is broken. Where `to` takes a resource away, all that refers to it is wrong as well;
/// otherwise one thing is told once.
#[track_caller]
fn broken(from: &str, to: &str) -> String {
    const TAKEN_AWAY: [&str; 3] = ["  My-Api:\n", "AWS::Serverless::Fuction", "integrations/none"];
    assert!(GOOD.contains(from), "{from}");
    let mut problems = refusals(&GOOD.replacen(from, to, 1));
    assert!(problems.len() == 1 || TAKEN_AWAY.contains(&to), "{to}: {problems:#?}");
    problems.swap_remove(0)
}

#[test]
fn the_good_one_is_good() {
    let stack = parse(GOOD);
    assert_eq!(stack.notes, []);
    assert_eq!(
        (stack.apis.len(), stack.functions.len(), stack.tables.len(), stack.rules.len()),
        (1, 1, 1, 1)
    );
    assert_eq!(stack.apis[0].routes[0].at.line, 14);
}

#[test]
fn what_cannot_be_honoured_stops_with_its_line() {
    for (from, to, expected) in [
        // the file
        ("  Api:\n", "\tApi:\n", "2: a tab indents this line; YAML indents with spaces only"),
        (
            "Resources:\n",
            "Resourses:\n",
            "1: Resourses is not a section of a template; the sections are AWSTemplateFormatVersion, Description, Metadata, Parameters, Rules, Mappings, Conditions, Transform, Globals, Resources, Outputs, Hooks",
        ),
        (
            "Transform: AWS::Serverless-2016-10-31",
            "Transform: [AWS::Serverless-2016-10-31, My::Macro]",
            "51: the macro My::Macro runs in the account only; expand the template first",
        ),
        (
            "    Properties:\n      Name",
            "    Propertes:\n      Name",
            "4: Propertes is not a key of a resource; properties of Api stand under Properties",
        ),
        (
            "  Api:\n",
            "  My-Api:\n",
            "2: \"My-Api\" cannot name a resource; names have letters and digits only",
        ),
        ("    Type: AWS::IoT::TopicRule\n", "", "38: resource Rule has no Type"),
        (
            "    Type: AWS::IoT::TopicRule\n",
            "    Type: AWS::IoT::TopicRule\n    Condition: IsProd\n",
            "40: there is no condition IsProd in the section Conditions",
        ),
        // the API
        ("      Name: api\n", "", "2: Api has no Name; AWS::ApiGatewayV2::Api needs one"),
        (
            "WEBSOCKET",
            "HTTP",
            "6: ProtocolType of Api is HTTP, which is not supported yet; only WEBSOCKET is",
        ),
        // the stage
        (
            "StageName: dev",
            "StageName: $default",
            "12: StageName of Stage is \"$default\"; a stage name has 1 to 128 letters, digits, - and _",
        ),
        (
            "AutoDeploy: true",
            "AutoDeploy: maybe",
            "13: AutoDeploy of Stage is maybe; it must be true or false",
        ),
        (
            "      ApiId: !Ref Api\n      StageName: dev",
            "      ApiId: other\n      StageName: dev",
            "11: ApiId of Stage is other, which is not an API of this template",
        ),
        // the route
        (
            "RouteKey: ping",
            "RouteKey: $ping",
            "18: RouteKey of Route is \"$ping\"; a key that starts with $ must be one of $connect, $disconnect, $default",
        ),
        (
            "integrations/${Integration}",
            "integrations/none",
            "19: Target of Route is integrations/none, which is not an integration of its API; write integrations/${Name} with Fn::Sub",
        ),
        (
            "RouteKey: ping\n",
            "RouteKey: ping\n      AuthorizationType: AWS_IAM\n",
            "19: AuthorizationType of Route is AWS_IAM; only the route $connect may have one",
        ),
        (
            "RouteKey: ping\n",
            "RouteKey: ping\n      AuthorizationType: CUSTOM\n",
            "19: AuthorizationType of Route is CUSTOM; only the route $connect may have one",
        ),
        (
            "RouteKey: ping\n",
            "RouteKey: ping\n      AuthorizationType: JWT\n",
            "19: AuthorizationType of Route is JWT, which is for HTTP APIs; a WebSocket API takes NONE, AWS_IAM or CUSTOM",
        ),
        (
            "RouteKey: ping\n",
            "RouteKey: ping\n      ApiKeyRequired: true\n",
            "19: ApiKeyRequired of Route is true; only the route $connect may ask for an API key",
        ),
        (
            "RouteKey: ping\n",
            "RouteKey: ping\n      ModelSelectionExpression: x\n      RequestModels: {a: b}\n",
            "20: RequestModels of Route names b, which is not the Name of a model of its API",
        ),
        (
            "RouteKey: ping\n",
            "RouteKey: ping\n      RequestParameters: {route.request.header.a: {Required: true}}\n",
            "19: RequestParameters of Route ask for parameters, which only the route $connect has",
        ),
        (
            "RouteKey: ping\n",
            "RouteKey: ping\n      RouteResponseSelectionExpression: x\n",
            "19: RouteResponseSelectionExpression of Route is x; the service supports $default only",
        ),
        // the integration
        (
            "AWS_PROXY",
            "FTP",
            "24: IntegrationType of Integration is FTP; it must be AWS_PROXY, AWS, HTTP_PROXY, HTTP or MOCK",
        ),
        (
            "AWS_PROXY\n",
            "AWS_PROXY\n      TimeoutInMillis: 30000\n",
            "25: TimeoutInMillis of Integration is 30000; it must be a whole number from 50 to 29000",
        ),
        (
            "AWS_PROXY\n",
            "AWS_PROXY\n      ConnectionType: VPC_LINK\n",
            "25: ConnectionType of Integration is VPC_LINK; only INTERNET is supported",
        ),
        (
            "AWS_PROXY\n",
            "AWS_PROXY\n      ContentHandlingStrategy: BINARY\n",
            "25: ContentHandlingStrategy of Integration is BINARY; it must be CONVERT_TO_BINARY or CONVERT_TO_TEXT",
        ),
        (
            "${Function.Arn}/",
            "${!stageVariables.fn}/",
            "14: Integration takes its function from the stage variable fn, which stage dev does not have",
        ),
        (
            "${Function.Arn}/",
            "arn:aws:lambda:us-east-1:123456789012:function:gone/",
            "25: Integration calls arn:aws:lambda:us-east-1:123456789012:function:gone, which is not a function of this template",
        ),
        (
            "AWS::Serverless::Function",
            "AWS::Serverless::Fuction",
            "25: Integration calls arn:aws:serverless:us-east-1:123456789012:dunlin-Function, which is not a function of this \
             template; one has the type AWS::Serverless::Function or AWS::Lambda::Function",
        ),
        (
            "!Sub arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${Function.Arn}/invocations",
            "!GetAtt Function.Arn",
            "25: IntegrationUri of Integration is arn:aws:lambda:us-east-1:123456789012:function:dunlin-Function; for a function it must be arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function ARN}/invocations",
        ),
        // the function
        ("      CodeUri: code/\n", "", "26: Function has no CodeUri; AWS::Serverless::Function needs one"),
        (
            "CodeUri: code/",
            "CodeUri: s3://bucket/key",
            "29: CodeUri of Function does not lie on this machine; name a folder or .zip with a bootstrap",
        ),
        (
            "CodeUri: code/",
            "CodeUri: {Bucket: b, Key: k}",
            "29: CodeUri of Function does not lie on this machine; name a folder or .zip with a bootstrap",
        ),
        (
            "CodeUri: code/",
            "InlineCode: x",
            "29: InlineCode of Function is not supported; put an executable bootstrap in a folder and name it in CodeUri",
        ),
        (
            "provided.al2023",
            "python3.12",
            "31: Runtime of Function is python3.12, which is not supported yet; use provided.al2023 with an executable bootstrap",
        ),
        (
            "Handler: ping\n",
            "Handler: ping\n      Timeout: 901\n",
            "31: Timeout of Function is 901; it must be a whole number from 1 to 900",
        ),
        (
            "Handler: ping\n",
            "Handler: ping\n      Timeout: soon\n",
            "31: Timeout of Function is soon; it must be a whole number from 1 to 900",
        ),
        (
            "Handler: ping\n",
            "Handler: ping\n      MemorySize: 64\n",
            "31: MemorySize of Function is 64; it must be a whole number from 128 to 10240",
        ),
        (
            "Handler: ping\n",
            "Handler: ping\n      PackageType: Image\n",
            "31: PackageType of Function is Image; only Zip is supported",
        ),
        (
            "Handler: ping\n",
            "Handler: ping\n      Layers: [a]\n",
            "31: Layers of Function are not supported yet; put what they hold into the function's folder",
        ),
        (
            "Handler: ping\n",
            "Handler: ping\n      Environment: x\n",
            "31: Environment of Function is a text; it must be a mapping",
        ),
        (
            "Handler: ping\n",
            "Handler: ping\n      FunctionName: a b\n",
            "31: FunctionName of Function is \"a b\"; a name has 1 to 64 of A-Za-z0-9-_",
        ),
        // the permission
        (
            "FunctionName: !Ref Function",
            "FunctionName: gone",
            "35: FunctionName of Permission is gone, which is not a function of this template",
        ),
        // the rule
        ("        Sql: SELECT * FROM 'a'\n", "", "41: Rule has no Sql; TopicRulePayload needs one"),
        (
            "FunctionArn: !GetAtt Function.Arn",
            "FunctionArn: gone",
            "44: Rule calls gone, which is not a function of this template",
        ),
        (
            "Lambda: {FunctionArn: !GetAtt Function.Arn}",
            "[Lambda]",
            "44: an action of Rule must be a mapping with one key, such as Lambda",
        ),
        // the table
        (
            "      BillingMode: PAY_PER_REQUEST\n",
            "",
            "45: Table has no ProvisionedThroughput; give it one or set BillingMode to PAY_PER_REQUEST",
        ),
        (
            "PAY_PER_REQUEST",
            "FREE",
            "48: BillingMode of Table is FREE; it must be PAY_PER_REQUEST or PROVISIONED",
        ),
        (
            "KeySchema: [{AttributeName: pk",
            "KeySchema: [{AttributeName: id",
            "50: Table has the key \"id\" but no AttributeDefinitions entry for it; add one",
        ),
    ] {
        assert_eq!(broken(from, to), expected, "{from:?} → {to:?}");
    }
}

#[test]
fn a_target_without_its_prefix_is_no_integration() {
    let sentence = broken("!Sub integrations/${Integration}", "!Ref Integration");
    assert!(sentence.starts_with("19: Target of Route is "), "{sentence}");
    assert!(
        sentence.ends_with("which is not an integration of its API; write integrations/${Name} with Fn::Sub")
    );
}

#[test]
fn an_api_without_a_stage() {
    let (start, end) = (GOOD.find("  Stage:\n").unwrap(), GOOD.find("  Route:\n").unwrap());
    assert_eq!(
        refusal(&[&GOOD[..start], &GOOD[end..]].concat()),
        "2: Api has no stage, so nobody can connect; add an AWS::ApiGatewayV2::Stage"
    );
}

#[test]
fn doubles() {
    let twice = |from: &str, to: &str| {
        let start = GOOD.find(from).unwrap();
        let end = GOOD[start + 3..].find("\n  ").map_or(GOOD.len(), |_| {
            let rest = &GOOD[start + 3..];
            let next = rest.match_indices("\n  ").find(|(i, _)| !rest[i + 3..].starts_with(' ')).unwrap().0;
            start + 3 + next + 1
        });
        refusal(&with_more(GOOD, &GOOD[start..end].replacen(from, to, 1)))
    };
    assert_eq!(
        twice("  Route:", "  Again:"),
        "55: RouteKey of Again is ping, and its API has that route already; remove one"
    );
    assert_eq!(
        twice("  Stage:", "  Again:"),
        "55: StageName of Again is dev, and its API has that stage already; remove one"
    );
    let named = GOOD.replacen("Handler: ping\n", "Handler: ping\n      FunctionName: f\n", 1);
    let start = named.find("  Function:").unwrap();
    let end = named.find("  Permission:").unwrap();
    let again = named[start..end].replacen("  Function:", "  Again:", 1);
    assert_eq!(
        refusal(&with_more(&named, &again)),
        "52: Again and Function both have the name f; rename one"
    );
}

#[test]
fn three_hundred_routes_and_one_more() {
    let routes = |count: usize| {
        let mut text = String::new();
        for n in 1..count {
            let _ = writeln!(
                text,
                "  R{n}: {{Type: 'AWS::ApiGatewayV2::Route', Properties: {{ApiId: !Ref Api, RouteKey: r{n}}}}}"
            );
        }
        with_more(GOOD, &text)
    };
    assert_eq!(parse(&routes(300)).apis[0].routes.len(), 300);
    assert_eq!(refusal(&routes(301)), "350: Api has more than 300 routes; the service stops there");
}

#[test]
fn files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("template.yaml");
    let parameters = Parameters::default();

    let missing = Stack::load(&path, &parameters).unwrap_err();
    assert!(matches!(missing, TemplateError::Read { .. }));
    assert!(
        missing.to_string().contains("template.yaml: cannot read the template: No such file"),
        "{missing}"
    );
    assert!(
        Stack::load(folder.path(), &parameters).unwrap_err().to_string().contains("cannot read the template")
    );

    std::fs::write(&path, GOOD).unwrap();
    let stack = Stack::load(&path, &parameters).unwrap();
    assert_eq!(stack.template, path);
    assert_eq!(stack.functions[0].code, folder.path().join("code"));
}

/// A table whose name refers to others.
fn named_after(id: &str, name: &str) -> String {
    format!("  {id}:\n    Type: AWS::Serverless::SimpleTable\n    Properties: {{TableName: {name}}}\n")
}

#[test]
fn circles_are_named_with_the_line_that_closes_them() {
    let circle = [
        "Resources:\n",
        &named_after("A", "!Ref B"),
        &named_after("B", "!Sub '${C.Arn}'"),
        &named_after("C", "!GetAtt A.Arn"),
    ];
    assert_eq!(refusal(&circle.concat()), "10: resources refer to each other in a circle: A → B → C → A");
    let own = format!("Resources:\n{}", named_after("A", "!Ref A"));
    assert_eq!(refusal(&own), "4: resources refer to each other in a circle: A → A");
    let waits = "Resources:\n  A: {Type: 'AWS::DynamoDB::Table', DependsOn: B}\n  B: {Type: 'AWS::SQS::Queue', \
                 DependsOn: [C, A]}\n  C: {Type: 'AWS::SNS::Topic'}\n";
    assert_eq!(refusal(waits), "3: resources refer to each other in a circle: A → B → A");
    // One that a condition does not choose is none.
    let chosen = "Conditions: {Yes: !Equals [a, a]}\nResources:\n".to_owned()
        + &named_after("A", "!If [Yes, a, !Ref B]")
        + &named_after("B", "!Sub '${A}-b'");
    assert_eq!(parse(&chosen).tables[1].name, "a-b");
}

#[test]
fn long_chains_and_wide_ones_are_no_circles() {
    let mut chain = "Resources:\n".to_owned();
    for n in 0..499 {
        chain.push_str(&named_after(&format!("R{n}"), &format!("!Select [0, [x{n}, !Ref R{}]]", n + 1)));
    }
    chain.push_str(&named_after("R499", "last"));
    assert_eq!(parse(&chain).tables.len(), 500);
    let diamond = ["Resources:\n", &named_after("A", "!Sub '${B}${C}'"), &named_after("B", "!Sub '${D}b'")]
        .concat()
        + &named_after("C", "!Sub '${D}c'")
        + &named_after("D", "d");
    assert_eq!(parse(&diamond).tables[0].name, "dbdc");
    let many = format!(
        "Resources:\n{}",
        (0..501).map(|n| named_after(&format!("R{n}"), &format!("n{n}"))).collect::<String>()
    );
    assert_eq!(
        refusal(&many),
        "1502: a template has at most 500 resources, those that SAM adds included; this is one more"
    );
}

#[test]
fn a_lost_reference_matters_where_it_is_read() {
    let text = |kind: &str| {
        format!(
            "Resources:\n  A:\n    Type: {kind}\n    Properties:\n      X: !Ref Gone\n  T: {{Type: 'AWS::SQS::Queue'}}\n"
        )
    };
    let message = "5: A refers to Gone, which is neither a resource nor a parameter";
    assert_eq!(refusal(&text("AWS::DynamoDB::Table")), message);
    // SAM and other macros make resources of their own, to which alarms and the like refer.
    assert_eq!(parse(&text("AWS::CloudWatch::Alarm")).queues.len(), 1);
    assert_eq!(
        refusal("Resources: {A: {Type: 'AWS::SQS::Queue', DependsOn: Gone}}"),
        "1: A refers to Gone, which is not a resource of this template"
    );
}
