//! Every limit of the service, once, with the fact that it comes from. Nothing else spells the number.

use std::time::Duration;

/// A message, in either direction, in payload bytes (R12, R13; section 7.1).
pub const MESSAGE_BYTES_MAX: usize = 128 * 1024;

/// One frame of a message, in payload bytes (R12, R13).
pub const FRAME_BYTES_MAX: usize = 32 * 1024;

/// The connection URL, query included, in characters (H3).
pub const URL_CHARS_MAX: usize = 4_096;

/// Request line and headers of a handshake or management call, in bytes: the service's REST limit for all headers, which it
/// states for no other kind of API (section 7.1).
pub const REQUEST_HEAD_BYTES_MAX: usize = 10_240;

/// A connection without a message in either direction is closed after this (Q4).
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// A connection is closed at this age whatever it does (Q6).
pub const CONNECTION_LIFE_MAX: Duration = Duration::from_secs(2 * 60 * 60);

/// The longest, and default, wait for an integration (G1).
pub const INTEGRATION_TIMEOUT_MAX: Duration = Duration::from_millis(29_000);

/// The shortest integration timeout that can be configured (G1).
pub const INTEGRATION_TIMEOUT_MIN: Duration = Duration::from_millis(50);

/// Routes of one API (section 7.1).
pub const ROUTES_MAX: usize = 300;

/// Characters of a stage name (H1).
pub const STAGE_NAME_CHARS_MAX: usize = 128;

/// Actions of one topic rule (section 12.1).
pub const RULE_ACTIONS_MAX: usize = 10;

/// A synchronous invocation's payload or answer, in bytes (N3, N4).
pub const INVOKE_PAYLOAD_BYTES_MAX: usize = 6 * 1024 * 1024;

/// An asynchronous invocation's payload, in bytes (N4).
pub const INVOKE_EVENT_BYTES_MAX: usize = 1024 * 1024;

/// A function's answer on the Runtime API, in bytes (P3).
pub const RUNTIME_RESPONSE_BYTES_MAX: usize = 6 * 1024 * 1024 + 100;

/// A function's timeout when none is configured (N4).
pub const FUNCTION_TIMEOUT_DEFAULT: Duration = Duration::from_secs(3);

/// The longest timeout of a function (N4).
pub const FUNCTION_TIMEOUT_MAX: Duration = Duration::from_secs(900);

/// A function's memory when none is configured, in MB (N4).
pub const FUNCTION_MEMORY_MB_DEFAULT: u32 = 128;

/// The most memory of a function, in MB (N4).
pub const FUNCTION_MEMORY_MB_MAX: u32 = 10_240;

/// Retries of an asynchronous invocation after its first failure (N5).
pub const ASYNC_RETRIES_MAX: u32 = 2;

/// Log bytes returned with `X-Amz-Log-Type: Tail` (N2).
pub const LOG_TAIL_BYTES_MAX: usize = 4 * 1024;

/// Concurrent invocations of an account (N4).
pub const ACCOUNT_CONCURRENCY_MAX: usize = 1_000;

/// Operations in one `BatchWriteItem` of DynamoDB.
pub const BATCH_WRITE_ITEMS_MAX: usize = 25;

/// Keys in one `BatchGetItem` of DynamoDB.
pub const BATCH_GET_ITEMS_MAX: usize = 100;

/// `X-Amz-Client-Context`, in bytes (N1).
pub const CLIENT_CONTEXT_BYTES_MAX: usize = 3_583;

/// All environment variables of a function, names and values, in bytes (N4).
pub const FUNCTION_ENVIRONMENT_BYTES_MAX: usize = 4 * 1024;

/// The least memory of a function, in MB (N4).
pub const FUNCTION_MEMORY_MB_MIN: u32 = 128;

/// Characters of a function's name (LM).
pub const FUNCTION_NAME_CHARS_MAX: usize = 64;

/// A function's code, unpacked, in bytes: 250 MB (Lambda's limits page).
pub const FUNCTION_CODE_BYTES_MAX: u64 = 250 * 1024 * 1024;

/// A function's initialisation: from the start of its process to its first `next`.
pub const FUNCTION_INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an asynchronous invocation is kept before it is given up (N5).
pub const ASYNC_EVENT_AGE_MAX: Duration = Duration::from_secs(6 * 60 * 60);

/// Extensions of one execution environment.
pub const FUNCTION_EXTENSIONS_MAX: usize = 10;

/// The payload of one MQTT message, in bytes: the message size of AWS IoT Core.
pub const IOT_MESSAGE_BYTES_MAX: usize = 128 * 1024;

/// Bytes of an MQTT topic, the Basic Ingest prefix not counted (S11).
pub const IOT_TOPIC_BYTES_MAX: usize = 256;

/// Slashes of an MQTT topic, those of the Basic Ingest prefix not counted (S11).
pub const IOT_TOPIC_SLASHES_MAX: usize = 7;

/// Actions of one topic rule.
pub const IOT_RULE_ACTIONS_MAX: usize = 10;

/// Concurrent invocations of an account that no function may reserve (N10).
pub const UNRESERVED_CONCURRENCY_MIN: usize = 100;

/// Invocations that one execution environment takes at the same time, at most (P14).
pub const ENVIRONMENT_CONCURRENCY_MAX: usize = 1_600;

/// The shortest time for which an asynchronous invocation can be kept (N8).
pub const ASYNC_EVENT_AGE_MIN: Duration = Duration::from_secs(60);

/// Waits before the retries of an asynchronous invocation that failed (N8).
pub const ASYNC_RETRY_DELAYS: [Duration; ASYNC_RETRIES_MAX as usize] =
    [Duration::from_secs(60), Duration::from_secs(120)];

/// The first wait before an asynchronous invocation that was throttled is tried again; it doubles each time (N8).
pub const ASYNC_THROTTLE_DELAY_MIN: Duration = Duration::from_secs(1);

/// The longest such wait (N8).
pub const ASYNC_THROTTLE_DELAY_MAX: Duration = Duration::from_secs(5 * 60);

/// An authorizer's answer, in bytes (section 7.1).
pub const AUTHORIZER_RESULT_BYTES_MAX: usize = 8 * 1024;

/// Time for an execution environment with a registered extension to end after SIGTERM; one without any has none
/// (P17).
pub const SHUTDOWN_INTERNAL_MAX: Duration = Duration::from_millis(500);

/// The same with an extension that is told of the end by an event (P17).
pub const SHUTDOWN_EXTERNAL_MAX: Duration = Duration::from_secs(2);

/// Files that a function's process may have open (P18).
pub const FUNCTION_OPEN_FILES_MAX: u64 = 1_024;

/// The attribute `ErrorMessage` of a dead-lettered event, in bytes (N9).
pub const DEAD_LETTER_ERROR_BYTES_MAX: usize = 1_024;

/// A message is billed by each started so many bytes (section 7.3).
pub const METERED_MESSAGE_BYTES: usize = 32 * 1024;

/// A mapping template, in bytes (G7).
pub const MAPPING_TEMPLATE_BYTES_MAX: usize = 300 * 1024;

/// Characters of a rule's document, its SQL included: quotas of AWS IoT Core (S13).
pub const IOT_RULE_CHARS_MAX: usize = 256 * 1024;

/// Requests a second of an account in a region: connects, messages and management calls (section 7.1).
pub const ACCOUNT_REQUESTS_PER_SECOND: u32 = 10_000;

/// How many of them may come at once.
pub const ACCOUNT_REQUESTS_BURST: u32 = 5_000;

/// New connections a second of an account in a region (section 7.1).
pub const CONNECTS_PER_SECOND: u32 = 500;

/// The format of an access log, in bytes (section 7.1).
pub const ACCESS_LOG_FORMAT_BYTES_MAX: usize = 3 * 1024;

/// What an execution log keeps of an event, in bytes (section 7.1).
pub const EXECUTION_LOG_BYTES_MAX: usize = 1_024;

/// The value of an API key, in characters (A10).
pub const API_KEY_CHARS_MIN: usize = 20;

/// The same, at most (A10).
pub const API_KEY_CHARS_MAX: usize = 128;
