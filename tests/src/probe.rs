//! A function that does what a test asks of it: refuses a handshake, echoes, hangs, ends its own process.

use std::{
    net::SocketAddr,
    process::{self, ExitCode},
};

use dunlin_handler::{
    Authorizer, AuthorizerHandler, Connection, Decision, HandlerError, Json, QueryMap, Reply, Router, Text,
};
use serde::Deserialize;
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// Answers with the status that the query names, `?refuse=401`; accepts without.
async fn connect(query: QueryMap) -> Reply {
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

/// What the authorizer knows of the client.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Principal {
    principal_id: String,
}

async fn principal(Authorizer(principal): Authorizer<Principal>) -> String {
    principal.principal_id
}

/// The handler `guard`: lets in who says so in `?token=NAME.yes`.
async fn guard(query: QueryMap) -> Result<Decision, HandlerError> {
    match query.get("token").and_then(|token| token.split_once('.')) {
        Some((name, "yes")) => Ok(Decision::allow(name)),
        Some(_) => Ok(Decision::deny("nobody")),
        None => Err(HandlerError::unauthorized("the token names nobody")),
    }
}

/// Where the test waits for a process that hangs.
#[derive(Deserialize)]
struct Gate {
    gate: SocketAddr,
}

/// Tells the test which process this is, in the middle of its invocation, and answers never; somebody has to end the
/// process or the wait.
async fn hang(Json(Gate { gate }): Json<Gate>) -> String {
    let mut test = TcpStream::connect(gate).await.expect("the test listens");
    test.set_nodelay(true).expect("a fresh socket takes options");
    test.write_all(&process::id().to_be_bytes()).await.expect("the test reads");
    std::future::pending().await
}

/// Ends the process in the middle of the invocation.
async fn exit() -> String {
    process::exit(3)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let is_guard = std::env::var("_HANDLER").is_ok_and(|handler| handler == "guard");
    let ended = if is_guard {
        dunlin_lambda::run(AuthorizerHandler::new(guard)).await
    } else {
        dunlin_lambda::run(routes()).await
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn routes() -> Router {
    Router::new()
        .connect(connect)
        .route("echo", echo)
        .route("whoami", whoami)
        .route("hang", hang)
        .route("exit", exit)
        .route("principal", principal)
}
