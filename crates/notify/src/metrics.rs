//! What an update cost and reached, as a line that CloudWatch makes metrics of.

use std::io::{self, Write as _};

use dunlin_connection_store::{Timestamp, Topic};
use dunlin_fanout::Report;
use serde_json::{Map, Value, json};

/// The namespace of the metrics.
pub const METRICS_NAMESPACE: &str = "Dunlin/Notify";

/// Prints one line of metrics for each update to standard output, in CloudWatch's embedded metric format: where the
/// function's logs are collected its lines become metrics, and anywhere else they are log lines like others.
///
/// The function's name is the one dimension. Each value of a dimension is billed as a metric of its own, so device and
/// version are not among them: they are properties, to search the logs by. Nothing of the payload is printed but its size.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    function_name: String,
}

impl Metrics {
    pub(crate) fn new(function_name: String) -> Self {
        Self { function_name }
    }

    /// Prints the line of one update. A standard output that nobody reads does no harm.
    pub(crate) fn print(&self, device: &Topic, version: u64, now: Timestamp, report: &Report) {
        let line = self.line(device, version, now, report).to_string() + "\n";
        let _ = io::stdout().lock().write_all(line.as_bytes());
    }

    fn line(&self, device: &Topic, version: u64, now: Timestamp, report: &Report) -> Value {
        let values = values(report);
        let metrics: Vec<_> =
            values.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
        let mut line = Map::new();
        line.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": now.epoch_ms(),
                "CloudWatchMetrics": [{
                    "Namespace": METRICS_NAMESPACE, "Dimensions": [["FunctionName"]], "Metrics": metrics,
                }],
            }),
        );
        line.insert("FunctionName".to_owned(), json!(self.function_name));
        line.insert("DeviceId".to_owned(), json!(device));
        line.insert("Version".to_owned(), json!(version));
        line.extend(values.into_iter().map(|(name, _, value)| (name.to_owned(), json!(value))));
        Value::Object(line)
    }
}

/// Name, unit and value of each metric.
fn values(report: &Report) -> [(&'static str, &'static str, u64); 14] {
    let cost = &report.cost;
    [
        ("Delivered", "Count", report.delivered),
        ("Gone", "Count", report.gone),
        ("Failed", "Count", report.failed),
        ("Skipped", "Count", report.skipped),
        // 1 if there may be followers who were not even counted.
        ("NotEnumerated", "Count", u64::from(!report.enumerated && !report.is_older())),
        ("Older", "Count", u64::from(report.is_older())),
        ("Pruned", "Count", report.pruned),
        ("Posts", "Count", report.posts),
        ("Throttled", "Count", report.throttled),
        ("MessageSize", "Bytes", cost.message_bytes),
        ("MessagesMetered", "Count", cost.messages_metered),
        ("PostedBytes", "Bytes", cost.posted_bytes),
        ("StoreCalls", "Count", cost.store_calls),
        ("Duration", "Microseconds", report.elapsed_us),
    ]
}

#[cfg(test)]
mod tests {
    use dunlin_fanout::Cost;

    use super::*;

    #[test]
    fn a_line_names_each_of_its_metrics_and_the_device_as_a_property() {
        let cost = Cost { message_bytes: 40_000, messages_metered: 6, posted_bytes: 160_000, store_calls: 2 };
        let report =
            Report { delivered: 3, posts: 4, throttled: 1, enumerated: true, cost, ..Report::default() };
        let metrics = Metrics::new("notify-update".to_owned());
        let now = Timestamp::from_epoch_ms(1_760_000_000_000);
        let line = metrics.line(&"dev-1".parse().unwrap(), 7, now, &report);

        let aws = &line["_aws"];
        assert_eq!(aws["Timestamp"], 1_760_000_000_000_u64);
        let directive = &aws["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], METRICS_NAMESPACE);
        assert_eq!(directive["Dimensions"], json!([["FunctionName"]]));
        let named = directive["Metrics"].as_array().unwrap();
        assert!(named.iter().all(|metric| line[metric["Name"].as_str().unwrap()].is_u64()), "{line}");
        // A metric whose value is not in the line makes CloudWatch drop all of it, and so do more than 100.
        assert_eq!(line.as_object().unwrap().len(), named.len() + 4);
        assert_eq!(
            (&line["FunctionName"], &line["DeviceId"], &line["Version"]),
            (&json!("notify-update"), &json!("dev-1"), &json!(7))
        );
        assert_eq!((&line["Delivered"], &line["Throttled"]), (&json!(3), &json!(1)));
        assert_eq!((&line["MessagesMetered"], &line["PostedBytes"]), (&json!(6), &json!(160_000)));
        assert!(!line.to_string().contains('\n'), "one line");
    }
}
