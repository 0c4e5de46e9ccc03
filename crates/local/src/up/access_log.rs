//! Access logs of stages: where their lines go.

use std::{
    collections::HashMap,
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use dunlin_gateway::AccessLogConfig;
use dunlin_stack::{Stack, WebSocketApi};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::data;
use crate::failure::Failure;

/// Lines that wait for a file: ours, what a busy stage says while a disk is slow for a moment. More are dropped and counted.
const LINES_MAX: usize = 16 * 1024;

/// Lines that are written together.
const BATCH_LINES: usize = 1_024;

/// Where each stage's lines go.
#[derive(Default)]
pub(super) struct AccessLogs {
    /// By API id and stage name; none for stages without an access log, or without a place for it.
    stages: HashMap<(String, String), mpsc::Sender<String>>,
}

impl AccessLogs {
    /// Checks the formats and opens the files. `file` takes all lines, and `-` is standard output; else each stage has a
    /// file of its own below `data`.
    pub(super) fn open(
        stack: &Stack,
        file: Option<&Path>,
        data: Option<&Path>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Self, Failure> {
        let mut logs = AccessLogs::default();
        let mut shared = None;
        for (api, stage) in stack.apis.iter().flat_map(|api| api.stages.iter().map(move |stage| (api, stage)))
        {
            let Some(log) = &stage.access_log else { continue };
            if let Err(problem) = AccessLogConfig::check_format(&log.format) {
                let message = format!("stage {} {problem}", stage.name);
                return Err(Failure::data(stack.problem(&log.at, &message).to_string()));
            }
            let sender = match (file, data) {
                (Some(file), _) => match &shared {
                    Some(sender) => mpsc::Sender::clone(sender),
                    None => shared.insert(writer(open(file)?, file, tasks, stop)).clone(),
                },
                (None, Some(data)) => {
                    let dir = data.join("access-logs");
                    data::make_dir(&dir)?;
                    let file = dir.join(format!("{}.{}.log", api.logical_id, stage.name));
                    writer(open(&file)?, &file, tasks, stop)
                }
                (None, None) => {
                    tracing::warn!(
                        "the access log of stage {} goes nowhere: name a file with --access-log, or keep a folder with --data",
                        stage.name
                    );
                    continue;
                }
            };
            logs.stages.insert((api.api_id.clone(), stage.name.clone()), sender);
        }
        if logs.stages.is_empty()
            && let Some(file) = file
        {
            tracing::warn!("nothing is written to {}: no stage has AccessLogSettings", file.display());
        }
        Ok(logs)
    }

    /// The access log of a stage as the gateway takes it.
    pub(super) fn of(&self, api: &WebSocketApi, stage: &dunlin_stack::Stage) -> Option<AccessLogConfig> {
        let lines = self.stages.get(&(api.api_id.clone(), stage.name.clone()))?.clone();
        Some(AccessLogConfig { format: stage.access_log.as_ref()?.format.clone(), lines })
    }
}

fn open(file: &Path) -> Result<Box<dyn Write + Send>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdout()));
    }
    match OpenOptions::new().create(true).append(true).mode(0o600).open(file) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => {
            let file = file.display();
            let message = format!("cannot write {file}: {error}; choose another place with --access-log");
            Err(Failure::no_input(message))
        }
    }
}

/// Starts a task that writes lines until it is told to stop; what waits then is still written.
fn writer(
    out: Box<dyn Write + Send>,
    file: &Path,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> mpsc::Sender<String> {
    let (sender, lines) = mpsc::channel(LINES_MAX);
    tasks.spawn(write(lines, out, file.to_owned(), stop.clone()));
    sender
}

async fn write(
    mut lines: mpsc::Receiver<String>,
    mut out: Box<dyn Write + Send>,
    file: PathBuf,
    stop: CancellationToken,
) {
    let (mut batch, mut is_last) = (Vec::new(), false);
    loop {
        let taken = tokio::select! {
            biased;
            taken = lines.recv_many(&mut batch, BATCH_LINES) => taken,
            () = stop.cancelled(), if !is_last => {
                is_last = true;
                lines.close();
                continue;
            }
        };
        if taken == 0 {
            return;
        }
        let text: String = batch.drain(..).flat_map(|line| [line, "\n".to_owned()]).collect();
        let written = tokio::task::spawn_blocking(move || {
            out.write_all(text.as_bytes())?;
            out.flush()?;
            io::Result::Ok(out)
        });
        match written.await {
            Ok(Ok(same)) => out = same,
            Ok(Err(error)) => {
                tracing::error!("the access log {} ends here: {error}", file.display());
                return;
            }
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_at_the_end_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("access.log");
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let sender = writer(open(&file).unwrap(), &file, &tasks, &stop);
        for n in 0..3_000 {
            sender.send(n.to_string()).await.unwrap();
        }
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.lines().eq((0..3_000).map(|n: i32| n.to_string())));
        assert!(sender.is_closed());
    }
}
