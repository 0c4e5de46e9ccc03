//! Says back what it is told. `README.md` tells how to run it, and what to change first.

use std::process::ExitCode;

use dunlin_handler::{HandlerError, Json, Router};
use serde::{Deserialize, Serialize};

/// Most characters that are said back.
const TEXT_CHARS_MAX: usize = 1_000;

#[derive(Deserialize)]
struct Echo {
    text: String,
}

#[derive(Serialize)]
struct Echoed {
    r#type: &'static str,
    text: String,
}

async fn echo(Json(echo): Json<Echo>) -> Result<Json<Echoed>, HandlerError> {
    if echo.text.chars().count() > TEXT_CHARS_MAX {
        return Err(HandlerError::new(
            "text_too_long",
            format!("text has at most {TEXT_CHARS_MAX} characters"),
        ));
    }
    Ok(Json(Echoed { r#type: "echo", text: echo.text }))
}

async fn default() -> HandlerError {
    HandlerError::unknown_action(r#"send {"action":"echo","text":"..."}"#)
}

fn app() -> Router {
    Router::new().route("echo", echo).default(default)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    dunlin_lambda::init_tracing();
    match dunlin_lambda::run(app()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin_handler::testing::{TestEvent, send};

    #[tokio::test]
    async fn says_back_what_it_is_told() {
        let message = TestEvent::message("echo", r#"{"action":"echo","text":"hello \"you\""}"#);
        let reply = send(&mut app(), message).await;
        assert_eq!(reply.body(), Some(r#"{"type":"echo","text":"hello \"you\""}"#));
    }

    #[tokio::test]
    async fn says_what_is_wrong() {
        let check = async |route_key, body: String, code| {
            let reply = send(&mut app(), TestEvent::message(route_key, body)).await;
            assert_eq!(reply.error_code(), Some(code));
        };
        check("echo", r#"{"action":"echo"}"#.to_owned(), "invalid_body").await;
        check("echo", format!(r#"{{"text":"{}"}}"#, "x".repeat(TEXT_CHARS_MAX + 1)), "text_too_long").await;
        check("$default", "hello".to_owned(), "unknown_action").await;
    }
}
