//! Access logs: one line for each event, in the format of its stage (L1, L2).

mod format;
mod variables;

use tokio::sync::mpsc;

use crate::report::Report;
pub(crate) use format::Format;

/// The access log of a stage.
#[derive(Clone, Debug)]
pub struct AccessLogConfig {
    /// `Format`: text with variables such as `$context.requestId`, which must be there.
    pub format: String,
    /// Where lines go, without their ends. The channel's capacity is the bound: a line that finds it full is dropped and
    /// counted, since no client waits for a log.
    pub lines: mpsc::Sender<String>,
}

impl AccessLogConfig {
    /// Checks a format alone.
    ///
    /// # Errors
    /// What is wrong with the stage that has it, such as `has an access log format without …`.
    pub fn check_format(format: &str) -> Result<(), &'static str> {
        Format::parse(format).map(drop)
    }
}

/// [`AccessLogConfig`], checked.
#[derive(Debug)]
pub(crate) struct AccessLog {
    format: Format,
    lines: mpsc::Sender<String>,
}

impl AccessLog {
    /// Checks a configuration; the error says what is wrong with the stage that has it.
    pub(crate) fn new(config: AccessLogConfig) -> Result<Self, &'static str> {
        Ok(AccessLog { format: Format::parse(&config.format)?, lines: config.lines })
    }

    /// Writes a line; `false` if it had to be dropped.
    pub(crate) fn write(&self, report: &Report<'_>) -> bool {
        match self.lines.try_reserve() {
            Ok(room) => {
                room.send(self.format.print(report));
                true
            }
            Err(_) => false,
        }
    }
}
