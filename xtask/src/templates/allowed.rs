//! What a translated template lets whom do: a role for each function, nothing for everybody, no invocation from
//! anywhere.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// AWS's own policies that a role may have, each with the reason.
const MANAGED: [(&str, &str); 1] = [(
    "AWSLambdaBasicExecutionRole",
    "what SAM gives a function that names no role: it writes logs; the smallest example has no more",
)];

/// The faults of one translated template.
pub(super) fn check(name: &str, template: &Value) -> Vec<String> {
    let none = Map::new();
    let resources = template["Resources"].as_object().unwrap_or(&none);
    let mut faults = Vec::new();
    let mut roles = BTreeMap::<String, &str>::new();
    for (id, resource) in resources {
        let properties = &resource["Properties"];
        let mut fault = |what: String| faults.push(format!("{name}: {id} {what}"));
        match resource["Type"].as_str().unwrap_or_default() {
            "AWS::Lambda::Function" => {
                let role = referred(&properties["Role"]);
                if role.is_none_or(|role| !resources.contains_key(role)) {
                    fault("has a role that is not in the template".to_owned());
                } else if let Some(other) = role.and_then(|role| roles.insert(role.to_owned(), id)) {
                    fault(format!("has the role of {other}; each function has its own"));
                }
            }
            "AWS::Lambda::Permission" if properties["SourceArn"].is_null() => {
                fault("lets every caller of the service in; give it a SourceArn".to_owned());
            }
            "AWS::IAM::Role" | "AWS::IAM::ManagedPolicy" | "AWS::IAM::Policy" => {
                role(properties, &mut fault);
            }
            _ => {}
        }
    }
    faults
}

/// The logical id in a `Ref` or `Fn::GetAtt`.
fn referred(value: &Value) -> Option<&str> {
    value["Ref"].as_str().or_else(|| value["Fn::GetAtt"][0].as_str())
}

/// A role, or a policy by itself.
fn role(properties: &Value, fault: &mut impl FnMut(String)) {
    for arn in items(&properties["ManagedPolicyArns"]) {
        let arn = arn.to_string();
        if !MANAGED.iter().any(|(known, _)| arn.trim_matches(['"', ']', '}']).ends_with(&format!("/{known}")))
        {
            fault(format!("has the policy {arn}, which is not on the list of those that a role may have"));
        }
    }
    let inline = items(&properties["Policies"]).map(|policy| &policy["PolicyDocument"]);
    for document in inline.chain([&properties["PolicyDocument"]]) {
        for statement in items(&document["Statement"]) {
            if statement["Effect"] == "Allow" {
                allowed(statement, fault);
            }
        }
    }
}

fn allowed(statement: &Value, fault: &mut impl FnMut(String)) {
    for action in items(&statement["Action"]) {
        if action.as_str().is_none_or(|action| action.contains('*')) {
            fault(format!("may do {action}; name the actions"));
        }
    }
    if statement["NotAction"] != Value::Null || statement["NotResource"] != Value::Null {
        fault("is allowed everything but what it names; name what it may".to_owned());
    }
    if items(&statement["Resource"]).next().is_none()
        || items(&statement["Resource"]).any(|resource| resource == "*")
    {
        fault(format!("may do {} to everything; name the resources", statement["Action"]));
    }
}

/// The items of a list, or the one that is written without one.
fn items(value: &Value) -> impl Iterator<Item = &Value> {
    let list = match value {
        Value::Array(list) => list.as_slice(),
        Value::Null => &[],
        one => std::slice::from_ref(one),
    };
    list.iter()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(resources: Value) -> Vec<String> {
        check("t", &json!({ "Resources": resources }))
    }

    fn role_that_may(action: Value, resource: Value) -> Value {
        let statement = json!({"Effect": "Allow", "Action": action, "Resource": resource});
        json!({"R": {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyDocument": {"Statement": [statement]}}]}}})
    }

    #[test]
    fn every_function_has_a_role_of_its_own() {
        let function = |role: Value| json!({"Type": "AWS::Lambda::Function", "Properties": {"Role": role}});
        let role = json!({"Type": "AWS::IAM::Role", "Properties": {}});
        let own = json!({"Fn::GetAtt": ["R", "Arn"]});
        assert_eq!(faults(json!({"F": function(own.clone()), "R": role})), [""; 0]);
        assert_eq!(
            faults(json!({"F": function(own.clone()), "G": function(own), "R": role})),
            ["t: G has the role of F; each function has its own"]
        );
        for elsewhere in
            [json!("arn:aws:iam::1:role/r"), json!(null), json!({"Fn::GetAtt": ["Other", "Arn"]})]
        {
            assert_eq!(
                faults(json!({"F": function(elsewhere), "R": role})),
                ["t: F has a role that is not in the template"]
            );
        }
    }

    #[test]
    fn nothing_is_allowed_to_everything() {
        let arn = json!({"Fn::GetAtt": ["Table", "Arn"]});
        assert_eq!(faults(role_that_may(json!("dynamodb:GetItem"), arn.clone())), [""; 0]);
        assert_eq!(
            faults(role_that_may(json!(["dynamodb:GetItem", "dynamodb:*"]), arn)),
            [r#"t: R may do "dynamodb:*"; name the actions"#]
        );
        for everything in [json!("*"), json!(["*"]), json!(null)] {
            assert_eq!(
                faults(role_that_may(json!("sqs:SendMessage"), everything)),
                [r#"t: R may do "sqs:SendMessage" to everything; name the resources"#]
            );
        }
    }

    #[test]
    fn policies_of_others_are_on_a_list() {
        let role = |name: &str| {
            let arn = json!({"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, format!(":iam::aws:policy/{name}")]]});
            json!({"R": {"Type": "AWS::IAM::Role", "Properties": {"ManagedPolicyArns": [arn]}}})
        };
        assert_eq!(faults(role("service-role/AWSLambdaBasicExecutionRole")), [""; 0]);
        assert_eq!(faults(role("AdministratorAccess")).len(), 1);
    }

    #[test]
    fn a_permission_names_its_source() {
        let permission =
            |properties: Value| json!({"P": {"Type": "AWS::Lambda::Permission", "Properties": properties}});
        assert_eq!(faults(permission(json!({"SourceArn": "arn:aws:iot:::rule/r"}))), [""; 0]);
        assert_eq!(faults(permission(json!({}))).len(), 1);
    }
}
