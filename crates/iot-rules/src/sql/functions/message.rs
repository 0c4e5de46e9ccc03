use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Arguments, Function, Outcome, defined, function};
use crate::sql::value::Value;

pub(super) const ALL: &[Function] = &[
    function("accountid", 0..=0, |arguments| Ok(Value::text(arguments.message.account_id))),
    function("clientid", 0..=0, |arguments| Ok(Value::text(arguments.message.client_id.unwrap_or("n/a")))),
    function("get_mqtt_property", 1..=1, mqtt_property).since_2016(),
    function("get_user_properties", 0..=1, user_properties).since_2016(),
    function("newuuid", 0..=0, |arguments| Ok(Value::text(uuid((arguments.message.random)())))),
    function("principal", 0..=0, |arguments| defined(arguments.message.principal.map(Value::text))),
    function("rand", 0..=0, rand),
    function("sourceip", 0..=0, |arguments| {
        defined(arguments.message.source_ip.map(|address| Value::text(address.to_string())))
    })
    .since_2016(),
    function("timestamp", 0..=0, |arguments| Ok(Value::int(arguments.message.received_at_ms))),
    function("topic", 0..=1, topic),
    function("traceid", 0..=0, |arguments| defined(arguments.message.trace_id.map(Value::text))),
];

/// The whole topic, or one level of it, from 1.
fn topic<'v>(arguments: &mut Arguments<'_, 'v>) -> Outcome<'v> {
    let topic = arguments.message.topic;
    if arguments.values.is_empty() {
        return Ok(Value::text(topic));
    }
    let level =
        arguments.int(0).and_then(|level| usize::try_from(level).ok()).and_then(|level| level.checked_sub(1));
    defined(level.and_then(|level| topic.split('/').nth(level)).map(Value::text))
}

/// From 0 up to, not with, 1: as many random bits as a double has.
fn rand<'v>(arguments: &mut Arguments<'_, 'v>) -> Outcome<'v> {
    let bits = (arguments.message.random)() >> (128 - f64::MANTISSA_DIGITS);
    let double = bits as f64 / (1_u64 << f64::MANTISSA_DIGITS) as f64;
    defined(crate::sql::number::Number::from_double(double).map(Value::Number))
}

/// One of the properties that MQTT 5 has for every message. A name that is none of them is undefined.
fn mqtt_property<'v>(arguments: &mut Arguments<'_, 'v>) -> Outcome<'v> {
    let properties = &arguments.message.properties;
    let name = arguments.text(0)?;
    defined(match name.as_deref() {
        Some("format_indicator") => {
            Some(Value::text(if properties.payload_is_utf8 { "UTF8_DATA" } else { "UNSPECIFIED_BYTES" }))
        }
        Some("content_type") => properties.content_type.map(Value::text),
        Some("response_topic") => properties.response_topic.map(Value::text),
        Some("correlation_data") => {
            properties.correlation_data.map(|data| Value::text(STANDARD.encode(data)))
        }
        _ => None,
    })
}

/// The values of one name, or all as an array of objects with one entry.
fn user_properties<'v>(arguments: &mut Arguments<'_, 'v>) -> Outcome<'v> {
    let all = arguments.message.properties.user;
    if arguments.values.is_empty() {
        let pair = |(name, value): &'v (String, String)| {
            Value::Object(vec![(Cow::Borrowed(name.as_str()), Value::text(value.as_str()))])
        };
        return Ok(Value::Array(all.iter().map(pair).collect()));
    }
    let Some(wanted) = arguments.text(0)? else { return Ok(Value::Undefined) };
    let values: Vec<_> = all
        .iter()
        .filter(|(name, _)| *name == wanted)
        .map(|(_, value)| Value::text(value.as_str()))
        .collect();
    Ok(if values.is_empty() { Value::Undefined } else { Value::Array(values) })
}

/// A version 4 UUID of these random bits.
fn uuid(random: u128) -> String {
    let bits = random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
