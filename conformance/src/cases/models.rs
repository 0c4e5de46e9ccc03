//! Section 9: request models and required parameters.

use serde_json::{Value, json};

use crate::{
    Api, Case, Checked,
    Mark::{Documented, Inferred},
    Site, equal, fails, holds,
    observer::{keys, own_id},
    script::Script,
};

use super::{
    handshake::opened,
    routing::{goes_on, route_of},
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "R10a.frame",
        Documented,
        "a body that does not fit its model: Bad request body, with a messageId",
        |site| {
            Box::pin(async {
                let mut client = site.connect(Api::Main).await?;
                let id = own_id(&mut client).await?;
                let frame = client.ask(order(json!("many"))).await?;
                let told = bad_body(&frame)?;
                equal("connectionId", told["connectionId"].as_str(), Some(&*id))
            })
        },
    ),
    Case::new(
        "M1.chosen",
        Documented,
        "the expression chooses the model, and a body that fits goes on",
        |site| Box::pin(async { route_of(&ask(site, order(json!(7))).await?, "checked") }),
    ),
    Case::new(
        "M1.unknown",
        Documented,
        "without a match and without $default a message is refused",
        |site| {
            Box::pin(async { bad_body(&ask(site, message("checked", "letter", json!({}))).await?).map(drop) })
        },
    ),
    Case::new("M1.default", Documented, "$default is the model of all others", |site| {
        Box::pin(async {
            let fits = ask(site, message("checked-else", "letter", json!({"text": "hello"}))).await?;
            route_of(&fits, "checked-else")?;
            bad_body(&ask(site, message("checked-else", "letter", json!({}))).await?).map(drop)
        })
    }),
    Case::new("M2.draft-4", Documented, "models are JSON Schema draft 4", |site| {
        // There an exclusive minimum is a flag beside the minimum.
        Box::pin(async {
            bad_body(&ask(site, order(json!(1))).await?)?;
            route_of(&ask(site, order(json!(1.5))).await?, "checked")
        })
    }),
    Case::new("M2.proxy", Documented, "they apply to Lambda proxies too", |site| {
        Box::pin(async {
            let refused = Script::body("called").message("checked-probe");
            bad_body(&ask(site, refused).await?).map(drop)
        })
    }),
    Case::new(
        "M3.not-called",
        Documented,
        "the integration of a message that does not fit is not called",
        |site| {
            Box::pin(async {
                let mut client = site.connect(Api::Main).await?;
                let script = Script { post: Some("called".to_owned()), ..Script::default() };
                bad_body(&client.ask(script.message("checked-probe")).await?)?;
                // Had it been called, its post would come before the answers of two more calls.
                for _ in 0..2 {
                    let id = own_id(&mut client).await?;
                    holds("a connection id", !id.is_empty(), id)?;
                }
                Ok(())
            })
        },
    ),
    Case::new("M3.stays", Inferred, "the connection stays open", |site| {
        Box::pin(async {
            let mut client = site.connect(Api::Main).await?;
            bad_body(&client.ask(order(Value::Null)).await?)?;
            goes_on(&mut client).await
        })
    }),
    Case::new("M4.missing", Documented, "a handshake without a required parameter is refused", |site| {
        Box::pin(async {
            let status = site.handshake(Api::Required)?.send(site).await?.status();
            holds("a status of the client's fault", (400..500).contains(&status), status)
        })
    }),
    Case::new("M4.there", Documented, "one with it is not", |site| {
        Box::pin(async { opened(site, site.handshake(Api::Required)?.query("must", "yes")).await })
    }),
];

fn message(action: &str, kind: &str, more: Value) -> String {
    let mut message = json!({"action": action, "kind": kind});
    if let (Some(message), Value::Object(more)) = (message.as_object_mut(), more) {
        message.extend(more);
    }
    message.to_string()
}

/// A message whose model asks for a number above 1.
fn order(n: Value) -> String {
    message("checked", "order", json!({ "n": n }))
}

async fn ask(site: &Site, message: String) -> Checked<String> {
    site.connect(Api::Main).await?.ask(message).await
}

/// The frame of a body that does not fit; its spacing is not known.
fn bad_body(frame: &str) -> Checked<Value> {
    let Ok(told) = serde_json::from_str::<Value>(frame) else { return fails("an error frame", frame) };
    equal("keys", keys(frame), ["message", "connectionId", "messageId"])?;
    equal("message", &told["message"], "Bad request body")?;
    Ok(told)
}
