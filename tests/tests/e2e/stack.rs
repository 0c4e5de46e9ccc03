//! A running stack: `dunlin up` as a child process.

use std::{
    io::{BufRead, BufReader, Read},
    os::{fd::AsFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// A debug build starts in well under a second; a machine that is busy with other tests may take longer.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// `dunlin` bounds every step of its own end.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// The folder of the workspace: that of the cargo that runs the test, not the one where it was built, since clones may
/// share a target folder.
pub(crate) fn root() -> PathBuf {
    let manifest_dir =
        std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo tells its tests where their package is");
    Path::new(&manifest_dir).parent().unwrap().to_owned()
}

/// A program of the workspace, built with these tests by `cargo xtask test`.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_probe")).with_file_name(name);
    assert!(path.is_file(), "{} is missing: run `cargo xtask test`, which builds it", path.display());
    path
}

/// `host:port` of a URL.
pub(crate) fn authority(url: &str) -> &str {
    url.split("://").nth(1).unwrap().split('/').next().unwrap()
}

/// A folder with the probe's template and program.
pub(crate) fn probe() -> (TempDir, PathBuf) {
    probe_behind(include_str!("probe-template.yaml"))
}

/// A folder with the probe's program and this template.
pub(crate) fn probe_behind(template_text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let code = folder.path().join(".build/probe");
    std::fs::create_dir_all(&code).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_probe"), code.join("bootstrap")).unwrap();
    let template = folder.path().join("template.yaml");
    std::fs::write(&template, template_text).unwrap();
    (folder, template)
}

/// The template of the notify app, whose function `cargo xtask test` puts in place.
pub(crate) fn notify_template() -> PathBuf {
    let bootstrap = root().join("infra/.build/notify/bootstrap");
    assert!(bootstrap.is_file(), "{} is missing: run `cargo xtask build`", bootstrap.display());
    root().join("infra/template.yaml")
}

/// A copy of the notify app whose functions run the shell lines `first` before the program.
pub(crate) fn notify_after(first: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (original, copy) = (notify_template(), folder.path().join("template.yaml"));
    std::fs::copy(&original, &copy).unwrap();
    let bootstrap = copy.with_file_name(".build/notify/bootstrap");
    std::fs::create_dir_all(bootstrap.parent().unwrap()).unwrap();
    let program = original.with_file_name(".build/notify/bootstrap");
    std::fs::write(&bootstrap, format!("#!/bin/sh\n{first}\nexec '{}'\n", program.display())).unwrap();
    std::fs::set_permissions(&bootstrap, std::fs::Permissions::from_mode(0o755)).unwrap();
    (folder, copy)
}

/// One `dunlin up`; stopped when it goes out of scope.
pub(crate) struct Stack {
    child: Child,
    /// The ready file's contents.
    pub(crate) ready: Value,
    ready_file: PathBuf,
    _folder: TempDir,
}

impl Stack {
    /// The notify app on free ports.
    pub(crate) fn notify() -> Self {
        Self::up(&notify_template(), &[])
    }

    /// Starts the stack of `template` on free ports, with further `options`, and waits until it says that it is ready.
    pub(crate) fn up(template: &Path, options: &[&str]) -> Self {
        let mut command = up_command(template);
        command.args(options);
        Self::start(command)
    }

    /// Runs an [`up_command`] and waits until the stack says that it is ready.
    pub(crate) fn start(mut command: Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ready_file = folder.path().join("ready.json");
        let child = command.arg("--ready-file").arg(&ready_file).stdout(Stdio::piped()).spawn().unwrap();
        // From here on its end is sure, also if it never gets ready.
        let mut stack = Stack { child, ready: Value::Null, ready_file, _folder: folder };
        await_ready(&mut stack.child);
        stack.ready = serde_json::from_str(&std::fs::read_to_string(&stack.ready_file).unwrap()).unwrap();
        stack
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.ready[key].as_str().unwrap()
    }

    /// An address of the first API, such as `ws` or `management`.
    pub(crate) fn api(&self, key: &str) -> &str {
        self.ready["apis"][0][key].as_str().unwrap()
    }

    pub(crate) fn ready_file(&self) -> &Path {
        &self.ready_file
    }

    /// The function processes that are running.
    pub(crate) fn functions(&self) -> Vec<i32> {
        let is_function = |pid: &i32| {
            std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| program.ends_with("bootstrap"))
        };
        children(self.child.id()).into_iter().filter(is_function).collect()
    }

    /// Ends the stack as Ctrl-C does.
    pub(crate) fn stop(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        await_exit(&mut self.child)
    }

    /// Ends the stack as the kernel does when memory runs out.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
            let ended = exits_within(Pid::from_child(&self.child), STOP_TIMEOUT);
            self.child.kill().ok();
            self.child.wait().ok();
            // A second panic would abort, and the other stacks would be left running.
            assert!(ended || std::thread::panicking(), "dunlin did not end within {STOP_TIMEOUT:?}");
        }
    }
}

/// `dunlin up` for a template on free ports.
pub(crate) fn up_command(template: &Path) -> Command {
    up_command_at("0", template)
}

/// The same on one known port. What it keeps for its user is kept in cargo's folder for tests.
pub(crate) fn up_command_at(port: &str, template: &Path) -> Command {
    let mut command = Command::new(program("dunlin"));
    command
        .args(["up", "--port", port, "--lambda-port", "0", "--dynamodb-port", "0", "--mqtt-port", "0"])
        .arg("--template")
        .arg(template)
        .env("XDG_DATA_HOME", env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::null());
    command
}

/// Reads the banner up to the line that says `ready`.
fn await_ready(child: &mut Child) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    // A thread of its own, since a read of a pipe has no time limit.
    std::thread::spawn(move || sender.send(lines.any(|line| line.starts_with("ready "))));
    match receiver.recv_timeout(READY_TIMEOUT) {
        Ok(ready) => assert!(ready, "dunlin ended before it was ready"),
        Err(_) => panic!("dunlin was not ready within {READY_TIMEOUT:?}"),
    }
}

/// Waits for the process through its pidfd, and kills it if it takes too long.
pub(crate) fn await_exit(child: &mut Child) -> ExitStatus {
    if !exits_within(Pid::from_child(child), STOP_TIMEOUT) {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("dunlin did not end within {STOP_TIMEOUT:?}");
    }
    child.wait().unwrap()
}

/// Whether a process (child or not) ends in time.
pub(crate) fn exits_within(pid: Pid, limit: Duration) -> bool {
    use rustix::process::{PidfdFlags, pidfd_open};
    pidfd_open(pid, PidfdFlags::empty()).map_or(true, |pidfd| readable_within(pidfd, limit))
}

/// Whether there is something to read, or to accept, in time.
pub(crate) fn readable_within(fd: impl AsFd, limit: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    let limit = Timespec { tv_sec: i64::try_from(limit.as_secs()).unwrap(), tv_nsec: 0 };
    poll(&mut fds, Some(&limit)).unwrap() > 0
}

/// The processes whose parent is `pid`.
fn children(pid: u32) -> Vec<i32> {
    let stat_of = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let child: i32 = entry.file_name().to_str()?.parse().ok()?;
        let mut stat = String::new();
        std::fs::File::open(entry.path().join("stat")).ok()?.read_to_string(&mut stat).ok()?;
        // The command's name is in parentheses and may contain anything; state and parent follow it.
        let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
        let state = rest.next()?;
        let parent: u32 = rest.next()?.parse().ok()?;
        (parent == pid && state != "Z").then_some(child)
    };
    std::fs::read_dir("/proc").unwrap().filter_map(stat_of).collect()
}
