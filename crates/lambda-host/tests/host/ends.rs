use std::{
    process::{Command, Stdio},
    sync::Arc,
};

use dunlin_lambda_host::{InvocationType, InvokeError};
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::support::{Fixture, Gate, PATIENCE, PROBE, Visitor, write_script};

/// A process at the gate, in the middle of an invocation, and one that it started.
async fn busy(fixture: &Fixture, gate: &Gate) -> [Visitor; 2] {
    let (_, started) =
        tokio::join!(fixture.answer(json!({"do": "fork", "gate": gate.address()})), gate.visitor());
    let payload = json!({"do": "gate", "gate": gate.address()}).to_string().into();
    fixture.host.invoke("probe", payload, InvocationType::Event).await.unwrap();
    [gate.visitor().await, started]
}

#[tokio::test]
async fn nothing_is_left_after_a_shutdown() {
    let fixture = Fixture::new();
    let gate = Gate::open().await;
    let visitors = busy(&fixture, &gate).await;
    let host = Arc::clone(&fixture.host);
    let waiting = tokio::spawn(async move {
        host.invoke(
            "probe",
            json!({"do": "gate", "gate": "unused"}).to_string().into(),
            InvocationType::RequestResponse,
        )
        .await
    });
    timeout(PATIENCE, fixture.host.shutdown()).await.unwrap();
    assert!(fixture.host.environments().is_empty());
    for visitor in visitors {
        visitor.gone().await;
    }
    drop(waiting.await.unwrap());
    let late = fixture.host.invoke("probe", "{}".into(), InvocationType::RequestResponse).await;
    assert!(matches!(late, Err(InvokeError::ShuttingDown)));
}

#[tokio::test]
async fn an_invocation_under_way_is_told_of_the_shutdown() {
    let fixture = Fixture::new();
    let gate = Gate::open().await;
    let payload = json!({"do": "gate", "gate": gate.address()}).to_string().into();
    let invoked = fixture.host.invoke("probe", payload, InvocationType::RequestResponse);
    let end = async {
        let visitor = gate.visitor().await;
        fixture.host.shutdown().await;
        visitor.gone().await;
    };
    let (outcome, ()) = tokio::join!(invoked, end);
    assert!(matches!(outcome, Err(InvokeError::ShuttingDown)));
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_killed() {
    let fixture = Fixture::with(|_, function| {
        function.environment.insert("PROBE_INIT".to_owned(), "extension".to_owned());
    });
    write_script(fixture.code.path(), &format!("trap '' TERM\nexec {PROBE}"));
    let gate = Gate::open().await;
    let visitors = busy(&fixture, &gate).await;
    let before = Instant::now();
    timeout(PATIENCE, fixture.host.shutdown()).await.unwrap();
    assert!(before.elapsed() >= dunlin_events::limits::SHUTDOWN_INTERNAL_MAX);
    for visitor in visitors {
        visitor.gone().await;
    }
}

#[tokio::test]
async fn nothing_is_left_after_a_drop() {
    let fixture = Fixture::new();
    let gate = Gate::open().await;
    let visitors = busy(&fixture, &gate).await;
    drop(fixture);
    for visitor in visitors {
        visitor.gone().await;
    }
}

#[test]
fn nothing_is_left_when_the_runtime_ends_first() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (fixture, visitors) = runtime.block_on(async {
        let fixture = Fixture::new();
        let gate = Gate::open().await;
        let visitors = busy(&fixture, &gate).await;
        (fixture, visitors)
    });
    let pids: Vec<u32> = visitors.iter().map(|visitor| visitor.pid).collect();
    drop(visitors);
    drop(runtime);
    drop(fixture);
    // Its own process is collected before the drop returns; the one that it started is killed with it.
    assert!(!std::path::Path::new(&format!("/proc/{}", pids[0])).exists());
}

#[tokio::test]
async fn nothing_is_left_when_the_host_is_killed() {
    for script in [
        // The usual case, and a process that the function started.
        format!("exec {PROBE}"),
        // A shell that stays in between: what it runs is out of reach of the parent-death signal.
        format!("trap '' TERM\n{PROBE}\nexit 0"),
    ] {
        let code = tempfile::TempDir::new().unwrap();
        write_script(code.path(), &script);
        let gate = Gate::open().await;
        let mut host = Command::new(PROBE)
            .arg("host")
            .arg(code.path())
            .arg(gate.address())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        // One in the group, one that has left it, and the function itself.
        let visitors = [gate.visitor().await, gate.visitor().await, gate.visitor().await];
        // SIGKILL: nothing of the host runs any more.
        host.kill().unwrap();
        host.wait().unwrap();
        for visitor in visitors {
            visitor.gone().await;
        }
    }
}
