//! Section 6: `@connections`.

use serde_json::Value;

use crate::{
    Api, Case, Checked,
    Mark::{Documented, Inferred, Observed},
    Site, equal, fails, holds,
    observer::own_id,
    script::Script,
    site::encoded,
    wire::{Call, Client, HttpAnswer, Incoming, Opcode},
};

/// A message may have so many bytes.
const MESSAGE_BYTES_MAX: usize = 128 * 1024;

/// A frame may have so many.
const FRAME_BYTES_MAX: usize = 32 * 1024;

/// An id of the right form that nobody has.
const NOBODY: &str = "Zk3pQdXMDoECEeg=";

pub(super) const CASES: &[Case] = &[
    Case::new("C1.path", Documented, "calls go to {stage}/@connections/{connection id}", |site| {
        Box::pin(async {
            let (mut client, id) = connected(site).await?;
            equal("status", site.manage("POST", &id, "hello").await?.status, 200)?;
            equal("message", client.text().await?, "hello")
        })
    }),
    Case::new("C2.post", Documented, "POST answers 200 with nothing in it", |site| {
        Box::pin(async {
            let (_client, id) = connected(site).await?;
            let answer = site.manage("POST", &id, "hello").await?;
            equal("answer", (answer.status, &*answer.body), (200, ""))
        })
    }),
    Case::new("C2.largest", Documented, "it takes 131,072 bytes", |site| {
        Box::pin(async {
            let (mut client, id) = connected(site).await?;
            let answer = site.manage("POST", &id, "x".repeat(MESSAGE_BYTES_MAX)).await?;
            equal("status", answer.status, 200)?;
            equal("bytes of the message", client.text().await?.len(), MESSAGE_BYTES_MAX)
        })
    }),
    Case::new("C2.get", Documented, "GET tells connectedAt, identity and lastActiveAt", |site| {
        Box::pin(async {
            let (_client, id) = connected(site).await?;
            let answer = site.manage("GET", &id, "").await?;
            equal("status", answer.status, 200)?;
            let told: Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let is_time = |name: &str| {
                let time = told[name].as_str().unwrap_or_default();
                time.len() >= "2026-01-02T03:04:05Z".len() && time.contains('T') && time.ends_with('Z')
            };
            holds(
                "connectedAt and lastActiveAt in ISO 8601",
                is_time("connectedAt") && is_time("lastActiveAt"),
                &told,
            )?;
            holds("identity.sourceIp", told["identity"]["sourceIp"].is_string(), &told)
        })
    }),
    Case::new("C2.delete", Documented, "DELETE answers 204 and closes the connection", |site| {
        Box::pin(async {
            let (mut client, id) = connected(site).await?;
            equal("status", site.manage("DELETE", &id, "").await?.status, 204)?;
            client.closed().await.map(drop)
        })
    }),
    Case::new("C3.form", Observed, "an id of the wrong form is 400 BadRequestException", |site| {
        Box::pin(async {
            let answer = site.manage("POST", "abc", "hello").await?;
            failure(&answer, 400, "BadRequestException")?;
            holds("Invalid connectionId: abc", answer.body.contains("Invalid connectionId: abc"), answer.body)
        })
    }),
    Case::new("C3.forbidden", Documented, "a caller who may not call gets 403 ForbiddenException", |site| {
        Box::pin(async {
            let (_client, id) = connected(site).await?;
            let path = format!("/@connections/{}", encoded(&id));
            let call = Call::new("POST", site.management(Api::Main)?, &path).body("hello");
            let answer = call.signed(&site.keys()?.forged()).send(site).await?;
            equal("status", answer.status, 403)?;
            let known = ["ForbiddenException", "AccessDeniedException", "InvalidSignatureException"];
            let error = answer.error_type().unwrap_or_default();
            holds("an error of the kind Forbidden", known.contains(&error), error)
        })
    }),
    Case::new("C3.path", Observed, "a path of another stage is 403", |site| {
        Box::pin(async {
            let path = format!("/no-such-stage/@connections/{}", encoded(NOBODY));
            let call = Call::new("POST", site.management(Api::Main)?, "").at(&path).body("hello");
            equal("status", call.signed(site.keys()?).send(site).await?.status, 403)
        })
    }),
    Case::new("C3.gone", Observed, "an id that nobody has is 410 GoneException", |site| {
        Box::pin(async {
            for method in ["POST", "GET", "DELETE"] {
                failure(&site.manage(method, NOBODY, "").await?, 410, "GoneException")?;
            }
            Ok(())
        })
    }),
    Case::new("C3.large", Documented, "more than 128 KB are 413 PayloadTooLargeException", |site| {
        Box::pin(async {
            let (_client, id) = connected(site).await?;
            let answer = site.manage("POST", &id, "x".repeat(MESSAGE_BYTES_MAX + 1)).await?;
            failure(&answer, 413, "PayloadTooLargeException")
        })
    }),
    Case::new(
        "C3.slow",
        Observed,
        "posts to a client that does not read are 429 LimitExceededException",
        |site| Box::pin(slow_reader(site)),
    ),
    Case::new("C4.header", Inferred, "the code of a 410 is in the header x-amzn-ErrorType", |site| {
        Box::pin(async {
            let answer = site.manage("POST", NOBODY, "hello").await?;
            equal("x-amzn-ErrorType", answer.error_type(), Some("GoneException"))
        })
    }),
    Case::new("C4.body", Observed, "its body is no JSON", |site| {
        Box::pin(async {
            let body = site.manage("POST", NOBODY, "hello").await?.body;
            holds("no JSON", serde_json::from_str::<Value>(&body).is_err(), body)
        })
    }),
    Case::new("C5.unsigned", Documented, "a call without a signature is 403", |site| {
        Box::pin(async {
            let (_client, id) = connected(site).await?;
            let path = format!("/@connections/{}", encoded(&id));
            let answer =
                Call::new("POST", site.management(Api::Main)?, &path).body("hello").send(site).await?;
            equal("status", answer.status, 403)
        })
    }),
    Case::new(
        "C6.encodings",
        Documented,
        "the path may have @ or %40, and the signature covers it encoded once more",
        |site| {
            Box::pin(async {
                let (mut client, id) = connected(site).await?;
                for (at, text) in [("@", "plain"), ("%40", "encoded")] {
                    let path = format!("/{at}connections/{}", encoded(&id));
                    let call = Call::new("POST", site.management(Api::Main)?, &path).body(text);
                    equal(
                        &format!("status of {path}"),
                        call.signed(site.keys()?).send(site).await?.status,
                        200,
                    )?;
                    equal("message", client.text().await?, text)?;
                }
                Ok(())
            })
        },
    ),
    Case::new("C7.text", Inferred, "what is posted arrives as text, whatever its content type", |site| {
        Box::pin(async {
            let (mut client, id) = connected(site).await?;
            let path = format!("/@connections/{}", encoded(&id));
            let call = Call::new("POST", site.management(Api::Main)?, &path).body("\u{1}bytes");
            let call = call.header("content-type", "application/octet-stream");
            equal("status", call.signed(site.keys()?).send(site).await?.status, 200)?;
            equal("message", client.text().await?, "\u{1}bytes")
        })
    }),
    Case::new("C8.early", Observed, "a post from inside $connect finds no connection", |site| {
        Box::pin(async {
            let mut observer = site.observer().await?;
            let script = Script { post: Some("early".to_owned()), ..Script::default() };
            let handshake = observer.watch(site.handshake(Api::Main)?).query("probe", &script.to_string());
            let mut client = handshake.send(site).await?.opened()?;
            let event = observer.event("CONNECT").await?;
            equal("what became of the post", event.posted.as_deref(), Some("gone"))?;
            super::routing::goes_on(&mut client).await
        })
    }),
    Case::new("C11.frames", Inferred, "a post above 32 KB arrives in frames of at most 32 KB", |site| {
        Box::pin(async {
            let (mut client, id) = connected(site).await?;
            let answer = site.manage("POST", &id, "x".repeat(FRAME_BYTES_MAX * 2 + 1)).await?;
            equal("status", answer.status, 200)?;
            let mut opcodes = Vec::new();
            let mut bytes = 0;
            loop {
                let Some(frame) = client.frame().await? else { return fails("a frame", "the end") };
                holds(
                    "a frame of at most 32 KB",
                    frame.payload.len() <= FRAME_BYTES_MAX,
                    frame.payload.len(),
                )?;
                opcodes.push(frame.opcode);
                bytes += frame.payload.len();
                if frame.is_final {
                    break;
                }
            }
            equal("bytes of the message", bytes, FRAME_BYTES_MAX * 2 + 1)?;
            equal("frames", opcodes, [Opcode::Text, Opcode::Continuation, Opcode::Continuation])
        })
    }),
    Case::new("C12.again", Observed, "after DELETE every call is 410", |site| {
        Box::pin(async {
            let (_client, id) = connected(site).await?;
            equal("status", site.manage("DELETE", &id, "").await?.status / 100, 2)?;
            for method in ["DELETE", "POST", "GET"] {
                equal(method, site.manage(method, &id, "").await?.status, 410)?;
            }
            Ok(())
        })
    }),
    Case::new("C14.other", Observed, "another API's id is 403, or an answer that is no JSON", |site| {
        Box::pin(async {
            let (mut client, id) = connected(site).await?;
            let path = format!("/@connections/{}", encoded(&id));
            let call = Call::new("POST", site.management(Api::Bare)?, &path).body("lost");
            let answer = call.signed(site.keys()?).send(site).await?;
            let refused = answer.status == 403
                || (answer.status >= 400 && serde_json::from_str::<Value>(&answer.body).is_err());
            holds("a refusal", refused, &answer)?;
            super::routing::goes_on(&mut client).await
        })
    }),
];

async fn connected(site: &Site) -> Checked<(Client, String)> {
    // Before anything else, so that a site without credentials skips the case.
    site.keys()?;
    let mut client = site.connect(Api::Main).await?;
    let id = own_id(&mut client).await?;
    Ok((client, id))
}

fn failure(answer: &HttpAnswer, status: u16, error_type: &str) -> Checked {
    equal("status", answer.status, status)?;
    equal("x-amzn-ErrorType", answer.error_type(), Some(error_type))
}

/// Posts that are sent to somebody who does not read, until one is refused: more than any socket takes.
const UNREAD_POSTS_MAX: usize = 400;

async fn slow_reader(site: &Site) -> Checked {
    let (mut client, id) = connected(site).await?;
    let payload = bytes::Bytes::from(vec![b'x'; MESSAGE_BYTES_MAX]);
    for taken in 0..UNREAD_POSTS_MAX {
        let answer = site.manage("POST", &id, payload.clone()).await?;
        if answer.status == 200 {
            continue;
        }
        failure(&answer, 429, "LimitExceededException")?;
        // Whoever reads again gets what was taken.
        for _ in 0..taken {
            match client.next().await? {
                Incoming::Text(_) => {}
                other => return fails("what was taken", format!("{other:?}")),
            }
        }
        return Ok(());
    }
    fails("429", format!("200 for {UNREAD_POSTS_MAX} posts of 128 KB"))
}
