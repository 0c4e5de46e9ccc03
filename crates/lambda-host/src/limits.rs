//! This crate's own bounds. The service's are in `dunlin_events::limits`.

use std::time::Duration;

/// Execution environments of one function that live at the same time. The service allows an account a thousand; a
/// developer's machine does better with a queue than with hundreds of processes.
pub const ENVIRONMENTS_PER_FUNCTION_MAX: usize = 32;

/// Environments of one function that are starting at the same time: a burst of events finds warm
/// environments sooner when few processes compete for the processor.
pub const ENVIRONMENTS_STARTING_MAX: usize = 4;

/// How long an invocation waits for an environment before it is told 429, unless the configuration says otherwise: just
/// above API Gateway's integration timeout, so that a gateway's caller is told of the timeout instead.
pub const QUEUE_WAIT_MAX: Duration = Duration::from_secs(30);

/// How long a process that has just answered may take to ask for its next event before it counts as busy and another one
/// is started in its place, unless the configuration says otherwise. A loop asks again within a fraction of
/// a millisecond, but on a busy machine it may have to wait for the processor, and one more process would not help then.
pub const SETTLE_WAIT_MAX: Duration = Duration::from_millis(100);

/// Between two looks at how much memory a process uses while it is at work: one that allocates without end is killed
/// before the machine suffers, and the look costs next to nothing.
pub const MEMORY_LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Times that the host looks for processes which an environment left behind, while it still finds some.
pub const STRAY_ROUNDS_MAX: u32 = 16;

/// Functions that pass an asynchronous event on to each other as destinations: the service stops such a chain after about
/// as many, taking it for a loop (N9).
pub const EVENT_HOPS_MAX: u32 = 16;

/// How long an environment stands idle before it is ended, unless the configuration says otherwise.
pub const ENVIRONMENT_IDLE_MAX: Duration = Duration::from_secs(5 * 60);

/// Connections of one environment to its Runtime API, besides one for each invocation that it takes at a time. One is
/// usual; extensions and concurrent runtimes open more. Further ones are closed.
pub const RUNTIME_CONNECTIONS_MAX: usize = 64;

/// Connections to the Invoke API.
pub const INVOKE_CONNECTIONS_MAX: usize = 1_024;

/// Time to send a request head to the Invoke API, and for which a connection may stand idle between requests.
pub const INVOKE_HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Time for the body of one request to the Invoke API to arrive.
pub const INVOKE_BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Time that open exchanges get to end when the Invoke API stops.
pub const INVOKE_DRAIN_MAX: Duration = Duration::from_secs(1);

/// Bytes of a body over its limit that are read and dropped, so that the sender reads the 413 instead of a reset.
pub const DRAIN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The body of an extension's registration, in bytes: a list of two words.
pub const REGISTRATION_BYTES_MAX: usize = 64 * 1024;

/// Error bodies of functions (`/error`, `/init/error`), in bytes: as large as an answer, for stack traces are long.
pub const ERROR_BODY_BYTES_MAX: usize = dunlin_events::limits::RUNTIME_RESPONSE_BYTES_MAX;

/// One line of a function's output, in bytes; a longer one is split.
pub const LOG_LINE_BYTES_MAX: usize = 16 * 1024;

/// Bytes read from one output pipe at a time: what a pipe holds, so that one look sees all that was written before it.
pub const LOG_READ_BYTES_MAX: usize = 64 * 1024;

/// A good capacity for the channel behind [`LogSender`](crate::LogSender), in lines.
pub const LOG_LINES_QUEUED_MAX: usize = 1_024;

/// Asynchronous invocations of a host that are accepted and not yet finished; one more is told 429.
pub const EVENTS_ACCEPTED_MAX: usize = 10_000;

/// Payload bytes of all accepted asynchronous invocations of a host.
pub const EVENTS_ACCEPTED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What the service's waits between two attempts of an asynchronous invocation are divided by, unless the configuration
/// says otherwise: its minute is a second here, for whoever develops a function wants to see the retry.
pub const EVENT_DELAY_DIVISOR: u32 = 60;

/// Bytes of a failed function's answer that are logged when its event is given up: enough for an error's type and message.
/// The whole is in the record for the destination.
pub const GIVEN_UP_LOG_BYTES_MAX: usize = 1_024;

/// Between two `REPORT` lines of one function that nobody asked for in particular.
pub const REPORT_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Attempts to start a `bootstrap` that is being written at that moment ("text file busy"): the last steps of a build, or
/// of unpacking, take milliseconds.
pub const TEXT_BUSY_ATTEMPTS_MAX: u32 = 50;

/// Wait between two such attempts.
pub const TEXT_BUSY_DELAY: Duration = Duration::from_millis(10);

/// Starts that wait for the thread that starts processes.
pub const SPAWNS_QUEUED_MAX: usize = 256;

/// Entries of a code archive.
pub const ARCHIVE_ENTRIES_MAX: usize = 50_000;
