//! Section 5: how connections end, and what `$disconnect` is told.

use std::time::Duration;

use crate::{
    Api, Case, Checked, Event,
    Mark::{Documented, Inferred, Observed},
    Observer, Site, equal,
    observer::own_id,
    wire::{Call, Client, Frame, Opcode},
};

/// Nothing for so long ends a connection.
pub(super) const IDLE: Duration = Duration::from_secs(10 * 60);

/// So old, a connection ends whatever happens.
pub(super) const LIFE: Duration = Duration::from_secs(2 * 60 * 60);

pub(super) const CASES: &[Case] = &[
    Case::new("X1.gone", Documented, "when $disconnect runs the connection has gone", |site| {
        Box::pin(async {
            let mut watched = watched(site).await?;
            watched.client.send_frame(&Frame::close(1000, "")).await?;
            watched.observer.event("DISCONNECT").await?;
            equal("status of a GET", site.manage("GET", &watched.id, "").await?.status, 410)
        })
    }),
    Case::new("X2.at-once", Observed, "after a close frame $disconnect runs at once", |site| {
        Box::pin(async { by_close(site, "").await.map(drop) })
    }),
    Case::new("X3.unset", Observed, "a client's close frame without a code is 1005", |site| {
        Box::pin(async {
            let mut watched = watched(site).await?;
            watched.client.send_frame(&Frame::new(Opcode::Close, "")).await?;
            watched.ends(1005, Some("Client-side close frame status not set")).await
        })
    }),
    Case::new("X3.given", Observed, "a code and a reason of the client's are those", |site| {
        Box::pin(async {
            let mut watched = watched(site).await?;
            watched.client.send_frame(&Frame::close(4001, "had enough")).await?;
            watched.ends(4001, Some("had enough")).await
        })
    }),
    Case::new("X3.browser", Observed, "a browser's tab that closes is 1001 without a reason", |site| {
        Box::pin(async {
            let mut watched = watched(site).await?;
            watched.client.send_frame(&Frame::close(1001, "")).await?;
            watched.ends(1001, Some("")).await
        })
    }),
    Case::new("X3.deleted", Observed, "DELETE is 1000 Connection Closed Normally", |site| {
        Box::pin(async {
            let watched = watched(site).await?;
            site.manage("DELETE", &watched.id, "").await?;
            watched.ends(1000, Some("Connection Closed Normally")).await
        })
    }),
    Case::new("X3.lost", Inferred, "a connection that is lost is 1006", |site| {
        Box::pin(async {
            let Watched { mut observer, client, .. } = watched(site).await?;
            drop(client);
            ended(&observer.event("DISCONNECT").await?, 1006, None)
        })
    }),
    Case::new("X3.binary", Documented, "a binary frame is 1003", |site| {
        Box::pin(async {
            let mut watched = watched(site).await?;
            watched.client.send_frame(&Frame::new(Opcode::Binary, "bytes")).await?;
            watched.ends(1003, None).await
        })
    }),
    Case::new("X3.large", Documented, "a frame that is too large is 1009", |site| {
        Box::pin(async {
            let mut watched = watched(site).await?;
            // The gateway may be done with the connection before it has all of it.
            let _ = watched.client.send("x".repeat(32 * 1024 + 1)).await;
            watched.ends(1009, None).await
        })
    }),
    Case::new("X3.idle", Observed, "ten idle minutes are 1001 Going away", |site| {
        Box::pin(async {
            let mut watched = watched(site).await?;
            let_pass(site, &mut watched, IDLE).await?;
            watched.ends(1001, Some("Going away")).await
        })
    })
    .takes_time(),
    Case::new("X3.aged", Inferred, "two hours are 1001 Going away", |site| {
        // What the client is told: who could watch is older, and gone by then.
        Box::pin(async {
            let mut client = super::keep_alive::aged(site).await?;
            equal("close frame", client.closed().await?, (1001, "Going away".to_owned()))
        })
    })
    .takes_time(),
    Case::new("X4.deleted", Inferred, "the close frame after DELETE says what the event says", |site| {
        Box::pin(async {
            let watched = watched(site).await?;
            site.manage("DELETE", &watched.id, "").await?;
            watched.same_code().await
        })
    }),
    Case::new("X4.binary", Inferred, "so does that after a binary frame", |site| {
        Box::pin(async {
            let mut watched = watched(site).await?;
            watched.client.send_frame(&Frame::new(Opcode::Binary, "bytes")).await?;
            watched.same_code().await
        })
    }),
    Case::new("X5.neither", Documented, "DELETE takes neither code nor reason", |site| {
        Box::pin(async {
            let mut watched = watched(site).await?;
            let path = format!("/@connections/{}?code=4000&reason=mine", crate::site::encoded(&watched.id));
            let body = r#"{"code":4000,"reason":"mine"}"#;
            let call = Call::new("DELETE", site.management(Api::Main)?, &path).body(body);
            call.signed(site.keys()?).send(site).await?;
            equal("close code", watched.client.closed().await?.0, 1000)
        })
    }),
];

/// A connection whose events somebody sees.
struct Watched {
    observer: Observer,
    client: Client,
    id: String,
}

async fn watched(site: &Site) -> Checked<Watched> {
    let observer = site.observer().await?;
    let mut client = observer.watch(site.handshake(Api::Main)?).send(site).await?.opened()?;
    let id = own_id(&mut client).await?;
    Ok(Watched { observer, client, id })
}

impl Watched {
    async fn ends(mut self, code: u16, reason: Option<&str>) -> Checked {
        ended(&self.observer.event("DISCONNECT").await?, code, reason)
    }

    async fn same_code(mut self) -> Checked {
        let (code, reason) = self.client.closed().await?;
        ended(&self.observer.event("DISCONNECT").await?, code, Some(&reason))
    }
}

fn ended(event: &Event, code: u16, reason: Option<&str>) -> Checked {
    equal("disconnectStatusCode", event.context("disconnectStatusCode").as_u64(), Some(u64::from(code)))?;
    match reason {
        Some(reason) => equal("disconnectReason", event.context("disconnectReason").as_str(), Some(reason)),
        None => Ok(()),
    }
}

/// Lets the connection get so old in silence, while who watches goes on and is not idle.
async fn let_pass(site: &Site, watched: &mut Watched, all: Duration) -> Checked {
    // What is more than the service's limit pays for the granularity of its check (U21).
    let step = all.div_f64(3.0) + Duration::from_secs(5);
    watched.observer.event("CONNECT").await?;
    for _ in 0..2 {
        site.wait(step).await?;
        own_id(watched.observer.client()).await?;
    }
    site.wait(step).await
}

/// The DISCONNECT event of a client that closed with 1000 and this reason.
pub(super) async fn by_close(site: &Site, reason: &str) -> Checked<Event> {
    let mut watched = watched(site).await?;
    watched.client.send_frame(&Frame::close(1000, reason)).await?;
    watched.observer.event("DISCONNECT").await
}
