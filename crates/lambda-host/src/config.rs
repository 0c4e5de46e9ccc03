use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use dunlin_events::limits::{
    FUNCTION_ENVIRONMENT_BYTES_MAX, FUNCTION_INIT_TIMEOUT, FUNCTION_MEMORY_MB_DEFAULT,
    FUNCTION_MEMORY_MB_MAX, FUNCTION_MEMORY_MB_MIN, FUNCTION_NAME_CHARS_MAX, FUNCTION_TIMEOUT_DEFAULT,
    FUNCTION_TIMEOUT_MAX,
};

use crate::{
    error::ConfigError,
    limits::{
        ENVIRONMENT_IDLE_MAX, ENVIRONMENTS_PER_FUNCTION_MAX, EVENT_RETRY_DELAYS, QUEUE_WAIT_MAX,
        SETTLE_WAIT_MAX,
    },
    output::LogSender,
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
    /// Waits before the retries of a failed asynchronous invocation; its length is the number of retries.
    pub event_retry_delays: Vec<Duration>,
    /// Where lines that functions print go, besides `tracing`.
    pub log_lines: Option<LogSender>,
    /// The wall clock.
    pub wall_clock: WallClock,
    /// The source of request ids.
    pub random_bytes: RandomBytes,
}

impl HostConfig {
    /// The defaults of [`limits`](crate::limits), the system's clock and the system's randomness.
    pub fn new(region: impl Into<String>, account_id: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            account_id: account_id.into(),
            environments_per_function_max: ENVIRONMENTS_PER_FUNCTION_MAX,
            queue_wait_max: QUEUE_WAIT_MAX,
            environment_idle_max: ENVIRONMENT_IDLE_MAX,
            settle_wait_max: SETTLE_WAIT_MAX,
            init_timeout: FUNCTION_INIT_TIMEOUT,
            event_retry_delays: EVENT_RETRY_DELAYS.to_vec(),
            log_lines: None,
            wall_clock: Arc::new(SystemTime::now),
            random_bytes: Arc::new(|buffer| {
                getrandom::fill(buffer).expect("Linux's random source answers once the system has booted");
            }),
        }
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
        Ok(())
    }
}

/// One function.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionConfig {
    /// The function's name: letters, digits, `-` and `_`, at most 64.
    pub name: String,
    /// A folder with an executable `bootstrap`, or a `.zip` file that contains one.
    pub code: PathBuf,
    /// The template's `Handler`, passed on as `_HANDLER`.
    pub handler: String,
    /// The time that one invocation may take: at most 900 seconds (N4).
    pub timeout: Duration,
    /// What `AWS_LAMBDA_FUNCTION_MEMORY_SIZE` says, in MB. It is not enforced.
    pub memory_mb: u32,
    /// The variables that the template gives the function: at most 4 KB in all (N4).
    pub environment: BTreeMap<String, String>,
    /// Variables from whoever runs the host: `AWS_ENDPOINT_URL_*`, credentials, certificate authorities. They
    /// win over `environment`; the platform's own (P7) win over both.
    pub host_environment: BTreeMap<String, String>,
}

impl FunctionConfig {
    /// A function with the service's defaults: 3 seconds, 128 MB, handler `bootstrap`, no variables.
    pub fn new(name: impl Into<String>, code: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            code: code.into(),
            handler: "bootstrap".to_owned(),
            timeout: FUNCTION_TIMEOUT_DEFAULT,
            memory_mb: FUNCTION_MEMORY_MB_DEFAULT,
            environment: BTreeMap::new(),
            host_environment: BTreeMap::new(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let name = || self.name.clone();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if self.name.is_empty()
            || self.name.len() > FUNCTION_NAME_CHARS_MAX
            || !self.name.bytes().all(allowed)
        {
            return Err(ConfigError::Name { name: name() });
        }
        if self.timeout.is_zero() || self.timeout > FUNCTION_TIMEOUT_MAX {
            return Err(ConfigError::Timeout { name: name(), seconds: self.timeout.as_secs_f64() });
        }
        if !(FUNCTION_MEMORY_MB_MIN..=FUNCTION_MEMORY_MB_MAX).contains(&self.memory_mb) {
            return Err(ConfigError::Memory { name: name(), memory_mb: self.memory_mb });
        }
        let bytes: usize = self.environment.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > FUNCTION_ENVIRONMENT_BYTES_MAX {
            return Err(ConfigError::EnvironmentTooLarge { name: name(), bytes });
        }
        for (key, value) in self.environment.iter().chain(&self.host_environment) {
            if key.is_empty() || key.contains(['=', '\0']) || value.contains('\0') {
                return Err(ConfigError::Variable { name: name(), variable: key.clone() });
            }
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

    #[track_caller]
    fn check_refused(change: impl FnOnce(&mut FunctionConfig), sentence: &str) {
        let mut function = FunctionConfig::new("notify", "code");
        change(&mut function);
        assert_eq!(function.check().unwrap_err().to_string(), sentence);
    }

    #[test]
    fn functions_are_checked() {
        FunctionConfig::new("notify-connect_2", "code").check().unwrap();
        check_refused(
            |function| function.name = "a b".to_owned(),
            "function name \"a b\" is not 1 to 64 letters, digits, - and _",
        );
        check_refused(
            |function| function.timeout = Duration::from_secs(901),
            "function notify has a timeout of 901 seconds; give it more than 0 and at most 900",
        );
        check_refused(
            |function| function.memory_mb = 64,
            "function notify has 64 MB of memory; give it 128 to 10240",
        );
        check_refused(
            |function| drop(function.environment.insert("BLOB".to_owned(), "x".repeat(4093))),
            "function notify has 4097 bytes of environment variables; the service takes 4096",
        );
        check_refused(
            |function| drop(function.environment.insert("A=B".to_owned(), String::new())),
            "function notify has an environment variable \"A=B\" that no process can be given: a name is not empty and \
             has no `=`, and neither name nor value has a NUL",
        );
    }

    #[test]
    fn hosts_are_checked() {
        HostConfig::new("eu-west-1", "123456789012").check().unwrap();
        assert!(HostConfig::new("eu west", "123456789012").check().is_err());
        assert!(HostConfig::new("eu-west-1", "12345678901x").check().is_err());
    }
}
