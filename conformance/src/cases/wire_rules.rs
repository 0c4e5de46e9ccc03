//! Section 2.3: binary, sizes, fragments.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    Api, Case, Checked, Event,
    Mark::{Documented, Inferred, Observed},
    Site, equal, fails, holds,
    script::Script,
    wire::{Client, Frame, Opcode},
};

/// One frame may have so many bytes.
const FRAME_BYTES_MAX: usize = 32 * 1024;

/// One message may have so many.
const MESSAGE_BYTES_MAX: usize = 128 * 1024;

pub(super) const CASES: &[Case] = &[
    Case::new("R11.binary", Documented, "a binary frame ends the connection with 1003", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            client.send_frame(&Frame::new(Opcode::Binary, "bytes")).await?;
            equal("close code", client.closed().await?.0, 1003)
        })
    }),
    Case::new("R11.flag", Observed, "isBase64Encoded of a message is false", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            let event = Event::parse(client.ask(Script::echo().message("tell")).await?)?;
            equal("isBase64Encoded", &event.value["isBase64Encoded"], &json!(false))
        })
    }),
    Case::new("R11.to-binary", Documented, "CONVERT_TO_BINARY decodes base64 for the back end", |site| {
        Box::pin(async {
            let seen = binary(site).await?;
            equal("body at the endpoint", seen["body"].as_str(), Some("hello"))
        })
    }),
    Case::new("R11.to-text", Documented, "CONVERT_TO_TEXT encodes its answer as base64", |site| {
        Box::pin(async {
            holds("what the endpoint describes", binary(site).await?.is_object(), "something else")
        })
    }),
    Case::new("R12.frame", Documented, "a frame above 32 KB ends the connection with 1009", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            send_parts(&mut client, &[FRAME_BYTES_MAX + 1]).await;
            equal("close code", client.closed().await?.0, 1009)
        })
    }),
    Case::new("R12.message", Documented, "a message above 128 KB ends the connection with 1009", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            send_parts(&mut client, &[FRAME_BYTES_MAX, FRAME_BYTES_MAX, FRAME_BYTES_MAX, FRAME_BYTES_MAX, 1])
                .await;
            equal("close code", client.closed().await?.0, 1009)
        })
    }),
    Case::new("R12.joined", Inferred, "fragments are one event", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            let message = Script::echo().message("tell");
            let (first, second) = message.split_at(message.len() / 2);
            client
                .send_frame(&Frame { is_final: false, ..Frame::new(Opcode::Text, first.to_owned()) })
                .await?;
            client.send_frame(&Frame::new(Opcode::Continuation, second.to_owned())).await?;
            let event = Event::parse(client.text().await?)?;
            equal("body", event.value["body"].as_str(), Some(&*message))
        })
    }),
    Case::new("R13.frame", Inferred, "a frame of 32,768 bytes is taken", |site| {
        Box::pin(takes(site, &[FRAME_BYTES_MAX]))
    }),
    Case::new("R13.message", Documented, "a message of 131,072 bytes is taken", |site| {
        Box::pin(takes(site, &[FRAME_BYTES_MAX; MESSAGE_BYTES_MAX / FRAME_BYTES_MAX]))
    }),
    Case::new("R13.bytes", Documented, "what counts is bytes, not characters", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            let text = "é".repeat(FRAME_BYTES_MAX / 2 + 1);
            // The gateway may be done with the connection before it has all of it.
            let _ = client.send(text).await;
            equal("close code", client.closed().await?.0, 1009)
        })
    }),
];

/// Sends a message that selects the route `mock`, in frames of these sizes.
async fn send_parts(client: &mut Client, sizes: &[usize]) {
    let length: usize = sizes.iter().sum();
    let start = r#"{"action":"mock","filler":""#;
    let mut rest = format!("{start}{}\"}}", "x".repeat(length.saturating_sub(start.len() + 2))).into_bytes();
    for (place, size) in sizes.iter().enumerate() {
        let opcode = if place == 0 { Opcode::Text } else { Opcode::Continuation };
        let after = rest.split_off(*size);
        let frame = Frame { is_final: after.is_empty(), ..Frame::new(opcode, rest) };
        // The gateway may be done with the connection before it has all of it.
        if client.send_frame(&frame).await.is_err() {
            return;
        }
        rest = after;
    }
}

/// What the endpoint got of a message of base64; its answer comes in base64 too.
async fn binary(site: &Site) -> Checked<Value> {
    site.endpoint()?;
    let answer = site.connect(Api::Proxied).await?.ask("aGVsbG8=").await?;
    let decoded = STANDARD.decode(&answer).unwrap_or_default();
    serde_json::from_slice(&decoded).or_else(|_| fails("a description in base64", answer))
}

async fn takes(site: &Site, sizes: &[usize]) -> Checked {
    let mut client = site.connect(Api::Main).await?;
    send_parts(&mut client, sizes).await;
    super::routing::route_of(&client.text().await?, "mock")
}
