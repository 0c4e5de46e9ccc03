use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::URL_SAFE};

use crate::{connection::Connection, ids::IdBytes};

/// The connections of one API.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    shards: [Mutex<Shard>; SHARDS],
}

type Shard = HashMap<IdBytes, Arc<Connection>>;

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
    use super::*;

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
