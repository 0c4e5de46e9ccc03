use bytes::Bytes;
use dunlin_lambda_host::{FunctionConfig, HostConfig, InvocationType, LambdaHost};
use serde_json::json;

/// A host with one function that waits at the gate, together with two processes that it started itself, one of which left
/// its group. It never ends by itself.
pub(crate) fn run(code: &str, gate: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    runtime.block_on(async {
        let host =
            LambdaHost::start(HostConfig::new("eu-west-1", "123456789012")).expect("a valid configuration");
        host.set_functions(vec![FunctionConfig::new("probe", code)]).expect("a valid configuration");
        for what in ["fork", "daemon", "gate"] {
            let event = json!({"do": what, "gate": gate});
            let payload = Bytes::from(event.to_string());
            drop(host.invoke("probe", payload, InvocationType::RequestResponse).await);
        }
        std::future::pending::<()>().await;
    });
}
