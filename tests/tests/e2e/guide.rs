//! `docs/guide.md`: its code is that of `examples/rooms`, and the app does what it shows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::Value;
use tokio_tungstenite::tungstenite::Error;

use crate::{
    client::Client,
    stack::{Stack, root},
};

fn guide() -> String {
    fs::read_to_string(root().join("docs/guide.md")).unwrap()
}

/// The code blocks that name a file behind their language, those of one file put together with a blank line between.
fn quoted(guide: &str) -> BTreeMap<&str, String> {
    let mut files = BTreeMap::<&str, String>::new();
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        let Some((_, file)) = line.strip_prefix("```").and_then(|info| info.split_once(' ')) else {
            continue;
        };
        let quoted = files.entry(file).and_modify(|quoted| quoted.push('\n')).or_default();
        for line in lines.by_ref().take_while(|line| *line != "```") {
            quoted.push_str(line);
            quoted.push('\n');
        }
    }
    files
}

#[test]
fn the_guide_quotes_the_rooms_example() {
    let guide = guide();
    let quoted = quoted(&guide);
    let files: Vec<_> = quoted.keys().copied().collect();
    assert_eq!(files, ["src/lib.rs", "src/main.rs", "template.yaml", "tests/rooms.rs"]);
    for (file, quoted) in quoted {
        let real = fs::read_to_string(root().join("examples/rooms").join(file)).unwrap();
        let differs = real.lines().zip(quoted.lines()).position(|(real, quoted)| real != quoted);
        assert!(
            real == quoted,
            "docs/guide.md does not quote examples/rooms/{file} as it is: line {} of the file",
            differs.unwrap_or_else(|| real.lines().count().min(quoted.lines().count())) + 1
        );
    }
}

/// The guide adds the crates that the example has.
#[test]
fn the_guide_adds_the_crates_of_the_rooms_example() {
    let manifest = fs::read_to_string(root().join("examples/rooms/Cargo.toml")).unwrap();
    let (_, dependencies) = manifest.split_once("[dependencies]").unwrap();
    let names = dependencies.lines().filter_map(|line| line.split_once(".workspace")).map(|(name, _)| name);
    let expected: BTreeSet<_> = names.map(str::to_owned).collect();

    let guide = guide();
    let of_dunlin = guide.lines().find_map(|line| line.strip_prefix("for crate in ")?.strip_suffix("; do"));
    let of_dunlin = of_dunlin.unwrap().split(' ').map(|name| format!("dunlin-{name}"));
    let others = guide.lines().filter_map(|line| line.strip_prefix("cargo add --quiet "));
    let others = others
        .filter(|line| !line.starts_with("--"))
        .flat_map(|line| line.split(' ').take_while(|word| *word != "--features").map(str::to_owned));
    assert_eq!(of_dunlin.chain(others).collect::<BTreeSet<_>>(), expected);
}

/// The version in the frames that the guide shows; it is the time at which they were.
const VERSION_SHOWN: &str = "1795310626243";

#[tokio::test]
async fn the_app_does_what_the_guide_shows() {
    let guide = guide();
    let shown = |text: &str| assert!(guide.contains(text), "docs/guide.md does not show {text}");
    let stack = Stack::up(&root().join("examples/rooms/template.yaml"), &[]);
    let url = |name: &str| format!("{}?name={name}", stack.api("ws"));

    match Client::try_connect(stack.api("ws")).await {
        Err(Error::Http(refusal)) => {
            shown(&format!("refused the handshake with HTTP {}", refusal.status().as_u16()));
        }
        other => panic!("a refusal is expected, not {:?}", other.err()),
    }

    let (mut ada, mut bob) =
        (Client::try_connect(&url("ada")).await.unwrap(), Client::try_connect(&url("bob")).await.unwrap());
    for client in [&mut ada, &mut bob] {
        client.send(r#"{"action":"join","room":"blue"}"#).await;
        let joined = client.text().await;
        assert_eq!(joined, r#"{"type":"joined","room":"blue","last":null}"#);
        shown(&joined);
    }

    bob.send(r#"{"action":"say","text":"hello"}"#).await;
    let said = bob.text().await;
    let version = serde_json::from_str::<Value>(&said).unwrap()["version"].to_string();
    for text in [&said, &bob.text().await] {
        shown(&text.replace(&version, VERSION_SHOWN));
    }
    assert_eq!(ada.text().await, said);

    for wrong in [r#"{"action":"join","room":7}"#, r#"{"action":"shout"}"#] {
        shown(wrong);
        bob.send(wrong).await;
        shown(&bob.json().await["error"]["message"].to_string());
    }
}
