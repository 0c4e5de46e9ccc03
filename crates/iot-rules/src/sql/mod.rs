//! The SQL of IoT rules, version 2016-03-23, as the service documents it: parsed once at start, evaluated per message.
//!
//! A statement is `[SET @a = …, …] SELECT … [FROM 'topic/filter'] [WHERE …]`. What it may say is in the service's own
//! [SQL reference](https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-reference.html): nested paths and
//! queries, `VALUE`, literals of arrays and objects, arithmetic, comparison and boolean operators, `IN`, `EXISTS`, `CASE`,
//! `cast`, and every function but those that ask another service (`get_dynamodb`, `aws_lambda` and the like), which are
//! refused by name. A statement of version 2015-10-08 is refused what came later.
//!
//! What a message does not have is *undefined*: it is left out of the event, and a condition that comes out undefined is
//! not true. Functions are undefined for arguments that they cannot convert.
//!
//! # Where the documentation is silent or disagrees with itself
//!
//! - A path is copied as the payload writes it: `21.50` stays `21.50`. Numbers that are computed have 34 digits; whole ones
//!   print without a point, as the casting table says of this version.
//! - Int divided by Int is an Int, as the operator's table says; the SET clause page has an example where it is not.
//! - `get('abc', 1)` is `b`, by the table's 0-based index; the example beside it has `a`.
//! - Rounding to an Int is downwards, as the functions say; the conversion table says to the nearest.
//! - `concat(1)` is the text `1` and `bitnot(13)` is 2, as their examples have it.
//! - What is undefined inside an array is left out of it.
//! - Names in a nested query are keys of its row, or the row's alias; variables are seen everywhere.
//! - Searched `CASE WHEN`, `LIKE`, `BETWEEN`, `IS NULL`, `a[0]`, `||` and comments are not documented, and refused with what
//!   to write instead. `!=` is taken for `<>`.
//! - A doubled quote is a quote; backslashes are plain characters.
//!
//! # Regular expressions
//!
//! The service's are Java's. These are those of the [`regex`] crate, which always take linear time: no look-around, no
//! backreferences, no possessive quantifiers, no atomic groups. A statement that has them is refused; a pattern that is
//! computed is undefined. `\d`, `\w` and `\s` are ASCII's classes and `\Q…\E` quotes, as in Java.

mod ast;
mod coercion;
mod decimal;
mod error;
mod evaluate;
mod functions;
mod json;
mod lexer;
pub mod limits;
mod message;
mod meter;
mod number;
mod outgoing;
mod output;
mod parser;
mod payload;
mod regexp;
mod statement;
mod template;
mod time;
mod topic;
mod value;
mod version;

pub use error::SqlError;
pub use message::{Message, Properties};
pub use outgoing::{EvaluateError, Outgoing, Variables};
pub use statement::Statement;
pub use template::Template;
pub use topic::TopicFilter;
pub use version::Version;
