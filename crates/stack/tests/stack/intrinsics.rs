use std::path::Path;

use dunlin_stack::{Parameters, Stack};

use crate::{PATH, parse, refusal, refusals};

/// Parameters and resources that the values below may refer to; the value under test goes into a function's variable.
fn template(value: &str) -> String {
    format!(
        "
Transform: AWS::LanguageExtensions
Mappings:
  Sizes:
    dev: {{memory: 128, zones: [a, b]}}
    prod: {{memory: 512, zones: [c]}}
Conditions:
  IsDev: !Equals [!Ref Stage, dev]
  IsProd: !Not [!Condition IsDev]
Parameters:
  Stage: {{Type: String, Default: dev}}
  Names: {{Type: CommaDelimitedList, Default: 'a, b'}}
  Count: {{Type: Number, Default: 3}}
  Kind: {{Type: String, Default: bucket}}
Resources:
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties: {{Name: api, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}
  Prod:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {{ApiId: !Ref Api, StageName: prod, AutoDeploy: true}}
  Table:
    Type: AWS::Serverless::SimpleTable
  Named:
    Type: AWS::Serverless::SimpleTable
    Properties: {{TableName: !Sub 'things-${{Stage}}'}}
  Rule:
    Type: AWS::IoT::TopicRule
    Properties: {{TopicRulePayload: {{Sql: 'SELECT * FROM a', Actions: []}}}}
  Queue:
    Type: AWS::SQS::Queue
  Other:
    Type: AWS::Lambda::Function
    Properties: {{FunctionName: other, Code: ./other, Runtime: provided.al2023}}
  Function:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: code
      Runtime: provided.al2023
      Environment:
        Variables:
          VALUE: {value}
"
    )
}

fn value(stack: &Stack) -> Option<&str> {
    stack.function("dunlin-Function").unwrap().environment.get("VALUE").map(String::as_str)
}

#[test]
fn values() {
    for (text, expected) in [
        // Ref
        ("!Ref Stage", "dev"),
        ("{Ref: Stage}", "dev"),
        ("!Ref Count", "3"),
        ("!Ref Table", "dunlin-Table"),
        ("!Ref Named", "things-dev"),
        ("!Ref Prod", "prod"),
        ("!Ref Rule", "dunlin_Rule"),
        ("!Ref Other", "other"),
        ("!Ref Queue", "https://sqs.us-east-1.amazonaws.com/123456789012/dunlin-Queue"),
        // pseudo parameters
        ("!Ref AWS::Region", "us-east-1"),
        ("!Ref 'AWS::AccountId'", "123456789012"),
        ("!Ref AWS::Partition", "aws"),
        ("!Ref AWS::URLSuffix", "amazonaws.com"),
        ("!Ref AWS::StackName", "dunlin"),
        // Fn::GetAtt
        ("!GetAtt Other.Arn", "arn:aws:lambda:us-east-1:123456789012:function:other"),
        ("!GetAtt [Other, Arn]", "arn:aws:lambda:us-east-1:123456789012:function:other"),
        ("{'Fn::GetAtt': [Named, Arn]}", "arn:aws:dynamodb:us-east-1:123456789012:table/things-dev"),
        ("{'Fn::GetAtt': Rule.Arn}", "arn:aws:iot:us-east-1:123456789012:rule/dunlin_Rule"),
        ("!GetAtt Queue.Arn", "arn:aws:sqs:us-east-1:123456789012:dunlin-Queue"),
        ("!GetAtt Queue.QueueName", "dunlin-Queue"),
        // Fn::Sub
        ("!Sub 'plain'", "plain"),
        ("!Sub '${Stage}-${AWS::Region}'", "dev-us-east-1"),
        ("!Sub '${Other.Arn}/x'", "arn:aws:lambda:us-east-1:123456789012:function:other/x"),
        ("!Sub '${!Stage} $connect ${Stage}'", "${Stage} $connect dev"),
        ("!Sub ['${x}-${Stage}', {x: !Ref Count}]", "3-dev"),
        ("!Sub ['${Stage}', {Stage: own}]", "own"),
        ("{'Fn::Sub': ['${x}', {x: {'Fn::Sub': '${Stage}!'}}]}", "dev!"),
        // Fn::Join
        ("!Join ['', [a, !Ref Stage, '-', !Sub '${Count}']]", "adev-3"),
        ("!Join [', ', !Ref Names]", "a, b"),
        ("!Join ['/', [a, !Ref AWS::NoValue, b]]", "a/b"),
        ("!Join ['/', []]", ""),
        // Fn::If
        ("!If [IsDev, a, !Ref Gone]", "a"),
        ("!If [IsProd, !GetAtt Gone.Arn, !Sub '${Stage}']", "dev"),
        ("{'Fn::If': [IsProd, a, {'Fn::If': [IsDev, b, c]}]}", "b"),
        // lists
        ("!Select [1, [a, b, c]]", "b"),
        ("!Select ['0', !Ref Names]", "a"),
        ("!Select [1, !Split ['.', 'x.y.z']]", "y"),
        ("!Join ['|', !Split [', ', 'a, b, c']]", "a|b|c"),
        ("!Join [',', !GetAZs '']", "us-east-1a,us-east-1b,us-east-1c"),
        ("!Select [0, !GetAZs eu-west-1]", "eu-west-1a"),
        ("!Select [1, !Cidr [10.0.0.0/16, 2, 8]]", "10.0.1.0/24"),
        ("!Join [',', !If [IsProd, [x], !Ref Names]]", "a,b"),
        // mappings
        ("!FindInMap [Sizes, !Ref Stage, memory]", "128"),
        ("!Join ['', !FindInMap [Sizes, dev, zones]]", "ab"),
        ("!FindInMap [Sizes, gone, memory, {DefaultValue: !Ref Stage}]", "dev"),
        ("!FindInMap [Gone, a, b, {DefaultValue: none}]", "none"),
        // texts
        ("!Base64 'a b'", "YSBi"),
        ("{'Fn::Base64': !Sub '${Stage}'}", "ZGV2"),
        ("{'Fn::Length': !Ref Names}", "2"),
        ("{'Fn::Length': [a, !Ref AWS::NoValue]}", "1"),
        (
            "{'Fn::ToJsonString': {a: 1, b: 'x', c: [true, !Ref Stage], d: '1'}}",
            r#"{"a":1,"b":"x","c":[true,"dev"],"d":"1"}"#,
        ),
        ("!ImportValue shared-bucket", "bucket-1"),
        ("!ImportValue {'Fn::Sub': 'shared-${Kind}'}", "bucket-1"),
        ("!Sub ['${a}${b}', {a: !Select [0, [x]], b: !If [IsDev, 1, 2]}]", "x1"),
        ("!Join ['', !Ref AWS::NotificationARNs]", ""),
        // none at all
        ("12", "12"),
        ("true", "true"),
        ("\"${Stage}\"", "${Stage}"),
    ] {
        let parameters = Parameters {
            imports: [("shared-bucket".to_owned(), "bucket-1".to_owned())].into(),
            ..Parameters::default()
        };
        let stack = Stack::parse(Path::new(PATH), &template(text), &parameters)
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(value(&stack), Some(expected), "{text}");
    }
}

#[test]
fn no_value_removes_the_key() {
    assert_eq!(value(&parse(&template("!Ref AWS::NoValue"))), None);
}

#[test]
fn an_api_is_known_by_its_derived_id() {
    let stack = parse(&template("!Sub 'https://${Api}.execute-api.${AWS::Region}.amazonaws.com/${Prod}'"));
    let id = &stack.apis[0].api_id;
    assert_eq!(*id, dunlin_stack::api_id("Api"));
    assert_eq!(
        value(&stack),
        Some(format!("https://{id}.execute-api.us-east-1.amazonaws.com/prod").as_str())
    );
    let endpoint = parse(&template("!GetAtt Api.ApiEndpoint"));
    assert_eq!(value(&endpoint), Some(format!("wss://{id}.execute-api.us-east-1.amazonaws.com").as_str()));
}

#[test]
fn the_caller_sets_parameters_and_pseudo_parameters() {
    let parameters = Parameters {
        values: [("Stage".to_owned(), "test".to_owned()), ("Names".to_owned(), "x,y".to_owned())].into(),
        imports: [].into(),
        region: "eu-west-1".to_owned(),
        account_id: "000000000001".to_owned(),
        stack_name: "mine".to_owned(),
    };
    let text = "!Sub ['${AWS::Region} ${AWS::AccountId} ${AWS::StackName} ${Stage} ${n}', {n: !Join ['+', !Ref Names]}]";
    let stack = Stack::parse(Path::new(PATH), &template(text), &parameters).unwrap();
    let function = stack.function("mine-Function").unwrap();
    assert_eq!(function.environment["VALUE"], "eu-west-1 000000000001 mine test x+y");
    assert_eq!(function.arn, "arn:aws:lambda:eu-west-1:000000000001:function:mine-Function");
    assert_eq!((stack.region.as_str(), stack.account_id.as_str()), ("eu-west-1", "000000000001"));
}

#[test]
fn what_cannot_be_evaluated_names_its_line() {
    for (text, expected) in [
        ("!Ref Gone", "42: Function refers to Gone, which is neither a resource nor a parameter"),
        ("!Ref AWS::Gone", "42: AWS::Gone is not a pseudo parameter that is known here"),
        ("!Ref [Stage]", "42: Ref takes the name of a resource or parameter, not a list"),
        ("!Ref Names", "42: VALUE of Function in Variables is a list; it must be a text"),
        ("!GetAtt Gone.Arn", "42: Function refers to Gone, which is neither a resource nor a parameter"),
        ("!GetAtt Stage.Arn", "42: Stage is not a resource; Fn::GetAtt reads resources only"),
        ("!GetAtt Other", "42: Fn::GetAtt Other names no attribute; write Other.Arn or alike"),
        (
            "!GetAtt Other.Size",
            "42: Other.Size is not known here; AWS::Lambda::Function has no such attribute",
        ),
        ("!GetAtt [Other]", "42: Fn::GetAtt takes two values: a resource and one of its attributes"),
        ("!Sub '${Gone}'", "42: Function refers to Gone, which is neither a resource nor a parameter"),
        (
            "!Sub '${a b}'",
            "42: ${a b} is not a name that Fn::Sub can replace; write ${!a b} for the text itself",
        ),
        ("!Sub '${Names}'", "42: Names is a list; Fn::Sub can only put in a text"),
        ("!Sub '${AWS::NoValue}'", "42: AWS::NoValue has no text that Fn::Sub could put in"),
        ("!Sub [x]", "42: Fn::Sub takes a text, or a list of a text and a mapping"),
        ("!Join [a]", "42: Fn::Join takes two values: a delimiter and a list of texts"),
        ("!Join [a, b]", "42: Fn::Join takes two values: a delimiter and a list of texts"),
        ("!Join [a, [[b]]]", "42: Fn::Join takes texts in its list, not a list"),
        ("!If [a, b, c]", "42: there is no condition a in the section Conditions"),
        (
            "{'Fn::Transform': {Name: x}}",
            "42: Fn::Transform runs a macro in the account; write out here what it gives",
        ),
        ("!Suv x", "42: !Suv is not an intrinsic function of CloudFormation; check its spelling"),
        ("{'Fn::Suv': x}", "42: Fn::Suv is not an intrinsic function of CloudFormation; check its spelling"),
    ] {
        assert_eq!(refusal(&template(text)), expected, "{text}");
    }
}

#[test]
fn texts_that_double_and_double_stop() {
    let mut text = "Resources:\n  T0: {Type: 'AWS::Serverless::SimpleTable'}\n".to_owned();
    for n in 1..40 {
        let before = format!("${{T{}}}", n - 1);
        text.push_str(&format!(
            "  T{n}: {{Type: 'AWS::Serverless::SimpleTable', Properties: {{TableName: !Sub '{before}{before}'}}}}\n"
        ));
    }
    assert_eq!(refusals(&text)[0], "15: a text grows past 65536 bytes here; make it shorter");
}
