//! What a request says of its signature, in its headers or in its query.

use std::{borrow::Cow, time::Duration};

use percent_encoding::percent_decode_str;

use super::{ALGORITHM, Denied, SignedRequest};

/// Where a presigned query holds its signature.
pub(super) const SIGNATURE: &str = "X-Amz-Signature";

/// The longest time that a presigned query may hold: seven days, as AWS documents it.
const EXPIRES_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Characters of a credential scope: ours, twice what any region and service make. It is told to the caller and logged.
const SCOPE_CHARS_MAX: usize = 128;

/// A signature, and what it says about itself.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub(super) access_key_id: Cow<'a, str>,
    /// The rest of the credential: date, region, service and an end mark.
    pub(super) scope: Cow<'a, str>,
    pub(super) amz_date: Cow<'a, str>,
    pub(super) signed_headers: Cow<'a, str>,
    pub(super) signature: Cow<'a, str>,
    pub(super) session_token: Option<Cow<'a, str>>,
    /// How long a presigned query holds.
    pub(super) expires: Option<Duration>,
}

impl<'a> Claim<'a> {
    pub(super) fn of(request: &SignedRequest<'a>) -> Result<Self, Denied> {
        // Of two it would be unclear which one counts.
        for name in ["authorization", "x-amz-date", "x-amz-security-token"] {
            if request.headers.get_all(name).iter().nth(1).is_some() {
                return Err(Denied::Malformed("a header that it needs stands there twice"));
            }
        }
        let header = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let claim = match header("authorization") {
            Some(authorization) => Self::in_headers(authorization, &header)?,
            None => Self::in_query(request.query.unwrap_or_default())?,
        };
        if claim.scope.len() > SCOPE_CHARS_MAX || !claim.scope.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Denied::Malformed(
                "the credential is not like AKIA…/20240724/region/service/aws4_request",
            ));
        }
        Ok(claim)
    }

    /// `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`
    fn in_headers(authorization: &'a str, header: &impl Fn(&str) -> Option<&'a str>) -> Result<Self, Denied> {
        let parameters = authorization
            .strip_prefix(ALGORITHM)
            .filter(|rest| rest.starts_with(' '))
            .ok_or(Denied::Malformed("it does not begin with AWS4-HMAC-SHA256"))?;
        let parameter = |name: &str| {
            let value = |part: &'a str| part.trim().strip_prefix(name)?.strip_prefix('=');
            let mut values = parameters.split(',').filter_map(value);
            values.next().filter(|value| !value.is_empty() && values.next().is_none())
        };
        let missing = || Denied::Malformed("Credential, SignedHeaders and Signature are expected, once");
        let credential = parameter("Credential").ok_or_else(missing)?;
        let (access_key_id, scope) = credential.split_once('/').ok_or_else(missing)?;
        let signed_headers = parameter("SignedHeaders").ok_or_else(missing)?;
        let amz_date = header("x-amz-date").ok_or(Denied::Malformed("the header x-amz-date is missing"))?;
        // Whatever is not signed could have been changed on the way.
        for name in ["host", "x-amz-date"] {
            if !signed_headers.split(';').any(|signed| signed == name) {
                return Err(Denied::Malformed("host and x-amz-date must be among the signed headers"));
            }
        }
        Ok(Claim {
            access_key_id: access_key_id.into(),
            scope: scope.into(),
            amz_date: amz_date.into(),
            signed_headers: signed_headers.into(),
            signature: parameter("Signature").ok_or_else(missing)?.into(),
            session_token: header("x-amz-security-token").map(Cow::Borrowed),
            expires: None,
        })
    }

    /// `?X-Amz-Algorithm=…&X-Amz-Credential=…&…`
    fn in_query(query: &'a str) -> Result<Self, Denied> {
        let parameter = |name: &str| {
            let mut values =
                query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(key, _)| *key == name);
            let (_, value) = values.next().filter(|_| values.next().is_none())?;
            percent_decode_str(value).decode_utf8().ok().filter(|value| !value.is_empty())
        };
        let signature = parameter(SIGNATURE).ok_or(Denied::Missing)?;
        if parameter("X-Amz-Algorithm").as_deref() != Some(ALGORITHM) {
            return Err(Denied::Malformed("X-Amz-Algorithm is not AWS4-HMAC-SHA256"));
        }
        let missing = || {
            Denied::Malformed(
                "X-Amz-Credential, X-Amz-Date, X-Amz-Expires and X-Amz-SignedHeaders are expected, once",
            )
        };
        let credential = parameter("X-Amz-Credential").ok_or_else(missing)?;
        let (access_key_id, scope) = credential.split_once('/').ok_or_else(missing)?;
        let signed_headers = parameter("X-Amz-SignedHeaders").ok_or_else(missing)?;
        if !signed_headers.split(';').any(|signed| signed == "host") {
            return Err(Denied::Malformed("host must be among the signed headers"));
        }
        let expires = parameter("X-Amz-Expires").ok_or_else(missing)?;
        let expires = expires.parse().map(Duration::from_secs).ok().filter(|expires| *expires <= EXPIRES_MAX);
        Ok(Claim {
            access_key_id: access_key_id.to_owned().into(),
            scope: scope.to_owned().into(),
            amz_date: parameter("X-Amz-Date").ok_or_else(missing)?,
            signed_headers,
            signature,
            session_token: parameter("X-Amz-Security-Token"),
            expires: Some(
                expires.ok_or(Denied::Malformed("X-Amz-Expires is no number of seconds up to 604800"))?,
            ),
        })
    }
}
