//! A function that does what a test asks of it: refuses a handshake, echoes, hangs, ends its own process.

use std::process::ExitCode;

use dunlin_handler::{Connection, Query, Reply, Router, Text};

/// Answers with the status that the query names, `?refuse=401`; accepts without.
async fn connect(query: Query) -> Reply {
    let status = query.get("refuse").and_then(|status| status.parse().ok());
    Reply::empty().status(status.unwrap_or(200))
}

async fn echo(Text(body): Text) -> String {
    body
}

/// Tells the client its connection id.
async fn whoami(connection: Connection) -> String {
    connection.id.to_string()
}

/// Answers never; somebody has to end the process or the wait.
async fn hang() -> String {
    std::future::pending().await
}

/// Ends the process in the middle of the invocation.
async fn exit() -> String {
    std::process::exit(3)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let router = Router::new()
        .connect(connect)
        .route("echo", echo)
        .route("whoami", whoami)
        .route("hang", hang)
        .route("exit", exit);
    match dunlin_lambda::run(router).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
