//! Lambda's Invoke API: for whoever signs with a credential of the stack, and nobody else.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::SystemTime,
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};

use crate::{
    client::STEP_TIMEOUT,
    stack::{Stack, authority, probe},
};

/// An event as the gateway would make it, for the probe's echo.
const EVENT: &str = r#"{"requestContext":{"routeKey":"echo","eventType":"MESSAGE","connectionId":"Zk3pQdXMDoECEeg=",
    "requestId":"Zk3qBGv-DoEFb1A="},"body":"hello","isBase64Encoded":false}"#;

/// Posts the event to the stack's function and returns the whole answer.
fn invoke(stack: &Stack, secret: Option<&str>) -> String {
    let host = authority(stack.text("lambda"));
    let path = "/2015-03-31/functions/dunlin-Function/invocations";
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\nconnection: close\r\n",
        EVENT.len()
    );
    if let Some(secret) = secret {
        let identity = Credentials::new(stack.text("access_key_id"), secret, None, None, "test").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(stack.text("region"))
            .name("lambda")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let url = format!("http://{host}{path}");
        let body = SignableBody::Bytes(EVENT.as_bytes());
        let request = SignableRequest::new("POST", &url, [("host", host)].into_iter(), body).unwrap();
        let (signature, _) = sign(request, &params).unwrap().into_parts();
        for (name, value) in signature.headers() {
            head += &format!("{name}: {value}\r\n");
        }
    }
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(STEP_TIMEOUT)).unwrap();
    write!(stream, "{head}\r\n{EVENT}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn only_signed_calls_reach_a_function() {
    let (_folder, template) = probe();
    let stack = Stack::up(&template, &[]);
    for stranger in [None, Some("not the secret")] {
        assert!(invoke(&stack, stranger).starts_with("HTTP/1.1 403 "), "{}", invoke(&stack, stranger));
    }
    assert!(stack.functions().is_empty(), "nobody started a function");
    let answer = invoke(&stack, Some(stack.text("secret_access_key")));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains(r#""body":"hello""#), "{answer}");
}
