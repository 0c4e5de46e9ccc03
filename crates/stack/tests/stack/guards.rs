//! What keeps a request away from its function: models, required parameters, API keys and their plans.

use dunlin_stack::{ApiKeySource, Quota, QuotaPeriod, Throttle};
use serde_json::json;

use crate::{notes, parse, refusal, refusals};

const CHAT: &str = "\
Resources:
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties:
      Name: chat
      ProtocolType: WEBSOCKET
      RouteSelectionExpression: $request.body.action
      ApiKeySelectionExpression: $request.header.x-api-key
  Stage:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Api, StageName: dev, AutoDeploy: true}
  Connect:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Api
      RouteKey: $connect
      ApiKeyRequired: true
      RequestParameters:
        route.request.querystring.room: {Required: true}
        route.request.header.Origin: {Required: false}
  Say:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Api
      RouteKey: say
      ModelSelectionExpression: $request.body.kind
      RequestModels: {text: Text, $default: Any}
  TextModel:
    Type: AWS::ApiGatewayV2::Model
    Properties:
      ApiId: !Ref Api
      Name: Text
      ContentType: application/json
      Schema:
        $schema: http://json-schema.org/draft-04/schema#
        type: object
        required: [text]
        properties:
          text: {type: string, maxLength: 20, pattern: '^[0-9]+$'}
  AnyModel:
    Type: AWS::ApiGatewayV2::Model
    Properties: {ApiId: !Ref Api, Name: Any, Schema: '{\"type\": \"object\"}'}
  Key:
    Type: AWS::ApiGateway::ApiKey
    Properties: {Name: app, Enabled: true, Value: 0123456789abcdefghij}
  Plan:
    Type: AWS::ApiGateway::UsagePlan
    Properties:
      UsagePlanName: small
      ApiStages: [{ApiId: !Ref Api, Stage: !Ref Stage}]
      Throttle: {RateLimit: 0.5, BurstLimit: 3}
      Quota: {Limit: 100, Offset: 10, Period: WEEK}
  PlanKey:
    Type: AWS::ApiGateway::UsagePlanKey
    Properties: {KeyId: !Ref Key, KeyType: API_KEY, UsagePlanId: !Ref Plan}
Outputs:
  KeyId: {Value: !GetAtt Key.APIKeyId}
";

#[test]
fn everything_is_read() {
    let stack = parse(CHAT);
    assert_eq!(stack.notes, []);
    let api = &stack.apis[0];
    assert_eq!((api.api_key_source, api.models_unchecked), (ApiKeySource::Header, false));
    let [connect, say] = api.routes.as_slice() else { panic!("{:?}", api.routes) };
    assert!(connect.api_key_required && !say.api_key_required);
    assert_eq!(connect.required_parameters, ["route.request.querystring.room"]);
    let models = say.request_models.as_ref().unwrap();
    assert_eq!(models.selection, "$request.body.kind");
    assert_eq!(models.by_key["text"], "Text");
    let [text, any] = api.models.as_slice() else { panic!("{:?}", api.models) };
    assert_eq!((text.name.as_str(), text.at.line), ("Text", 35));
    let expected = json!({
        "$schema": "http://json-schema.org/draft-04/schema#", "type": "object", "required": ["text"],
        "properties": {"text": {"type": "string", "maxLength": 20, "pattern": "^[0-9]+$"}},
    });
    assert_eq!((&text.schema, &any.schema), (&expected, &json!({"type": "object"})));

    let [key] = stack.api_keys.as_slice() else { panic!() };
    assert_eq!(key.value.as_deref(), Some("0123456789abcdefghij"));
    assert!(key.enabled);
    assert!(!format!("{stack:?}").contains("0123456789abcdefghij"), "a key is printed");
    assert_eq!(stack.outputs["KeyId"], key.key_id);
    let [plan] = stack.usage_plans.as_slice() else { panic!() };
    assert_eq!(plan.stages, [(api.api_id.clone(), "dev".to_owned())]);
    assert_eq!(plan.keys, std::slice::from_ref(&key.key_id));
    assert_eq!(plan.throttle, Some(Throttle { rate_per_second: 0.5, burst: 3 }));
    assert_eq!(plan.quota, Some(Quota { limit: 100, offset: 10, period: QuotaPeriod::Week }));
}

#[test]
fn what_is_of_no_use_is_noted() {
    for (from, to, expected) in [
        ("Enabled: true, ", "", "an API key is not enabled, so nobody connects with it (Key)"),
        (
            "      ModelSelectionExpression: $request.body.kind\n",
            "",
            "request models have no effect without a ModelSelectionExpression (Say)",
        ),
    ] {
        assert!(notes(&parse(&CHAT.replacen(from, to, 1)))[0].ends_with(expected), "{to}");
    }
}

#[test]
fn mistakes() {
    for (from, to, expected) in [
        (
            "$request.header.x-api-key",
            "$request.header.key",
            "8: ApiKeySelectionExpression of Api is $request.header.key; it must be $request.header.x-api-key or \
             $context.authorizer.usageIdentifierKey",
        ),
        (
            "route.request.header.Origin",
            "route.request.body.Origin",
            "20: RequestParameters of Connect names route.request.body.Origin; a name is route.request.header.… or \
             route.request.querystring.…",
        ),
        (
            "{Required: true}",
            "yes",
            "19: route.request.querystring.room of Connect is a text; it must be a mapping",
        ),
        (
            "$default: Any",
            "$default: None",
            "27: RequestModels of Say names None, which is not the Name of a model of its API",
        ),
        (
            "Name: Any",
            "Name: Text",
            "42: Name of AnyModel is Text, and its API has that model already; rename one",
        ),
        (
            "Name: Text",
            "Name: my-text",
            "32: Name of TextModel is \"my-text\"; the name of a model has letters and digits only",
        ),
        (
            "Schema: '{\"type\"",
            "Schema: '{type",
            "42: Schema of AnyModel is a text that is not JSON: key must be a string at line 1 column 2",
        ),
        (
            "Value: 0123456789abcdefghij",
            "Value: short",
            "45: Value of Key must have 20 to 128 letters, digits and signs",
        ),
        ("Period: WEEK", "Period: YEAR", "52: Period of Plan is YEAR; it must be DAY, WEEK or MONTH"),
        (", Period: WEEK", "", "52: Plan has no Period; Quota needs one"),
        ("Stage: !Ref Stage", "Stage: prod", "50: Stage of Plan is prod, which is not a stage of Api"),
        ("KeyType: API_KEY", "KeyType: KEY", "55: KeyType of PlanKey is KEY; it must be API_KEY"),
        (
            "KeyId: !Ref Key,",
            "KeyId: abc,",
            "55: KeyId of PlanKey is abc, which is not in this template; name it with Ref",
        ),
    ] {
        assert!(CHAT.contains(from), "{from}");
        let told = refusals(&CHAT.replacen(from, to, 1));
        assert!(told.iter().any(|sentence| sentence == expected), "{to}: {told:#?}");
    }
    let twin = "  Other: {Type: 'AWS::ApiGateway::ApiKey', Properties: {Enabled: true, Value: 0123456789abcdefghij}}\nOutputs";
    let told = refusal(&CHAT.replacen("Outputs", twin, 1));
    assert_eq!(told, "56: Value of Other is that of Key as well; choose another");
}
