//! The project's own template.

use std::{path::Path, time::Duration};

use dunlin_stack::{Integration, IntegrationKind, Parameters, RuleAction, Stack};

/// Tests run in the folder of their package.
fn template() -> &'static Path {
    Path::new("../../infra/template.yaml")
}

fn load(parameters: &Parameters) -> Stack {
    Stack::load(template(), parameters).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn nothing_is_left_out() {
    assert_eq!(load(&Parameters::default()).notes, []);
}

#[test]
fn routes_and_stage() {
    let stack = load(&Parameters::default());
    let [api] = stack.apis.as_slice() else { panic!("{:?}", stack.apis) };
    assert_eq!((api.logical_id.as_str(), api.name.as_str()), ("Api", "notify"));
    assert_eq!(api.route_selection_expression, "$request.body.action");
    assert_eq!(api.stages.len(), 1);
    assert_eq!((api.stages[0].name.as_str(), api.stages[0].deployed), ("dev", true));
    let routes: Vec<_> = api
        .routes
        .iter()
        .map(|route| {
            let Some(Integration { kind: IntegrationKind::LambdaProxy { function }, timeout, .. }) =
                &route.integration
            else {
                panic!("{route:?}")
            };
            assert_eq!(*timeout, Duration::from_secs(29));
            let handler = stack.function(function).unwrap().handler.as_str();
            (route.key.as_str(), handler, route.two_way)
        })
        .collect();
    assert_eq!(
        routes,
        [
            ("$connect", "connect", false),
            ("$disconnect", "disconnect", false),
            ("set_notify_list", "set_notify_list", true),
            ("$default", "default", true)
        ]
    );
}

#[test]
fn functions() {
    let stack = load(&Parameters::default());
    let handlers: Vec<_> = stack.functions.iter().map(|function| function.handler.as_str()).collect();
    assert_eq!(handlers, ["connect", "disconnect", "set_notify_list", "default", "notify_parameter"]);
    let api_id = &stack.apis[0].api_id;
    for function in &stack.functions {
        assert!(function.code.is_absolute());
        assert!(function.code.ends_with("infra/.build/notify"), "{}", function.code.display());
        assert_eq!(function.runtime, "provided.al2023");
        assert_eq!(function.memory_mb, 256);
        assert_eq!(function.environment.len(), 2);
        assert_eq!(function.environment["TABLE_NAME"], "dunlin-Table");
        assert_eq!(
            function.environment["MANAGEMENT_ENDPOINT"],
            format!("https://{api_id}.execute-api.us-east-1.amazonaws.com/dev")
        );
    }
    let timeouts: Vec<_> = stack.functions.iter().map(|function| function.timeout.as_secs()).collect();
    assert_eq!(timeouts, [10, 10, 10, 10, 30]);
}

#[test]
fn table() {
    let stack = load(&Parameters::default());
    let [table] = stack.tables.as_slice() else { panic!("{:?}", stack.tables) };
    assert_eq!(table.ttl_attribute.as_deref(), Some("expires_at"));
    assert_eq!(
        table.create_table,
        serde_json::json!({
            "TableName": "dunlin-Table",
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"}
            ],
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"}
            ],
            "BillingMode": "PAY_PER_REQUEST"
        })
    );
}

#[test]
fn rule() {
    let stack = load(&Parameters::default());
    let [rule] = stack.rules.as_slice() else { panic!("{:?}", stack.rules) };
    assert_eq!(
        rule.sql.text,
        "SELECT *, topic(2) AS device_id, timestamp() AS received_at FROM 'devices/+/parameters'"
    );
    assert_eq!((rule.name.as_str(), rule.sql_version.as_str()), ("dunlin_ParametersRule", "2016-03-23"));
    let function = "dunlin-NotifyParameterFunction".to_owned();
    assert_eq!(rule.actions, [RuleAction::Lambda { function }]);
}

#[test]
fn each_function_may_be_called_from_its_own_place_only() {
    let stack = load(&Parameters::default());
    let api = &stack.apis[0];
    for route in &api.routes {
        for function in &stack.functions {
            let Some(Integration { kind: IntegrationKind::LambdaProxy { function: own }, .. }) =
                &route.integration
            else {
                panic!("{route:?}")
            };
            let source = stack.route_arn(&api.api_id, "dev", &route.key);
            let allowed = stack.may_invoke("apigateway.amazonaws.com", &source, &function.name);
            assert_eq!(allowed, function.name == *own, "{} from {}", function.name, route.key);
            assert!(!stack.may_invoke("iot.amazonaws.com", &source, &function.name));
        }
    }
    let rule = &stack.rules[0];
    for function in &stack.functions {
        let allowed = stack.may_invoke("iot.amazonaws.com", &rule.arn, &function.name);
        assert_eq!(allowed, function.handler == "notify_parameter", "{}", function.name);
    }
}

#[test]
fn the_stage_is_a_parameter() {
    let stage = |name: &str| Parameters {
        values: [("StageName".to_owned(), name.to_owned())].into(),
        ..Parameters::default()
    };
    let stack = load(&stage("test"));
    assert_eq!(stack.apis[0].stages[0].name, "test");
    assert!(stack.functions[0].environment["MANAGEMENT_ENDPOINT"].ends_with(".amazonaws.com/test"));
    let path = template();
    let error = Stack::load(path, &stage("$default")).unwrap_err();
    let [problem] = error.problems() else { panic!("{error}") };
    assert_eq!(
        problem.message(),
        "StageName of Stage is \"$default\"; a stage name has 1 to 128 letters, digits, - and _"
    );
}
