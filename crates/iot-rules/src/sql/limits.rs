//! The bounds of a statement and of its evaluation. Each is named in the error that it causes.

/// Characters of a statement: what a whole rule document may have on the service, so nothing that deploys is refused here.
pub const SQL_CHARS_MAX: usize = dunlin_events::limits::IOT_RULE_CHARS_MAX;

/// How deep an expression may nest: ours, far above any rule. It bounds every recursion over an expression; chains of an
/// operator do not nest.
pub const EXPRESSION_DEPTH_MAX: usize = 64;

/// Variables of a `SET` clause (limits of the SET clause page).
pub const VARIABLES_MAX: usize = 10;

/// Characters of a variable's name, `@` not counted (SET clause page).
pub const VARIABLE_CHARS_MAX: usize = 64;

/// Bytes that a regular expression may take when compiled: ours, room for hundreds of alternatives.
pub const REGEX_BYTES_MAX: usize = 256 * 1024;

/// Regular expressions that stand in one statement: ours. With [`REGEX_BYTES_MAX`] it bounds what a statement takes.
pub const REGEXES_MAX: usize = 100;

/// Bytes of a text, an array or an object that an expression makes: ours, what the largest event of an action can hold.
pub const VALUE_BYTES_MAX: usize = dunlin_events::limits::INVOKE_EVENT_BYTES_MAX;

/// Bytes of the array that `transform` returns (functions page).
pub const TRANSFORM_BYTES_MAX: usize = 128 * 1024;

/// How deep arrays and objects may nest where a statement looks inside them: ours, as deep as common JSON readers go.
pub const VALUE_DEPTH_MAX: usize = 128;

/// What one message may cost, in bytes read or written, with a fixed charge for each step: ours, some tenths of a second,
/// and seconds at worst. Nested queries over large arrays would otherwise take minutes.
pub const WORK_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What one step of an expression costs, in bytes: about what its value takes, so that the bound on work is one on memory.
pub(super) const STEP_BYTES: usize = 64;

/// What compiling a regular expression during the evaluation costs, in bytes. A literal one is compiled with the statement.
pub(super) const REGEX_COMPILE_BYTES: usize = 64 * 1024;
