//! Ctrl-C: what runs ends, and then what was made for it is removed.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Remembers that a signal came. The programs that run get a Ctrl-C from the terminal by themselves.
pub(crate) struct Interrupts(Arc<AtomicBool>);

impl Interrupts {
    pub(crate) fn listen() -> Result<Self> {
        let came = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&came)).context("cannot listen for signals")?;
        }
        Ok(Interrupts(came))
    }

    pub(crate) fn came(&self) -> bool {
        self.0.load(SeqCst)
    }

    /// Called between two steps.
    pub(crate) fn check(&self) -> Result<()> {
        if self.came() {
            bail!("interrupted");
        }
        Ok(())
    }
}
