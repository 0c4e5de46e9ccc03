//! Programs that need not be there: what each is for, whether it is there, and what to install if not.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::{
    command::wait,
    python::{self, Environment, Packages},
};

/// How long a program may take to say its version; a browser that has not been read from disk yet takes seconds.
const VERSION_TIME_MAX: Duration = Duration::from_secs(60);

/// Names a browser that is not on `PATH`, or has another name; the tests read it too.
const BROWSER_VARIABLE: &str = "DUNLIN_BROWSER";

/// Names a Python that has the package hdrhistogram; the tests of the load test read it.
const HDRHISTOGRAM_VARIABLE: &str = "DUNLIN_HDRHISTOGRAM_PYTHON";

/// What a browser is called. All of them understand the options of Chromium.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// What Python's packages are for.
const PACKAGES_PURPOSE: &str =
    "cfn-lint and SAM's translator on the templates, moto, the load test's interval logs";

/// A program that some of the tests need.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Python,
    Node,
    Browser,
}

impl Tool {
    pub(crate) const ALL: [Tool; 3] = [Tool::Python, Tool::Node, Tool::Browser];

    /// Also the name of the feature of `dunlin-tests` with the tests that need it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Tool::Python => "python3",
            Tool::Node => "node",
            Tool::Browser => "browser",
        }
    }

    /// What is left out without it.
    fn purpose(self) -> &'static str {
        match self {
            Tool::Python => {
                "cfn-lint and SAM's translator on the templates, moto, a function in Python, the load test's interval logs"
            }
            Tool::Node => "a function in JavaScript",
            Tool::Browser => "a web page that follows a device",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Tool::Python => "apt-get install python3 python3-venv, and let it reach the package index once",
            Tool::Node => "apt-get install nodejs",
            Tool::Browser => "apt-get install chromium, or name another in DUNLIN_BROWSER",
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What `--require` takes.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Required {
    All,
    Python3,
    Node,
    Browser,
}

impl Required {
    fn includes(self, tool: Tool) -> bool {
        match self {
            Required::All => true,
            Required::Python3 => tool == Tool::Python,
            Required::Node => tool == Tool::Node,
            Required::Browser => tool == Tool::Browser,
        }
    }
}

/// What of it this machine has.
#[derive(Default)]
pub(crate) struct Tools {
    /// The tools whose tests can run.
    pub(crate) found: Vec<Tool>,
    /// With cfn-lint and SAM's translator.
    pub(crate) lint: Option<Environment>,
    /// With moto, if it was asked for.
    pub(crate) moto: Option<Environment>,
    /// With HdrHistogram.
    hdrhistogram: Option<Environment>,
    /// Whether the tests with HdrHistogram are built.
    with_hdrhistogram: bool,
    /// The browser that was found.
    browser: Option<OsString>,
    /// What is left out, and one line about it.
    left_out: Vec<(Tool, String)>,
}

/// Which Python packages are wanted.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wanted {
    pub(crate) lint: bool,
    pub(crate) moto: bool,
}

impl Tools {
    /// Looks for every tool, and makes the Python environments that are wanted.
    ///
    /// # Errors
    ///
    /// If something that is required is not there: what, why, and what to install.
    pub(crate) fn find(required: &[Required], wanted: Wanted) -> Result<Self> {
        let mut tools = Tools::default();
        let mut missing = Vec::new();
        for tool in Tool::ALL {
            let Err(reason) = tools.look_for(tool, wanted) else { continue };
            // Without its packages, Python runs functions.
            let purpose = if tools.found.contains(&tool) { PACKAGES_PURPOSE } else { tool.purpose() };
            let line = format!("{tool} ({purpose}): {reason:#}; {}", tool.hint());
            if required.iter().any(|required| required.includes(tool)) {
                missing.push(line);
            } else {
                tools.left_out.push((tool, line));
            }
        }
        if !missing.is_empty() {
            bail!("what --require names is missing: {}", missing.join(". Also "));
        }
        Ok(tools)
    }

    /// As if every tool were there: for what only compiles the tests.
    pub(crate) fn everything() -> Self {
        Tools { found: Tool::ALL.to_vec(), with_hdrhistogram: true, ..Tools::default() }
    }

    fn look_for(&mut self, tool: Tool, wanted: Wanted) -> Result<()> {
        match tool {
            Tool::Python => {
                python::interpreter()?;
                // Functions in Python need none of the packages.
                self.found.push(tool);
                self.lint = wanted.lint.then(|| Environment::with(Packages::Lint)).transpose()?;
                self.moto = wanted.moto.then(|| Environment::with(Packages::Moto)).transpose()?;
                self.hdrhistogram = Some(Environment::with(Packages::HdrHistogram)?);
                self.with_hdrhistogram = true;
            }
            Tool::Node => {
                if !says_version("node".as_ref()) {
                    bail!("node is not installed");
                }
                self.found.push(tool);
            }
            Tool::Browser => {
                let candidates = match std::env::var_os(BROWSER_VARIABLE) {
                    Some(named) => vec![named],
                    None => BROWSERS.map(OsString::from).to_vec(),
                };
                let Some(browser) = candidates.iter().find(|program| says_version(program)).cloned() else {
                    bail!("{} does not start", candidates.join(OsStr::new(" or ")).to_string_lossy());
                };
                self.browser = Some(browser);
                self.found.push(tool);
            }
        }
        Ok(())
    }

    /// Lets cargo build the tests that need what was found: each tool is a feature of `dunlin-tests` (a Python package is
    /// one of the package that it tests), so that without the tool its tests do not exist, and none passes by doing
    /// nothing.
    pub(crate) fn enable(&self, cargo: &mut Command) {
        for tool in &self.found {
            cargo.arg("--features").arg(format!("dunlin-tests/{tool}"));
        }
        if self.with_hdrhistogram {
            cargo.arg("--features").arg("dunlin-loadtest/hdrhistogram");
        }
        if let Some(environment) = &self.hdrhistogram {
            cargo.env(HDRHISTOGRAM_VARIABLE, environment.interpreter());
        }
        if let Some(browser) = &self.browser {
            cargo.env(BROWSER_VARIABLE, browser);
        }
    }

    /// One line for each thing that is left out.
    pub(crate) fn print_left_out(&self) {
        for (_, line) in &self.left_out {
            println!("left out: {line}");
        }
    }
}

/// Whether the program is there and can run: a name on `PATH` may be a stub that asks to install the program.
fn says_version(program: &OsStr) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok_and(|mut child| {
        wait(&mut child, VERSION_TIME_MAX).is_ok_and(|status| status.is_some_and(|status| status.success()))
    })
}

/// What `tools` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print the names only, separated by commas, as `test --require` takes them.
    #[arg(long)]
    names: bool,
    /// Make the environment with moto, too.
    #[arg(long)]
    moto: bool,
}

/// `cargo xtask tools`: which of the tools this machine has.
pub(crate) fn run(args: &Args) -> Result<()> {
    let tools = Tools::find(&[], Wanted { lint: true, moto: args.moto })?;
    // Python without its packages runs functions, and is left out all the same: it would fail `--require python3`.
    let complete = |tool: &Tool| tools.left_out.iter().all(|(left_out, _)| left_out != tool);
    let found = tools.found.iter().copied().filter(complete);
    if args.names {
        println!("{}", found.map(Tool::name).collect::<Vec<_>>().join(","));
        return Ok(());
    }
    for tool in found {
        println!("found: {tool} ({})", tool.purpose());
    }
    tools.print_left_out();
    Ok(())
}
