//! Section 7.2: what keeps a connection, and what does not.

use std::time::Duration;

use crate::{
    Api, Case, Checked,
    Mark::{Documented, Observed},
    Site, equal, fails, holds,
    observer::own_id,
    wire::{Client, Frame, Incoming, Opcode},
};

use super::disconnect::{IDLE, LIFE};

/// What is waited beyond a limit, since nobody knows how exactly the service looks (U21).
const SLACK: Duration = Duration::from_secs(15);

/// Within the idle time.
const STEP: Duration = Duration::from_secs(9 * 60);

pub(super) const CASES: &[Case] = &[
    Case::new("Q4.idle", Observed, "a connection without a message for ten minutes is closed", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            own_id(&mut client).await?;
            site.wait(IDLE + SLACK).await?;
            equal("close code", client.closed().await?.0, 1001)
        })
    })
    .takes_time(),
    Case::new("Q4.messages", Observed, "messages of the client keep it", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            for _ in 0..2 {
                own_id(&mut client).await?;
                site.wait(STEP).await?;
            }
            own_id(&mut client).await.map(drop)
        })
    })
    .takes_time(),
    Case::new("Q4.posts", Observed, "so do posts to it", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            let id = own_id(&mut client).await?;
            for _ in 0..2 {
                site.wait(STEP).await?;
                equal("status of a POST", site.manage("POST", &id, "kept").await?.status, 200)?;
                equal("message", client.text().await?, "kept")?;
            }
            own_id(&mut client).await.map(drop)
        })
    })
    .takes_time(),
    Case::new("Q5.silent", Observed, "the gateway never pings", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            site.wait(STEP).await?;
            client.send(r#"{"action":"mock"}"#).await?;
            match client.frame().await? {
                Some(frame) => equal("the first frame", frame.opcode, Opcode::Text),
                None => fails("a frame", "the end"),
            }
        })
    })
    .takes_time(),
    Case::new("Q5.pong", Observed, "it answers a client's ping with its payload", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            client.send_frame(&Frame::new(Opcode::Ping, "are you there")).await?;
            match client.next().await? {
                Incoming::Pong(payload) => equal("payload", payload, b"are you there".to_vec()),
                other => fails("a pong", format!("{other:?}")),
            }
        })
    }),
    Case::new("Q5.text", Observed, "a text message ping is a message like any other", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Bare).await?;
            let frame = client.ask("ping").await?;
            super::routing::error_frame(&frame, "Forbidden").map(drop)
        })
    }),
    Case::new("Q6.life", Documented, "after two hours a connection ends, active or not", |site| {
        Box::pin(async {
            let mut client = aged(site).await?;
            match client.next().await? {
                Incoming::Close(_) | Incoming::End => Ok(()),
                other => fails("the end", format!("{other:?}")),
            }
        })
    })
    .takes_time(),
    Case::new("7.1.life", Documented, "and not earlier", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            grow(site, &mut client, LIFE - SLACK).await?;
            let id = own_id(&mut client).await?;
            holds("a connection", !id.is_empty(), id)
        })
    })
    .takes_time(),
];

/// A connection of two hours that was never idle.
pub(super) async fn aged(site: &Site) -> Checked<Client> {
    let mut client = site.connect(Api::Main).await?;
    grow(site, &mut client, LIFE + SLACK).await?;
    Ok(client)
}

/// Lets a connection get so old in steps that are shorter than the idle time, with messages between them.
async fn grow(site: &Site, client: &mut Client, age: Duration) -> Checked {
    let steps = age.as_secs().div_ceil(STEP.as_secs());
    let step = age.div_f64(steps as f64);
    for _ in 1..steps {
        own_id(client).await?;
        site.wait(step).await?;
    }
    own_id(client).await?;
    site.wait(step).await
}
