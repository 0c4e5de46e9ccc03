//! From a template's text to the stack that it describes: what the stack crate adds to parsing YAML.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::{fmt::Write as _, hint::black_box, path::Path};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use dunlin_stack::{Parameters, Stack};
use saphyr_parser::Parser;

/// Routes of the largest API that the service takes.
const ROUTES: usize = dunlin_events::limits::ROUTES_MAX;

/// An API with that many routes, all of them to one function: a resource for each stays below the service's 500.
fn template() -> String {
    let mut text = "\
AWSTemplateFormatVersion: \"2010-09-09\"
Transform: AWS::Serverless-2016-10-31
Parameters:
  StageName: {Type: String, Default: dev}
Conditions:
  IsDev: !Equals [!Ref StageName, dev]
Globals:
  Function:
    Runtime: provided.al2023
    Environment:
      Variables:
        ENDPOINT: !Sub \"https://${Api}.execute-api.${AWS::Region}.amazonaws.com/${StageName}\"
Resources:
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties: {Name: large, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}
  Stage:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Api, StageName: !Ref StageName, AutoDeploy: !If [IsDev, true, false]}
  Function:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: .build/, Handler: all}
  Integration:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: AWS_PROXY
      IntegrationUri: !Sub \"arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations\"
"
    .to_owned();
    for n in 0..ROUTES {
        let written = write!(
            text,
            "
  Route{n}:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Api
      RouteKey: action_{n}
      Target: !Sub \"integrations/${{Integration}}\"
      OperationName: !If [IsDev, \"dev-{n}\", \"operation-{n}\"]
"
        );
        written.expect("a String takes everything");
    }
    text
}

/// The parser's events alone, which the crate is made on.
fn events(text: &str) -> usize {
    let mut events = 0;
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        black_box(event.expect("the template is YAML"));
        events += 1;
    }
    events
}

fn stack(criterion: &mut Criterion) {
    let text = template();
    let parameters = Parameters::default();
    let read = || Stack::parse(Path::new("template.yaml"), &text, &parameters).expect("the template is good");
    assert_eq!(read().apis[0].routes.len(), ROUTES);

    let mut group = criterion.benchmark_group("stack");
    group.bench_function(BenchmarkId::new("parse", "300_routes"), |bencher| bencher.iter(read));
    group.bench_function(BenchmarkId::new("parse_bare", "300_routes"), |bencher| {
        bencher.iter(|| events(&text));
    });
    group.finish();
}

criterion_group!(benches, stack);
criterion_main!(benches);
