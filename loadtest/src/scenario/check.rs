//! What a scenario means, and what it may not say.

use std::path::PathBuf;
use std::time::Duration;

use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};

use super::file::{self, File};
use super::quantity::{Time, parse_time};
use super::{
    App, Cause, Life, MessageType, Messages, MqttTls, Overrides, Placeholder, Scenario, Steps, Storm,
    Subscribe, Template, Updates, Users,
};
use crate::measured::Model;
use crate::plan::{EVENTS_MAX, PHASES_MAX, SESSIONS_MAX, TOPICS_MAX};
use crate::thresholds::{self, Threshold};

/// A push that took longer is late, if the scenario does not say.
const LATE_AFTER: Duration = Duration::from_secs(1);

/// Wait for the last pushes, if the scenario does not say: a fan-out may retry until its function's deadline.
const STRAGGLER_WAIT: Duration = Duration::from_secs(15);

/// The longest run. Its seconds are held in memory.
const RUN_MAX: Duration = Duration::from_secs(24 * 3_600);

/// The highest rate of anything: one generator thread starts each of them.
const PER_SECOND_MAX: f64 = 1_000_000.0;

/// Topics of one client: the bound of one subscription message, where the target has none of its own.
const TOPICS_EACH_MAX: usize = 100;

/// Where a scenario was read from.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: String,
    /// The folder that the target's paths start from.
    pub(super) base: PathBuf,
}

pub(super) fn resolve(file: File, source: Source, overrides: &Overrides) -> Result<Scenario, String> {
    let subscribe_max = file.target.subscribe.as_ref().and_then(|subscribe| subscribe.topics_max);
    let app = app(file.target, &source.base)?;
    let updates = file.updates.map(|given| updates(&given)).transpose()?;
    let users = users(file.users, updates.as_ref(), subscribe_max.unwrap_or(TOPICS_EACH_MAX))?;
    let messages = messages(&file.messages, &app, file.model)?;
    if updates.is_none() && messages.is_empty() && users.life == Life::Run && file.storm.is_none() {
        // Holding idle connections is a load too, but then somebody must have said so by a rate of connects.
        if !file.thresholds.iter().any(|threshold| threshold.contains("connect")) {
            return Err(
                "nothing happens in it: add [updates], [[messages]], or a threshold on connects".to_owned()
            );
        }
    }
    match (file.model, updates.is_some()) {
        (Model::Closed, true) => {
            return Err("model: a closed model has no schedule, so it cannot have [updates]".to_owned());
        }
        (_, true) if app.cause.is_none() => return Err("updates: the target has no `cause`".to_owned()),
        _ => {}
    }
    let hold = above_zero("phases.hold", file.phases.hold)?;
    let warm_up = file.phases.warm_up.map_or(Duration::ZERO, |time| time.0);
    let steps = file.steps.map(|given| steps(&given)).transpose()?;
    let storm = file.storm.map(|given| storm(&given, hold, &users)).transpose()?;
    if steps.is_some() && file.model == Model::Closed {
        return Err("steps: a closed model has no rate that could grow".to_owned());
    }
    let holds = steps.map_or(1, |steps| steps.count_max);
    let ramp =
        Duration::try_from_secs_f64(users.count as f64 / users.connects_per_second).unwrap_or(Duration::MAX);
    let total = ramp.saturating_add(warm_up).saturating_add(hold.saturating_mul(holds));
    if total > RUN_MAX {
        return Err(format!(
            "it takes {} s, more than the {} s of one run",
            total.as_secs(),
            RUN_MAX.as_secs()
        ));
    }
    let texts = file.thresholds.iter().chain(&overrides.thresholds);
    let thresholds: Vec<Threshold> = texts
        .map(|text| thresholds::parse(text).map_err(|reason| format!("thresholds: {reason}")))
        .collect::<Result<_, _>>()?;
    let scenario = Scenario {
        name: source.name,
        text: source.text,
        overrides: overrides
            .set
            .iter()
            .cloned()
            .chain(overrides.thresholds.iter().map(|text| format!("threshold = {text}")))
            .collect(),
        description: file.description,
        model: file.model,
        seed: file.seed,
        late_after: file.late_after.map_or(LATE_AFTER, |time| time.0),
        straggler_wait: file.straggler_wait.map_or(STRAGGLER_WAIT, |time| time.0),
        thresholds,
        app,
        users,
        updates,
        messages,
        warm_up,
        hold,
        steps,
        storm,
    };
    check_size(&scenario)?;
    Ok(scenario)
}

/// What the schedule would hold, before it is made.
fn check_size(scenario: &Scenario) -> Result<(), String> {
    let hold = scenario.hold.as_secs_f64();
    let growth = scenario.steps.map_or(1.0, |steps| {
        (0..steps.count_max).map(|step| steps.factor.powi(step.cast_signed())).sum::<f64>()
    });
    let loaded = scenario.warm_up.as_secs_f64() + hold * growth;
    let updates = scenario.updates.as_ref().map_or(0.0, |updates| updates.per_second * loaded);
    let messages: f64 = scenario.messages.iter().filter_map(|m| m.per_second).map(|rate| rate * loaded).sum();
    for (what, events) in [("updates.per_second", updates), ("messages", messages)] {
        if events > EVENTS_MAX as f64 {
            return Err(format!(
                "{what}: {events:.0} in one run are more than {EVENTS_MAX}: lower the rate or phases.hold"
            ));
        }
    }
    if scenario.updates.is_some() && updates < 1.0 {
        return Err(
            "updates.per_second: the run holds less than one update: raise it or phases.hold".to_owned()
        );
    }
    let sessions = match scenario.users.life {
        Life::Constant(life) | Life::Exponential(life) => {
            scenario.users.count as f64 * (1.0 + loaded / life.as_secs_f64())
        }
        Life::Run | Life::TwoHours => scenario.users.count as f64,
    };
    if sessions > SESSIONS_MAX as f64 {
        return Err(format!("users: {sessions:.0} sessions in one run are more than {SESSIONS_MAX}"));
    }
    Ok(())
}

fn users(given: file::Users, updates: Option<&Updates>, topics_max: usize) -> Result<Users, String> {
    if given.count == 0 || given.count > SESSIONS_MAX {
        return Err(format!("users.count is {}: give 1 to {SESSIONS_MAX}", given.count));
    }
    let topics_each = match updates {
        Some(updates) => {
            let max = topics_max.min(updates.topics);
            let wanted = if given.topics_each == 0 { 1 } else { given.topics_each };
            if wanted > max {
                return Err(format!(
                    "users.topics_each is {wanted}: give 1 to {max}, the bound of one subscription and of updates.topics"
                ));
            }
            wanted
        }
        None if given.topics_each > 0 => {
            return Err("users.topics_each: without [updates] there are no topics".to_owned());
        }
        None => 0,
    };
    Ok(Users {
        count: given.count,
        connects_per_second: rate("users.connects_per_second", given.connects_per_second)?,
        arrivals: given.arrivals,
        life: life(&given.life)?,
        topics_each,
        reconnect_within: given.reconnect_within.map(|time| time.0),
    })
}

fn life(text: &str) -> Result<Life, String> {
    let wrong = |_| {
        format!("users.life is `{text}`: give `run`, a time such as `60s`, `exponential 60s` or `two hours`")
    };
    let positive = |time: Duration| {
        if time.is_zero() { Err(format!("users.life is `{text}`: give more than nothing")) } else { Ok(time) }
    };
    match text.split_once(' ') {
        _ if text == "run" => Ok(Life::Run),
        _ if text == "two hours" => Ok(Life::TwoHours),
        Some(("exponential", mean)) => Ok(Life::Exponential(positive(parse_time(mean).map_err(wrong)?)?)),
        _ => Ok(Life::Constant(positive(parse_time(text).map_err(wrong)?)?)),
    }
}

fn updates(given: &file::Updates) -> Result<Updates, String> {
    if given.topics == 0 || given.topics > TOPICS_MAX {
        return Err(format!("updates.topics is {}: give 1 to {TOPICS_MAX}", given.topics));
    }
    let per_second = rate("updates.per_second", given.per_second)?;
    Ok(Updates { topics: given.topics, per_second, arrivals: given.arrivals })
}

fn messages(given: &[file::Messages], app: &App, model: Model) -> Result<Vec<Messages>, String> {
    given
        .iter()
        .enumerate()
        .map(|(number, given)| {
            let key = format!("messages[{number}]");
            let message =
                app.messages.iter().position(|message| message.name == given.name).ok_or_else(|| {
                    let names: Vec<&str> = app.messages.iter().map(|message| message.name.as_str()).collect();
                    format!("{key}.name is `{}`: the target has {}", given.name, list(&names))
                })?;
            let per_second = match (model, given.per_second) {
                (Model::Open, Some(value)) => Some(rate(&format!("{key}.per_second"), value)?),
                (Model::Open, None) => {
                    return Err(format!("{key}.per_second is missing: an open model has a rate"));
                }
                (Model::Closed, None) => None,
                (Model::Closed, Some(_)) => {
                    return Err(format!("{key}.per_second: a closed model sends when the last answer came"));
                }
            };
            Ok(Messages { message, per_second, arrivals: given.arrivals })
        })
        .collect()
}

fn steps(given: &file::Steps) -> Result<Steps, String> {
    if !(given.factor.is_finite() && given.factor > 1.0 && given.factor <= 10.0) {
        return Err(format!("steps.factor is {}: give more than 1 and at most 10", given.factor));
    }
    if given.count_max == 0 || given.count_max as usize > PHASES_MAX {
        return Err(format!("steps.count_max is {}: give 1 to {PHASES_MAX}", given.count_max));
    }
    Ok(Steps { factor: given.factor, count_max: given.count_max })
}

fn storm(given: &file::Storm, hold: Duration, users: &Users) -> Result<Storm, String> {
    let share = given.share.unwrap_or(1.0);
    if !(share > 0.0 && share <= 1.0) {
        return Err(format!("storm.share is {share}: give more than 0 and at most 1"));
    }
    if given.after.0 >= hold {
        return Err("storm.after lies behind the end of phases.hold".to_owned());
    }
    if users.reconnect_within.is_none() {
        return Err("storm: users.reconnect_within is missing: who is cut must come back".to_owned());
    }
    Ok(Storm { after: given.after.0, share })
}

fn app(given: file::Target, base: &std::path::Path) -> Result<App, String> {
    use Placeholder::{Run, Stamp, Topic, Topics, User, Version};
    let messages = given.messages.into_iter().enumerate().map(|(number, message)| {
        let key = format!("target.messages[{number}].send");
        let send = Template::parse(&message.send, &[Stamp, Topic, Version, User, Run])
            .map_err(|reason| format!("{key} {reason}"))?;
        Ok::<_, String>(MessageType {
            name: message.name,
            send,
            response: message.response,
            post: message.post,
        })
    });
    let subscribe = given.subscribe.map(|subscribe| {
        let send = Template::parse(&subscribe.send, &[Topics, Topic, User, Run])
            .map_err(|reason| format!("target.subscribe.send {reason}"))?;
        Ok::<_, String>(Subscribe { name: subscribe.name, send, reply: subscribe.reply })
    });
    Ok(App {
        url: given.url,
        ca_file: given.ca_file.map(|path| base.join(path)),
        headers: headers("target.headers", given.headers)?,
        subscribe: subscribe.transpose()?,
        push_contains: given.push.map(|push| push.contains),
        cause: given.cause.map(|given| cause(given, base)).transpose()?,
        error_contains: given.error,
        ignored: given.ignore,
        messages: messages.collect::<Result<_, _>>()?,
    })
}

fn cause(given: file::Cause, base: &std::path::Path) -> Result<Cause, String> {
    use Placeholder::{Run, Stamp, Topic, Version};
    let parse = |key: &str, text: &str, stamped: bool| {
        let template = Template::parse(text, &[Stamp, Topic, Version, Run])
            .map_err(|reason| format!("target.cause.{key} {reason}"))?;
        if stamped && !template.uses(Stamp) {
            return Err(format!("target.cause.{key} has no {{stamp}}, by which a push is recognised"));
        }
        Ok(template)
    };
    match (given.mqtt, given.http, given.socket) {
        (Some(mqtt), None, None) => {
            let identity = match (mqtt.cert_file, mqtt.key_file) {
                (Some(cert), Some(key)) => Some((base.join(cert), base.join(key))),
                (None, None) => None,
                _ => return Err("target.cause.mqtt: cert_file and key_file belong together".to_owned()),
            };
            let tls = mqtt.broker.as_deref().is_some_and(|broker| broker.starts_with("mqtts://"));
            Ok(Cause::Mqtt {
                broker: mqtt.broker,
                topic: parse("mqtt.topic", &mqtt.topic, false)?,
                payload: parse("mqtt.payload", &mqtt.payload, true)?,
                tls: tls.then(|| MqttTls { ca_file: mqtt.ca_file.map(|path| base.join(path)), identity }),
            })
        }
        (None, Some(http), None) => Ok(Cause::Http {
            method: http.method.unwrap_or_else(|| "POST".to_owned()),
            url: parse("http.url", &http.url, http.body.is_none())?,
            headers: headers("target.cause.http.headers", http.headers)?,
            body: http.body.map(|body| parse("http.body", &body, true)).transpose()?,
        }),
        (None, None, Some(socket)) => Ok(Cause::Socket {
            send: parse("socket.send", &socket.send, true)?,
            returns_to_sender: socket.returns_to_sender.unwrap_or(true),
        }),
        _ => Err("target.cause: give one of mqtt, http and socket".to_owned()),
    }
}

fn headers(
    key: &str,
    given: std::collections::BTreeMap<String, String>,
) -> Result<Vec<(String, String)>, String> {
    for (name, value) in &given {
        if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
            return Err(format!("{key}.{name} is no HTTP header"));
        }
    }
    Ok(given.into_iter().collect())
}

fn rate(key: &str, value: f64) -> Result<f64, String> {
    if value.is_finite() && value > 0.0 && value <= PER_SECOND_MAX {
        Ok(value)
    } else {
        Err(format!("{key} is {value}: give a number above 0, at most {PER_SECOND_MAX}"))
    }
}

fn above_zero(key: &str, time: Time) -> Result<Duration, String> {
    if time.0.is_zero() { Err(format!("{key} is 0: give a time")) } else { Ok(time.0) }
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "no messages".to_owned() } else { names.join(", ") }
}
