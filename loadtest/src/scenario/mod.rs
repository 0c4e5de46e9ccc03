//! Scenarios: files that say what a run does, checked before anything starts.
//!
//! `loadtest/README.md` documents each key. A scenario is read in three steps, each of which names the file and the
//! key that is wrong: TOML, with the target's own file put in its place and the command line's changes over it; then
//! the keys and their types; then what the values mean together.

mod check;
mod file;
mod quantity;
mod template;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use file::Arrivals;
pub(crate) use quantity::parse_time;
pub(crate) use template::{Placeholder, Template};

use crate::LoadError;
use crate::measured::Model;
use crate::thresholds::Threshold;

/// Most bytes of a scenario or target file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A scenario that can be run, but for the addresses that only the run knows.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub(crate) name: String,
    /// The file, as it was read.
    pub(crate) text: String,
    /// What the command line changed.
    pub(crate) overrides: Vec<String>,
    pub(crate) description: String,
    pub(crate) model: Model,
    pub(crate) seed: u64,
    pub(crate) late_after: Duration,
    pub(crate) straggler_wait: Duration,
    pub(crate) thresholds: Vec<Threshold>,
    pub(crate) app: App,
    pub(crate) users: Users,
    pub(crate) updates: Option<Updates>,
    pub(crate) messages: Vec<Messages>,
    pub(crate) warm_up: Duration,
    pub(crate) hold: Duration,
    pub(crate) steps: Option<Steps>,
    pub(crate) storm: Option<Storm>,
}

/// Who connects, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Users {
    pub(crate) count: usize,
    pub(crate) connects_per_second: f64,
    pub(crate) arrivals: Arrivals,
    pub(crate) life: Life,
    pub(crate) topics_each: usize,
    /// Where connections that end come back: after a random part of this.
    pub(crate) reconnect_within: Option<Duration>,
}

/// How long a session lasts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Life {
    /// To the end of the run.
    Run,
    Constant(Duration),
    /// With this mean.
    Exponential(Duration),
    /// Until the service cuts it, which is no error.
    TwoHours,
}

#[derive(Clone, Debug)]
pub(crate) struct Updates {
    pub(crate) topics: usize,
    pub(crate) per_second: f64,
    pub(crate) arrivals: Arrivals,
}

#[derive(Clone, Debug)]
pub(crate) struct Messages {
    /// Index into [`App::messages`].
    pub(crate) message: usize,
    /// Over all users. Absent in a closed model.
    pub(crate) per_second: Option<f64>,
    pub(crate) arrivals: Arrivals,
}

/// The hold repeated with growing load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    pub(crate) factor: f64,
    pub(crate) count_max: u32,
}

/// Connections that are cut at once, and come back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storm {
    /// From the start of the hold.
    pub(crate) after: Duration,
    /// The part of the users that are hit.
    pub(crate) share: f64,
}

/// How to speak to an app.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) url: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) subscribe: Option<Subscribe>,
    /// A push has this text, besides its stamp.
    pub(crate) push_contains: Option<String>,
    pub(crate) cause: Option<Cause>,
    /// A frame with this text and no stamp is an error.
    pub(crate) error_contains: Option<String>,
    /// A frame with one of these texts is neither a push nor an answer, and yet expected.
    pub(crate) ignored: Vec<String>,
    pub(crate) messages: Vec<MessageType>,
}

#[derive(Clone, Debug)]
pub(crate) struct Subscribe {
    pub(crate) name: String,
    pub(crate) send: Template,
    /// The text that the reply is recognised by. Absent: the subscription counts from when it is sent.
    pub(crate) reply: Option<String>,
}

/// What brings an update about.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    Mqtt {
        broker: Option<String>,
        topic: Template,
        payload: Template,
        tls: Option<MqttTls>,
    },
    Http {
        method: String,
        url: Template,
        headers: Vec<(String, String)>,
        body: Option<Template>,
    },
    /// A client that follows the topic says it.
    Socket {
        send: Template,
        returns_to_sender: bool,
    },
}

/// Files for MQTT over TLS. Without a certificate of its own, the client has none.
#[derive(Clone, Debug)]
pub(crate) struct MqttTls {
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

/// A message of a client and what answers it.
#[derive(Clone, Debug)]
pub(crate) struct MessageType {
    pub(crate) name: String,
    pub(crate) send: Template,
    /// The text that the route response is recognised by.
    pub(crate) response: Option<String>,
    /// The same of the answer that a function posts.
    pub(crate) post: Option<String>,
}

/// What the command line changes in a scenario.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `key.key=value`, the value in TOML or as a bare word.
    pub set: Vec<String>,
    /// Further thresholds.
    pub thresholds: Vec<String>,
}

impl Scenario {
    /// Reads and checks a scenario file.
    ///
    /// # Errors
    ///
    /// `Usage` with one sentence that names the file and the key.
    pub fn read(path: &Path, overrides: &Overrides) -> Result<Scenario, LoadError> {
        let text = read_file(path)?;
        let shown = path.display();
        let mut table: toml::Table = text
            .parse()
            .map_err(|error| LoadError::Usage(format!("{shown}: {}", toml_error(&text, &error))))?;
        let mut base = path.parent().unwrap_or(Path::new("")).to_owned();
        if let Some(target) = table.get("target").and_then(toml::Value::as_str) {
            let target_path = base.join(target);
            let target_text = read_file(&target_path)?;
            let target: toml::Table = target_text.parse().map_err(|error| {
                LoadError::Usage(format!("{}: {}", target_path.display(), toml_error(&target_text, &error)))
            })?;
            base = target_path.parent().unwrap_or(Path::new("")).to_owned();
            table.insert("target".to_owned(), toml::Value::Table(target));
        }
        for change in &overrides.set {
            set(&mut table, change)
                .map_err(|reason| LoadError::Usage(format!("--set {change}: {reason}")))?;
        }
        let file: file::File =
            serde_path_to_error::deserialize(toml::Value::Table(table)).map_err(|error| {
                let (at, reason) =
                    (error.path().to_string(), error.inner().message().replace("field", "key"));
                let at = if at == "." { String::new() } else { format!("{at}: ") };
                LoadError::Usage(format!("{shown}: {at}{}", reason.replace('\n', " ")))
            })?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let source = check::Source { name, text, base };
        check::resolve(file, source, overrides)
            .map_err(|reason| LoadError::Usage(format!("{shown}: {reason}")))
    }

    /// The scenario's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn read_file(path: &Path) -> Result<String, LoadError> {
    let shown = path.display();
    let cannot = |reason: String| LoadError::Usage(format!("cannot read {shown}: {reason}"));
    let bytes = std::fs::metadata(path).map_err(|error| cannot(error.to_string()))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(cannot(format!("it has {bytes} bytes, more than the {FILE_BYTES_MAX} of a scenario")));
    }
    std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))
}

fn toml_error(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let line = line.map_or(String::new(), |line| format!("line {line}: "));
    format!("{line}{}", error.message().replace('\n', " "))
}

/// Puts one value into a table, making the tables on its way.
fn set(table: &mut toml::Table, change: &str) -> Result<(), String> {
    let (key, value) = change.split_once('=').ok_or("give key=value")?;
    let (key, value) = (key.trim(), value.trim());
    let parsed =
        format!("value = {value}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("value"));
    let value = parsed.unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut names: Vec<&str> = key.split('.').collect();
    let last = names.pop().filter(|last| !last.is_empty()).ok_or("the key is empty")?;
    let mut at: &mut toml::Value = &mut toml::Value::Table(std::mem::take(table));
    let mut root = std::mem::replace(at, toml::Value::Boolean(false));
    at = &mut root;
    for name in names {
        at = step(at, name)?;
    }
    let slot = match at {
        toml::Value::Table(table) => table.entry(last).or_insert(toml::Value::Boolean(false)),
        list => step(list, last)?,
    };
    *slot = value;
    if let toml::Value::Table(changed) = root {
        *table = changed;
    }
    Ok(())
}

/// One name of a key: of a table, or the number of a list's element.
fn step<'a>(value: &'a mut toml::Value, name: &str) -> Result<&'a mut toml::Value, String> {
    match value {
        toml::Value::Table(table) => {
            Ok(table.entry(name).or_insert_with(|| toml::Value::Table(toml::Table::new())))
        }
        toml::Value::Array(list) => {
            let length = list.len();
            name.parse::<usize>()
                .ok()
                .and_then(|index| list.get_mut(index))
                .ok_or_else(|| format!("`{name}` is no element of a list of {length}, which counts from 0"))
        }
        _ => Err(format!("`{name}` lies in a value that is no table")),
    }
}

#[cfg(test)]
pub(crate) mod tests;
