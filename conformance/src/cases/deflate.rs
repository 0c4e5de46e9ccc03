//! permessage-deflate (H24).

use crate::{
    Api, Checked, Site, equal, fails,
    wire::{Incoming, Opcode},
};

const OFFER: &str = "permessage-deflate; client_max_window_bits";

pub(super) async fn negotiated(site: &Site) -> Checked {
    let handshake = site.handshake(Api::Main)?.header("Sec-WebSocket-Extensions", OFFER);
    let (head, _) = handshake.send(site).await?.opened_with_head()?;
    let agreed = head.header("sec-websocket-extensions").unwrap_or("nothing");
    crate::holds("permessage-deflate", agreed.starts_with("permessage-deflate"), agreed)
}

/// What is agreed decides what the reserved bit of a frame may say. A client of the library that was agreed to
/// compression would inflate; here the frame is looked at.
pub(super) async fn readable(site: &Site) -> Checked {
    let handshake = site.handshake(Api::Main)?.header("Sec-WebSocket-Extensions", OFFER);
    let (head, mut client) = handshake.send(site).await?.opened_with_head()?;
    let may_compress = head.header("sec-websocket-extensions").is_some();
    if !may_compress {
        let text = client.ask(r#"{"action":"mock"}"#).await?;
        return crate::holds("the answer of the route", text.contains(r#""route":"mock""#), text);
    }
    client.send(r#"{"action":"mock"}"#).await?;
    match client.frame().await? {
        Some(frame) if frame.opcode == Opcode::Text && frame.reserved & 0b011 == 0 => Ok(()),
        Some(frame) => equal("a frame of text", frame.opcode, Opcode::Text),
        None => fails("a frame", format!("{:?}", Incoming::End)),
    }
}
