//! Times as texts: `parse_time` writes them by Joda-Time's patterns, `time_to_epoch` reads them by those of Java's
//! `DateTimeFormatter`, in English. The zones are those of the tz database; names of zones have their short form only.

pub(super) mod format;
pub(super) mod parse;
mod pattern;
mod zone;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// From Monday, as ISO 8601 counts.
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// The short form of a month or weekday.
fn short(name: &str) -> &str {
    &name[..3]
}
