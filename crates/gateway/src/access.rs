//! What a handshake must bring besides an identity: an API key (A10), and parameters (M4).

use std::sync::Arc;

use http::StatusCode;

use crate::{
    ApiKeyConfig, ApiKeySource,
    api::Route,
    authorize::{Applicant, Principal},
    event::Handshaken,
    gateway::Gateway,
    refusal::Refusal,
    usage::Locked,
};

/// The header that a caller sends its key in.
const API_KEY_HEADER: &str = "x-api-key";

/// A parameter that must be there.
#[derive(Debug)]
pub(crate) enum Parameter {
    Header(Box<str>),
    Query(Box<str>),
}

impl Parameter {
    /// Reads `route.request.header.…` and `route.request.querystring.…`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let named = |prefix: &str| text.strip_prefix(prefix).filter(|name| !name.is_empty()).map(Box::from);
        let header = named("route.request.header.").map(Parameter::Header);
        header.or_else(|| named("route.request.querystring.").map(Parameter::Query)).ok_or_else(|| {
            format!(
                "asks for the parameter \"{text}\"; it must be route.request.header.… or route.request.querystring.…"
            )
        })
    }

    fn name(&self) -> &str {
        match self {
            Parameter::Header(name) | Parameter::Query(name) => name,
        }
    }

    /// Whether it is there and says anything.
    fn is_in(&self, request: &Handshaken<'_>) -> bool {
        let value = match self {
            Parameter::Header(name) => request.header(name),
            Parameter::Query(name) => request.query(name),
        };
        value.is_some_and(|value| !value.trim().is_empty())
    }
}

impl Applicant<'_> {
    /// Checks what the route asks for, once it is clear who is there.
    ///
    /// # Errors
    /// What the client is told instead of 101: 403 without a key of a plan of the stage, 429 beyond the plan, 400 without a
    /// parameter. The words are those of REST APIs.
    pub(crate) fn admit<B>(
        &self,
        gateway: &Gateway<B>,
        route: &Route,
        principal: Option<&Principal>,
    ) -> Result<Option<Arc<ApiKeyConfig>>, Refusal> {
        if !route.api_key_required && route.required_parameters.is_empty() {
            return Ok(None);
        }
        let request = self.source.handshaken(self.head, self.forwarded);
        let key = if route.api_key_required { Some(self.key(gateway, &request, principal)?) } else { None };
        let missing: Vec<&str> = (route.required_parameters.iter())
            .filter(|parameter| !parameter.is_in(&request))
            .map(Parameter::name)
            .collect();
        if !missing.is_empty() {
            let text = format!("Missing required request parameters: [{}]", missing.join(", "));
            return Err(Refusal::new(StatusCode::BAD_REQUEST, text));
        }
        Ok(key)
    }

    fn key<B>(
        &self,
        gateway: &Gateway<B>,
        request: &Handshaken<'_>,
        principal: Option<&Principal>,
    ) -> Result<Arc<ApiKeyConfig>, Refusal> {
        let value = match self.source.api.api_key_source {
            ApiKeySource::Header => request.header(API_KEY_HEADER),
            ApiKeySource::Authorizer => principal.and_then(Principal::usage_identifier_key),
        };
        let stage = (&*self.source.api.id, &*self.connection.stage.name);
        let entered = gateway.usage.enter(value.unwrap_or_default(), stage, gateway.tick(), gateway.now_ms());
        entered.map_err(|locked| match locked {
            Locked::Unknown => Refusal::forbidden(),
            Locked::Throttled => Refusal::of_status(StatusCode::TOO_MANY_REQUESTS),
            Locked::Spent => Refusal::new(StatusCode::TOO_MANY_REQUESTS, "Limit Exceeded"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        let name = |text: &str| Parameter::parse(text).map(|parameter| parameter.name().to_owned());
        assert_eq!(name("route.request.header.Origin"), Ok("Origin".to_owned()));
        assert_eq!(name("route.request.querystring.a.b"), Ok("a.b".to_owned()));
        for bad in ["route.request.body.a", "route.request.header.", "Origin", ""] {
            assert!(name(bad).unwrap_err().contains(bad), "{bad}");
        }
    }
}
