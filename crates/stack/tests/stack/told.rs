//! How problems are told: where, what, the line and a caret; and several at once.

use std::path::Path;

use dunlin_stack::{PROBLEMS_MAX, Parameters, Stack, TemplateError};

use crate::{PATH, refusals};

fn error(text: &str) -> TemplateError {
    Stack::parse(Path::new(PATH), text, &Parameters::default()).unwrap_err()
}

#[test]
fn with_the_line_and_a_caret() {
    let text = "
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f
      Runtime: provided.al2023
      Timeout: 901
";
    assert_eq!(
        error(text).to_string(),
        "/app/template.yaml:8:16: Timeout of Function is 901; it must be a whole number from 1 to 900\n \
         8 |       Timeout: 901\n   \
           |                ^^^"
    );
}

#[test]
fn several_at_once_in_the_order_of_lines() {
    let text = "
Parameters:
  Stage: {Type: String}
Conditions:
  Bad: !Equals [a]
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties: {BillingMode: FREE, AttributeDefinitions: [], KeySchema: []}
  Function:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: f, Runtime: python3.12, Environment: {Variables: {A: !Ref Gone}}}
  Other:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: f, Runtime: python3.12}
  Nameless: {}
";
    assert_eq!(
        refusals(text),
        [
            "3: parameter Stage has no Default; give it a value with --parameter Stage=VALUE",
            "5: Fn::Equals takes a list of 2 values",
            "9: BillingMode of Table is FREE; it must be PAY_PER_REQUEST or PROVISIONED",
            "12: Function refers to Gone, which is neither a resource nor a parameter",
            "15: Runtime of Other is python3.12, which is not supported yet; use provided.al2023 with an executable \
             bootstrap",
            "16: resource Nameless has no Type",
        ]
    );
}

/// What hangs on something that is at fault is not told as well.
#[test]
fn one_fault_is_told_once() {
    let text = "
Resources:
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties: {Name: api, ProtocolType: HTTP, RouteSelectionExpression: x}
  Stage: {Type: 'AWS::ApiGatewayV2::Stage', Properties: {ApiId: !Ref Api, StageName: dev, AutoDeploy: true}}
  Route:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Api, RouteKey: a, Target: !Sub 'integrations/${Integration}'}
  Integration:
    Type: AWS::ApiGatewayV2::Integration
    Properties: {ApiId: !Ref Api, IntegrationType: FTP}
  Permission:
    Type: AWS::Lambda::Permission
    Properties: {FunctionName: !Ref Function, Action: 'lambda:*', Principal: a}
  Function:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: f, Runtime: go1.x}
";
    let lines: Vec<_> =
        refusals(text).iter().map(|told| told.split(':').next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["5", "12", "18"]);
}

#[test]
fn not_more_than_anyone_reads() {
    let mut text = "Resources:\n".to_owned();
    for n in 0..100 {
        text.push_str(&format!("  F{n}: {{Type: 'AWS::Serverless::Function'}}\n"));
    }
    let error = error(&text);
    assert_eq!(error.problems().len(), PROBLEMS_MAX);
    assert!(error.to_string().ends_with("\n80 more problems"));
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let text = format!(
        "{{\"Resources\": {{\"T\": {{\"Type\": \"AWS::Serverless::SimpleTable\", \"Metadata\": {{\"x\": \"{}\"}}, \"Propertes\": 1}}}}}}",
        "y".repeat(5_000)
    );
    let told = error(&text).to_string();
    assert!(told.len() < 600, "{told}");
    let [_, line, caret] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
    let at = caret.chars().position(|c| c == '^').unwrap();
    assert!(line.chars().skip(at).collect::<String>().starts_with("\"Propertes\""), "{told}");
}

#[test]
fn whoever_reads_the_stack_tells_its_problems_the_same_way() {
    let text = "Resources:\n  Table: {Type: 'AWS::Serverless::SimpleTable'}\n";
    let stack = Stack::parse(Path::new(PATH), text, &Parameters::default()).unwrap();
    assert_eq!(
        stack.problem(&stack.tables[0].at, "Table is full").to_string(),
        "/app/template.yaml:2:3: Table is full\n 2 |   Table: {Type: 'AWS::Serverless::SimpleTable'}\n   |   ^^^^^"
    );
}
