//! A custom domain, an API key with its plan, a required parameter and a model, all from a template.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use tokio_tungstenite::tungstenite::Error;

use crate::{
    client::Client,
    stack::{Stack, program, root, up_command},
};

/// How a connect ended: with a client, or with a status.
async fn try_as(
    host: &str,
    path: &str,
    stack: &Stack,
    headers: &[(&'static str, &str)],
) -> Result<Client, u16> {
    let address = stack.ready["domains"][0]["address"].as_str().unwrap();
    Client::try_as(host, path, address, headers).await.map_err(|error| match error {
        Error::Http(response) => response.status().as_u16(),
        other => panic!("a refusal is expected: {other}"),
    })
}

#[tokio::test]
async fn the_template_says_who_comes_in_and_by_which_name() {
    let template = root().join("tests/tests/e2e/doors-template.yaml");
    let stack = Stack::up(&template, &["--account-quotas"]);
    let key = stack.ready["api_keys"][0]["value"].as_str().unwrap();
    let domain = &stack.ready["domains"][0];
    assert_eq!((&domain["name"], &domain["base_path"]), (&"ws.example.com".into(), &"chat".into()));

    let with_key = [("x-api-key", key)];
    let name = "ws.example.com";
    for (host, path, headers, expected) in [
        (name, "/chat?room=a", &[][..], 403),
        (name, "/chat?room=a", &[("x-api-key", "01234567890123456789")], 403),
        (name, "/dev?room=a", &with_key, 403),
        ("other.example.com", "/chat?room=a", &with_key, 403),
        // Counted by the plan: whoever has a key has it for requests that fail as well.
        (name, "/chat", &with_key, 400),
    ] {
        let refused = try_as(host, path, &stack, headers).await.map(drop);
        assert_eq!(refused, Err(expected), "{host}{path}");
    }

    let mut client = try_as(name, "/chat?room=a", &stack, &with_key).await.ok().unwrap();
    client.send(r#"{"action":"say","text":"hi"}"#).await;
    assert_eq!(client.text().await, "hello from ws.example.com");
    client.send(r#"{"action":"say","text":"too long"}"#).await;
    assert!(client.text().await.starts_with(r#"{"message": "Bad request body""#));
    client.close().await;

    // By hand, over TLS: the certificate names the domain.
    let address = domain["address"].as_str().unwrap();
    assert_eq!(connect_by_hand(address, key), "hello from ws.example.com\n");
    assert_eq!(
        try_as(name, "/chat?room=a", &stack, &with_key).await.map(drop),
        Err(429),
        "the quota is spent"
    );
}

/// A mistake that only the gateway finds is told with its place in the template.
#[test]
fn a_model_that_is_none_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("template.yaml");
    let good = std::fs::read_to_string(root().join("tests/tests/e2e/doors-template.yaml")).unwrap();
    std::fs::write(&template, good.replace("{type: object,", "{type: objekt,")).unwrap();
    let (status, told) = refusal(&template);
    assert_eq!(status, Some(65), "{told}");
    assert!(told.contains("template.yaml:22:15: "), "{told}");
    assert!(told.contains("model Say is no JSON Schema: at '/type'"), "{told}");
}

/// What `dunlin connect` prints for one message.
fn connect_by_hand(address: &str, key: &str) -> String {
    let mut connect = Command::new(program("dunlin"))
        .args(["connect", &format!("wss://{address}/chat/?room=a"), "--header", "Host: ws.example.com"])
        .args(["--header", &format!("x-api-key: {key}")])
        // Where `up_command` keeps its authority.
        .env("XDG_DATA_HOME", env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(connect.stdin.take().unwrap(), r#"{{"action":"say","text":"hi"}}"#).unwrap();
    let output = connect.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn refusal(template: &Path) -> (Option<i32>, String) {
    let output = up_command(template).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}
