use std::{fmt::Write as _, path::Path};

use dunlin_events::limits::ROUTES_MAX;
use dunlin_stack::{Parameters, Stack};

use crate::path::Workload;

/// An API with as many routes as one may have, all of them to one function.
fn template() -> String {
    let mut text = "\
AWSTemplateFormatVersion: \"2010-09-09\"
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties: {Name: large, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}
  Stage:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Api, StageName: dev, AutoDeploy: true}
  Function:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: .build/, Handler: all, Runtime: provided.al2023}
  Integration:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: AWS_PROXY
      IntegrationUri: !Sub \"arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations\"
"
    .to_owned();
    for n in 0..ROUTES_MAX {
        let written = write!(
            text,
            "
  Route{n}:
    Type: AWS::ApiGatewayV2::Route
    Properties: {{ApiId: !Ref Api, RouteKey: action_{n}, Target: !Sub \"integrations/${{Integration}}\"}}
"
        );
        written.expect("a String takes everything");
    }
    text
}

/// A template of 300 routes, read into the stack that it describes.
pub(super) fn parse() -> Box<dyn Workload> {
    let text = template();
    let parameters = Parameters::default();
    Box::new(move || {
        let stack =
            Stack::parse(Path::new("template.yaml"), &text, &parameters).expect("the template is good");
        assert_eq!(stack.apis[0].routes.len(), ROUTES_MAX);
    })
}
