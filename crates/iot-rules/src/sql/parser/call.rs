use std::borrow::Cow;

use super::Parser;
use crate::sql::{
    SqlError, Version,
    ast::{Call, Expression},
    error::clipped,
    functions::{self, Function},
    limits::REGEXES_MAX,
    regexp::Pattern,
    time,
};

/// Functions of the service that ask another service; there is nobody to ask here.
const REMOTE: [&str; 6] = [
    "aws_lambda",
    "get_dynamodb",
    "get_registry_data",
    "get_secret",
    "get_thing_shadow",
    "machinelearning_predict",
];

const ENCODE_SCHEME: &str = "encode takes the scheme 'base64' as its second argument";

const DECODE_SCHEME: &str = "decode takes the scheme 'base64' as its second argument";

const DECODE_PROTO: &str = "decode(…, 'proto', …) reads a descriptor from S3, which no local stack has; decode it in the \
    function of the rule";

const MQTT_PROPERTY: &str = "get_mqtt_property takes one of the texts 'content_type', 'format_indicator', \
    'response_topic' and 'correlation_data'";

impl Parser<'_> {
    /// A call, from its name to after its parenthesis.
    pub(super) fn call(&mut self, name: &str) -> Result<Expression, SqlError> {
        let span = self.span();
        let lower = name.to_ascii_lowercase();
        self.next();
        self.next();
        if lower == "cast" {
            let cast = self.cast()?;
            self.expect(")", "after a cast")?;
            return Ok(cast);
        }
        if REMOTE.contains(&lower.as_str()) {
            let message = format!(
                "{lower} asks another service, which no local stack has; publish the value with the message, or let the \
                 function of the rule read it"
            );
            return Err(self.error(span, message));
        }
        let Some(function) = functions::find(&lower) else {
            let near = functions::nearest(&lower).map(|near| format!("; is it {near}")).unwrap_or_default();
            return Err(self.error(span, format!("there is no function {}{near}", clipped(name))));
        };
        if function.since == Version::V2016_03_23 {
            self.needs_2016(&format!("the function {}", function.name), span.clone())?;
        }
        let first = self.at;
        let arguments = self.list(")", Self::value)?;
        let end = self.tokens[self.at - 1].span.end;
        let mut call = Call { function, arguments, pattern: None };
        // Literals that can only be right or wrong are checked here, once.
        if let Err(message) = self.check(&mut call) {
            let span = self.tokens.get(first).map_or(span, |token| token.span.start..end - 1);
            return Err(self.error(span, message));
        }
        if !function.takes.contains(&call.arguments.len()) {
            let message = format!(
                "{} takes {}, not {}; on the service such a call is always undefined",
                function.name,
                count(function),
                call.arguments.len()
            );
            return Err(self.error(span.start..end, message));
        }
        Ok(Expression::Call(Box::new(call)))
    }

    /// Checks the literals among a call's arguments.
    fn check(&mut self, call: &mut Call) -> Result<(), Cow<'static, str>> {
        let text = |place: usize| match call.arguments.get(place) {
            Some(Expression::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        match call.function.name {
            "encode" if text(1) != Some("base64") => Err(ENCODE_SCHEME.into()),
            "decode" if text(1) == Some("proto") => Err(DECODE_PROTO.into()),
            "decode" if text(1) != Some("base64") => Err(DECODE_SCHEME.into()),
            "get_mqtt_property" if text(0).is_none() => Err(MQTT_PROPERTY.into()),
            "regexp_matches" | "regexp_replace" | "regexp_substr" => {
                let Some(pattern) = text(1) else { return Ok(()) };
                if self.patterns == REGEXES_MAX {
                    let message = format!(
                        "a statement has at most {REGEXES_MAX} regular expressions; use fewer, with alternatives in them"
                    );
                    return Err(message.into());
                }
                self.patterns += 1;
                call.pattern = Some(Pattern::new(pattern)?);
                Ok(())
            }
            "parse_time" => Ok(text(0).map_or(Ok(()), time::format::check)?),
            "time_to_epoch" => Ok(text(1).map_or(Ok(()), time::parse::check)?),
            _ => Ok(()),
        }
    }
}

/// How many arguments a function takes, for a message.
fn count(function: &Function) -> String {
    let arguments = |count: usize| format!("{count} argument{}", if count == 1 { "" } else { "s" });
    match (*function.takes.start(), *function.takes.end()) {
        (0, 0) => "no arguments".to_owned(),
        (least, usize::MAX) => format!("{} or more", arguments(least)),
        (least, most) if least == most => arguments(least),
        (least, most) => format!("{least} to {}", arguments(most)),
    }
}
