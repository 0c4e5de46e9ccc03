//! The suite's harness for the fake: what was delivered is what the fake recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use dunlin_events::ConnectionId;
use dunlin_management::{Answer, ConnectionInfo, FakeManagement, ManagementErrorKind};

use crate::harness::{Harness, Peer, Troubled, USER_AGENT};

pub(crate) struct Fake {
    client: Arc<FakeManagement>,
    made: AtomicU8,
}

pub(crate) struct FakePeer {
    client: Arc<FakeManagement>,
    id: ConnectionId,
    read: usize,
}

impl Fake {
    fn new_id(&self) -> ConnectionId {
        ConnectionId::from_bytes([self.made.fetch_add(1, Relaxed); 11])
    }
}

impl Harness for Fake {
    type Client = Arc<FakeManagement>;
    type Peer = FakePeer;

    async fn start() -> Self {
        Fake { client: Arc::new(FakeManagement::new()), made: AtomicU8::new(0) }
    }

    fn client(&self) -> &Arc<FakeManagement> {
        &self.client
    }

    async fn connect(&self) -> FakePeer {
        let id = self.new_id();
        let connected_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_760_000_000);
        let info = ConnectionInfo {
            connected_at,
            last_active_at: connected_at,
            source_ip: Some([127, 0, 0, 1].into()),
            user_agent: Some(USER_AGENT.to_owned()),
        };
        self.client.describe(&id, info);
        FakePeer { client: Arc::clone(&self.client), id, read: 0 }
    }

    fn nobody(&self) -> ConnectionId {
        let id = self.new_id();
        self.client.hang_up(&id);
        id
    }

    fn arrived(&self) -> u64 {
        u64::try_from(self.client.posts().len()).unwrap()
    }
}

impl Troubled for Fake {
    fn answer_next(&self, id: &ConnectionId, status: u16, headers: &[(&str, &str)]) {
        let kind = match status {
            403 => ManagementErrorKind::Forbidden,
            413 => ManagementErrorKind::TooLarge,
            429 => ManagementErrorKind::Throttled,
            500..=599 => ManagementErrorKind::Unavailable,
            _ => ManagementErrorKind::Internal,
        };
        let mut answer = Answer::failed(kind);
        if let Some((_, seconds)) = headers.iter().find(|(name, _)| *name == "retry-after") {
            answer = answer.retry_after(Duration::from_secs(seconds.parse().unwrap()));
        }
        self.client.script(id, [answer]);
    }
}

impl Peer for FakePeer {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    async fn message(&mut self) -> String {
        let posts = self.client.posts_to(&self.id);
        let post = posts.get(self.read).expect("a post was delivered").to_vec();
        self.read += 1;
        String::from_utf8(post).unwrap()
    }

    async fn hang_up(self) {
        self.client.hang_up(&self.id);
    }

    async fn closed(self) {
        assert_eq!(self.client.deleted(), [self.id]);
    }

    fn check(&self, info: &ConnectionInfo) {
        assert_eq!(info.user_agent.as_deref(), Some(USER_AGENT));
    }
}
