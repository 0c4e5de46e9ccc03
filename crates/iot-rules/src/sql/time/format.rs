use jiff::{Timestamp, tz::TimeZone};

use super::{
    MONTHS, WEEKDAYS,
    pattern::{Part, parts},
    short, zone,
};

/// The letters of Joda-Time's patterns.
const LETTERS: &str = "GCYxweEyDMdaKhHkmsSzZ";

/// Whether `parse_time` understands a pattern; if not, why.
pub(in crate::sql) fn check(pattern: &str) -> Result<(), String> {
    parts(pattern, LETTERS, false).map(drop)
}

/// A time in milliseconds since the Unix epoch, as a text. `None` if the pattern or the zone is none, or the time is beyond
/// the year 9999.
pub(in crate::sql) fn format(pattern: &str, epoch_ms: i64, zone_name: &str) -> Option<String> {
    let parts = parts(pattern, LETTERS, false).ok()?;
    let zone = zone::find(zone_name)?;
    let timestamp = Timestamp::from_millisecond(epoch_ms).ok()?;
    let mut text = String::new();
    for part in &parts {
        match part {
            Part::Literal(literal) => text.push_str(literal),
            Part::Field(letter, width) => text.push_str(&field(*letter, *width, timestamp, &zone)),
            Part::Optional(_) => {}
        }
    }
    Some(text)
}

fn field(letter: char, width: usize, timestamp: Timestamp, zone: &TimeZone) -> String {
    let local = timestamp.to_zoned(zone.clone());
    let hour = i64::from(local.hour());
    let weekday = usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or(0);
    let year = i64::from(local.year());
    let of_era = if year > 0 { year } else { 1 - year };
    let number = |number: i64| {
        let sign = if number < 0 { "-" } else { "" };
        format!("{sign}{:0width$}", number.unsigned_abs())
    };
    let of_two_digits = |year: i64| if width == 2 { number(year.rem_euclid(100)) } else { number(year) };
    let name = |name: &str| if width < 4 { short(name).to_owned() } else { name.to_owned() };
    match letter {
        'G' => if year > 0 { "AD" } else { "BC" }.to_owned(),
        'C' => number(of_era / 100),
        'Y' => of_two_digits(of_era),
        'y' => of_two_digits(year),
        'x' => of_two_digits(i64::from(local.date().iso_week_date().year())),
        'w' => number(local.date().iso_week_date().week().into()),
        'e' => number(local.weekday().to_monday_one_offset().into()),
        'E' => name(WEEKDAYS[weekday]),
        'D' => number(local.day_of_year().into()),
        'M' if width >= 3 => name(MONTHS[usize::try_from(local.month() - 1).unwrap_or(0)]),
        'M' => number(local.month().into()),
        'd' => number(local.day().into()),
        'a' => if hour < 12 { "AM" } else { "PM" }.to_owned(),
        'K' => number(hour % 12),
        'h' => number((hour + 11) % 12 + 1),
        'H' => number(hour),
        'k' => number((hour + 23) % 24 + 1),
        'm' => number(local.minute().into()),
        's' => number(local.second().into()),
        'S' => {
            format!("{:03}{}", local.millisecond(), "0".repeat(width.saturating_sub(3)))[..width].to_owned()
        }
        'Z' if width >= 3 => zone_id(zone, local.offset()),
        'Z' => zone::write_offset(local.offset(), width == 2),
        _ => {
            let info = zone.to_offset_info(timestamp);
            // A zone without letters of its own is named by its offset, as Joda-Time does.
            if info.abbreviation().starts_with(['+', '-']) {
                zone::write_offset(local.offset(), true)
            } else {
                info.abbreviation().to_owned()
            }
        }
    }
}

fn zone_id(zone: &TimeZone, offset: jiff::tz::Offset) -> String {
    zone.iana_name().map_or_else(|| zone::write_offset(offset, true), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        // Friday, 2 January 2026, 15:04:05.678 UTC
        let at = 1_767_366_245_678;
        for (pattern, zone, expected) in [
            ("yyyy.MM.dd G 'at' HH:mm:ss z", "UTC", "2026.01.02 AD at 15:04:05 UTC"),
            ("yy y yyyyyy YYYY CC", "UTC", "26 2026 002026 2026 20"),
            ("E EEEE e", "UTC", "Fri Friday 5"),
            ("M MM MMM MMMM d dd D DDD", "UTC", "1 01 Jan January 2 02 2 002"),
            ("xxxx-'W'ww", "UTC", "2026-W01"),
            ("K h H k a", "UTC", "3 3 15 15 PM"),
            ("K h H k a", "Asia/Tokyo", "0 12 0 24 AM"),
            ("S SS SSS SSSSS", "UTC", "6 67 678 67800"),
            ("Z ZZ ZZZ", "UTC", "+0000 +00:00 UTC"),
            ("Z ZZ ZZZ z", "America/New_York", "-0500 -05:00 America/New_York EST"),
            ("Z ZZ ZZZ z", "+05:30", "+0530 +05:30 +05:30 +05:30"),
            ("HH:mm''ss", "UTC", "15:04'05"),
        ] {
            assert_eq!(format(pattern, at, zone).as_deref(), Some(expected), "{pattern} {zone}");
        }
    }

    #[test]
    fn what_has_no_text() {
        for (pattern, at, zone) in [
            ("q", 0, "UTC"),
            ("yyyy", 0, "Nowhere"),
            ("yyyy", 0, "utc"),
            ("yyyy", i64::MAX, "UTC"),
            ("'", 0, "UTC"),
        ] {
            assert_eq!(format(pattern, at, zone), None, "{pattern} {at} {zone}");
        }
        assert_eq!(format("yyyy", 0, "america/belize"), None);
    }
}
