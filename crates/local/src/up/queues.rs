//! Queues: each is a file of JSON lines, for dead letters, destinations and rule actions. Nobody receives from them; a
//! person reads them, or a test does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use dunlin_stack::{Stack, queue_name};
use serde_json::{Value, json};
use tempfile::TempDir;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::Semaphore;

use super::data;
use crate::failure::Failure;

/// Bytes of one queue's file: ours. A queue that reaches it has told what there is to tell.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Letters that wait to be written: ours. Writing one takes microseconds.
const WAITING_MAX: usize = 1_024;

/// The folder of the queues below that of `--data`.
const FOLDER: &str = "queues";

/// The stack's queues.
pub(super) struct Queues {
    place: Place,
    /// Those to which only what failed goes: each letter is worth a warning.
    dead_letters: BTreeSet<String>,
    open: Mutex<BTreeMap<String, Queue>>,
    waiting: Arc<Semaphore>,
    dropped: AtomicU64,
}

/// Where the files are.
enum Place {
    Kept(PathBuf),
    /// Made for the first letter, and gone with the process.
    Temporary(Mutex<Option<TempDir>>),
}

/// One letter.
pub(super) struct Letter {
    /// URL or ARN of the queue.
    pub(super) queue: String,
    /// Who sends it and why, for the log: no payload.
    pub(super) about: String,
    pub(super) attributes: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

/// An open file.
struct Queue {
    path: PathBuf,
    file: File,
    bytes: u64,
    lines: u64,
    full: bool,
}

/// Why a letter is lost.
#[derive(Debug)]
pub(super) enum Lost {
    /// The file has reached [`FILE_BYTES_MAX`].
    Full(PathBuf),
    /// The operating system refuses.
    Io(PathBuf, io::Error),
}

impl Queues {
    /// The queues of `stack`, in a folder below `data` or in a temporary one. Nothing is made before the first letter.
    pub(super) fn new(stack: &Stack, data: Option<&Path>) -> Arc<Self> {
        let place =
            data.map_or_else(|| Place::Temporary(Mutex::default()), |dir| Place::Kept(dir.join(FOLDER)));
        Arc::new(Self {
            place,
            dead_letters: stack.dead_letter_queues().into_iter().map(str::to_owned).collect(),
            open: Mutex::default(),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            dropped: AtomicU64::new(0),
        })
    }

    /// Sends a letter without waiting for it to be written. Must be called on the runtime.
    pub(super) fn post(self: &Arc<Self>, letter: Letter) {
        match self.waiting.clone().try_acquire_owned() {
            Ok(permit) => {
                let queues = self.clone();
                drop(tokio::task::spawn_blocking(move || {
                    let sent = queues.send(&letter);
                    queues.tell(&letter, sent);
                    drop(permit);
                }));
            }
            Err(_) => {
                let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
                if dropped == 1 {
                    tracing::error!("{WAITING_MAX} letters wait to be written; more are dropped and counted");
                }
            }
        }
    }

    /// Sends a letter and waits until it is written.
    pub(super) async fn deliver(self: &Arc<Self>, letter: Letter) -> Result<(), String> {
        let permit = self.waiting.clone().acquire_owned().await.map_err(|error| error.to_string())?;
        let queues = self.clone();
        let written = tokio::task::spawn_blocking(move || {
            let sent = queues.send(&letter);
            drop(permit);
            queues.tell(&letter, sent)
        });
        match written.await {
            Ok(true) => Ok(()),
            Ok(false) => Err("the queue does not take it".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Letters lost so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// One line about a letter; whether it is written.
    fn tell(&self, letter: &Letter, sent: Result<(PathBuf, u64), Lost>) -> bool {
        let name = queue_name(&letter.queue);
        match sent {
            Ok((path, line)) => {
                let (path, about) = (path.display(), &letter.about);
                if self.dead_letters.contains(name) {
                    tracing::warn!("dead letter in {name} ({path}, line {line}): {about}");
                } else {
                    tracing::debug!("letter in {name} ({path}, line {line}): {about}");
                }
                return true;
            }
            // Said once, when the bound is reached.
            Err(Lost::Full(path)) if self.mark_full(name) => tracing::error!(
                "queue {name} has reached {FILE_BYTES_MAX} bytes: letters to it are dropped from now on; move {} away to \
                 start afresh",
                path.display()
            ),
            Err(Lost::Full(_)) => {}
            Err(Lost::Io(path, error)) => {
                tracing::error!("a letter to {name} is lost: cannot write {}: {error}", path.display());
            }
        }
        self.dropped.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// Whether the queue was not known to be full.
    fn mark_full(&self, name: &str) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get_mut(name).is_some_and(|queue| !std::mem::replace(&mut queue.full, true))
    }

    /// Appends to the queue's file; returns it and the number of the line.
    fn send(&self, letter: &Letter) -> Result<(PathBuf, u64), Lost> {
        let name = queue_name(&letter.queue);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !open.contains_key(name) {
            let path = self.folder().map(|folder| folder.join(file_name(name)));
            let path = path.map_err(|error| Lost::Io(PathBuf::from(FOLDER), error))?;
            let queue = Queue::open(&path).map_err(|error| Lost::Io(path, error))?;
            open.insert(name.to_owned(), queue);
        }
        // Just put there.
        let Some(queue) = open.get_mut(name) else { return Err(Lost::Full(PathBuf::new())) };
        let mut line = line(letter, SystemTime::now()).to_string();
        line.push('\n');
        queue.append(line.as_bytes())?;
        Ok((queue.path.clone(), queue.lines))
    }

    fn folder(&self) -> io::Result<PathBuf> {
        match &self.place {
            Place::Kept(folder) => {
                data::make_dir(folder).map_err(|Failure { message, .. }| io::Error::other(message))?;
                Ok(folder.clone())
            }
            Place::Temporary(made) => {
                let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                if made.is_none() {
                    *made = Some(tempfile::Builder::new().prefix("dunlin-queues-").tempdir()?);
                }
                Ok(made.as_ref().map(|folder| folder.path().to_owned()).unwrap_or_default())
            }
        }
    }
}

impl Queue {
    /// Opens or makes the file, and counts what an earlier run has left in it.
    fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let (mut bytes, mut lines) = (0, 0);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            bytes += read as u64;
            lines += buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
            if bytes > FILE_BYTES_MAX {
                break;
            }
        }
        Ok(Self { path: path.to_owned(), file, bytes, lines, full: false })
    }

    fn append(&mut self, line: &[u8]) -> Result<(), Lost> {
        if self.bytes + line.len() as u64 > FILE_BYTES_MAX {
            return Err(Lost::Full(self.path.clone()));
        }
        self.file.write_all(line).map_err(|error| Lost::Io(self.path.clone(), error))?;
        self.bytes += line.len() as u64;
        self.lines += 1;
        Ok(())
    }
}

/// A queue's name comes from a template: it must not lead out of the folder.
fn file_name(queue: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    format!("{}.jsonl", queue.chars().map(word).collect::<String>())
}

/// The letter as a line: when, from whom, its attributes, and its body as text or, if it is none, as Base64.
fn line(letter: &Letter, now: SystemTime) -> Value {
    let sent_at = OffsetDateTime::from(now).format(&Rfc3339).unwrap_or_default();
    let attributes: BTreeMap<_, _> = letter.attributes.iter().map(|(name, value)| (*name, value)).collect();
    let mut line = json!({"sentAt": sent_at, "about": letter.about, "attributes": attributes});
    match std::str::from_utf8(&letter.body) {
        Ok(text) => line["body"] = json!(text),
        Err(_) => line["bodyBase64"] = json!(STANDARD.encode(&letter.body)),
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues(place: Place) -> Queues {
        Queues {
            place,
            dead_letters: BTreeSet::new(),
            open: Mutex::default(),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            dropped: AtomicU64::new(0),
        }
    }

    fn letter(queue: &str, body: impl Into<Bytes>) -> Letter {
        Letter {
            queue: queue.to_owned(),
            about: "function f".to_owned(),
            attributes: vec![("RequestID", "r".to_owned())],
            body: body.into(),
        }
    }

    #[test]
    fn letters_are_lines_and_stay() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join(FOLDER);
        let (path, line) = queues(Place::Kept(folder.clone()))
            .send(&letter("arn:aws:sqs:eu-west-1:123456789012:dead", r#"{"a":1}"#))
            .unwrap();
        assert_eq!((path.clone(), line), (folder.join("dead.jsonl"), 1));
        // Another run, by URL this time.
        let again = queues(Place::Kept(folder))
            .send(&letter("https://sqs.eu-west-1.amazonaws.com/123456789012/dead", b"\xff".as_slice()))
            .unwrap();
        assert_eq!(again, (path.clone(), 2));

        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["body"], r#"{"a":1}"#);
        assert_eq!(lines[0]["about"], "function f");
        assert_eq!(lines[0]["attributes"], json!({"RequestID": "r"}));
        assert_eq!(lines[1]["bodyBase64"], "/w==");
    }

    #[test]
    fn a_full_queue_says_so_once_and_counts() {
        let queues = queues(Place::Temporary(Mutex::default()));
        let large = vec![b'x'; FILE_BYTES_MAX as usize - 1_000];
        queues.send(&letter("q", large)).unwrap();
        let another = letter("q", vec![b'x'; 2_000]);
        for dropped in 1..=3 {
            let lost = queues.send(&another);
            assert!(matches!(lost, Err(Lost::Full(_))));
            assert!(!queues.tell(&another, lost));
            assert_eq!(queues.dropped(), dropped);
        }
        assert!(!queues.mark_full("q"), "it has been said");
        // A small one still fits.
        assert_eq!(queues.send(&letter("q", "y")).unwrap().1, 2);
    }

    #[test]
    fn a_name_does_not_lead_out_of_the_folder() {
        assert_eq!(file_name("a/../../b c"), "a_.._.._b_c.jsonl");
        assert_eq!(file_name("orders.fifo"), "orders.fifo.jsonl");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lost = queues(Place::Kept(file.path().join("q"))).send(&letter("q", "x"));
        assert!(matches!(lost, Err(Lost::Io(..))));
    }
}
