use dunlin_lambda_host::FunctionErrorKind;
use serde_json::json;

use crate::support::Fixture;

#[tokio::test]
async fn wrong_calls_get_the_answers_of_the_emulator() {
    let mut fixture = Fixture::new();
    assert_eq!(
        fixture.answer(json!({"do": "protocol"})).await,
        json!({
            "unknown id": "400 InvalidRequestID",
            "unknown id, error": "400 InvalidRequestID",
            "init error": "403 InvalidStateTransition",
            "restore": "403 InvalidStateTransition",
            "bad mode": "400 InvalidFunctionResponseMode",
            "no call": "404 NotFound",
            "web page": "403 Forbidden",
            "extension without name": "403 Extension.InvalidExtensionName",
            "extension without id": "403 Extension.MissingExtensionIdentifier",
        })
    );
    let second = fixture.line("second answer").await;
    assert!(
        second.text.starts_with("second answer: 403 {\"errorType\":\"InvalidStateTransition\""),
        "{}",
        second.text
    );
    // And the process goes on.
    fixture.answer(json!({})).await;
}

#[tokio::test]
async fn an_answer_up_to_the_limit_passes_and_a_larger_one_is_refused() {
    let mut fixture = Fixture::new();
    let largest = fixture.invoke(json!({"do": "huge", "bytes": 6_291_556})).await;
    assert_eq!(largest.function_error, None);
    assert_eq!(largest.payload.len(), 6_291_556);

    let outcome = fixture.invoke(json!({"do": "huge", "bytes": 6_291_557})).await;
    assert_eq!(outcome.function_error, Some(FunctionErrorKind::ResponseTooLarge));
    assert_eq!(
        outcome.payload,
        r#"{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}"#
    );
    let told = fixture.line("answer refused").await;
    assert_eq!(
        told.text,
        r#"answer refused: 413 {"errorType":"RequestEntityTooLarge","errorMessage":"Exceeded maximum allowed payload size (6291556 bytes)."}"#
    );
    // The process reads the refusal and goes on.
    let again = fixture.answer(json!({})).await;
    assert_eq!(again["pid"], told.pid);
}

#[tokio::test]
async fn an_answer_is_passed_on_unread() {
    let fixture = Fixture::new();
    let outcome = fixture.invoke(json!({"do": "garbage"})).await;
    assert_eq!(outcome.function_error, None);
    assert_eq!(outcome.payload, "}{ not JSON");
}
