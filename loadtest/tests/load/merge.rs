//! Parts of a run, measured by processes of their own, added up by another.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dunlin_loadtest::results;

use crate::program::{self, Finished, play, start};
use crate::stack::{Fate, Stack};
use crate::swarm::{at, ended, reach, small};

/// Until both parts have started, on a busy machine too.
const START_DELAY: Duration = Duration::from_secs(4);

/// The two parts of a run.
async fn parts(stack: &Stack) -> [Finished; 2] {
    let start_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + START_DELAY;
    let [target, broker] = at(stack);
    let part = |share: &str| {
        let start_at = format!("--start-at={}", start_at.as_millis());
        start(&small(stack), &[&target, &broker, "--run-id=0badcafe", &start_at, "--share", share])
    };
    let [first, second] = [part("0/2"), part("1/2")];
    [first.end().await, second.end().await]
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_add_up_to_the_run() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let parts = parts(&stack).await;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a/merged");
    let [first, second] = [parts[0].out(), parts[1].out()];

    let merged =
        program::finished_by(&["merge", text(&first), text(&second), "--out", text(&out)], folder).await;
    let sum = results::read(&out).unwrap();
    ended(merged.code, &sum, 0);
    let [a, b] = parts.map(|part| part.measured());
    let mut expected = reach(&a);
    expected += reach(&b);
    assert_eq!(reach(&sum), expected);
    assert_eq!((sum.run.processes, sum.run.users), (2, 20));
    assert_eq!(sum.thresholds.len(), 3);
    for name in [results::REPORT_HTML, results::REPORT_JSON, results::INTERVALS, results::SCENARIO] {
        assert!(out.join(name).is_file(), "{name}");
    }
    // The sum of one part is that part, judged again: a way to compare a run with another one afterwards.
    let baseline = format!("--baseline={}", text(&out));
    let folder = tempfile::tempdir().unwrap();
    let again = folder.path().join("again");
    program::finished_by(&["merge", text(&out), "--out", text(&again), &baseline], folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_merged_or_written_is_said_in_a_sentence() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let [target, broker] = at(&stack);
    let here = play(&small(&stack), &[&target, &broker]).await;
    let other = play(&small(&stack), &[&target, &broker, "--seconds=1"]).await;
    let merge = |args: Vec<String>| async move {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        program::finished_by(&[&["merge"], args.as_slice()].concat(), tempfile::tempdir().unwrap()).await
    };
    let (here, other) = (text(&here.out()).to_owned(), text(&other.out()).to_owned());
    let folder = tempfile::tempdir().unwrap();
    let out = format!("--out={}", text(&folder.path().join("out")));

    let refused = merge(vec![here.clone(), other, out.clone()]).await;
    refused.refused(64, "are not parts of one run: what the command line changed is `");
    merge(vec![here.clone(), here.clone(), out.clone()]).await.refused(64, "is named twice");
    merge(vec![text(folder.path()).to_owned(), out]).await.refused(64, "no part of a run is here");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    merge(vec![here.clone(), format!("--out={}/out", text(&file))]).await.refused(73, "cannot write ");

    // A disk that is full after 512 bytes: what is there is whole, and nothing else is.
    let full = folder.path().join("full");
    let merge = format!("exec {} merge {here} --out={}", env!("CARGO_BIN_EXE_dunlin-load"), text(&full));
    let limited = std::process::Command::new("sh")
        .args(["-c", &format!("trap '' XFSZ; ulimit -f 1; {merge}")])
        .output()
        .unwrap();
    let said = String::from_utf8(limited.stderr).unwrap();
    assert_eq!(limited.status.code(), Some(73), "{said}");
    assert!(said.ends_with("/full/intervals.hlog: File too large (os error 27)\n"), "{said}");
    let names: Vec<_> = std::fs::read_dir(&full)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, ["scenario.toml"]);
}
