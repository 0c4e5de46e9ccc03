use std::net::IpAddr;

/// What a statement looks at: one published message, and what is known of who sent it.
///
/// Clock and randomness are arguments. Build one with [`Message::new`] and set what is known.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// Where it was published, as `topic()` shows it: of a Basic Ingest topic, what follows `$aws/rules/{name}/`.
    pub topic: &'a str,
    /// As it came.
    pub payload: &'a [u8],
    /// Who published it; `clientid()` is `n/a` without one.
    pub client_id: Option<&'a str>,
    /// How the publisher authenticated: `principal()`.
    pub principal: Option<&'a str>,
    /// Where the publisher connects from: `sourceip()`.
    pub source_ip: Option<IpAddr>,
    /// Names the message in logs: `traceid()`.
    pub trace_id: Option<&'a str>,
    /// Who owns the rule: `accountid()`.
    pub account_id: &'a str,
    /// When it came, in milliseconds since the Unix epoch: `timestamp()`.
    pub received_at_ms: u64,
    /// Random bits, for `newuuid()` and `rand()`.
    pub random: &'a (dyn Fn() -> u128 + Sync),
    /// What MQTT 5 says beside the payload; nothing for a message that did not come over MQTT 5.
    pub properties: Properties<'a>,
}

/// The MQTT 5 properties of a message: `get_mqtt_property()` and `get_user_properties()`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Properties<'a> {
    /// Whether the publisher says that the payload is UTF-8.
    pub payload_is_utf8: bool,
    /// What the payload is.
    pub content_type: Option<&'a str>,
    /// Where an answer is expected.
    pub response_topic: Option<&'a str>,
    /// What ties an answer to its request.
    pub correlation_data: Option<&'a [u8]>,
    /// Names and values of the application's own, in order; a name may stand more than once.
    pub user: &'a [(String, String)],
}

impl<'a> Message<'a> {
    /// A message of nobody, at the epoch, with zeros for random bits.
    #[must_use]
    pub fn new(topic: &'a str, payload: &'a [u8]) -> Self {
        Self {
            topic,
            payload,
            client_id: None,
            principal: None,
            source_ip: None,
            trace_id: None,
            account_id: "000000000000",
            received_at_ms: 0,
            random: &|| 0,
            properties: Properties::default(),
        }
    }
}
