//! An authorizer as a function uses it: who is let in, as whom, and what refuses the others.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use dunlin_events::{Effect, PolicyDocument};
use dunlin_handler::{
    AuthorizerHandler, Connection, ContextValue, Decision, HandlerError, Headers, Limits, Query, RawEvent,
    RequestContext, StageVariables, State, Subprotocols,
    testing::{CONNECTION_ID, METHOD_ARN, TestEvent, TestVerdict, send_authorizer},
};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "as")]
    user: String,
}

/// Does what the query says.
async fn authorize(
    Query(asked): Query<Asked>,
    State(level): State<u8>,
    headers: Headers,
    offered: Subprotocols,
    variables: StageVariables,
    connection: Connection,
    context: RequestContext,
) -> Result<Decision, HandlerError> {
    assert_eq!(connection.id.as_str(), CONNECTION_ID);
    assert_eq!((context.stage.as_deref(), variables.get("salt")), (Some("dev"), None));
    match asked.user.as_str() {
        "denied" => Ok(Decision::deny("denied")),
        "unknown" => Err(HandlerError::unauthorized("no such user")),
        "forbidden" => Err(HandlerError::forbidden("not this one")),
        "broken" => Err("seventeen".parse::<u8>().unwrap_err().into()),
        "panic" => panic!("secret of the authorizer"),
        "slow" => std::future::pending().await,
        "large" => Ok(Decision::allow("x".repeat(9_000))),
        user => Ok(Decision::allow(user)
            .context("level", level)
            .context("host", headers.get("host").unwrap_or_default())
            .context("protocol", offered.choose(&["v1"]).unwrap_or("none"))
            .context("ratio", 0.5)
            .context("nan", f64::NAN)
            .usage_identifier_key("key-1")),
    }
}

async fn ask(user: &str) -> TestVerdict {
    let mut authorizer = AuthorizerHandler::new(authorize).with_state(7);
    send_authorizer(&mut authorizer, TestEvent::authorizer_request().query("as", user).offer("v1")).await
}

#[tokio::test]
async fn an_allowed_client_takes_its_context_along() {
    let verdict = ask("ada").await;
    assert!(verdict.is_allowed());
    let response = verdict.response().unwrap();
    assert_eq!(response.policy_document, PolicyDocument::about(Effect::Allow, METHOD_ARN));
    assert_eq!(
        (verdict.principal_id(), response.usage_identifier_key.as_deref()),
        (Some("ada"), Some("key-1"))
    );
    assert_eq!(
        json!(response.context),
        json!({
            "level": 7, "protocol": "v1", "ratio": 0.5, "nan": "NaN",
            "host": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com",
        })
    );
    assert_eq!(ContextValue::from("x"), ContextValue::from("x".to_owned()));
}

#[tokio::test]
async fn each_refusal_has_the_status_that_the_service_gives_it() {
    for (user, status) in [
        ("denied", 403),
        ("unknown", 401),
        ("forbidden", 403),
        ("broken", 500),
        ("panic", 500),
        ("large", 500),
    ] {
        let verdict = ask(user).await;
        assert_eq!(verdict.refusal_status(), Some(status), "{user}: {verdict:?}");
        assert!(!format!("{verdict:?}").contains("secret"), "{verdict:?}");
    }
    // The gateway looks for this word alone (H13).
    assert_eq!(ask("unknown").await.failure(), Some("Unauthorized"));
    assert_eq!(ask("denied").await.principal_id(), Some("denied"));
    // An argument that cannot be read refuses too, and lets nobody in.
    let mut authorizer = AuthorizerHandler::new(authorize).with_state(7);
    assert_eq!(
        send_authorizer(&mut authorizer, TestEvent::authorizer_request()).await.refusal_status(),
        Some(403)
    );
}

#[tokio::test]
async fn what_is_no_event_of_an_authorizer_lets_nobody_in() {
    for event in [
        RawEvent::from(TestEvent::connect()),
        RawEvent::new("{}"),
        RawEvent::new("["),
        RawEvent::new(r#"{"methodArn":"*","requestContext":{"connectionId":"x"}}"#),
        RawEvent::new(r#"{"methodArn":"arn:aws:execute-api:r:1:a/dev/$connect"}"#),
        TestEvent::authorizer_request().without_connection_id().into(),
    ] {
        let mut authorizer = AuthorizerHandler::new(async || Decision::allow("anyone")).with_state(());
        let verdict = send_authorizer(&mut authorizer, event).await;
        assert_eq!(verdict.refusal_status(), Some(500));
        assert!(verdict.failure().unwrap().starts_with("invalid_event: the event "), "{verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_authorizer_that_does_not_come_to_an_end_is_ended() {
    let mut authorizer = AuthorizerHandler::new(authorize).limits(Limits::default()).with_state(7);
    let start = tokio::time::Instant::now();
    let event = TestEvent::authorizer_request()
        .query("as", "slow")
        .deadline(start.into_std() + Duration::from_secs(3));
    assert_eq!(send_authorizer(&mut authorizer, event).await.refusal_status(), Some(500));
    assert_eq!(start.elapsed(), Duration::from_millis(2_800));
}
