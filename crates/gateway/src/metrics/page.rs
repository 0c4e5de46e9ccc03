//! The text exposition format of Prometheus, version 0.0.4.

use std::fmt::Write as _;

use super::{RouteMetrics, histogram::BOUNDS_MS};
use crate::{Counters, api::Api, counters::Counter, report::Watch};

/// A line of counters: name, help, and where it is kept.
type Family = (&'static str, &'static str, fn(&RouteMetrics) -> &Counter);

const FAMILIES: [Family; 5] = [
    ("ConnectCount", "Calls of the integration of $connect.", |metrics| &metrics.connects),
    ("MessageCount", "Messages, from clients and to them.", |metrics| &metrics.messages),
    ("ClientError", "Events refused with 4xx before an integration was called.", |metrics| {
        &metrics.client_errors
    }),
    ("IntegrationError", "Calls that an integration answered with an error.", |metrics| {
        &metrics.integration_errors
    }),
    (
        "ExecutionError",
        "Events whose integration could not be called, or whose answer could not be used.",
        |metrics| &metrics.execution_errors,
    ),
];

/// One line of each family: its labels, and what it counts.
struct Series<'a> {
    labels: String,
    metrics: Sum<'a>,
}

/// What one line stands for.
enum Sum<'a> {
    One(&'a RouteMetrics),
    Several(Box<RouteMetrics>),
}

/// Everything that there is to read at this moment.
pub(crate) fn page<'a>(apis: impl Iterator<Item = &'a Api>, counters: &Counters) -> String {
    let mut apis: Vec<&Api> = apis.collect();
    apis.sort_by(|one, other| one.id.cmp(&other.id));
    let series: Vec<Series<'_>> = apis.into_iter().flat_map(series_of).collect();
    let mut page = Page(String::new());
    for (name, help, counter) in FAMILIES {
        page.head(name, "counter", help);
        for series in &series {
            page.line(name, &series.labels, counter(series.metrics()).get());
        }
    }
    latencies(&mut page, &series);
    own(&mut page, counters);
    page.0
}

/// Routes with detailed metrics one by one, and the rest of each stage together: every event is in one line, so that
/// sums over lines are right.
fn series_of(api: &Api) -> Vec<Series<'_>> {
    let mut series = Vec::new();
    for stage in &api.stages {
        let labels = format!("ApiId=\"{}\",Stage=\"{}\"", escaped(&api.id), escaped(&stage.name));
        let is_detailed = |watch: &&Watch| watch.settings.detailed_metrics;
        let rest = RouteMetrics::default();
        let undetailed = stage.watch.routes.iter().filter(|watch| !is_detailed(watch));
        for watch in undetailed.chain([&stage.watch.unrouted]) {
            rest.absorb(&watch.metrics);
        }
        series.push(Series { labels: labels.clone(), metrics: Sum::Several(Box::new(rest)) });
        for route in api.all_routes() {
            let watch = stage.watch.of(Some(route));
            if is_detailed(&watch) {
                let labels = format!("{labels},Route=\"{}\"", escaped(&route.key));
                series.push(Series { labels, metrics: Sum::One(&watch.metrics) });
            }
        }
    }
    series
}

fn latencies(page: &mut Page, series: &[Series<'_>]) {
    let name = "IntegrationLatency";
    page.head(name, "histogram", "From calling an integration to its answer, in milliseconds.");
    for series in series {
        let (cumulated, sum_ms) = series.metrics().integration_latency.read();
        let labels = &series.labels;
        let ends = BOUNDS_MS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (end, number) in ends.zip(&cumulated) {
            page.line(&format!("{name}_bucket"), &format!("{labels},le=\"{end}\""), number);
        }
        page.line(&format!("{name}_sum"), labels, sum_ms);
        page.line(&format!("{name}_count"), labels, cumulated.last().copied().unwrap_or_default());
    }
}

/// The gateway's own counters, under the names that they have in JSON.
fn own(page: &mut Page, counters: &Counters) {
    let Ok(serde_json::Value::Object(counters)) = serde_json::to_value(counters) else { return };
    for (name, value) in counters {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        let name = format!("dunlin_{name}");
        page.head(&name, kind, "See the counters of the gateway.");
        page.line(&name, "", value);
    }
}

struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        match labels {
            "" => self.write(format_args!("{name} {value}\n")),
            labels => self.write(format_args!("{name}{{{labels}}} {value}\n")),
        }
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = self.0.write_fmt(text);
    }
}

impl Series<'_> {
    fn metrics(&self) -> &RouteMetrics {
        match &self.metrics {
            Sum::One(metrics) => metrics,
            Sum::Several(metrics) => metrics,
        }
    }
}

impl RouteMetrics {
    fn absorb(&self, other: &RouteMetrics) {
        for (_, _, counter) in FAMILIES {
            counter(self).add(counter(other).get());
        }
        self.integration_latency.absorb(&other.integration_latency);
    }
}

/// As the value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
