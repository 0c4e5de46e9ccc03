use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use dunlin_events::limits::{
    ASYNC_EVENT_AGE_MAX, ASYNC_EVENT_AGE_MIN, ASYNC_RETRIES_MAX, ENVIRONMENT_CONCURRENCY_MAX,
    FUNCTION_ENVIRONMENT_BYTES_MAX, FUNCTION_MEMORY_MB_DEFAULT, FUNCTION_MEMORY_MB_MAX,
    FUNCTION_MEMORY_MB_MIN, FUNCTION_NAME_CHARS_MAX, FUNCTION_TIMEOUT_DEFAULT, FUNCTION_TIMEOUT_MAX,
};

use crate::error::ConfigError;

/// One function. What templates call a property is named with each field.
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
    /// `MemorySize`, in MB: what `AWS_LAMBDA_FUNCTION_MEMORY_SIZE` says. A process that uses more during an invocation is
    /// killed.
    pub memory_mb: u32,
    /// The variables that the template gives the function: at most 4 KB in all (N4).
    pub environment: BTreeMap<String, String>,
    /// Variables from whoever runs the host: `AWS_ENDPOINT_URL_*`, credentials, certificate authorities. They
    /// win over `environment`; the platform's own (P7) win over both.
    pub host_environment: BTreeMap<String, String>,
    /// `ReservedConcurrentExecutions`: invocations under way at the same time; one more is told 429, with 0 every one is (N10).
    /// What is reserved is taken off [`HostConfig::account_concurrency_max`](crate::HostConfig::account_concurrency_max).
    pub reserved_concurrency: Option<usize>,
    /// `PerExecutionEnvironmentMaxConcurrency` of a managed-instances function: invocations that one environment takes at
    /// the same time, 1 to 1,600 (P14). Above 1 it is exported as `AWS_LAMBDA_MAX_CONCURRENCY`.
    pub environment_concurrency: usize,
    /// What becomes of asynchronous invocations.
    pub event_invoke: EventInvokeConfig,
    /// `LoggingConfig`.
    pub logging: LoggingConfig,
}

/// What becomes of a function's asynchronous invocations (N5, N8, N9): `EventInvokeConfig`, and `DeadLetterConfig`.
#[derive(Clone, Debug, PartialEq)]
pub struct EventInvokeConfig {
    /// `MaximumRetryAttempts`: attempts after the first one that failed, 0 to 2.
    pub retries_max: u32,
    /// `MaximumEventAgeInSeconds`: an event that is older is given up; a minute to six hours.
    pub age_max: Duration,
    /// `DestinationConfig.OnSuccess.Destination`, an ARN. A function of this host is invoked; for everything else see
    /// [`HostConfig::event_records`](crate::HostConfig::event_records).
    pub on_success: Option<String>,
    /// `DestinationConfig.OnFailure.Destination`, likewise.
    pub on_failure: Option<String>,
    /// `DeadLetterConfig.TargetArn` (SAM: `DeadLetterQueue.TargetArn`): gets the event itself when it is given up.
    pub dead_letter_target: Option<String>,
}

impl Default for EventInvokeConfig {
    /// Two retries, six hours, nobody who is told.
    fn default() -> Self {
        Self {
            retries_max: ASYNC_RETRIES_MAX,
            age_max: ASYNC_EVENT_AGE_MAX,
            on_success: None,
            on_failure: None,
            dead_letter_target: None,
        }
    }
}

/// How a function's log looks: `LoggingConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoggingConfig {
    /// `LogFormat`.
    pub format: LogFormat,
    /// `ApplicationLogLevel`, for functions that log JSON: exported as `AWS_LAMBDA_LOG_LEVEL`, which the runtime obeys.
    pub application_level: ApplicationLogLevel,
    /// `SystemLogLevel`: which of the platform's own lines a function that logs JSON gets.
    pub system_level: SystemLogLevel,
    /// `LogGroup`: what `AWS_LAMBDA_LOG_GROUP_NAME` says; `/aws/lambda/{name}` if there is none.
    pub group: Option<String>,
}

/// `LogFormat`; exported as `AWS_LAMBDA_LOG_FORMAT`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `START`, `END` and `REPORT` as lines of text.
    #[default]
    Text,
    /// Every line a JSON object.
    Json,
}

/// The least level of a function's own lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ApplicationLogLevel {
    Trace,
    Debug,
    #[default]
    Info,
    Warn,
    Error,
    Fatal,
}

/// The least level of the platform's lines around a function's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum SystemLogLevel {
    Debug,
    #[default]
    Info,
    Warn,
}

impl ApplicationLogLevel {
    /// The name in templates and in `AWS_LAMBDA_LOG_LEVEL`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }

    /// The level of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal]
            .into_iter()
            .find(|level| level.as_str() == name)
    }
}

impl SystemLogLevel {
    /// The name in templates.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
        }
    }

    /// The level of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Debug, Self::Info, Self::Warn].into_iter().find(|level| level.as_str() == name)
    }
}

impl LogFormat {
    /// The name in templates and in `AWS_LAMBDA_LOG_FORMAT`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Json => "JSON",
        }
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Text, Self::Json].into_iter().find(|format| format.as_str() == name)
    }
}

impl FunctionConfig {
    /// A function with the service's defaults: 3 seconds, 128 MB, handler `bootstrap`, no variables, nothing reserved.
    pub fn new(name: impl Into<String>, code: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            code: code.into(),
            handler: "bootstrap".to_owned(),
            timeout: FUNCTION_TIMEOUT_DEFAULT,
            memory_mb: FUNCTION_MEMORY_MB_DEFAULT,
            environment: BTreeMap::new(),
            host_environment: BTreeMap::new(),
            reserved_concurrency: None,
            environment_concurrency: 1,
            event_invoke: EventInvokeConfig::default(),
            logging: LoggingConfig::default(),
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
        if !(1..=ENVIRONMENT_CONCURRENCY_MAX).contains(&self.environment_concurrency) {
            let concurrency = self.environment_concurrency;
            return Err(ConfigError::EnvironmentConcurrency { name: name(), concurrency });
        }
        self.check_variables()?;
        self.event_invoke.check(&self.name)
    }

    fn check_variables(&self) -> Result<(), ConfigError> {
        let bytes: usize = self.environment.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > FUNCTION_ENVIRONMENT_BYTES_MAX {
            return Err(ConfigError::EnvironmentTooLarge { name: self.name.clone(), bytes });
        }
        for (key, value) in self.environment.iter().chain(&self.host_environment) {
            if key.is_empty() || key.contains(['=', '\0']) || value.contains('\0') {
                return Err(ConfigError::Variable { name: self.name.clone(), variable: key.clone() });
            }
        }
        Ok(())
    }
}

impl EventInvokeConfig {
    fn check(&self, function: &str) -> Result<(), ConfigError> {
        let name = || function.to_owned();
        if self.retries_max > ASYNC_RETRIES_MAX {
            return Err(ConfigError::Retries { name: name(), retries: self.retries_max });
        }
        if !(ASYNC_EVENT_AGE_MIN..=ASYNC_EVENT_AGE_MAX).contains(&self.age_max) {
            return Err(ConfigError::EventAge { name: name(), seconds: self.age_max.as_secs_f64() });
        }
        for target in [&self.on_success, &self.on_failure, &self.dead_letter_target].into_iter().flatten() {
            if !target.starts_with("arn:") {
                return Err(ConfigError::Target { name: name(), target: target.clone() });
            }
        }
        Ok(())
    }
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
            |function| function.environment_concurrency = 0,
            "function notify takes 0 invocations per environment at a time; give it 1 to 1600",
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
    fn what_becomes_of_events_is_checked() {
        check_refused(
            |function| function.event_invoke.retries_max = 3,
            "function notify has 3 retries of asynchronous invocations; give it 0 to 2",
        );
        check_refused(
            |function| function.event_invoke.age_max = Duration::from_secs(59),
            "function notify keeps asynchronous invocations for 59 seconds; give it 60 to 21600",
        );
        check_refused(
            |function| function.event_invoke.on_failure = Some("queue".to_owned()),
            "function notify sends records of asynchronous invocations to \"queue\", which is not an ARN",
        );
    }

    #[test]
    fn levels_and_formats_have_the_templates_names() {
        assert_eq!(LogFormat::from_name("JSON"), Some(LogFormat::Json));
        assert_eq!(LogFormat::from_name("json"), None);
        assert_eq!(SystemLogLevel::from_name("WARN"), Some(SystemLogLevel::Warn));
        assert_eq!(ApplicationLogLevel::from_name("FATAL"), Some(ApplicationLogLevel::Fatal));
        assert_eq!(ApplicationLogLevel::from_name("LOUD"), None);
    }
}
