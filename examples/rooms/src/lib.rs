//! People join a room, and everybody in it reads what one of them says.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use dunlin_connection_store::{Connection, ConnectionStore, Timestamp, Topic};
use dunlin_events::ConnectionId;
use dunlin_fanout::{Fanout, Update};
use dunlin_handler::{HandlerError, Json, Query, Router, State, one_way};
use dunlin_management::ManagementClient;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

/// Most characters of a name.
const NAME_CHARS_MAX: usize = 32;

/// Most characters that are said at once.
const TEXT_CHARS_MAX: usize = 1000;

/// Most time that is spent on telling everybody; the function has five seconds.
const SAY_TIME_MAX: Duration = Duration::from_secs(3);

/// How often somebody who speaks tries to be the newest of several who speak at once.
const SAY_ATTEMPTS_MAX: usize = 8;

/// Who is in which room, and the way to them.
type Rooms<S, M> = Arc<Fanout<S, M>>;

fn now() -> Timestamp {
    SystemTime::now().into()
}

#[derive(Deserialize)]
struct Guest {
    name: String,
}

/// `wss://…/dev?name=ada`: an error refuses the handshake, and nothing is remembered.
async fn connect<S: ConnectionStore, M: ManagementClient>(
    State(rooms): State<Rooms<S, M>>,
    id: ConnectionId,
    Query(guest): Query<Guest>,
) -> Result<(), HandlerError> {
    if guest.name.is_empty() || guest.name.chars().count() > NAME_CHARS_MAX {
        return Err(HandlerError::new("invalid_name", "a name has 1 to 32 characters"));
    }
    let connection = Connection { principal: Some(guest.name), ..Connection::new(id, now()) };
    rooms.store().add(&connection).await?;
    Ok(())
}

/// Best effort, as the service says: who vanished without it is found out by a push that does not arrive.
async fn disconnect<S: ConnectionStore, M: ManagementClient>(
    State(rooms): State<Rooms<S, M>>,
    id: ConnectionId,
) -> Result<(), HandlerError> {
    rooms.store().remove(&id).await?;
    Ok(())
}

/// `{"action":"join","room":"blue"}`
#[derive(Deserialize)]
struct Join {
    room: Topic,
}

/// `{"type":"joined","room":"blue","last":{"type":"said",…}}`
#[derive(Serialize)]
#[serde(tag = "type", rename = "joined")]
struct Joined {
    room: Topic,
    last: Option<Value>,
}

async fn join<S: ConnectionStore, M: ManagementClient>(
    State(rooms): State<Rooms<S, M>>,
    id: ConnectionId,
    Json(Join { room }): Json<Join>,
) -> Result<Json<Joined>, HandlerError> {
    let topics = std::slice::from_ref(&room);
    // In this order nothing is missed: who speaks from here on finds us, and what was said before is read.
    rooms.store().replace_topics(&id, topics, now()).await?;
    let head = rooms.store().heads(topics).await?.into_iter().flatten().next();
    let last = head.map(|head| serde_json::from_slice(&head.payload)).transpose()?;
    Ok(Json(Joined { room, last }))
}

/// `{"action":"say","text":"hello"}`
#[derive(Deserialize)]
struct Say {
    text: String,
}

/// What everybody in the room gets: `{"type":"said","room":"blue","version":1,"name":"ada","text":"hello"}`
#[derive(Serialize)]
#[serde(tag = "type", rename = "said")]
struct Said<'a> {
    room: &'a Topic,
    version: u64,
    name: &'a str,
    text: &'a str,
}

/// What the one who spoke gets besides: `{"type":"heard","version":1,"by":2,"missed":0}`
#[derive(Serialize)]
#[serde(tag = "type", rename = "heard")]
struct Heard {
    version: u64,
    by: u64,
    missed: u64,
}

async fn say<S: ConnectionStore, M: ManagementClient>(
    State(rooms): State<Rooms<S, M>>,
    id: ConnectionId,
    Json(Say { text }): Json<Say>,
) -> Result<Json<Heard>, HandlerError> {
    if text.is_empty() || text.chars().count() > TEXT_CHARS_MAX {
        return Err(HandlerError::new("invalid_text", "a text has 1 to 1000 characters"));
    }
    let deadline = Instant::now() + SAY_TIME_MAX;
    let no_room = || HandlerError::new("no_room", "join a room first");
    let speaker = rooms.store().connection(&id, now()).await?.ok_or_else(no_room)?;
    let room = &speaker.topics.first().ok_or_else(no_room)?.topic;
    let name = speaker.principal.as_deref().unwrap_or_default();
    // Versions order what is said in a room. Usually the time will do; it will not if two speak at once.
    let mut version = now().epoch_ms();
    for _ in 0..SAY_ATTEMPTS_MAX {
        let payload = serde_json::to_vec(&Said { room, version, name, text: &text })?.into();
        let update = Update { topic: room.clone(), version, payload, now: now(), deadline, seed: version };
        let report = rooms.publish(update).await?;
        if !report.is_older() {
            let missed = report.failed + report.skipped;
            return Ok(Json(Heard { version, by: report.delivered, missed }));
        }
        version = report.head_version + 1;
    }
    Err(HandlerError::new("too_loud", "too many speak at once; say it again").status(429))
}

async fn default() -> HandlerError {
    HandlerError::unknown_action(r#"send {"action":"join","room":"..."} or {"action":"say","text":"..."}"#)
}

/// The app, on whatever store and whatever way to its clients.
pub fn app<S: ConnectionStore, M: ManagementClient>(store: S, management: M) -> Router {
    let rooms = Arc::new(Fanout::new(store, management));
    let replies = Arc::clone(&rooms);
    Router::new()
        .connect(connect::<S, M>)
        .disconnect(disconnect::<S, M>)
        .route("join", join::<S, M>)
        .route("say", one_way(say::<S, M>))
        .default(default)
        .reply_channel(move |id, message| {
            let rooms = Arc::clone(&replies);
            async move { rooms.management().post(&id, message).await.map(drop) }
        })
        .with_state(rooms)
}
