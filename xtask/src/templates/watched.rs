//! Whether somebody would notice: where a template has alarms at all, each function has its own; no log is kept
//! forever, and a dashboard can be read.

use serde_json::{Map, Value};

/// What a function can suffer from; each is a metric of Lambda.
const METRICS: [&str; 3] = ["Errors", "Throttles", "Duration"];

/// The alarm on the duration rings at this part of the timeout.
const DURATION_PERCENT: u64 = 80;

/// The faults of one translated template.
pub(super) fn check(name: &str, template: &Value) -> Vec<String> {
    let none = Map::new();
    let resources = template["Resources"].as_object().unwrap_or(&none);
    let of_type = |kind: &'static str| resources.iter().filter(move |(_, resource)| resource["Type"] == kind);
    let mut faults = Vec::new();
    for (id, group) in of_type("AWS::Logs::LogGroup") {
        if group["Properties"]["RetentionInDays"].is_null() {
            faults.push(format!("{name}: {id} keeps its log forever; give it RetentionInDays"));
        }
    }
    for (id, dashboard) in of_type("AWS::CloudWatch::Dashboard") {
        let body = &dashboard["Properties"]["DashboardBody"];
        let text = body["Fn::Sub"].as_str().or(body.as_str()).unwrap_or_default();
        if let Err(error) = serde_json::from_str::<Value>(text) {
            faults.push(format!("{name}: the body of {id} is not JSON: {error}"));
        }
    }
    if of_type("AWS::CloudWatch::Alarm").next().is_none() {
        return faults;
    }
    for (id, function) in of_type("AWS::Lambda::Function") {
        for metric in METRICS {
            let alarm =
                of_type("AWS::CloudWatch::Alarm").map(|(_, alarm)| &alarm["Properties"]).find(|alarm| {
                    alarm["MetricName"] == metric
                        && alarm["Dimensions"][0]["Name"] == "FunctionName"
                        && alarm["Dimensions"][0]["Value"]["Ref"] == **id
                });
            let Some(alarm) = alarm else {
                faults.push(format!("{name}: {id} has no alarm on {metric}"));
                continue;
            };
            // Seconds times a percentage are tens of milliseconds.
            let bound = function["Properties"]["Timeout"].as_u64().map(|secs| secs * DURATION_PERCENT * 10);
            if metric == "Duration" && alarm["Threshold"].as_u64() != bound {
                faults.push(format!(
                    "{name}: the alarm on the duration of {id} is not at {DURATION_PERCENT} % of its timeout"
                ));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn alarm(metric: &str, threshold: u64) -> Value {
        let dimension = json!({"Name": "FunctionName", "Value": {"Ref": "F"}});
        json!({
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {"MetricName": metric, "Dimensions": [dimension], "Threshold": threshold}
        })
    }

    #[test]
    fn each_function_has_its_alarms() {
        let function = json!({"Type": "AWS::Lambda::Function", "Properties": {"Timeout": 10}});
        let faults = |resources: Value| check("t", &json!({ "Resources": resources }));
        assert_eq!(faults(json!({ "F": function })), [""; 0]);
        let [errors, throttles] = ["Errors", "Throttles"].map(|metric| alarm(metric, 0));
        let watched = |duration: Value| json!({"F": function, "E": errors, "T": throttles, "D": duration});
        assert_eq!(faults(watched(alarm("Duration", 8000))), [""; 0]);
        assert_eq!(
            faults(watched(alarm("Duration", 9000))),
            ["t: the alarm on the duration of F is not at 80 % of its timeout"]
        );
        assert_eq!(faults(watched(json!({}))), ["t: F has no alarm on Duration"]);
    }

    #[test]
    fn dashboards_are_json() {
        let dashboard = |body: Value| {
            let properties = json!({"DashboardBody": body});
            json!({"Resources": {"D": {"Type": "AWS::CloudWatch::Dashboard", "Properties": properties}}})
        };
        assert_eq!(check("t", &dashboard(json!({"Fn::Sub": "{\"widgets\": [\"${A}\"]}"}))), [""; 0]);
        assert_eq!(check("t", &dashboard(json!("{\"widgets\": [}"))).len(), 1);
    }

    #[test]
    fn logs_end() {
        let group = |properties: Value| json!({"Resources": {"L": {"Type": "AWS::Logs::LogGroup", "Properties": properties}}});
        assert_eq!(check("t", &group(json!({"RetentionInDays": 30}))), [""; 0]);
        assert_eq!(check("t", &group(json!({}))), ["t: L keeps its log forever; give it RetentionInDays"]);
    }
}
