use std::{collections::BTreeMap, ffi::OsString, path::Path, sync::Arc};

use time::OffsetDateTime;

use crate::{FunctionConfig, LogFormat};

/// Names that a function's own configuration cannot set (P7).
const RESERVED: [&str; 20] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// What differs from one environment of a function to the next.
pub(crate) struct EnvironmentVariables<'a> {
    pub(crate) function: &'a FunctionConfig,
    pub(crate) region: &'a str,
    pub(crate) task_root: &'a Path,
    /// `host:port`, without a path.
    pub(crate) runtime_api: &'a str,
    pub(crate) log_stream: &'a str,
    /// `PATH` and `LANG` of the host, where it has them.
    pub(crate) inherited: &'a [(OsString, OsString)],
}

impl EnvironmentVariables<'_> {
    /// The whole environment of a process. Later sources win: what the host has, what the template says (without the
    /// reserved names), what whoever runs the host adds, what the platform sets (P7).
    pub(crate) fn all(&self) -> Arc<[(OsString, OsString)]> {
        let mut variables: BTreeMap<OsString, OsString> = self.inherited.iter().cloned().collect();
        variables.insert("TZ".into(), ":UTC".into());
        for (name, value) in &self.function.environment {
            if RESERVED.contains(&name.as_str()) {
                tracing::warn!(
                    function = self.function.name,
                    variable = name,
                    "the variable is reserved; its value from the template is not used"
                );
            } else {
                variables.insert(name.into(), value.into());
            }
        }
        for (name, value) in &self.function.host_environment {
            variables.insert(name.into(), value.into());
        }
        let FunctionConfig { name, logging, environment_concurrency, .. } = self.function;
        let group = logging.group.clone().unwrap_or_else(|| format!("/aws/lambda/{name}"));
        let initialization_type =
            if *environment_concurrency > 1 { "lambda-managed-instances" } else { "on-demand" };
        let platform: [(&str, OsString); 13] = [
            ("_HANDLER", (&self.function.handler).into()),
            ("LAMBDA_TASK_ROOT", self.task_root.into()),
            ("LAMBDA_RUNTIME_DIR", "/var/runtime".into()),
            ("AWS_LAMBDA_FUNCTION_NAME", name.into()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".into()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", self.function.memory_mb.to_string().into()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", initialization_type.into()),
            ("AWS_LAMBDA_LOG_FORMAT", logging.format.as_str().into()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", group.into()),
            ("AWS_LAMBDA_LOG_STREAM_NAME", self.log_stream.into()),
            ("AWS_LAMBDA_RUNTIME_API", self.runtime_api.into()),
            ("AWS_REGION", self.region.into()),
            ("AWS_DEFAULT_REGION", self.region.into()),
        ];
        variables.extend(platform.map(|(name, value)| (name.into(), value)));
        if logging.format == LogFormat::Json {
            variables.insert("AWS_LAMBDA_LOG_LEVEL".into(), logging.application_level.as_str().into());
        }
        if *environment_concurrency > 1 {
            let concurrency = environment_concurrency.to_string();
            variables.insert("AWS_LAMBDA_MAX_CONCURRENCY".into(), concurrency.into());
        }
        variables.into_iter().collect()
    }
}

/// `2026/03/09/[$LATEST]` and 32 hexadecimal digits.
pub(crate) fn log_stream_name(now: OffsetDateTime, id: &str) -> String {
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).collect();
    format!("{}/{:02}/{:02}/[$LATEST]{digits}", now.year(), u8::from(now.month()), now.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(all: &[(OsString, OsString)], expected: &[(&str, Option<&str>)]) {
        for (name, expected) in expected {
            let value = all.iter().find(|(key, _)| key == name).map(|(_, value)| value.to_str().unwrap());
            assert_eq!(value, *expected, "{name}");
        }
    }

    #[test]
    fn the_platform_wins_over_the_host_and_the_host_over_the_template() {
        let mut function = FunctionConfig::new("notify", "code");
        for name in ["AWS_REGION", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_DYNAMODB", "TABLE", "TZ", "PATH"] {
            function.environment.insert(name.to_owned(), "template".to_owned());
        }
        for name in ["AWS_REGION", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ACCESS_KEY_ID"] {
            function.host_environment.insert(name.to_owned(), "host".to_owned());
        }
        let all = EnvironmentVariables {
            function: &function,
            region: "eu-west-1",
            task_root: Path::new("/code"),
            runtime_api: "127.0.0.1:9001",
            log_stream: "stream",
            inherited: &[("PATH".into(), "/bin".into()), ("LANG".into(), "C.UTF-8".into())],
        }
        .all();
        check(
            &all,
            &[
                ("AWS_REGION", Some("eu-west-1")),
                ("AWS_DEFAULT_REGION", Some("eu-west-1")),
                ("AWS_SESSION_TOKEN", None),
                ("AWS_ACCESS_KEY_ID", Some("host")),
                ("AWS_ENDPOINT_URL_DYNAMODB", Some("host")),
                ("AWS_EXECUTION_ENV", None),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", Some("128")),
                ("AWS_LAMBDA_RUNTIME_API", Some("127.0.0.1:9001")),
                ("LAMBDA_TASK_ROOT", Some("/code")),
                ("TABLE", Some("template")),
                ("TZ", Some("template")),
                ("PATH", Some("template")),
                ("LANG", Some("C.UTF-8")),
                ("AWS_LAMBDA_LOG_FORMAT", Some("Text")),
                ("AWS_LAMBDA_LOG_LEVEL", None),
                ("AWS_LAMBDA_LOG_GROUP_NAME", Some("/aws/lambda/notify")),
                ("AWS_LAMBDA_MAX_CONCURRENCY", None),
            ],
        );
    }

    #[test]
    fn what_a_function_is_configured_to_do_is_exported() {
        let mut function = FunctionConfig::new("notify", "code");
        function.environment_concurrency = 16;
        function.logging.format = LogFormat::Json;
        function.logging.application_level = crate::ApplicationLogLevel::Debug;
        function.logging.group = Some("/app".to_owned());
        let all = EnvironmentVariables {
            function: &function,
            region: "eu-west-1",
            task_root: Path::new("/code"),
            runtime_api: "127.0.0.1:9001",
            log_stream: "stream",
            inherited: &[],
        }
        .all();
        check(
            &all,
            &[
                ("AWS_LAMBDA_LOG_FORMAT", Some("JSON")),
                ("AWS_LAMBDA_LOG_LEVEL", Some("DEBUG")),
                ("AWS_LAMBDA_LOG_GROUP_NAME", Some("/app")),
                ("AWS_LAMBDA_MAX_CONCURRENCY", Some("16")),
                ("AWS_LAMBDA_INITIALIZATION_TYPE", Some("lambda-managed-instances")),
            ],
        );
    }

    #[test]
    fn log_streams_are_named_by_day() {
        let noon = time::macros::datetime!(2026-03-09 12:00 UTC);
        assert_eq!(log_stream_name(noon, "0a-1b"), "2026/03/09/[$LATEST]0a1b");
    }
}
