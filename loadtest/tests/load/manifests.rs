//! `infra/swarm`: manifests that no cluster has run are at least what their schema knows, and their command lines and
//! scenario are what the program takes.

use std::path::{Path, PathBuf};

use boon::{Compiler, Schemas};
use clap::Parser;
use dunlin_loadtest::cli::{Cli, Command};
use dunlin_loadtest::results;
use dunlin_loadtest::scenario::{Overrides, Scenario};
use saphyr_parser::{Event, Parser as Yaml, ScalarStyle};
use serde_json::{Map, Value, json};

const MANIFESTS: [&str; 4] = ["run", "results", "swarm", "merge"];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/swarm").join(name)
}

fn manifest(name: &str) -> Value {
    json_of(&std::fs::read_to_string(path(&format!("{name}.yaml"))).unwrap())
}

/// The one document of a YAML file, whose plain words are what Kubernetes takes them for.
fn json_of(text: &str) -> Value {
    enum Open {
        List(Vec<Value>),
        Object(Map<String, Value>, Option<String>),
    }
    let mut open = vec![Open::List(Vec::new())];
    let put = |open: &mut Vec<Open>, value: Value| match open.last_mut().unwrap() {
        Open::List(list) => list.push(value),
        Open::Object(object, key) => match key.take() {
            None => *key = Some(value.as_str().unwrap().to_owned()),
            Some(key) => assert!(object.insert(key.clone(), value).is_none(), "`{key}` is there twice"),
        },
    };
    for event in Yaml::new_from_str(text) {
        match event.unwrap().0 {
            Event::Scalar(text, ScalarStyle::Plain, _, None) => {
                let typed = serde_json::from_str(&text).ok().filter(|value: &Value| !value.is_string());
                put(&mut open, typed.unwrap_or_else(|| json!(text)));
            }
            Event::Scalar(text, _, _, None) => put(&mut open, json!(text)),
            Event::SequenceStart(..) => open.push(Open::List(Vec::new())),
            Event::MappingStart(..) => open.push(Open::Object(Map::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => {
                let value = match open.pop().unwrap() {
                    Open::List(list) => Value::Array(list),
                    Open::Object(object, _) => Value::Object(object),
                };
                put(&mut open, value);
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
            other => panic!("the manifests need no {other:?}"),
        }
    }
    let Some(Open::List(documents)) = open.pop() else { panic!("it has no document") };
    let [document] = documents.as_slice() else { panic!("it has {} documents", documents.len()) };
    document.clone()
}

fn check(manifest: &Value) -> Result<(), String> {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    let schema = std::fs::read_to_string(path("manifests.schema.json")).unwrap();
    compiler.add_resource("manifests.schema.json", serde_json::from_str(&schema).unwrap()).unwrap();
    let schema = compiler.compile("manifests.schema.json", &mut schemas).unwrap();
    schemas.validate(manifest, schema).map_err(|error| format!("{error:#}"))
}

/// The command line of a Job's container, its variables filled in.
fn command(job: &Value) -> Command {
    let arguments = job["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
    let variables = [("PART", "2"), ("RUN_ID", "1f0e2d3c"), ("START_AT", "1795000000000")];
    let fill = |argument: &Value| {
        let argument = argument.as_str().unwrap().to_owned();
        variables.iter().fold(argument, |text, (name, value)| text.replace(&format!("$({name})"), value))
    };
    let arguments = ["dunlin-load".to_owned()].into_iter().chain(arguments.iter().map(fill));
    Cli::try_parse_from(arguments).unwrap().command
}

#[test]
fn manifests_are_what_their_schema_knows() {
    for name in MANIFESTS {
        check(&manifest(name)).unwrap_or_else(|error| panic!("{name}.yaml: {error}"));
    }
}

#[test]
fn the_schema_finds_a_slip_of_the_pen() {
    let changes: [fn(&mut Value); 6] = [
        |job| job["spec"]["paralellism"] = json!(4),
        |job| job["spec"]["completions"] = json!("4"),
        |job| job["spec"]["template"]["spec"]["restartPolicy"] = json!("Always"),
        |job| job["spec"]["template"]["spec"]["containers"][0]["name"] = json!("A name"),
        |job| job["kind"] = json!("CronJob"),
        |job| drop(job.as_object_mut().unwrap().remove("spec")),
    ];
    for change in changes {
        let mut job = manifest("swarm");
        change(&mut job);
        assert!(check(&job).is_err());
    }
}

#[test]
fn the_parts_are_as_many_as_the_job_has() {
    let job = manifest("swarm");
    let Command::Run(run) = command(&job) else { panic!("the Job plays a scenario") };
    let parts = format!("2/{}", job["spec"]["completions"]);
    assert_eq!(run.share.as_deref(), Some(parts.as_str()));
    assert_eq!(job["spec"]["parallelism"], job["spec"]["completions"]);
    assert_eq!((run.run_id.as_deref(), run.start_at), (Some("1f0e2d3c"), Some(1_795_000_000_000)));

    // What one writes, the other one finds.
    let Command::Merge(merge) = command(&manifest("merge")) else { panic!("the second Job merges") };
    assert_eq!(run.out.as_deref().and_then(Path::parent), Some(merge.parts[0].as_path()));
    assert_eq!(merge.out.parent(), Some(merge.parts[0].as_path()));
}

#[test]
fn what_the_jobs_name_is_there() {
    let names = |name: &str| manifest(name)["metadata"]["name"].clone();
    for job in ["swarm", "merge"] {
        let spec = manifest(job)["spec"]["template"]["spec"].clone();
        let volumes = spec["volumes"].as_array().unwrap();
        for mount in spec["containers"][0]["volumeMounts"].as_array().unwrap() {
            let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]);
            let volume = volume.unwrap_or_else(|| panic!("{job}: no volume for {mount}"));
            let known = volume["configMap"]["name"] == names("run")
                || volume["persistentVolumeClaim"]["claimName"] == names("results");
            assert!(known, "{job}: {volume}");
        }
        for variable in spec["containers"][0]["env"].as_array().into_iter().flatten() {
            let key = &variable["valueFrom"]["configMapKeyRef"];
            if key.is_object() {
                assert_eq!(key["name"], names("run"));
                assert!(manifest("run")["data"][key["key"].as_str().unwrap()].is_string(), "{key}");
            }
        }
    }
}

#[test]
fn the_scenario_can_be_played() {
    let folder = tempfile::tempdir().unwrap();
    let run = manifest("run");
    for (name, text) in run["data"].as_object().unwrap() {
        std::fs::write(folder.path().join(name), text.as_str().unwrap()).unwrap();
    }
    let Command::Run(arguments) = command(&manifest("swarm")) else { panic!("the Job plays a scenario") };
    let name = arguments.scenario.file_name().unwrap();
    assert_eq!(name, results::SCENARIO);
    Scenario::read(&folder.path().join(name), &Overrides::default()).unwrap();
}
