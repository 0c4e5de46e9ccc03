use std::time::{Duration, SystemTime};

use time::{OffsetDateTime, UtcDateTime, format_description::FormatItem, macros::format_description};

/// `24/Jul/2024:07:47:14 +0000`, always UTC with an English month (section 4.2, `requestTime`).
const REQUEST_TIME: &[FormatItem<'_>] =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");

/// A time as `requestContext.requestTime` prints it.
pub fn request_time(epoch_ms: u64) -> String {
    utc(epoch_ms).format(REQUEST_TIME).unwrap_or_default()
}

/// The date and time of a number of milliseconds since 1970; the last representable one for absurd input.
pub fn utc(epoch_ms: u64) -> OffsetDateTime {
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_millis(epoch_ms.min(253_402_300_799_999)))
        .map_or(UtcDateTime::MAX.into(), OffsetDateTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_time_is_clf() {
        assert_eq!(request_time(1_721_807_234_120), "24/Jul/2024:07:47:14 +0000");
        assert_eq!(request_time(0), "01/Jan/1970:00:00:00 +0000");
        assert_eq!(request_time(u64::MAX), "31/Dec/9999:23:59:59 +0000");
    }
}
