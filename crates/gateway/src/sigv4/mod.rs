//! Verifies signed requests (C5, C6, A9). `aws-sigv4` only signs, so the canonical form is built here, from the request as it was
//! received; key derivation and the HMAC are that crate's.

mod canonical;
mod claim;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use http::HeaderMap;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use time::{OffsetDateTime, PrimitiveDateTime, format_description::FormatItem, macros::format_description};

use crate::{Credential, CredentialLookup};

use canonical::{canonical_request, hex};
use claim::Claim;

/// Verifies against the credentials that a lookup knows.
pub struct Verifier {
    service: &'static str,
    region: String,
    credentials: Arc<dyn CredentialLookup>,
    keys: Mutex<HashMap<String, CachedKey>>,
}

/// A request as it was received.
pub struct SignedRequest<'a> {
    /// In capitals.
    pub method: &'a str,
    /// As sent, not decoded.
    pub path: &'a str,
    /// As sent, without the question mark.
    pub query: Option<&'a str>,
    /// All of them; the signature says which it covers.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

/// The service of management calls in credential scopes.
pub(crate) const MANAGEMENT_SERVICE: &str = "execute-api";

/// How far a request's time may be from ours, the tolerance that AWS documents for signed requests.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(5 * 60);

/// Signing keys kept: one per access key and day. Beyond, all are forgotten and derived again.
const KEYS_MAX: usize = 1_000;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Why a caller is refused. `Display` is what the caller reads.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Denied {
    /// There is no signature.
    #[error("Missing Authentication Token")]
    Missing,
    /// What there is cannot be read as one.
    #[error("the signature is not one of version 4: {0}")]
    Malformed(&'static str),
    /// It is for another day, region or service.
    #[error("the credential scope must be {expected}, and the request is signed for {given}")]
    Scope {
        /// The scope that would do.
        expected: String,
        /// The scope of the signature.
        given: String,
    },
    /// It is too old, or from the future.
    #[error(
        "the request is signed for {signed}, more than five minutes from now, {now}; set the clock of the caller"
    )]
    Skewed {
        /// The time of the signature.
        signed: String,
        /// Our time.
        now: String,
    },
    /// The time that it holds for is over.
    #[error("Signature expired: the request was signed for {signed}, and it is {now}")]
    Expired {
        /// The time of the signature.
        signed: String,
        /// Our time.
        now: String,
    },
    /// The access key is not one of ours, or its session token is missing or wrong.
    #[error("The security token included in the request is invalid.")]
    UnknownCredential,
    /// It was made with another secret, or something was changed on the way.
    #[error(
        "The request signature we calculated does not match the signature you provided. \
         Check your AWS Secret Access Key and signing method."
    )]
    Mismatch,
}

impl Denied {
    /// The code that SDKs see.
    pub fn error_type(&self) -> &'static str {
        match self {
            Denied::Missing => "MissingAuthenticationTokenException",
            _ => "ForbiddenException",
        }
    }
}

/// The time in `x-amz-date`.
const AMZ_DATE: &[FormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]Z");

struct CachedKey {
    secret: String,
    date: String,
    key: Vec<u8>,
}

impl Verifier {
    /// Verifies requests to `service`, as credential scopes name it, in `region`.
    pub fn new(service: &'static str, region: String, credentials: Arc<dyn CredentialLookup>) -> Self {
        Verifier { service, region, credentials, keys: Mutex::default() }
    }

    /// Whether this request was signed, in its headers or its query, with a credential that we know, at a time that fits.
    ///
    /// # Errors
    /// [`Denied`] says why it may not pass.
    pub fn verify(&self, request: &SignedRequest<'_>, now: SystemTime) -> Result<(), Denied> {
        let claim = Claim::of(request)?;
        let amz_date = &*claim.amz_date;
        let signed_at = PrimitiveDateTime::parse(amz_date, AMZ_DATE)
            .map_err(|_| Denied::Malformed("its date is not like 20240724T074714Z"))?
            .assume_utc();
        let expected_scope = format!("{}/{}/{}/aws4_request", &amz_date[..8], self.region, self.service);
        if claim.scope != expected_scope {
            return Err(Denied::Scope { expected: expected_scope, given: claim.scope.into_owned() });
        }
        self.check_time(&claim, signed_at, now.into())?;
        let credential =
            self.credentials.credential(&claim.access_key_id).ok_or(Denied::UnknownCredential)?;
        if let Some(expected) = &credential.session_token {
            let given = claim.session_token.as_deref().unwrap_or_default();
            if !bool::from(expected.as_bytes().ct_eq(given.as_bytes())) {
                return Err(Denied::UnknownCredential);
            }
        }
        let canonical = hex(Sha256::digest(canonical_request(request, &claim.signed_headers)));
        let to_sign = format!("{ALGORITHM}\n{amz_date}\n{expected_scope}\n{canonical}");
        let key = self.signing_key(&claim.access_key_id, &credential, &amz_date[..8], signed_at);
        let expected = calculate_signature(key, to_sign.as_bytes());
        if bool::from(expected.as_bytes().ct_eq(claim.signature.as_bytes())) {
            Ok(())
        } else {
            Err(Denied::Mismatch)
        }
    }

    /// A signature in the headers holds for five minutes, one in the query for as long as it says.
    fn check_time(
        &self,
        claim: &Claim<'_>,
        signed_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), Denied> {
        let from_future = signed_at - now > CLOCK_SKEW_MAX;
        let too_old = now - signed_at > claim.expires.unwrap_or(CLOCK_SKEW_MAX);
        if !from_future && !too_old {
            return Ok(());
        }
        let (signed, now) = (claim.amz_date.to_string(), now.format(AMZ_DATE).unwrap_or_default());
        if too_old && claim.expires.is_some() {
            return Err(Denied::Expired { signed, now });
        }
        Err(Denied::Skewed { signed, now })
    }

    /// The day's key of a credential. Deriving it is four of the five HMACs of a signature, so it is kept.
    fn signing_key(&self, id: &str, credential: &Credential, date: &str, time: OffsetDateTime) -> Vec<u8> {
        let secret = &credential.secret_access_key;
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = keys.get(id).filter(|cached| cached.date == date && cached.secret == *secret) {
            return cached.key.clone();
        }
        let key = generate_signing_key(secret, time.into(), &self.region, self.service).as_ref().to_vec();
        if keys.len() >= KEYS_MAX {
            keys.clear();
        }
        let cached = CachedKey { secret: secret.clone(), date: date.to_owned(), key: key.clone() };
        keys.insert(id.to_owned(), cached);
        key
    }
}

#[cfg(test)]
mod tests;
