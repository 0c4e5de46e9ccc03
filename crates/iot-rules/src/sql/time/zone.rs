use jiff::tz::{Offset, TimeZone};

/// A zone by its name in the tz database, by an offset, or by a name with an offset: `UTC+01:00`.
pub(super) fn find(name: &str) -> Option<TimeZone> {
    if matches!(name, "UTC" | "GMT" | "UT" | "Z") {
        return Some(TimeZone::UTC);
    }
    let offset = ["UTC", "GMT", "UT"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    if offset.starts_with(['+', '-']) {
        let (offset, rest) = read_offset(offset)?;
        return rest.is_empty().then(|| TimeZone::fixed(offset));
    }
    // Letters in another case would be found too, where the service does not find them.
    TimeZone::get(name).ok().filter(|zone| zone.iana_name() == Some(name))
}

/// Reads `+1`, `+01`, `+0130` or `+01:30` from the start of a text.
pub(super) fn read_offset(text: &str) -> Option<(Offset, &str)> {
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let (hours, rest) = digits(&text[1..], 2)?;
    let (minutes, rest) = match rest.strip_prefix(':').map_or_else(|| digits(rest, 2), |rest| digits(rest, 2))
    {
        Some((minutes, rest)) => (minutes, rest),
        None => (0, rest),
    };
    if hours > 18 || minutes > 59 {
        return None;
    }
    Some((Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok()?, rest))
}

fn digits(text: &str, most: usize) -> Option<(i32, &str)> {
    let length = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    Some((text[..length].parse().ok()?, &text[length..]))
}

/// `+0130`, or with a colon `+01:30`.
pub(super) fn write_offset(offset: Offset, colon: bool) -> String {
    let seconds = offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}{}{:02}", minutes / 60, if colon { ":" } else { "" }, minutes % 60)
}
