//! From a template's text to the stack that it describes: what the stack crate adds to parsing YAML.

use std::{fmt::Write as _, hint::black_box, path::Path};

use dunlin_events::limits::ROUTES_MAX;
use dunlin_stack::{Parameters, Stack};
use saphyr_parser::Parser;

use crate::pairs::{Group, Pair, Work};

pub(super) fn fill(group: &mut Group) {
    // The routes of the largest API that the service takes.
    group.pair("parse/300_routes", || {
        Pair::new(parse(ROUTES_MAX), "bare YAML events", bare_events(ROUTES_MAX))
    });
}

/// Reads a template of so many routes.
fn parse(routes: usize) -> Work {
    let (text, parameters) = (template(routes), Parameters::default());
    Work::each(
        move || {
            let text = black_box(text.as_str());
            Stack::parse(Path::new("template.yaml"), text, &parameters).expect("the template is good")
        },
        move |stack| assert_eq!(stack.apis[0].routes.len(), routes),
    )
}

/// The parser's events alone, which the crate is made on.
fn bare_events(routes: usize) -> Work {
    let text = template(routes);
    let scalars_max = text.len();
    Work::each(
        move || {
            let mut events = 0;
            let mut parser = Parser::new_from_str(black_box(&text));
            while let Some(event) = parser.next_event() {
                black_box(event.expect("the template is YAML"));
                events += 1;
            }
            events
        },
        // A route has seven keys with their values.
        move |events| assert!((14 * routes..scalars_max).contains(events), "{events} events"),
    )
}

/// An API with that many routes, all of them to one function: a resource for each stays below the service's 500.
fn template(routes: usize) -> String {
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
    for n in 0..routes {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs::doubles;

    #[test]
    fn twice_the_routes_cost_twice_as_much() {
        doubles("parse", |times| parse(times as usize * ROUTES_MAX / 2));
        doubles("bare events", |times| bare_events(times as usize * ROUTES_MAX / 2));
    }
}
