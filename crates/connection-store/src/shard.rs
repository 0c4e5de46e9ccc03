//! Which part of a topic a connection belongs to.

use std::fmt;
use std::num::NonZeroU16;

use dunlin_events::ConnectionId;
use serde::{Deserialize, Serialize};

/// Most shards a topic may have. A publisher enumerates every shard of a topic for every update, so an
/// empty shard costs a query; 256 partitions carry far more reads than the account's request quota can post.
pub const SHARD_COUNT_MAX: u16 = 256;

/// One shard of a topic, counted from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shard(u16);

/// How many shards a topic has: 1 to [`SHARD_COUNT_MAX`]. It lives on the topic's head and only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct ShardCount(NonZeroU16);

/// A number of shards that is none, or more than [`SHARD_COUNT_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a topic has 1 to {SHARD_COUNT_MAX} shards, not {0}")]
pub struct InvalidShardCount(pub u16);

impl Shard {
    /// The shard with this index. Whether a topic has it, its [`ShardCount`] tells.
    pub const fn new(index: u16) -> Self {
        Self(index)
    }

    /// The shard of a connection in a topic of `count` shards.
    ///
    /// It is computed, never looked up, and the same in every process and release: rows written with it are read by others.
    pub fn of(id: &ConnectionId, count: ShardCount) -> Self {
        let index = fnv1a_64(id.as_str().as_bytes()) % u64::from(count.get());
        Self(u16::try_from(index).expect("a remainder of a u16 fits a u16"))
    }

    /// The index, from zero.
    pub const fn index(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl ShardCount {
    /// One shard: what a topic has until it is grown, and before its first update.
    pub const ONE: Self = Self(NonZeroU16::MIN);

    /// Checks the bounds.
    ///
    /// # Errors
    /// [`InvalidShardCount`] for 0 and for more than [`SHARD_COUNT_MAX`].
    pub fn new(count: u16) -> Result<Self, InvalidShardCount> {
        match NonZeroU16::new(count) {
            Some(count) if count.get() <= SHARD_COUNT_MAX => Ok(Self(count)),
            _ => Err(InvalidShardCount(count)),
        }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// Every shard, in order.
    pub fn shards(self) -> impl Iterator<Item = Shard> {
        (0..self.get()).map(Shard)
    }
}

impl Default for ShardCount {
    fn default() -> Self {
        Self::ONE
    }
}

impl TryFrom<u16> for ShardCount {
    type Error = InvalidShardCount;

    fn try_from(count: u16) -> Result<Self, InvalidShardCount> {
        Self::new(count)
    }
}

impl From<ShardCount> for u16 {
    fn from(count: ShardCount) -> Self {
        count.get()
    }
}

/// The 64-bit FNV-1a hash: public constants, a few lines, and spreads short ids well. No secret is needed,
/// since connection ids are chosen by the service and not by the client.
fn fnv1a_64(bytes: &[u8]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(OFFSET_BASIS, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        // Test vectors of the FNV reference page.
        assert_eq!(fnv1a_64(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a_64(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a_64(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn shards_are_filled_evenly() {
        let count = ShardCount::new(16).unwrap();
        let mut filled = [0u32; 16];
        for n in 0..16_000 {
            let id: ConnectionId = format!("L0SM9c{n:05}CIhw=").parse().unwrap();
            filled[usize::from(Shard::of(&id, count).index())] += 1;
        }
        assert!(filled.iter().all(|&n| (800..1200).contains(&n)), "{filled:?}");
    }

    #[test]
    fn the_count_has_bounds() {
        assert_eq!(ShardCount::new(0), Err(InvalidShardCount(0)));
        assert_eq!(ShardCount::new(257), Err(InvalidShardCount(257)));
        assert_eq!(ShardCount::new(256).unwrap().shards().count(), 256);
        assert_eq!(ShardCount::ONE.shards().collect::<Vec<_>>(), [Shard::new(0)]);
    }
}
