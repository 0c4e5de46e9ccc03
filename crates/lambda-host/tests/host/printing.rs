use serde_json::json;

use crate::support::Fixture;

#[tokio::test]
async fn lines_carry_the_id_of_their_invocation() {
    let mut fixture = Fixture::new();
    let one = fixture.invoke(json!({"do": "print", "lines": ["one", "same"]})).await;
    let two = fixture.invoke(json!({"do": "print", "lines": ["two", "same"]})).await;
    let up = fixture.line("the probe is up").await;
    assert_eq!((up.request_id, &*up.function), (None, "probe"));
    for (text, outcome) in [
        ("one", &one),
        ("same", &one),
        ("to standard error", &one),
        ("two", &two),
        ("same", &two),
        ("to standard error", &two),
    ] {
        let line = fixture.line("").await;
        assert_eq!((line.text.as_str(), line.request_id.as_ref()), (text, Some(&outcome.request_id)));
    }
    for (outcome, own) in [(one, "one\nsame\nto standard error\n"), (two, "two\nsame\nto standard error\n")] {
        let id = &outcome.request_id;
        let tail = outcome.log_tail.unwrap();
        let start = format!(
            "START RequestId: {id} Version: $LATEST\n{own}END RequestId: {id}\nREPORT RequestId: {id}\t"
        );
        assert!(tail.starts_with(&start), "{tail}");
    }
}

#[tokio::test]
async fn whoever_does_not_read_the_lines_does_not_hold_up_the_function() {
    let fixture = Fixture::new();
    // Ten times what the channel holds, and more than a pipe does.
    let lines = vec!["0123456789012345678901234567890123456789"; 10_240];
    let outcome = fixture.invoke(json!({"do": "print", "lines": lines})).await;
    assert_eq!(outcome.function_error, None);
    assert!(fixture.host.log_lines_dropped() >= 9_000, "{}", fixture.host.log_lines_dropped());
    assert_eq!(outcome.log_tail.unwrap().len(), 4_096);
}
