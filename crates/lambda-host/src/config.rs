use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use dunlin_events::limits::{ACCOUNT_CONCURRENCY_MAX, FUNCTION_INIT_TIMEOUT, UNRESERVED_CONCURRENCY_MIN};

use crate::{
    FunctionConfig,
    error::ConfigError,
    limits::{
        ENVIRONMENT_IDLE_MAX, ENVIRONMENTS_PER_FUNCTION_MAX, EVENT_DELAY_DIVISOR, QUEUE_WAIT_MAX,
        SETTLE_WAIT_MAX,
    },
    output::LogSender,
    records::RecordSink,
};

/// The wall clock: what deadlines and log texts are dated with. Tests pass a fixed one.
pub type WallClock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Fills a buffer with random bytes: the source of request ids. Tests pass a seeded one.
pub type RandomBytes = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// What a [`LambdaHost`](crate::LambdaHost) is started with.
#[derive(Clone)]
pub struct HostConfig {
    /// The region of every function's ARN and of `AWS_REGION`.
    pub region: String,
    /// The twelve digits of every function's ARN.
    pub account_id: String,
    /// Invocations of all functions together that are under way or wait for an environment, less what functions have
    /// reserved; one more is told 429 (N4, N10).
    pub account_concurrency_max: usize,
    /// Environments of one function that live at the same time.
    pub environments_per_function_max: usize,
    /// How long an invocation waits for an environment before it is told 429.
    pub queue_wait_max: Duration,
    /// How long an environment stands idle before it is ended.
    pub environment_idle_max: Duration,
    /// How long a process that has just answered may take to ask for its next event before another one is started for
    /// those who wait.
    pub settle_wait_max: Duration,
    /// From the start of a process to its first `next`.
    pub init_timeout: Duration,
    /// The service's waits between two attempts of an asynchronous invocation, which are minutes, are divided by this: 1
    /// waits as long as the service.
    pub event_delay_divisor: u32,
    /// Where the records of asynchronous invocations go whose destination is not a function of this host. Without one
    /// a line in the log says what would have gone where.
    pub event_records: Option<RecordSink>,
    /// Which of its own lines the host logs around an invocation.
    pub platform_lines: PlatformLines,
    /// Where lines that functions print go, and the host's own around them, besides `tracing`.
    pub log_lines: Option<LogSender>,
    /// The wall clock.
    pub wall_clock: WallClock,
    /// The source of request ids.
    pub random_bytes: RandomBytes,
}

/// How much the host logs of each invocation, under the `tracing` target
/// [`PLATFORM_LOG_TARGET`](crate::PLATFORM_LOG_TARGET).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlatformLines {
    /// Nothing.
    Off,
    /// How long each invocation took, in one line. When they follow each other faster than
    /// [`REPORT_INTERVAL_MIN`](crate::limits::REPORT_INTERVAL_MIN) only those of cold starts and failures, and samples
    /// of the rest: nobody reads more, and a load test does not wait for its log.
    #[default]
    Reports,
    /// Everything that the service logs, of every invocation: `START`, `END` and `REPORT`, or in the JSON format what the
    /// function's system log level lets pass.
    All,
}

impl HostConfig {
    /// The defaults of [`limits`](crate::limits), the system's clock and the system's randomness.
    pub fn new(region: impl Into<String>, account_id: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            account_id: account_id.into(),
            account_concurrency_max: ACCOUNT_CONCURRENCY_MAX,
            environments_per_function_max: ENVIRONMENTS_PER_FUNCTION_MAX,
            queue_wait_max: QUEUE_WAIT_MAX,
            environment_idle_max: ENVIRONMENT_IDLE_MAX,
            settle_wait_max: SETTLE_WAIT_MAX,
            init_timeout: FUNCTION_INIT_TIMEOUT,
            event_delay_divisor: EVENT_DELAY_DIVISOR,
            event_records: None,
            platform_lines: PlatformLines::default(),
            log_lines: None,
            wall_clock: Arc::new(SystemTime::now),
            random_bytes: Arc::new(|buffer| {
                getrandom::fill(buffer).expect("Linux's random source answers once the system has booted");
            }),
        }
    }

    /// What is left for functions that reserve nothing.
    pub(crate) fn unreserved(&self, functions: &[FunctionConfig]) -> Result<usize, ConfigError> {
        let account = self.account_concurrency_max;
        let reserving = functions.iter().filter_map(|function| function.reserved_concurrency);
        let reserved = reserving.fold(0_usize, usize::saturating_add);
        // Nothing can always be reserved, also of an account with a small quota.
        if reserved > account.saturating_sub(UNRESERVED_CONCURRENCY_MIN) {
            return Err(ConfigError::Reserved { reserved, account });
        }
        Ok(account - reserved)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let digits = self.account_id.bytes().all(|byte| byte.is_ascii_digit());
        if self.account_id.len() != 12 || !digits {
            return Err(ConfigError::AccountId { account_id: self.account_id.clone() });
        }
        if self.region.is_empty()
            || !self.region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(ConfigError::Region { region: self.region.clone() });
        }
        if self.environments_per_function_max == 0 {
            return Err(ConfigError::NoEnvironments);
        }
        if self.event_delay_divisor == 0 {
            return Err(ConfigError::NoDelayDivisor);
        }
        Ok(())
    }
}

/// `arn:aws:lambda:{region}:{account}:function:{name}`.
pub(crate) fn function_arn(region: &str, account_id: &str, name: &str) -> String {
    format!("arn:aws:lambda:{region}:{account_id}:function:{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_taken_off_the_account() {
        let host = HostConfig::new("eu-west-1", "123456789012");
        let reserving = |reserved| {
            let mut function = FunctionConfig::new("notify", "code");
            function.reserved_concurrency = reserved;
            function
        };
        let functions = [reserving(Some(500)), reserving(None), reserving(Some(400))];
        assert_eq!(host.unreserved(&functions).unwrap(), 100);
        let error = host.unreserved(&[reserving(Some(901))]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the functions reserve 901 concurrent invocations, and the account has 1000, of which 100 have to stay \
             unreserved; reserve less"
        );
        let small = HostConfig { account_concurrency_max: 10, ..host };
        assert_eq!(small.unreserved(&[reserving(Some(0))]).unwrap(), 10);
        assert!(small.unreserved(&[reserving(Some(1))]).is_err());
    }

    #[test]
    fn hosts_are_checked() {
        HostConfig::new("eu-west-1", "123456789012").check().unwrap();
        assert!(HostConfig::new("eu west", "123456789012").check().is_err());
        assert!(HostConfig::new("eu-west-1", "12345678901x").check().is_err());
        let undivided = HostConfig { event_delay_divisor: 0, ..HostConfig::new("eu-west-1", "123456789012") };
        assert_eq!(
            undivided.check().unwrap_err().to_string(),
            "event_delay_divisor is 0; 1 waits as long as the service"
        );
    }
}
