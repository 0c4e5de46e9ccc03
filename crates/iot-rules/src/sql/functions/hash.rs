use md2::Md2;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::{Arguments, Function, Outcome, defined, function};
use crate::sql::value::Value;

pub(super) const ALL: &[Function] = &[
    function("md2", 1..=1, hash::<Md2, 64>),
    function("md5", 1..=1, hash::<Md5, 1>),
    function("sha1", 1..=1, hash::<Sha1, 1>),
    function("sha224", 1..=1, hash::<Sha224, 1>),
    function("sha256", 1..=1, hash::<Sha256, 1>),
    function("sha384", 1..=1, hash::<Sha384, 1>),
    function("sha512", 1..=1, hash::<Sha512, 1>),
];

/// In lower-case hexadecimal. A byte costs so many times what one costs elsewhere; MD2 is that slow.
fn hash<'v, D: Digest, const COST: usize>(arguments: &mut Arguments<'_, 'v>) -> Outcome<'v> {
    let Some(text) = arguments.text(0)? else { return Ok(Value::Undefined) };
    arguments.meter.charge(COST * text.len())?;
    let digest = D::digest(text.as_bytes());
    let mut hex = String::with_capacity(2 * digest.len());
    for byte in digest {
        hex.extend(
            [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default()),
        );
    }
    defined(Some(Value::text(hex)))
}
