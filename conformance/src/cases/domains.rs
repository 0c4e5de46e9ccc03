//! Section 1.1: custom domains, and the host that an API has of its own.

use crate::{
    Api, Case, Checked,
    Mark::{Documented, Observed},
    Site, equal, holds,
    observer::own_id,
    site::encoded,
    wire::{Call, Handshake},
};

use super::handshake::{opened, refused};

pub(super) const CASES: &[Case] = &[
    Case::new("H4.base-path", Documented, "a custom domain's base path leads to the stage", |site| {
        Box::pin(async { opened(site, mapped(site, "")?).await })
    }),
    Case::new("H4.stage", Documented, "the stage's own name leads nowhere there", |site| {
        Box::pin(async {
            let stage = site.address(Api::Main)?.path.clone();
            refused(site, mapped(site, "")?.at(&stage), 403).await
        })
    }),
    Case::new("H5.names", Observed, "domainName is the custom host, stage the real stage", |site| {
        Box::pin(async {
            let mut observer = site.observer().await?;
            let _client = observer.watch(mapped(site, "")?).send(site).await?.opened()?;
            let event = observer.event("CONNECT").await?;
            equal("domainName", event.context("domainName").as_str(), Some(&*site.domain()?.host))?;
            let stage = site.address(Api::Main)?.path.rsplit('/').next();
            equal("stage", event.context("stage").as_str(), stage)
        })
    }),
    Case::new("H5.callback", Observed, "a callback to the stage's name under that host fails", |site| {
        Box::pin(async {
            let stage = site.address(Api::Main)?.path.clone();
            let status = callback(site, &stage).await?;
            holds("403 or 404", [403, 404].contains(&status), status)
        })
    }),
    Case::new(
        "C1.base-path",
        Documented,
        "under a custom domain the base path stands in place of the stage",
        |site| Box::pin(async { equal("status", callback(site, &site.domain()?.base_path).await?, 200) }),
    ),
    Case::new("H6.off", Documented, "an API may have its own host switched off", |site| {
        Box::pin(async {
            let host = site.own_host(Api::Hidden)?;
            refused(site, site.handshake(Api::Hidden)?.header("Host", &host), 403).await
        })
    }),
    Case::new("H6.on", Documented, "unless it has, it is served there", |site| {
        Box::pin(async {
            let host = site.own_host(Api::Bare)?;
            opened(site, site.handshake(Api::Bare)?.header("Host", &host)).await
        })
    }),
];

/// A handshake under the custom domain.
fn mapped(site: &Site, more: &str) -> Checked<Handshake> {
    let domain = site.domain()?;
    Ok(Handshake::to(&domain.address).header("Host", &domain.host).at(&format!("{}{more}", domain.base_path)))
}

/// The status of a post to a connection of the main API under the custom domain.
async fn callback(site: &Site, path: &str) -> Checked<u16> {
    let domain = site.domain()?;
    let keys = site.keys()?;
    let mut client = site.connect(Api::Main).await?;
    let id = own_id(&mut client).await?;
    let path = format!("{path}/@connections/{}", encoded(&id));
    let call = Call::new("POST", &domain.address, "").at(&path).host(&domain.host).body("hello");
    Ok(call.signed(keys).send(site).await?.status)
}
