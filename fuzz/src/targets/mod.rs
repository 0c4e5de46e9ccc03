//! One module each, in the order in which bytes meet them.

#![allow(clippy::panic, reason = "a target fails by panicking")]

pub mod head;

pub mod frames;

pub mod selection;

pub mod model;

pub mod velocity;

pub mod json_path;

pub mod signature;

pub mod management_path;

pub mod events;

pub mod handler;

pub mod rule_sql;

pub mod template;

use std::borrow::Cow;

/// What stands between the parts of an input that has several, so that its seeds can be read.
const SEPARATOR: &str = "\n---\n";

/// The parts of an input; those that are not there are empty, and what is no UTF-8 is replaced.
fn parts<const N: usize>(bytes: &[u8]) -> [String; N] {
    let text: Cow<'_, str> = String::from_utf8_lossy(bytes);
    let mut parts = text.splitn(N, SEPARATOR);
    std::array::from_fn(|_| parts.next().unwrap_or_default().to_owned())
}

/// About as many pieces of one input at most.
const PIECES_MAX: usize = 2_000;

/// The bytes in pieces whose lengths `seed` decides.
fn pieces(bytes: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let longest = *rng.choice(&[1, 2, 3, 7, 100, 1_000]).unwrap_or(&1);
    let longest = longest.max(bytes.len() / PIECES_MAX);
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(rng.usize(1..=longest.min(rest.len())));
        pieces.push(piece);
        rest = more;
    }
    pieces
}
