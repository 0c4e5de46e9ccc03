//! Publishes an event to another topic.

use base64::{Engine, engine::general_purpose::STANDARD};
use dunlin_events::limits::{IOT_MESSAGE_BYTES_MAX, IOT_TOPIC_BYTES_MAX, IOT_TOPIC_SLASHES_MAX};
use mqtt5::{QoS, packet::publish::PublishPacket};

use super::{
    Published, REPUBLISH_DEPTH_MAX, RuleError, State, Way,
    actions::{Event, Surroundings, template},
    intake::basic_ingest,
};
use crate::{
    rule,
    sql::{Statement, Template},
};

/// Bytes of a text in an MQTT packet: its length has 16 bits.
const PROPERTY_BYTES_MAX: usize = u16::MAX as usize;

/// To subscribers, and to the rules about that topic.
pub(super) async fn republish(
    topic: &str,
    qos: QoS,
    headers: &Headers,
    event: &Event<'_>,
    surroundings: &Surroundings<'_>,
) -> Result<(), String> {
    let payload = &event.payload;
    let Surroundings { outlet, intake, published, .. } = surroundings;
    check_topic(topic)?;
    if payload.len() > IOT_MESSAGE_BYTES_MAX {
        return Err(format!(
            "the event has {} bytes; at most {IOT_MESSAGE_BYTES_MAX} can be published",
            payload.len()
        ));
    }
    if published.depth >= REPUBLISH_DEPTH_MAX {
        State::count(&intake.state.dropped);
        return Err(format!(
            "the message was republished {REPUBLISH_DEPTH_MAX} times already; do rules feed each other?"
        ));
    }
    let mut packet = PublishPacket::new(topic, payload.clone(), qos);
    headers.set(&mut packet, event)?;
    let again = Published {
        topic: topic.into(),
        payload: payload.clone(),
        depth: published.depth + 1,
        ..(*published).clone()
    };
    if intake.take(again) == Way::Broker {
        outlet.publish(packet).await;
    }
    Ok(())
}

/// The MQTT 5 properties of what is republished.
pub(super) struct Headers {
    payload_format_indicator: Option<Template>,
    content_type: Option<Template>,
    response_topic: Option<Template>,
    correlation_data: Option<Template>,
    message_expiry: Option<Template>,
    user_properties: Vec<(Template, Template)>,
}

impl Headers {
    pub(super) fn new(headers: &rule::Headers, statement: &Statement) -> Result<Self, RuleError> {
        let template = |field: &str, text: &str| template("Republish", field, text, statement);
        let optional = |field: &str, text: &Option<String>| {
            text.as_deref().map(|text| template(field, text)).transpose()
        };
        let user_property = |(name, value): &(String, String)| {
            Ok((
                template("Headers.UserProperties.Key", name)?,
                template("Headers.UserProperties.Value", value)?,
            ))
        };
        Ok(Self {
            payload_format_indicator: optional(
                "Headers.PayloadFormatIndicator",
                &headers.payload_format_indicator,
            )?,
            content_type: optional("Headers.ContentType", &headers.content_type)?,
            response_topic: optional("Headers.ResponseTopic", &headers.response_topic)?,
            correlation_data: optional("Headers.CorrelationData", &headers.correlation_data)?,
            message_expiry: optional("Headers.MessageExpiry", &headers.message_expiry)?,
            user_properties: headers.user_properties.iter().map(user_property).collect::<Result<_, _>>()?,
        })
    }

    /// Fills the templates in and sets what comes out.
    fn set(&self, packet: &mut PublishPacket, event: &Event<'_>) -> Result<(), String> {
        let properties = &mut packet.properties;
        if let Some(indicator) = &self.payload_format_indicator {
            properties.set_payload_format_indicator(match text(event, indicator)?.as_str() {
                "UTF8_DATA" => true,
                "UNSPECIFIED_BYTES" => false,
                other => return Err(format!("{other:?} is no payload format indicator")),
            });
        }
        if let Some(content_type) = &self.content_type {
            properties.set_content_type(text(event, content_type)?);
        }
        if let Some(topic) = &self.response_topic {
            let topic = text(event, topic)?;
            check_topic(&topic)?;
            properties.set_response_topic(topic);
        }
        if let Some(data) = &self.correlation_data {
            let data = STANDARD.decode(text(event, data)?).map_err(|_| "correlation data is not Base64")?;
            properties.set_correlation_data(data.into());
        }
        if let Some(seconds) = &self.message_expiry {
            let seconds = text(event, seconds)?;
            let parsed =
                seconds.parse().map_err(|_| format!("{seconds:?} is no message expiry in seconds"))?;
            properties.set_message_expiry_interval(parsed);
        }
        for (name, value) in &self.user_properties {
            properties.add_user_property(text(event, name)?, text(event, value)?);
        }
        Ok(())
    }
}

/// The text of a property; what a message has in it may be more than a packet can hold.
fn text(event: &Event<'_>, template: &Template) -> Result<String, String> {
    let text = event.fill(template)?;
    if text.len() > PROPERTY_BYTES_MAX || text.contains('\0') {
        return Err(format!("a header has more than {PROPERTY_BYTES_MAX} bytes, or the character U+0000"));
    }
    Ok(text)
}

/// Whether the service takes a publish to `topic` (S11); else why not.
pub(crate) fn check_topic(topic: &str) -> Result<(), String> {
    if !mqtt5::is_valid_topic_name(topic) {
        return Err(format!("topic {topic:?} is empty, or has a + or #"));
    }
    let counted = basic_ingest(topic).map_or(topic, |(_, rest)| rest);
    if counted.len() > IOT_TOPIC_BYTES_MAX {
        return Err(format!(
            "the topic has {} bytes; at most {IOT_TOPIC_BYTES_MAX} are possible",
            counted.len()
        ));
    }
    let slashes = counted.matches('/').count();
    if slashes > IOT_TOPIC_SLASHES_MAX {
        return Err(format!(
            "topic {topic:?} has {slashes} slashes; at most {IOT_TOPIC_SLASHES_MAX} are possible"
        ));
    }
    Ok(())
}
