use std::sync::Arc;

use dunlin_lambda_host::{ConfigError, FunctionConfig, InvocationType, InvokeError, LambdaHost, Throttle};
use futures_util::FutureExt;
use serde_json::{Value, json};

use crate::support::{Fixture, Gate, PATIENCE};

async fn refused(host: &Arc<LambdaHost>, function: &str) -> Throttle {
    match host.invoke(function, "{}".into(), InvocationType::RequestResponse).await {
        Err(InvokeError::TooManyRequests { throttle, .. }) => throttle,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_a_function_reserves_is_all_that_it_gets() {
    let fixture = Fixture::with(|_, function| function.reserved_concurrency = Some(1));
    let gate = Gate::open().await;
    let (_, ()) = tokio::join!(fixture.answer(json!({"do": "gate", "gate": gate.address()})), async {
        let mut visitor = gate.visitor().await;
        assert_eq!(refused(&fixture.host, "probe").await, Throttle::Reserved { reserved: 1 });
        visitor.let_pass("").await;
    });
    // Whoever has the answer finds the room that it took.
    for _ in 0..200 {
        fixture.answer(json!({})).await;
    }
}

#[tokio::test]
async fn with_nothing_reserved_for_it_a_function_never_runs() {
    let fixture = Fixture::with(|_, function| function.reserved_concurrency = Some(0));
    let error = fixture.host.invoke("probe", "{}".into(), InvocationType::RequestResponse).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "function probe is throttled: its 0 reserved concurrent invocations are in use"
    );
    assert!(fixture.host.environments().is_empty());
}

#[tokio::test]
async fn functions_share_what_nobody_reserves() {
    let fixture = Fixture::with(|config, _| {
        config.account_concurrency_max = 102;
        config.environments_per_function_max = 1;
    });
    let function = |name: &str, reserved| {
        let mut function = FunctionConfig::new(name, fixture.code.path());
        function.timeout = PATIENCE;
        function.reserved_concurrency = reserved;
        function
    };
    let functions = vec![function("one", None), function("two", None), function("apart", Some(2))];
    fixture.host.set_functions(functions).unwrap();
    let gate = Gate::open().await;
    let gated = json!({"do": "gate", "gate": gate.address()}).to_string();
    let invoke = |name: &'static str, event: &str| {
        Box::pin(fixture.host.invoke(name, event.to_owned().into(), InvocationType::RequestResponse))
    };
    let mut running = invoke("one", &gated);
    assert!((&mut running).now_or_never().is_none());
    let mut waiting: Vec<_> = (1..100).map(|_| invoke("one", "{}")).collect();
    for invocation in &mut waiting {
        assert!(invocation.now_or_never().is_none());
    }
    for name in ["one", "two"] {
        assert_eq!(refused(&fixture.host, name).await, Throttle::Account { unreserved: 100 });
    }
    // What is reserved is not theirs to take.
    invoke("apart", "{}").await.unwrap();
    // Those that nobody waits for any more make room.
    waiting.truncate(1);
    let mut more = invoke("one", "{}");
    assert!((&mut more).now_or_never().is_none());
    let (first, ()) = tokio::join!(running, async { gate.visitor().await.let_pass("").await });
    first.unwrap();
    waiting.remove(0).await.unwrap();
    more.await.unwrap();
    invoke("two", "{}").await.unwrap();
}

#[tokio::test]
async fn more_than_there_is_cannot_be_reserved() {
    let fixture = Fixture::new();
    let mut function = FunctionConfig::new("greedy", fixture.code.path());
    function.reserved_concurrency = Some(901);
    let refused = fixture.host.set_functions(vec![function]).unwrap_err();
    assert!(matches!(refused, ConfigError::Reserved { reserved: 901, account: 1_000 }));
    // Nothing has changed.
    fixture.answer(json!({})).await;
}

#[tokio::test]
async fn an_environment_takes_as_many_at_a_time_as_its_runtime_asks_for() {
    let mut fixture = Fixture::with(|config, function| {
        config.environments_per_function_max = 2;
        function.environment_concurrency = 3;
        function.environment.insert("PROBE_WORKERS".to_owned(), "3".to_owned());
    });
    let gates = [Gate::open().await, Gate::open().await, Gate::open().await];
    let event = |gate: usize| json!({"do": "gate", "gate": gates[gate].address(), "n": gate});
    let release = async {
        let mut visitors = Vec::new();
        for gate in &gates {
            visitors.push(gate.visitor().await);
        }
        assert!(visitors.iter().all(|visitor| visitor.pid == visitors[0].pid));
        // Answered in another order than asked.
        for visitor in visitors.iter_mut().rev() {
            visitor.let_pass("").await;
        }
        visitors[0].pid
    };
    // The first alone, so that one environment is up; then it is filled.
    let up = fixture.answer(json!({})).await;
    let (one, two, three, pid) =
        tokio::join!(fixture.answer(event(0)), fixture.answer(event(1)), fixture.answer(event(2)), release);
    assert_eq!(up["pid"], pid);
    for (n, answer) in [one, two, three].into_iter().enumerate() {
        assert_eq!((&answer["event"]["n"], &answer["pid"]), (&json!(n), &json!(pid)));
    }
    // Lines of several at a time belong to none of them.
    fixture.answer(json!({"do": "print", "lines": ["whose?"]})).await;
    assert_eq!(fixture.line("whose?").await.request_id, None);
}

#[tokio::test]
async fn one_that_is_late_among_several_does_not_end_the_others() {
    let mut fixture = Fixture::with(|config, function| {
        config.environments_per_function_max = 1;
        function.timeout = std::time::Duration::from_secs(2);
        function.environment_concurrency = 2;
        function.environment.insert("PROBE_WORKERS".to_owned(), "2".to_owned());
    });
    let gate = Gate::open().await;
    let stuck = json!({"do": "gate", "gate": gate.address()});
    let (error, mut visitor) = tokio::join!(fixture.error(stuck), gate.visitor());
    assert_eq!(error["errorType"], "Sandbox.Timedout");
    let other: Value = fixture.answer(json!({})).await;
    assert_eq!(other["pid"], visitor.pid, "the process goes on");
    // Its answer comes too late (P4).
    visitor.let_pass("").await;
    let told = fixture.line("answer refused").await;
    assert_eq!(
        told.text,
        r#"answer refused: 410 {"errorType":"InvokeTimeout","errorMessage":"Invoke timeout"}"#
    );
}
