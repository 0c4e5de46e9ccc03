//! The app's messages as bytes. Pushes, which come by the ten thousand, are searched for their four values and
//! never parsed as JSON.

/// Digits of the intended time in a value, in nanoseconds.
const TIME_DIGITS: usize = 20;

/// Digits of the sequence number in a value.
const SEQUENCE_DIGITS: usize = 10;

/// A parameter update as a client sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Push<'a> {
    pub(crate) device_id: &'a str,
    pub(crate) version: u64,
    /// From the value: when the update was meant to be published, on the clock of this process.
    pub(crate) intended_ns: u64,
    /// From the value: equal to the version, unless value and version were mixed up on the way.
    pub(crate) sequence: u64,
}

/// What a frame of the app is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Frame<'a> {
    Push(Push<'a>),
    /// The reply to `set_notify_list`.
    NotifyList,
    /// An error, or something that the contract does not know.
    Other,
}

pub(crate) fn topic(device_id: &str) -> String {
    format!("devices/{device_id}/parameters")
}

/// The payload of an update. Both numbers have a fixed width, so that every update of a run has the same size.
pub(crate) fn update(version: u32, intended_ns: u64) -> String {
    let (t, n) = (TIME_DIGITS, SEQUENCE_DIGITS);
    format!(
        r#"{{"version":{version},"payload":{{"value":{{"t":"{intended_ns:0t$}","n":"{version:0n$}"}}}}}}"#
    )
}

pub(crate) fn set_notify_list(device_ids: impl Iterator<Item = String>) -> String {
    let ids: Vec<String> = device_ids.map(|id| format!(r#""{id}""#)).collect();
    format!(r#"{{"action":"set_notify_list","device_ids":[{}]}}"#, ids.join(","))
}

pub(crate) fn classify(text: &str) -> Frame<'_> {
    if let Some(push) = push(text) {
        return Frame::Push(push);
    }
    #[derive(serde::Deserialize)]
    struct Typed<'a> {
        #[serde(borrow, rename = "type")]
        kind: std::borrow::Cow<'a, str>,
    }
    match serde_json::from_str::<Typed<'_>>(text) {
        Ok(typed) if typed.kind == "notify_list" => Frame::NotifyList,
        _ => Frame::Other,
    }
}

/// Finds the values by the text before them. Device ids have no quotes in them and values of this program have none
/// but their own, so that the first occurrence is the right one.
fn push(text: &str) -> Option<Push<'_>> {
    find(text, r#""type":"parameters""#)?;
    let (device_id, _) = find(text, r#""device_id":""#)?.split_once('"')?;
    let version = leading_number(find(text, r#""version":"#)?)?;
    let intended_ns = find(text, r#""t":""#)?.get(..TIME_DIGITS)?.parse().ok()?;
    let sequence = find(text, r#""n":""#)?.get(..SEQUENCE_DIGITS)?.parse().ok()?;
    Some(Push { device_id, version, intended_ns, sequence })
}

fn find<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.find(key).map(|at| &text[at + key.len()..])
}

fn leading_number(text: &str) -> Option<u64> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(device_id: &str, update: &str) -> String {
        let update: serde_json::Value = serde_json::from_str(update).unwrap();
        format!(
            r#"{{"type":"parameters","device_id":"{device_id}","version":{},"value":{}}}"#,
            update["version"], update["payload"]["value"]
        )
    }

    #[test]
    fn an_update_comes_back_from_its_push() {
        for (version, intended_ns) in [(1, 0), (7, 1_234_567), (u32::MAX, u64::MAX)] {
            let text = pushed("load-0123abcd-00042", &update(version, intended_ns));
            assert_eq!(
                classify(&text),
                Frame::Push(Push {
                    device_id: "load-0123abcd-00042",
                    version: version.into(),
                    intended_ns,
                    sequence: version.into(),
                }),
                "{text}"
            );
        }
    }

    #[test]
    fn updates_have_one_size() {
        assert_eq!(update(1, 1).len(), update(9, u64::MAX).len());
    }

    #[test]
    fn other_frames_are_told_apart() {
        let reply = r#"{"type":"notify_list","device_ids":["a"],"added":["a"],"removed":[]}"#;
        assert_eq!(classify(reply), Frame::NotifyList);
        for other in [
            r#"{"type":"error","error":{"code":"internal","message":"m","requestId":"r"}}"#,
            r#"{"message": "Internal server error", "connectionId":"c", "requestId":"r"}"#,
            r#"{"type":"parameters","device_id":"d","version":1,"value":{"temperature":21.5}}"#,
            r#"{"type":"parameters","device_id":"d","version":1,"value":{"t":"12","n":"3"}}"#,
            r#"{"type":"parameters","device_id":"d"#,
            "ü",
            "",
        ] {
            assert_eq!(classify(other), Frame::Other, "{other}");
        }
    }

    #[test]
    fn the_request_is_the_contracts() {
        let ids = ["dev-1", "dev-2"].map(str::to_owned);
        assert_eq!(
            set_notify_list(ids.into_iter()),
            r#"{"action":"set_notify_list","device_ids":["dev-1","dev-2"]}"#
        );
    }
}
