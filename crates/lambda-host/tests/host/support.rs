use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use dunlin_lambda_host::{
    FunctionConfig, HostConfig, InvocationType, InvokeOutcome, InvokeRequest, LambdaHost, LogLine,
    PlatformLines,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

/// Far more than anything here takes, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const PROBE: &str = env!("CARGO_BIN_EXE_lambda-host-probe");

/// A host with one function, `probe`.
pub(crate) struct Fixture {
    pub(crate) host: Arc<LambdaHost>,
    pub(crate) lines: mpsc::Receiver<LogLine>,
    pub(crate) code: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(|_, _| {})
    }

    /// With a changed configuration.
    pub(crate) fn with(change: impl FnOnce(&mut HostConfig, &mut FunctionConfig)) -> Self {
        let code = TempDir::new().unwrap();
        symlink(PROBE, code.path().join("bootstrap")).unwrap();
        let (sender, lines) = mpsc::channel(1_024);
        let mut config = HostConfig::new("eu-west-1", "123456789012");
        config.log_lines = Some(sender);
        config.platform_lines = PlatformLines::Off;
        // However long a process that has answered is kept from the processor, it is the one that the next event gets.
        config.settle_wait_max = PATIENCE;
        let mut function = FunctionConfig::new("probe", code.path());
        function.timeout = PATIENCE;
        change(&mut config, &mut function);
        let host = LambdaHost::start(config).unwrap();
        host.set_functions(vec![function]).unwrap();
        Self { host, lines, code }
    }

    pub(crate) async fn invoke(&self, event: Value) -> InvokeOutcome {
        let payload = Bytes::from(event.to_string());
        let mut request = InvokeRequest::new("probe", payload, InvocationType::RequestResponse);
        request.log_tail = true;
        timeout(PATIENCE, self.host.invoke_request(request)).await.unwrap().unwrap()
    }

    /// The answer of an invocation that has to succeed.
    pub(crate) async fn answer(&self, event: Value) -> Value {
        let outcome = self.invoke(event).await;
        assert_eq!(outcome.function_error, None, "{:?}", outcome.payload);
        serde_json::from_slice(&outcome.payload).unwrap()
    }

    /// The error object of an invocation that has to fail.
    pub(crate) async fn error(&self, event: Value) -> Value {
        let outcome = self.invoke(event).await;
        assert!(outcome.function_error.is_some(), "{:?}", outcome.payload);
        serde_json::from_slice(&outcome.payload).unwrap()
    }

    /// The next line that contains `part`.
    pub(crate) async fn line(&mut self, part: &str) -> LogLine {
        let find = async {
            loop {
                let line = self.lines.recv().await.unwrap();
                if line.text.contains(part) {
                    return line;
                }
            }
        };
        timeout(PATIENCE, find).await.unwrap_or_else(|_| panic!("no line contains {part:?}"))
    }
}

/// Writes a `bootstrap` that is a shell script.
pub(crate) fn write_script(folder: &Path, script: &str) {
    let path = folder.join("bootstrap");
    // Under another name first: a file that is being written cannot be executed.
    let new = folder.join("bootstrap.new");
    fs::write(&new, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(new, path).unwrap();
}

/// Where processes of the probe stop until they are let pass, and where their death is seen.
pub(crate) struct Gate {
    listener: TcpListener,
    address: SocketAddr,
}

/// A process at the gate.
pub(crate) struct Visitor {
    pub(crate) pid: u32,
    stream: BufReader<TcpStream>,
}

impl Gate {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) async fn visitor(&self) -> Visitor {
        let arrive = async {
            let (stream, _) = self.listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            Visitor { pid: line.trim().parse().unwrap(), stream }
        };
        timeout(PATIENCE, arrive).await.expect("a process comes to the gate")
    }
}

impl Visitor {
    pub(crate) async fn let_pass(&mut self, word: &str) {
        self.stream.get_mut().write_all(format!("{word}\n").as_bytes()).await.unwrap();
    }

    /// Waits until the process is gone: the kernel then closes its end.
    pub(crate) async fn gone(mut self) {
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("the process ends");
    }
}
