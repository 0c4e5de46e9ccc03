use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use dunlin_events::ConnectionId;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::{BoxError, ReplyChannel};

/// A [`ReplyChannel`] that keeps what is posted. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct RecordedPosts(Arc<Mutex<Vec<(ConnectionId, Bytes)>>>);

impl RecordedPosts {
    /// All posts so far, in order.
    pub fn all(&self) -> Vec<(ConnectionId, Bytes)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Their texts.
    pub fn texts(&self) -> Vec<String> {
        self.all().iter().map(|(_, message)| text(message)).collect()
    }

    /// The texts for one connection.
    pub fn to(&self, connection: &str) -> Vec<String> {
        let all = self.all();
        let its = all.iter().filter(|(id, _)| id.as_str() == connection);
        its.map(|(_, message)| text(message)).collect()
    }

    /// All of them as JSON; `null` for what is not.
    pub fn json(&self) -> Vec<Value> {
        self.all().iter().map(|(_, message)| serde_json::from_slice(message).unwrap_or_default()).collect()
    }
}

fn text(message: &Bytes) -> String {
    String::from_utf8_lossy(message).into_owned()
}

impl ReplyChannel for RecordedPosts {
    fn post<'a>(
        &'a self,
        connection: &'a ConnectionId,
        message: Bytes,
    ) -> BoxFuture<'a, Result<(), BoxError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((connection.clone(), message));
        Box::pin(std::future::ready(Ok(())))
    }
}
