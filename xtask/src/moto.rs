//! moto's server: a second DynamoDB, independent of the one that `dunlin up` runs.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::python::Environment;

/// How long the server may take until it listens; it imports for a second or two.
const START_TIME_MAX: Duration = Duration::from_secs(60);

/// A running server; ended when it goes out of scope.
pub(crate) struct Moto {
    child: Child,
    /// Where it answers, such as `http://127.0.0.1:40123`.
    pub(crate) endpoint: String,
}

impl Moto {
    /// Starts the server on a free port.
    pub(crate) fn start(environment: &Environment) -> Result<Self> {
        let mut command = environment.program("moto_server");
        command.args(["-H", "127.0.0.1", "-p", "0"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().context("cannot start moto's server")?;
        let mut moto = Moto { child, endpoint: String::new() };
        let errors = moto.child.stderr.take().context("standard error was piped")?;
        let (found, endpoint) = mpsc::sync_channel(1);
        // A thread of its own, since a read has no time limit, and since somebody must read to the end: the server
        // writes a line for each request.
        thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("Running on ") {
                    // Only the first is awaited.
                    drop(found.try_send(address.trim().to_owned()));
                }
            }
        });
        moto.endpoint =
            endpoint.recv_timeout(START_TIME_MAX).context("moto's server does not say where it listens")?;
        Ok(moto)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
