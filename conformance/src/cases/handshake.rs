//! Section 1: addresses, and what `$connect` decides.

use serde_json::json;

use crate::{
    Api, Case, Checked,
    Mark::{Documented, Inferred, Observed},
    Site, Unmet, equal, fails, holds,
    observer::own_id,
    script::Script,
    wire::{Answered, Call, Frame, Handshake, Opcode},
};

pub(super) const CASES: &[Case] = &[
    Case::new("H1.stage", Documented, "clients connect to the stage's path", |site| {
        Box::pin(async { site.connect(Api::Main).await.map(drop) })
    }),
    Case::new("H1.slash", Documented, "a slash after the stage is accepted too", |site| {
        Box::pin(async { opened(site, site.handshake(Api::Main)?.path("/")).await })
    }),
    Case::new("H1.missing", Documented, "without a stage in the path there is no handshake", |site| {
        Box::pin(async { refused(site, site.handshake(Api::Main)?.at("/"), 403).await })
    }),
    Case::new("H2.versions", Documented, "TLS 1.2 and TLS 1.3 are spoken", |site| {
        Box::pin(super::tls::versions(site))
    }),
    Case::new("H2.older", Documented, "TLS 1.1 is not", |site| Box::pin(super::tls::older(site))),
    Case::new("H3.within", Documented, "a URL of 4,096 characters is taken", |site| {
        Box::pin(url_of(site, 0))
    }),
    Case::new("H3.beyond", Documented, "a longer one is not", |site| Box::pin(url_of(site, 1))),
    Case::new("H7.undeployed", Observed, "a stage without a deployment answers 403", |site| {
        Box::pin(async {
            let address = site.address(Api::Main)?;
            let root = address.path.rsplit_once('/').map_or("", |(root, _)| root);
            refused(site, Handshake::to(address).at(&format!("{root}/undeployed")), 403).await
        })
    }),
    Case::new("H8.waits", Documented, "the upgrade waits for the integration of $connect", |site| {
        Box::pin(waits(site))
    }),
    Case::new("H8.no-disconnect", Documented, "a refused handshake is followed by no $disconnect", |site| {
        Box::pin(no_disconnect(site))
    }),
    Case::new("H9.without-route", Documented, "without a $connect route the handshake succeeds", |site| {
        Box::pin(async { site.connect(Api::Bare).await.map(drop) })
    }),
    Case::new(
        "H9.without-integration",
        Documented,
        "with a $connect route of no integration it succeeds too",
        |site| Box::pin(async { site.connect(Api::Literal).await.map(drop) }),
    ),
    Case::new(
        "H9.no-disconnect",
        Documented,
        "without a $disconnect route a connection ends like any other",
        |site| Box::pin(async { site.connect(Api::Bare).await?.close(&Frame::close(1000, "")).await }),
    ),
    Case::new("H10.accepts", Observed, "a $connect function's 2xx becomes 101", |site| {
        Box::pin(async {
            for status in [200, 201, 204, 299] {
                site.connect_telling(&Script::status(status)).await?.opened()?;
            }
            Ok(())
        })
    }),
    Case::new("H10.refuses", Observed, "any other status of it is the status of the answer", |site| {
        Box::pin(async {
            for status in [301, 400, 401, 403, 404, 501] {
                equal("status", site.connect_telling(&Script::status(status)).await?.status(), status)?;
            }
            Ok(())
        })
    }),
    Case::new("H10.throws", Observed, "a $connect function that throws is a 502", |site| {
        Box::pin(async { answers(site, &Script::throw("on purpose"), 502).await })
    }),
    Case::new("H10.crashes", Observed, "a $connect function whose process ends is a 502", |site| {
        Box::pin(async { answers(site, &Script { exit: true, ..Script::default() }, 502).await })
    }),
    Case::new("H10.init", Observed, "a $connect function that does not start is a 502", |site| {
        Box::pin(async { refused(site, site.handshake(Api::Unstartable)?, 502).await })
    }),
    Case::new(
        "H10.malformed",
        Inferred,
        "a $connect function's answer that is no proxy result is a 502",
        |site| Box::pin(async { answers(site, &Script::answer(json!({"status": "fine"})), 502).await }),
    ),
    Case::new("H10.unpermitted", Inferred, "a $connect function that may not be invoked is a 500", |site| {
        Box::pin(async { refused(site, site.handshake(Api::Unpermitted)?, 500).await })
    }),
    Case::new("H11.served", Documented, "a MOCK $connect with a response of 200 lets in", |site| {
        Box::pin(async { opened(site, site.handshake(Api::Mapped)?.query("status", "200")).await })
    }),
    Case::new(
        "H11.mapped",
        Documented,
        "its own status counts where an integration response asks for it",
        |site| {
            Box::pin(async { refused(site, site.handshake(Api::Mapped)?.query("status", "403"), 403).await })
        },
    ),
    Case::new("H11.ignored", Observed, "an HTTP back end's status is ignored where none does", |site| {
        Box::pin(async {
            site.endpoint()?;
            opened(site, site.handshake(Api::Mapped)?.query("status", "500")).await
        })
    }),
    Case::new("H13.forbidden", Documented, "an authorizer's denial is a 403", |site| {
        Box::pin(super::authorization::denied(site))
    }),
    Case::new("H13.unauthorized", Documented, "an authorizer that says Unauthorized is a 401", |site| {
        Box::pin(super::authorization::unauthorized(site))
    }),
    Case::new("H13.crash", Observed, "an authorizer that throws is a 500", |site| {
        Box::pin(super::authorization::crashed(site))
    }),
    Case::new("H13.malformed", Observed, "an authorizer that answers no policy is a 500", |site| {
        Box::pin(super::authorization::malformed(site))
    }),
    Case::new("H14.closed", Observed, "a handshake beyond the throttle is a 429", |site| {
        Box::pin(async { refused(site, site.handshake(Api::Closed)?, 429).await })
    }),
    Case::new("H15.get", Observed, "a GET that is no upgrade is refused with 403 or 426", |site| {
        Box::pin(async {
            let answer = Call::new("GET", site.address(Api::Main)?, "").send(site).await?;
            holds("403 or 426", [403, 426].contains(&answer.status), answer.status)
        })
    }),
];

pub(super) async fn opened(site: &Site, handshake: Handshake) -> Checked {
    handshake.send(site).await?.opened().map(drop)
}

pub(super) async fn refused(site: &Site, handshake: Handshake, status: u16) -> Checked {
    equal("status", handshake.send(site).await?.status(), status)
}

async fn answers(site: &Site, script: &Script, status: u16) -> Checked {
    equal("status", site.connect_telling(script).await?.status(), status)
}

/// A URL that is so many characters over the limit.
async fn url_of(site: &Site, over: usize) -> Checked {
    const URL_CHARS_MAX: usize = 4_096;
    let bare = site.handshake(Api::Bare)?.raw_query("x=");
    let filler = (URL_CHARS_MAX + over).saturating_sub(bare.url_chars());
    let handshake = bare.clone().raw_query(&"x".repeat(filler.saturating_sub(1)));
    equal("characters of the URL", handshake.url_chars(), URL_CHARS_MAX + over)?;
    match (over, handshake.send(site).await) {
        (0, answered) => answered?.opened().map(drop),
        (_, Ok(Answered::Open(..))) => fails("a refusal", "101"),
        // Whichever status it is; a server may as well hang up.
        (_, Ok(Answered::Refused(..)) | Err(Unmet::Failed { .. })) => Ok(()),
        (_, Err(skipped)) => Err(skipped),
    }
}

/// The function takes its time before it lets the client in.
async fn waits(site: &Site) -> Checked {
    let mut observer = site.observer().await?;
    let script = Script { sleep_ms: Some(300), ..Script::default() };
    let handshake = observer.watch(site.handshake(Api::Main)?).query("probe", &script.to_string());
    let started = std::time::Instant::now();
    let client = handshake.send(site).await?.opened()?;
    let waited = started.elapsed();
    observer.event("CONNECT").await?;
    drop(client);
    holds("an upgrade that waits for 300 ms", waited.as_millis() >= 300, waited)
}

/// A refused connection's events, and after them those of another one, in case something else was on its way.
async fn no_disconnect(site: &Site) -> Checked {
    let mut observer = site.observer().await?;
    let refused = observer.watch(site.handshake(Api::Main)?).query("probe", &Script::status(401).to_string());
    equal("status", refused.send(site).await?.status(), 401)?;
    let refused_id = observer.event("CONNECT").await?.context("connectionId").clone();
    let mut client = observer.watch(site.handshake(Api::Main)?).send(site).await?.opened()?;
    let id = own_id(&mut client).await?;
    client.send_frame(&Frame::new(Opcode::Close, "")).await?;
    let ended = observer.event("DISCONNECT").await?;
    equal("the first to end", ended.context("connectionId").as_str(), Some(&*id))?;
    holds("another connection id", refused_id.as_str() != Some(&*id), id)
}
