//! Reports in a real browser: what they draw, at three widths, light and dark.

use std::{
    io::Read,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::sync_channel,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use crate::stack::{Stack, program, root};

#[path = "../../../crates/report/examples/gallery/page.rs"]
mod gallery;

/// A browser that nobody has started before reads some hundred megabytes first.
const OPEN_TIMEOUT: Duration = Duration::from_secs(120);

/// A telephone, half a screen, a screen.
const WIDTHS: [u32; 3] = [360, 800, 1_400];

/// Asks the browser for the dark side.
const DARK: &str = "--blink-settings=preferredColorScheme=0";

/// Faults of the page, remembered from its first line on.
const WATCH: &str = "<script>window.faults = []; addEventListener('error', (event) => window.faults.push(event.message));\
     addEventListener('securitypolicyviolation', (event) => window.faults.push(event.violatedDirective));</script>";
const LOOK: &str = include_str!("reports/look.js");

#[test]
fn every_part_of_a_report_is_drawn_at_every_width() {
    let html = gallery::page().html();
    for width in WIDTHS {
        let found = look(&html, width, &[]);
        check(&found, width, 0.5);
        assert_eq!(found["plots"].as_array().unwrap().len(), 4, "{found}");
        assert_eq!((&found["bars"], &found["bars_apart"]), (&3.into(), &true.into()), "{found}");
        assert_eq!(found["figures"], 5, "{found}");
        // The stall of the example, at the second under the pointer.
        let tip = found["plots"][1]["tip"].as_str().unwrap();
        assert!(tip.contains("measured") && tip.contains("p99") && tip.contains("ms"), "{tip}");
    }
}

#[test]
fn a_report_is_dark_where_its_reader_is() {
    let html = gallery::page().html();
    let (light, dark) = (look(&html, 800, &[]), look(&html, 800, &[DARK]));
    for (found, paper_is_lighter) in [(&light, true), (&dark, false)] {
        check(found, 800, 0.5);
        let [paper, ink] = ["paper", "ink"].map(|key| brightness(found[key].as_str().unwrap()));
        assert!(paper.abs_diff(ink) > 400, "hard to read: {found}");
        assert_eq!(paper > ink, paper_is_lighter, "{found}");
    }
}

#[test]
fn the_report_of_a_real_run_is_drawn() {
    let stack = Stack::notify();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let output = Command::new(program("dunlin-load"))
        .arg("run")
        .arg(root().join("loadtest/scenarios/smoke.toml"))
        .arg("--ready-file")
        .arg(stack.ready_file())
        .arg("--out")
        .arg(&out)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // On a busy machine it may miss a threshold, or not believe itself; it has measured all the same.
    assert!(matches!(output.status.code(), Some(0 | 3 | 4)), "{said}");
    // Standard error is no terminal here.
    assert!(said.contains("hold: ") && said.contains(" sockets · "), "{said}");
    for name in ["report.json", "intervals.hlog", "goose.html", "scenario.toml"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let html = std::fs::read_to_string(out.join("report.html")).unwrap();
    for width in WIDTHS {
        let found = look(&html, width, &[]);
        check(&found, width, 0.05);
        // By percentile twice, over time at least three times, the generator.
        assert!(found["plots"].as_array().unwrap().len() >= 6, "{found}");
    }
}

/// What holds for every report at every width. Of each plot, a line takes this part of its width or more.
fn check(found: &Value, width: u32, drawn_min: f64) {
    assert_eq!(found["width"], width);
    assert_eq!(found["faults"], Value::Array(Vec::new()));
    assert_eq!(found["scrolls_sideways"], false, "at {width}: {found}");
    for plot in found["plots"].as_array().unwrap() {
        let number = |key: &str| plot[key].as_f64().unwrap();
        assert!(number("width") > 200.0 && number("height") > 150.0, "at {width}: {plot}");
        assert!(number("lines") >= 1.0 && number("drawn") > drawn_min, "nothing is drawn at {width}: {plot}");
        assert!(number("x_names") >= 2.0 && number("y_names") >= 2.0, "at {width}: {plot}");
        for key in ["inside", "x_apart", "y_apart", "on_page", "tip_on_page"] {
            assert_eq!(plot[key], true, "{key} at {width}: {plot}");
        }
        assert!(!plot["tip"].as_str().unwrap().is_empty(), "at {width}: {plot}");
        assert!(plot["spoken"].as_str().unwrap().contains("highest"), "{plot}");
    }
}

/// What [`LOOK`] finds on a page in a window of this width.
fn look(html: &str, width: u32, options: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    let watched = html.replacen("<title>", &format!("{WATCH}<title>"), 1);
    let watched = watched.replacen("</body>", &format!("<script>{LOOK}</script></body>"), 1);
    // In a frame, since a window has a least width that is wider than a telephone.
    let inner = watched.replace('&', "&amp;").replace('"', "&quot;");
    let outer = format!(
        "<!doctype html><iframe id=\"page\" style=\"border: 0; width: {width}px; height: 1000px\" srcdoc=\"{inner}\"></iframe>\
         <script>page.onload = () => Object.assign(document.documentElement.dataset, \
         page.contentDocument.documentElement.dataset);</script>"
    );
    std::fs::write(&file, outer).unwrap();
    let dom = open(&file, folder.path(), options);
    let (_, rest) = dom.split_once("data-found=\"").unwrap_or_else(|| panic!("nothing was found: {dom}"));
    let found = rest.split('"').next().unwrap();
    serde_json::from_slice(&decoded(found)).unwrap()
}

/// The page's document, once its scripts have run.
fn open(file: &Path, home: &Path, options: &[&str]) -> String {
    // `cargo xtask test` names the one that it found.
    let program = std::env::var_os("DUNLIN_BROWSER").unwrap_or_else(|| "chromium".into());
    let mut child = Command::new(&program)
        // The page is ours, and the sandbox needs rights that a container or root does not have.
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"])
        .args(["--no-first-run", "--disable-background-networking", "--disable-component-update"])
        .args(["--hide-scrollbars", "--force-device-scale-factor=1"])
        .arg("--window-size=1500,1100")
        .arg(format!("--user-data-dir={}", home.join("profile").display()))
        .args(options)
        .arg(format!("file://{}", file.display()))
        .env("HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
    let mut out = child.stdout.take().unwrap();
    let (sender, receiver) = sync_channel(1);
    // A thread of its own, since a read of a pipe has no time limit.
    std::thread::spawn(move || {
        let mut text = String::new();
        sender.send(out.read_to_string(&mut text).map(|_| text))
    });
    let text = receiver.recv_timeout(OPEN_TIMEOUT);
    // Processes that have ended already need no signal.
    kill_process_group(Pid::from_child(&child), Signal::KILL).ok();
    child.wait().unwrap();
    text.unwrap_or_else(|_| panic!("the browser did not open the page within {OPEN_TIMEOUT:?}")).unwrap()
}

/// The bytes of a text that `encodeURIComponent` wrote.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    bytes
}

/// The sum of the parts of `rgb(1, 2, 3)`.
fn brightness(colour: &str) -> u32 {
    let numbers = colour.trim_start_matches("rgb(").trim_end_matches(')').split(", ");
    numbers.map(|number| number.parse::<u32>().unwrap()).sum()
}
