//! The service's metrics (L3), as Prometheus reads them.

use std::collections::HashMap;

use dunlin_gateway::{Integration, Mapping, RouteConfig, RouteObservation, StageObservation, Templates};
use serde_json::Value;

use crate::{
    control::{TOKEN, control, controlled},
    harness::{Act, Stack, api, route, two_way},
    management::Caller,
};

/// What a page says: each line by its name and labels. Fails at whatever is not in the format.
struct Page(HashMap<String, f64>);

impl Page {
    async fn read(caller: &mut Caller) -> Self {
        let mut request = caller.unsigned("GET", "/_dunlin/metrics", "");
        request.headers_mut().insert("x-dunlin-control-token", TOKEN.parse().unwrap());
        let (status, headers, body) = caller.send(request).await;
        assert_eq!(status, 200);
        assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        Page::parse(&body)
    }

    fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'));
        let mut kinds: HashMap<&str, &str> = HashMap::new();
        let mut current = "";
        let mut lines = HashMap::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(!help.is_empty());
                assert!(!kinds.contains_key(name), "the lines of {name} stand apart");
                current = name;
                continue;
            }
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(name, current);
                assert!(["counter", "gauge", "histogram"].contains(&kind));
                kinds.insert(name, kind);
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
                None => (series, ""),
            };
            let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
            assert!(name.starts_with(is_letter), "{line}");
            assert!(name.chars().all(|c| is_letter(c) || c.is_ascii_digit()), "{line}");
            let suffixes: &[&str] =
                if kinds[current] == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffixes.iter().any(|suffix| name == format!("{current}{suffix}")), "{line}");
            for label in labels.split(',').filter(|label| !label.is_empty()) {
                let (key, value) = label.split_once('=').unwrap();
                assert!(key.chars().all(is_letter), "{line}");
                assert!(value.len() >= 2 && value.starts_with('"') && value.ends_with('"'), "{line}");
            }
            assert!(lines.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{line} twice");
        }
        let page = Page(lines);
        page.check_histograms();
        page
    }

    /// Buckets grow, and the last one is the count.
    fn check_histograms(&self) {
        for (series, count) in &self.0 {
            let Some((name, labels)) = series.split_once("_count{") else { continue };
            let labels = labels.strip_suffix('}').unwrap();
            assert_eq!(self.0[&format!("{name}_bucket{{{labels},le=\"+Inf\"}}")], *count);
            let prefix = format!("{name}_bucket{{{labels},le=\"");
            let mut buckets: Vec<(f64, f64)> = (self.0.iter())
                .filter_map(|(series, value)| {
                    let end = series.strip_prefix(&prefix)?.strip_suffix("\"}").unwrap();
                    Some((end.replace("+Inf", "inf").parse().unwrap(), *value))
                })
                .collect();
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(buckets.len() > 10 && buckets.is_sorted_by_key(|(_, number)| *number), "{series}");
        }
    }

    #[track_caller]
    fn check(&self, series: &str, expected: f64) {
        let value = self.0.get(series).unwrap_or_else(|| panic!("{series} is missing"));
        assert!((value - expected).abs() < 1e-9, "{series} is {value}, not {expected}");
    }
}

fn mock(key: &str) -> RouteConfig {
    let mapping = Mapping {
        request: Templates {
            by_key: vec![("$default".to_owned(), r#"{"statusCode":200}"#.to_owned())],
            ..Templates::default()
        },
        ..Mapping::default()
    };
    RouteConfig { integration: Some(Integration::Mock(mapping)), ..route(key) }
}

const STAGE: &str = "ApiId=\"a1b2c3d4e5\",Stage=\"dev\"";

#[tokio::test]
async fn what_happens_is_counted() {
    let routes =
        vec![route("$connect"), route("$disconnect"), two_way("$default"), two_way("join"), mock("mock")];
    let mut api = api("a1b2c3d4e5", routes);
    let detailed = RouteObservation { detailed_metrics: true, ..RouteObservation::default() };
    api.stages[0].observation =
        StageObservation { routes: [("join".to_owned(), detailed)].into(), ..StageObservation::default() };
    let stack = Stack::start_with(controlled(), vec![api]).await;
    stack.script.on("default", Act::Echo);
    let mut caller = Caller::new(&stack).await;
    let (mut client, id) = stack.connect_with_id().await;
    // Three messages in and two out of the one, and none of a mock that answers nobody.
    client.send("x").await;
    assert_eq!(client.text().await, "x");
    client.send(r#"{"action":"mock"}"#).await;
    client.send("y").await;
    assert_eq!(client.text().await, "y");
    let target = format!("/dev/@connections/{}", id.replace('=', "%3D"));
    assert_eq!(caller.call("POST", &target, "x").await.0, 200);
    assert_eq!(client.text().await, "x");
    for (act, _) in
        [(Act::status(500), "IntegrationError"), (Act::Answer("{\"x\":1}".into()), "ExecutionError")]
    {
        stack.script.on("join", act);
        client.send(r#"{"action":"join"}"#).await;
        client.text().await;
    }
    stack.script.on("connect", Act::thrown("no"));
    let lines = crate::harness::upgrade_lines(&stack.host());
    assert_eq!(stack.handshake("/dev", &lines).await, 502);

    let page = Page::read(&mut caller).await;
    let rest = |name: &str| format!("{name}{{{STAGE}}}");
    let join = |name: &str| format!("{name}{{{STAGE},Route=\"join\"}}");
    page.check(&rest("ConnectCount"), 2.0);
    // In: x, mock, y; out: x, y, and the post.
    page.check(&rest("MessageCount"), 6.0);
    page.check(&join("MessageCount"), 4.0);
    page.check(&rest("IntegrationError"), 1.0);
    page.check(&join("IntegrationError"), 1.0);
    page.check(&rest("ExecutionError"), 0.0);
    page.check(&join("ExecutionError"), 1.0);
    page.check(&rest("ClientError"), 0.0);
    // C13: neither the mock nor the post; two handshakes and two echoes.
    page.check(&rest("IntegrationLatency_count"), 4.0);
    page.check(&join("IntegrationLatency_count"), 2.0);
    // The other stage has had nothing.
    page.check("MessageCount{ApiId=\"a1b2c3d4e5\",Stage=\"prod\"}", 0.0);
    page.check("dunlin_connections_now", 1.0);
    page.check("dunlin_connects_total", 1.0);
    page.check("dunlin_messages_in_total", 5.0);
}

#[tokio::test]
async fn clients_make_errors_too() {
    let stack =
        Stack::start_with(controlled(), vec![api("a1b2c3d4e5", vec![route("$connect"), two_way("join")])])
            .await;
    let mut client = stack.connect().await;
    client.send("nowhere").await;
    assert!(client.text().await.contains("Forbidden"));
    let mut caller = Caller::new(&stack).await;
    let page = Page::read(&mut caller).await;
    page.check(&format!("ClientError{{{STAGE}}}"), 1.0);
    page.check(&format!("MessageCount{{{STAGE}}}"), 2.0);
    let (status, problem) = control(&mut caller, "PUT", "metrics", Value::Null).await;
    assert_eq!((status, problem["message"].as_str()), (405, Some("use GET here")));
}
