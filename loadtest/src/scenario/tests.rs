use super::*;

/// A small scenario: ten users, one topic each of two, five updates a second for a second of warm-up and three of hold.
const SMALL: &str = r#"
description = "small"
[target]
url = "ws://127.0.0.1:1/"
[target.cause.mqtt]
broker = "127.0.0.1:1"
topic = "{topic}"
payload = "{stamp}"
[[target.messages]]
name = "echo"
send = "{stamp}"
[users]
count = 10
connects_per_second = 50
[updates]
topics = 2
per_second = 5
arrivals = "constant"
[phases]
warm_up = "1s"
hold = "3s"
"#;

fn read(text: &str, changes: &[&str]) -> Result<Scenario, LoadError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.toml");
    std::fs::write(&path, text).unwrap();
    let set = changes.iter().map(|&change| change.to_owned()).collect();
    Scenario::read(&path, &Overrides { set, thresholds: Vec::new() })
}

/// [`SMALL`] with changes.
pub(crate) fn scenario(changes: &[&str]) -> Scenario {
    read(SMALL, changes).unwrap()
}

#[test]
fn what_is_wrong_is_said_with_file_and_key() {
    for (change, expected) in [
        ("users.cuont=5", "small.toml: users.cuont: unknown key `cuont`, expected one of `count`"),
        ("users.count=0", "small.toml: users.count is 0"),
        ("users.count=many", "small.toml: users.count: invalid type: string \"many\""),
        ("users.connects_per_second=0", "users.connects_per_second is 0: give a number above 0"),
        ("users.life=forever", "users.life is `forever`: give `run`, a time"),
        ("users.topics_each=3", "users.topics_each is 3: give 1 to 2"),
        ("updates.per_second=-1", "updates.per_second is -1"),
        ("updates.per_second=1e6", "more than 2000000"),
        ("updates.per_second=0.1", "less than one update"),
        ("updates.topics=0", "updates.topics is 0"),
        (
            "phases.hold=5",
            "small.toml: phases.hold: invalid type: integer `5`, expected a time with its unit",
        ),
        ("phases.hold=5 parsecs", "phases.hold: `5 parsecs` is no time"),
        ("phases.hold=0s", "phases.hold is 0"),
        ("phases.hold=200h", "more than the 86400 s of one run"),
        ("model=closed", "a closed model has no schedule"),
        ("model=ajar", "model: unknown variant `ajar`"),
        ("thresholds=['p99(psh) < 5ms']", "thresholds: `p99(psh) < 5ms` is no threshold"),
        ("messages=[{name='nope',per_second=1}]", "messages[0].name is `nope`: the target has echo"),
        ("messages=[{name='echo'}]", "messages[0].per_second is missing"),
        ("target.cause.mqtt.payload={version}", "target.cause.mqtt.payload has no {stamp}"),
        ("target.cause.mqtt.topic={tpoic}", "target.cause.mqtt.topic uses {tpoic}: here it can use"),
        ("target.cause.http.url=http://h/", "give one of mqtt, http and socket"),
        ("target.headers.x={a}\n", "--set target.headers.x={a}"),
        ("steps.factor=1.0", "steps"),
        ("storm.after=1s", "users.reconnect_within is missing"),
        ("storm.after=4s", "storm.after lies behind"),
        ("nonsense", "--set nonsense: give key=value"),
        ("messages.0.name=x", "messages"),
    ] {
        let error = match read(SMALL, &[change]) {
            Err(error) => error,
            Ok(_) if change.starts_with("target.headers") => continue,
            Ok(_) => panic!("{change} is taken"),
        };
        assert!(matches!(error, LoadError::Usage(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(expected), "{change}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_said_with_its_line() {
    let error = read("description = \"x\"\nusers = [\n", &[]).unwrap_err().to_string();
    assert!(error.contains("small.toml: line ") && error.lines().count() == 1, "{error}");
    let error = Scenario::read(Path::new("/nonexistent/x.toml"), &Overrides::default()).unwrap_err();
    assert!(error.to_string().contains("cannot read /nonexistent/x.toml"), "{error}");
}

#[test]
fn every_shipped_scenario_is_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let scenario =
                Scenario::read(&path, &Overrides::default()).unwrap_or_else(|error| panic!("{error}"));
            assert!(!scenario.thresholds.is_empty(), "{}", path.display());
            let plan = crate::plan::Plan::new(scenario, 1, crate::plan::Share::WHOLE);
            assert!(plan.timeline.is_sorted());
            names.push(plan.scenario.name);
        }
    }
    names.sort();
    let shipped = [
        "chat",
        "echo",
        "hot-topic",
        "many-topics",
        "quota",
        "reconnect-storm",
        "smoke",
        "soak",
        "steady",
        "step",
    ];
    assert_eq!(names, shipped);
}

#[test]
fn the_scenario_of_the_guide_is_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/rooms/load.toml");
    let scenario = Scenario::read(&path, &Overrides::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((scenario.users.count, scenario.thresholds.len()), (50, 3));
}

#[test]
fn changes_make_tables_and_keep_types() {
    let scenario = scenario(&["users.life=exponential 5s", "seed=7", "late_after=250ms", "users.count = 12"]);
    assert_eq!(scenario.users.life, Life::Exponential(Duration::from_secs(5)));
    assert_eq!((scenario.seed, scenario.users.count), (7, 12));
    assert_eq!(scenario.late_after, Duration::from_millis(250));
    assert_eq!(scenario.overrides.len(), 4);
}
