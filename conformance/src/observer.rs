use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use crate::{
    Api, Checked, Site, fails,
    script::{OBSERVER, Script},
    wire::{Client, Handshake},
};

/// Relayed events that are passed over before the one that is waited for: ours.
const EVENTS_MAX: usize = 64;

/// A connection to the main API that the probe tells of other connections' events.
pub struct Observer {
    client: Client,
    id: String,
}

/// An event as a function got it.
#[derive(Clone, Debug)]
pub struct Event {
    /// To the letter.
    pub text: String,
    /// The same, parsed.
    pub value: Value,
    /// What became of the post that the script asked for.
    pub posted: Option<String>,
}

#[derive(Deserialize)]
struct Relayed<'a> {
    #[serde(borrow)]
    event: &'a RawValue,
    posted: Option<String>,
}

impl Site {
    /// Connects somebody who watches.
    pub(crate) async fn observer(&self) -> Checked<Observer> {
        let mut client = self.connect(Api::Main).await?;
        let id = own_id(&mut client).await?;
        Ok(Observer { client, id })
    }
}

/// The id of a connection to the main API, which the probe tells it.
pub(crate) async fn own_id(client: &mut Client) -> Checked<String> {
    let event = Event::parse(client.ask(Script::echo().message("tell")).await?)?;
    match event.context("connectionId").as_str() {
        Some(id) => Ok(id.to_owned()),
        None => fails("an event with a connectionId", event.text),
    }
}

impl Observer {
    /// Its connection id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its own connection, which is as good as any other.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The `User-Agent` of somebody who is watched.
    pub fn agent(&self) -> String {
        format!("conformance/1 {OBSERVER}{}", self.id)
    }

    /// A handshake whose connection is watched.
    pub fn watch(&self, handshake: Handshake) -> Handshake {
        handshake.header("User-Agent", &self.agent())
    }

    /// The next event of this type.
    ///
    /// # Errors
    /// None is relayed in time.
    pub async fn event(&mut self, event_type: &str) -> Checked<Event> {
        for _ in 0..EVENTS_MAX {
            let event = self.any_event().await?;
            if event.event_type() == event_type {
                return Ok(event);
            }
        }
        fails(format!("an event {event_type}"), format!("{EVENTS_MAX} others"))
    }

    /// The next event of whatever type.
    ///
    /// # Errors
    /// None is relayed in time.
    pub async fn any_event(&mut self) -> Checked<Event> {
        let text = self.client.text().await?;
        let Ok(relayed) = serde_json::from_str::<Relayed<'_>>(&text) else {
            return fails("an event that the probe relays", text);
        };
        let mut event = Event::parse(relayed.event.get().to_owned())?;
        event.posted = relayed.posted;
        Ok(event)
    }
}

impl Event {
    /// Reads one.
    ///
    /// # Errors
    /// It is no JSON object.
    pub fn parse(text: String) -> Checked<Self> {
        match serde_json::from_str::<Value>(&text) {
            Ok(value) if value.is_object() => Ok(Event { text, value, posted: None }),
            _ => fails("an event", text),
        }
    }

    /// A field of `requestContext`; null if it is not there.
    pub fn context(&self, name: &str) -> &Value {
        &self.value["requestContext"][name]
    }

    /// `eventType`; that of an authorizer's event is `REQUEST`, whose own type names it.
    pub fn event_type(&self) -> &str {
        let own = self.value["type"].as_str();
        own.or(self.context("eventType").as_str()).unwrap_or_default()
    }

    /// The header of exactly this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.value["headers"][name].as_str()
    }

    /// The keys at the top, in order.
    pub fn keys(&self) -> Vec<String> {
        keys(&self.text)
    }

    /// The keys of `requestContext`, in order.
    pub fn context_keys(&self) -> Vec<String> {
        #[derive(Deserialize)]
        struct Outer<'a> {
            #[serde(borrow, rename = "requestContext")]
            context: Option<&'a RawValue>,
        }
        let outer = serde_json::from_str::<Outer<'_>>(&self.text).ok();
        outer.and_then(|outer| outer.context).map(|context| keys(context.get())).unwrap_or_default()
    }
}

/// The keys of a JSON object in the order of the text.
pub(crate) fn keys(object: &str) -> Vec<String> {
    serde_json::from_str::<Keys>(object).map(|Keys(keys)| keys).unwrap_or_default()
}

struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_the_text() {
        let event = Event::parse(r#"{"b":1,"requestContext":{"z":{"y":1},"a":2},"a":0}"#.to_owned()).unwrap();
        assert_eq!(event.keys(), ["b", "requestContext", "a"]);
        assert_eq!(event.context_keys(), ["z", "a"]);
        assert_eq!(keys("[1]"), [""; 0]);
    }
}
