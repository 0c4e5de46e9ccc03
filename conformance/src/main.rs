//! `dunlin-conformance`: runs the cases against a gateway.

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Parser;
use dunlin_conformance::{
    Api, Case, Domain, Outcome, Site, Verdict, cases,
    local::LocalStack,
    report::{Report, known_ids},
    run,
    wire::{Address, Keys, Roots},
};

const EXIT_FAILED: u8 = 1;
const EXIT_USAGE: u8 = 64;
const EXIT_UNAVAILABLE: u8 = 69;

/// Checks what a gateway does against what API Gateway does, one case per fact.
#[derive(Parser)]
#[command(
    name = "cargo xtask conformance",
    bin_name = "cargo xtask conformance",
    after_help = AFTER_HELP,
)]
struct Args {
    /// `local` for a stack that is started for this run, or the WebSocket URL of the template's API Main.
    #[arg(long, default_value = "local", value_name = "local|URL")]
    target: String,
    /// Where management calls go, if not to the target over https or http.
    #[arg(long, value_name = "URL")]
    management: Option<String>,
    /// WebSocket URL of another API of the template; may be repeated. Cases of APIs without one are skipped.
    #[arg(long = "api", value_name = "NAME=URL", value_parser = parse_api)]
    apis: Vec<(Api, Address)>,
    /// URL of a custom domain of the API Main, with its base path.
    #[arg(long, value_name = "URL")]
    domain: Option<String>,
    /// Certificate authority to trust besides the system's, in PEM.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Run these cases alone: ids, or facts for all of their cases.
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    only: Vec<String>,
    /// Run cases that take minutes and hours where the clock cannot be moved.
    #[arg(long)]
    slow: bool,
    /// How long one step may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    patience: u64,
    /// Write what was found as JSON too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the page of the documentation; for the local stack and all cases.
    #[arg(long, conflicts_with_all = ["only"])]
    write_docs: bool,
    /// The program `dunlin`, for `local`.
    #[arg(long, value_name = "FILE", hide = true)]
    dunlin: Option<PathBuf>,
    /// The folder of the workspace, for `local`.
    #[arg(long, value_name = "DIR", default_value = ".", hide = true)]
    workspace: PathBuf,
}

const AFTER_HELP: &str = "\
Another gateway, or AWS: deploy conformance/template.yaml, after `cargo xtask build` for the function; its outputs are the \
URLs. What cannot deploy it serves the contract of conformance/PROBE.md under one URL. Management calls are signed with \
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN if there is one, and AWS_REGION; without them the cases that \
need them are skipped. The value of the template's API key is read from CONFORMANCE_API_KEY.

Examples:
  cargo xtask conformance
  cargo xtask conformance --only H10,R8.frame
  cargo xtask conformance --target wss://HOST/conformance --api Bare=wss://OTHER/conformance --json found.json

Exit codes: 0 no case failed, 1 one did, 64 wrong command line, 69 the target cannot be reached.";

fn parse_api(text: &str) -> Result<(Api, Address), String> {
    let names = || Api::ALL.map(Api::logical_id).join(", ");
    let wrong = || format!("NAME=URL is expected, the name one of {}", names());
    let (name, url) = text.split_once('=').ok_or_else(wrong)?;
    let api =
        Api::ALL.into_iter().find(|api| api.logical_id().eq_ignore_ascii_case(name)).ok_or_else(wrong)?;
    Ok((api, Address::parse(url)?))
}

/// What ends a run before it has begun.
enum Refused {
    Usage(String),
    Unavailable(anyhow::Error),
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            // The text of `--help` and of a usage error is clap's; a closed pipe is no reason to fail.
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(conformance(&args)),
        Err(error) => Err(Refused::Unavailable(error.into())),
    };
    let (code, problem) = match ended {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => return ExitCode::from(EXIT_FAILED),
        Err(Refused::Usage(problem)) => (EXIT_USAGE, problem),
        Err(Refused::Unavailable(error)) => (EXIT_UNAVAILABLE, format!("{error:#}")),
    };
    eprintln!("error: {problem}");
    ExitCode::from(code)
}

/// Whether no case failed.
async fn conformance(args: &Args) -> Result<bool, Refused> {
    let chosen = chosen(&args.only).map_err(Refused::Usage)?;
    let is_local = args.target == "local";
    if args.write_docs && !is_local {
        return Err(Refused::Usage("--write-docs is for --target local".to_owned()));
    }
    let (stack, mut site) = if is_local {
        let (stack, site) = local(args).await.map_err(Refused::Unavailable)?;
        (Some(stack), site)
    } else {
        (None, remote(args).map_err(Refused::Usage)?)
    };
    site.slow = args.slow;
    site.patience = Duration::from_secs(args.patience);
    let reachable = site.reach().await.map_err(|problem| Refused::Unavailable(anyhow::Error::msg(problem)));
    let ran = match reachable {
        Ok(()) => tell(args, is_local, &run_all(&site, chosen).await).map_err(Refused::Unavailable),
        Err(unreachable) => Err(unreachable),
    };
    if let Some(stack) = stack {
        stack.stop().await.map_err(Refused::Unavailable)?;
    }
    ran
}

fn chosen(only: &[String]) -> Result<Vec<&'static Case>, String> {
    let is_named = |case: &Case, name: &String| name == case.id || name == case.fact();
    if let Some(unknown) = only.iter().find(|name| !cases::all().any(|case| is_named(case, name))) {
        return Err(format!("--only: there is no case {unknown}; there are {}", known_ids().join(", ")));
    }
    let is_chosen = |case: &&'static Case| only.is_empty() || only.iter().any(|name| is_named(case, name));
    Ok(cases::all().filter(is_chosen).collect())
}

async fn local(args: &Args) -> Result<(LocalStack, Site)> {
    let Some(dunlin) = &args.dunlin else {
        bail!("`cargo xtask conformance` builds the local stack and names the program with --dunlin");
    };
    LocalStack::start(dunlin, &args.workspace.join("conformance/template.yaml")).await
}

fn remote(args: &Args) -> Result<Site, String> {
    let mut site = Site::new(Roots::read(args.ca.as_deref())?);
    site.add(Api::Main, Address::parse(&args.target)?);
    for (api, address) in &args.apis {
        site.add(*api, address.clone());
    }
    if let Some(management) = &args.management {
        site.set_management(Address::parse(management)?);
    }
    if let Some(domain) = &args.domain {
        let address = Address::parse(domain)?;
        site.set_domain(Domain { host: address.authority(), base_path: address.path.clone(), address });
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(key) = variable("CONFORMANCE_API_KEY") {
        site.set_api_key(key);
    }
    match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"), variable("AWS_REGION")) {
        (Some(id), Some(secret), Some(region)) => {
            site.set_keys(Keys::new(&id, &secret, variable("AWS_SESSION_TOKEN"), &region));
        }
        _ => eprintln!(
            "note: without AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION nothing can be signed, and cases that \
             sign are skipped"
        ),
    }
    Ok(site)
}

async fn run_all(site: &Site, chosen: Vec<&'static Case>) -> Vec<Outcome> {
    let all = chosen.len();
    let mut done = 0;
    let is_terminal = std::io::stderr().is_terminal();
    run(site, chosen, |outcome| {
        done += 1;
        if is_terminal {
            let failed = if matches!(outcome.verdict, Verdict::Failed { .. }) { " fails" } else { "" };
            eprint!("\r\x1b[K{done} of {all}: {}{failed}", outcome.case.id);
            if done == all {
                eprintln!("\r\x1b[K");
            }
        }
    })
    .await
}

/// Prints and writes what was found; whether no case failed.
fn tell(args: &Args, is_local: bool, outcomes: &[Outcome]) -> Result<bool> {
    let report = Report { target: &args.target, is_local, outcomes };
    let width = comfy_table::Table::new().width().filter(|_| std::io::stdout().is_terminal());
    // A closed pipe is no reason to fail.
    let _ = std::io::stdout().write_all(report.to_text(width).as_bytes());
    let write = |file: &PathBuf, text: String| {
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    };
    if let Some(file) = &args.json {
        write(file, report.to_json())?;
    }
    if args.write_docs {
        write(&args.workspace.join("docs/conformance.md"), report.to_page())?;
    }
    Ok(report.tally(|_| true).failed == 0)
}
