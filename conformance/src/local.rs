//! `dunlin up` with the suite's template, as a process.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{
    Api, Control, Domain, Endpoint, Site,
    wire::{Address, Keys, Roots},
};

/// How long a start may take: a debug build is ready in a second, on a machine that has nothing else to do.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// How long an end may take; `dunlin` bounds each step of its own.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// The stage of each API that clients use; another one is there to be refused.
const STAGE: &str = "conformance";

/// A custom domain, which leads nowhere: clients of the suite say that they mean it.
const DOMAIN: &str = "ws.conformance.example";

/// The base path of the template's mapping.
const BASE_PATH: &str = "/base";

/// A running stack.
pub struct LocalStack {
    child: Child,
    ready_file: PathBuf,
    _folder: TempDir,
}

/// What is read of a ready file.
#[derive(Deserialize)]
struct Ready {
    region: String,
    access_key_id: String,
    secret_access_key: String,
    ca_file: Option<PathBuf>,
    control_token: Option<String>,
    apis: Vec<ReadyApi>,
    #[serde(default)]
    api_keys: Vec<ReadyApiKey>,
}

#[derive(Deserialize)]
struct ReadyApiKey {
    value: String,
}

#[derive(Deserialize)]
struct ReadyApi {
    logical_id: String,
    api_id: String,
    stage: String,
    ws: String,
    wss: String,
}

impl LocalStack {
    /// Starts `program` with `template` on free ports, and says where everything is. The probe is where the template
    /// looks for it.
    ///
    /// # Errors
    /// It does not start, or is not ready in time; what it says is on standard error.
    pub async fn start(program: &Path, template: &Path) -> Result<(Self, Site)> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let (ready_file, access_log) = (folder.path().join("ready.json"), folder.path().join("access.log"));
        let endpoint = Endpoint::start().await.context("cannot listen on loopback")?;
        let mut command = Command::new(program);
        command
            .args(["up", "--port", "0", "--lambda-port", "0", "--dynamodb-port", "0", "--mqtt-port", "0"])
            .arg("--template")
            .arg(template)
            .arg("--parameter")
            .arg(format!("EndpointUrl={}", endpoint.url()))
            .args(["--parameter", "AccessLogs=on", "--parameter"])
            .arg(format!("DomainName={DOMAIN}"))
            .arg("--access-log")
            .arg(&access_log)
            .arg("--ready-file")
            .arg(&ready_file)
            // Its certificate authority goes with it.
            .env("XDG_DATA_HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        // What the gateway says about handshakes that are meant to fail helps nobody.
        if std::env::var_os("DUNLIN_LOG").is_none() {
            command.env("DUNLIN_LOG", "off");
        }
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let out = child.stdout.take().context("standard output was piped")?;
        let mut lines = BufReader::new(out).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                if line.starts_with("ready ") {
                    return anyhow::Ok(true);
                }
            }
            Ok(false)
        };
        match timeout(READY_TIMEOUT, ready).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => bail!("dunlin ended before it was ready; DUNLIN_LOG=warn says more"),
            Ok(Err(error)) => return Err(error).context("cannot read what dunlin says"),
            Err(_) => bail!("dunlin was not ready within {READY_TIMEOUT:?}"),
        }
        // It says nothing more that anybody reads, but must not meet a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let text = std::fs::read_to_string(&ready_file).context("cannot read the ready file")?;
        let ready: Ready = serde_json::from_str(&text).context("the ready file is none that is known")?;
        let mut site = ready.site(endpoint)?;
        site.set_access_log(access_log);
        Ok((LocalStack { child, ready_file, _folder: folder }, site))
    }

    /// The file that says where everything is, and with which credentials.
    pub fn ready_file(&self) -> &Path {
        &self.ready_file
    }

    /// Ends it as Ctrl-C does.
    ///
    /// # Errors
    /// It does not end in time; it is killed then.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        let id = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(pid) = id {
            kill_process(pid, Signal::TERM).context("cannot end dunlin")?;
        }
        match timeout(STOP_TIMEOUT, self.child.wait()).await {
            Ok(status) => status.context("cannot wait for dunlin"),
            Err(_) => bail!("dunlin did not end within {STOP_TIMEOUT:?}"),
        }
    }
}

impl Ready {
    fn site(self, endpoint: Endpoint) -> Result<Site> {
        let address = |url: &str| Address::parse(url).map_err(anyhow::Error::msg);
        let mut site = Site::new(Roots::read(self.ca_file.as_deref()).map_err(anyhow::Error::msg)?);
        for api in self.apis.iter().filter(|api| api.stage == STAGE) {
            let known = Api::ALL.into_iter().find(|known| known.logical_id() == api.logical_id);
            let Some(known) = known else { bail!("the template has an API {} more", api.logical_id) };
            let plain = address(&api.ws)?;
            site.set_own_host(known, format!("{}.execute-api.{}.amazonaws.com", api.api_id, self.region));
            if known == Api::Main {
                site.set_domain(Domain {
                    address: plain.clone(),
                    host: DOMAIN.to_owned(),
                    base_path: BASE_PATH.to_owned(),
                });
                site.set_secure(address(&api.wss)?);
                if let Some(token) = &self.control_token {
                    site.set_control(Control { address: plain.clone(), token: token.clone() });
                }
            }
            site.add(known, plain);
        }
        if let Some(key) = self.api_keys.into_iter().next() {
            site.set_api_key(key.value);
        }
        site.set_keys(Keys::new(&self.access_key_id, &self.secret_access_key, None, &self.region));
        site.set_endpoint(endpoint);
        Ok(site)
    }
}

/// What the local stack does differently, and says so: the cases that see it, each with the reason.
pub const DEVIATIONS: &[(&str, &str)] = &[(
    "H24.negotiated",
    "compression is declined, which is safe for every client; the service's own was broken for some (U3)",
)];

/// Why a case sees something else here, if that is known.
pub fn deviation(id: &str) -> Option<&'static str> {
    DEVIATIONS.iter().find(|(known, _)| *known == id).map(|(_, reason)| *reason)
}
