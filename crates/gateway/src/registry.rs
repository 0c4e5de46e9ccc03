use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::URL_SAFE};

use crate::{connection::Connection, ids::IdBytes};

/// The connections of one API.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    shards: [Mutex<Shard>; SHARDS],
}

type Shard = HashMap<IdBytes, Arc<Connection>, BuildHasherDefault<IdHasher>>;

/// Enough that the cores of a workstation seldom meet at a lock, and that a sweep holds each for a short time.
const SHARDS: usize = 16;

impl Registry {
    pub(crate) fn insert(&self, connection: Arc<Connection>) {
        self.shard(&connection.key).insert(connection.key, connection);
    }

    /// Whether it was there.
    pub(crate) fn remove(&self, key: &IdBytes) -> bool {
        self.shard(key).remove(key).is_some()
    }

    pub(crate) fn get(&self, key: &IdBytes) -> Option<Arc<Connection>> {
        self.shard(key).get(key).cloned()
    }

    /// Shows every connection to `visit`, which must be quick: a part of the registry is locked meanwhile.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&Arc<Connection>)) {
        for shard in &self.shards {
            for connection in lock(shard).values() {
                visit(connection);
            }
        }
    }

    /// The byte before the suffix is the end of a count, and so spreads evenly.
    fn shard(&self, key: &IdBytes) -> MutexGuard<'_, Shard> {
        lock(&self.shards[usize::from(key[7]) % SHARDS])
    }
}

/// Mixes an id into a hash. Ids are made here, of the time, a count and randomness: nobody can choose them so that they meet, and
/// a post looks one up.
#[derive(Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            // The golden ratio, whose product spreads to both halves.
            let wide = u128::from(self.0 ^ u64::from_ne_bytes(word)) * 0x9e37_79b9_7f4a_7c15;
            self.0 = (wide as u64) ^ ((wide >> 64) as u64);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A panic elsewhere leaves a map that is still a map.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bytes behind a connection id; none if it has not the service's form (C3, E2).
pub(crate) fn parse_id(id: &str) -> Option<IdBytes> {
    if id.len() != 16 {
        return None;
    }
    // The decoder asks for room for 16 characters without padding.
    let mut decoded = [0; 12];
    match URL_SAFE.decode_slice(id, &mut decoded) {
        Ok(11) => decoded[..11].try_into().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn ids_that_follow_each_other_spread() {
        let ids = crate::ids::Ids::new(7);
        let hash = |key: IdBytes| BuildHasherDefault::<IdHasher>::default().hash_one(key);
        // The low bits choose the place in a map, the highest seven tell neighbours apart.
        for bits in [|hash: u64| hash & 1023, |hash: u64| hash >> 57] {
            let mut seen = std::collections::HashMap::<u64, u32>::new();
            for _ in 0..10_240 {
                *seen.entry(bits(hash(ids.connection(1_721_807_234_120).0))).or_default() += 1;
            }
            let even = 10_240 / seen.len();
            assert!(seen.len() > 120 && seen.values().all(|count| *count as usize <= even * 4), "{seen:?}");
        }
    }

    #[test]
    fn ids_of_the_services_form_are_read() {
        let id = dunlin_events::opaque_id(*b"0123456789a");
        assert_eq!(parse_id(&id), Some(*b"0123456789a"));
        for bad in [
            "",
            "abc",
            "Zk3pQdXMDoECEeg",
            "Zk3pQdXMDoECEegA",
            "Zk3pQdXMDoECEe==",
            "Zk3pQdXMDoEC/eg=",
            "Zk3pQdXMDoECEeh=",
        ] {
            assert_eq!(parse_id(bad), None, "{bad}");
        }
    }
}
