//! The app without a stack: events in, answers and posts out.

use std::{sync::Arc, time::SystemTime};

use dunlin_connection_store::{ConnectionStore, MemoryStore};
use dunlin_events::ConnectionId;
use dunlin_handler::{
    Router,
    testing::{TestEvent, TestReply, send},
};
use dunlin_management::FakeManagement;
use serde_json::{Value, json};

/// The app, and what it runs on here.
struct World {
    app: Router,
    store: Arc<MemoryStore>,
    management: Arc<FakeManagement>,
}

impl World {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let management = Arc::new(FakeManagement::new());
        World { app: rooms::app(Arc::clone(&store), Arc::clone(&management)), store, management }
    }

    /// `name` connects; the connection is called the same.
    async fn connect(&mut self, name: &str) {
        let event = TestEvent::connect().connection_id(name).query("name", name);
        assert!(send(&mut self.app, event).await.is_success());
    }

    /// `name` sends a message, which the gateway routes by its action.
    async fn send(&mut self, name: &str, message: Value) -> TestReply {
        let action = message["action"].as_str().unwrap_or("$default");
        let event = TestEvent::message_json(action, &message).connection_id(name);
        send(&mut self.app, event).await
    }

    /// What was posted to `name`, in order.
    fn posted_to(&self, name: &str) -> Vec<Value> {
        let posts = self.management.posts_to(&id(name));
        posts.iter().map(|post| serde_json::from_slice(post).expect("posts are JSON")).collect()
    }

    async fn is_known(&self, name: &str) -> bool {
        self.store
            .connection(&id(name), SystemTime::now().into())
            .await
            .expect("memory does not fail")
            .is_some()
    }
}

fn id(name: &str) -> ConnectionId {
    name.parse().expect("the names here are ids")
}

#[tokio::test]
async fn nobody_comes_in_without_a_name() {
    let mut world = World::new();
    let check = async |world: &mut World, event: TestEvent, code| {
        let reply = send(&mut world.app, event.connection_id("ada")).await;
        assert_eq!((reply.status(), reply.error_code()), (400, Some(code)));
        assert!(!world.is_known("ada").await);
    };
    check(&mut world, TestEvent::connect(), "invalid_query").await;
    check(&mut world, TestEvent::connect().query("name", ""), "invalid_name").await;
}

#[tokio::test]
async fn everybody_in_the_room_reads_it_and_nobody_else() {
    let mut world = World::new();
    for (name, room) in [("ada", "blue"), ("bob", "blue"), ("eve", "red")] {
        world.connect(name).await;
        let reply = world.send(name, json!({"action": "join", "room": room})).await;
        assert_eq!(*reply.json(), json!({"type": "joined", "room": room, "last": null}));
    }

    let reply = world.send("ada", json!({"action": "say", "text": "hello"})).await;
    assert_eq!(reply.body(), None, "a one-way route answers by post");

    let [said, heard] = world.posted_to("ada").try_into().unwrap();
    let version = &said["version"];
    let expected =
        json!({"type": "said", "room": "blue", "version": version, "name": "ada", "text": "hello"});
    assert_eq!(said, expected);
    assert_eq!(heard, json!({"type": "heard", "version": version, "by": 2, "missed": 0}));
    assert_eq!(world.posted_to("bob"), std::slice::from_ref(&expected));
    assert!(world.posted_to("eve").is_empty());

    // Whoever comes later reads what was said last.
    let reply = world.send("eve", json!({"action": "join", "room": "blue"})).await;
    assert_eq!(reply.json()["last"], expected);
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let mut world = World::new();
    world.connect("ada").await;

    let reply = world.send("ada", json!({"action": "join", "room": "a/b"})).await;
    assert_eq!(reply.error_code(), Some("invalid_body"));
    assert!(reply.error_message().unwrap().contains("`room`: a topic has only letters"), "{reply:?}");

    world.send("ada", json!({"action": "say", "text": "hello"})).await;
    world.send("ada", json!({"action": "say", "text": "x".repeat(1001)})).await;
    let posted = world.posted_to("ada");
    assert_eq!(posted[0]["error"]["message"], "join a room first");
    assert_eq!(posted[1]["error"]["code"], "invalid_text");

    let reply = world.send("ada", json!("hello")).await;
    assert_eq!(reply.error_code(), Some("unknown_action"));
}

// A new connection that is gone is tried again when it is two seconds old, so this test takes as long.
#[tokio::test]
async fn who_vanished_is_forgotten() {
    let mut world = World::new();
    for name in ["ada", "bob"] {
        world.connect(name).await;
        world.send(name, json!({"action": "join", "room": "blue"})).await;
    }
    world.management.hang_up(&id("bob"));

    world.send("ada", json!({"action": "say", "text": "hello"})).await;
    assert_eq!(world.posted_to("ada")[1]["by"], 1);
    assert!(!world.is_known("bob").await);

    let event = TestEvent::disconnect(1000, "bye").connection_id("ada");
    assert!(send(&mut world.app, event).await.is_success());
    assert!(!world.is_known("ada").await);
}
