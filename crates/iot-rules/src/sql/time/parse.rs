use jiff::{
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};

use super::{
    MONTHS, WEEKDAYS,
    pattern::{Part, parts},
    short, zone,
};

/// The letters of `DateTimeFormatter`'s patterns that say something about an instant.
const LETTERS: &str = "GuyDMLdEaHhKkmsSAnVzOXxZ";

/// Whether `time_to_epoch` understands a pattern; if not, why.
pub(in crate::sql) fn check(pattern: &str) -> Result<(), String> {
    parts(pattern, LETTERS, true).map(drop)
}

/// A text as milliseconds since the Unix epoch; UTC if it names no zone. `None` if it does not fit the pattern.
pub(in crate::sql) fn parse(text: &str, pattern: &str) -> Option<i64> {
    let parts = parts(pattern, LETTERS, true).ok()?;
    let mut fields = Fields::default();
    let rest = fields.read(&parts, text)?;
    if rest.is_empty() { fields.instant() } else { None }
}

/// What is known so far.
#[derive(Debug, Clone, Default)]
struct Fields {
    before_christ: bool,
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    weekday: Option<usize>,
    hour: Option<i64>,
    /// From 0 to 11, with the half of the day beside it.
    half_hour: Option<i64>,
    afternoon: Option<bool>,
    minute: i64,
    second: i64,
    nanosecond: i64,
    millisecond_of_day: Option<i64>,
    zone: Option<TimeZone>,
}

impl Fields {
    /// Reads the parts; returns what is left of the text.
    fn read<'t>(&mut self, parts: &[Part], text: &'t str) -> Option<&'t str> {
        let mut rest = text;
        for (place, part) in parts.iter().enumerate() {
            rest = match part {
                Part::Literal(literal) => rest.strip_prefix(literal.as_str())?,
                Part::Optional(parts) => {
                    let mut fields = self.clone();
                    match fields.read(parts, rest) {
                        Some(after) => {
                            *self = fields;
                            after
                        }
                        None => rest,
                    }
                }
                Part::Field(letter, width) => self.field(*letter, *width, rest, &parts[place + 1..])?,
            };
        }
        Some(rest)
    }

    fn field<'t>(&mut self, letter: char, width: usize, text: &'t str, after: &[Part]) -> Option<&'t str> {
        let (number, rest) = match (letter, width) {
            ('G', _) => {
                let (era, rest) = one_of(["AD", "BC"].into_iter(), text)?;
                self.before_christ = era == 1;
                return Some(rest);
            }
            ('E', 4) => return self.weekday(WEEKDAYS.into_iter(), text),
            ('E', _) => return self.weekday(WEEKDAYS.into_iter().map(short), text),
            ('M' | 'L', 4) => return self.month(MONTHS.into_iter(), text),
            ('M' | 'L', 3) => return self.month(MONTHS.into_iter().map(short), text),
            ('a', _) => {
                let (half, rest) = one_of(["AM", "PM"].into_iter(), text)?;
                self.afternoon = Some(half == 1);
                return Some(rest);
            }
            ('V' | 'z' | 'O' | 'X' | 'x' | 'Z', _) => return self.zone(letter, width, text),
            ('S', _) => number(text, width, width)?,
            ('y' | 'u', 2) => number(text, 2, 2).map(|(year, rest)| (2000 + year, rest))?,
            // The only field that may be wider than its letters: it leaves to those right after it what they need.
            ('y' | 'u', _) => number(text, if width < 4 { 1 } else { width }, available(text, after))?,
            (_, 1) => number(text, 1, 9)?,
            (_, width) => number(text, width, width)?,
        };
        match letter {
            'y' | 'u' => self.year = Some(number),
            'M' | 'L' => self.month = Some(number),
            'd' => self.day = Some(number),
            'D' => self.day_of_year = Some(number),
            'H' => self.hour = Some(number),
            'k' => self.hour = Some((1..=24).contains(&number).then_some(number % 24)?),
            'K' => self.half_hour = Some((0..12).contains(&number).then_some(number)?),
            'h' => self.half_hour = Some((1..=12).contains(&number).then_some(number % 12)?),
            'm' => self.minute = number,
            's' => self.second = number,
            'S' => {
                let below = 9_u32.checked_sub(u32::try_from(width).ok()?)?;
                self.nanosecond = number * 10_i64.checked_pow(below)?;
            }
            'n' => self.nanosecond = number,
            _ => self.millisecond_of_day = Some(number),
        }
        Some(rest)
    }

    fn weekday<'t>(&mut self, names: impl Iterator<Item = &'static str>, text: &'t str) -> Option<&'t str> {
        let (weekday, rest) = one_of(names, text)?;
        self.weekday = Some(weekday);
        Some(rest)
    }

    fn month<'t>(&mut self, names: impl Iterator<Item = &'static str>, text: &'t str) -> Option<&'t str> {
        let (month, rest) = one_of(names, text)?;
        self.month = i64::try_from(month + 1).ok();
        Some(rest)
    }

    /// A name or an offset, whichever letter asks; `X` and `Z` five times also take the letter Z.
    fn zone<'t>(&mut self, letter: char, width: usize, text: &'t str) -> Option<&'t str> {
        if (letter == 'X' || letter == 'Z' && width == 5)
            && let Some(rest) = text.strip_prefix('Z')
        {
            self.zone = Some(TimeZone::UTC);
            return Some(rest);
        }
        if matches!(letter, 'X' | 'x') || (letter == 'Z' && width != 4) {
            let (offset, rest) = zone::read_offset(text)?;
            self.zone = Some(TimeZone::fixed(offset));
            return Some(rest);
        }
        let length =
            text.find(|character: char| !(character.is_ascii_alphanumeric() || "/_+-:".contains(character)));
        let (name, rest) = text.split_at(length.unwrap_or(text.len()));
        self.zone = Some(zone::find(name)?);
        Some(rest)
    }

    /// The instant, if the fields make one and do not contradict each other.
    fn instant(&self) -> Option<i64> {
        let year = self.year.map(|year| if self.before_christ { 1 - year } else { year })?;
        let first = Date::new(i16::try_from(year).ok()?, 1, 1).ok()?;
        let date = match (self.month, self.day, self.day_of_year) {
            (Some(month), Some(day), _) => {
                Date::new(first.year(), i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?
            }
            (None, None, Some(day)) => first.with().day_of_year(i16::try_from(day).ok()?).build().ok()?,
            _ => return None,
        };
        let weekday = usize::try_from(date.weekday().to_monday_zero_offset()).ok()?;
        if self.weekday.is_some_and(|stated| stated != weekday) {
            return None;
        }
        let hour = match (self.hour, self.half_hour) {
            (Some(hour), _) => hour,
            (None, Some(hour)) => hour + if self.afternoon? { 12 } else { 0 },
            (None, None) => 0,
        };
        let time = Time::new(
            i8::try_from(hour).ok()?,
            i8::try_from(self.minute).ok()?,
            i8::try_from(self.second).ok()?,
            i32::try_from(self.nanosecond).ok()?,
        );
        let local = DateTime::from_parts(date, time.ok()?);
        let zone = self.zone.clone().unwrap_or(TimeZone::UTC);
        // In the hour that a clock skips or repeats, the offset from before is taken, as Java does.
        let instant = zone.to_ambiguous_timestamp(local).compatible().ok()?;
        instant.as_millisecond().checked_add(self.millisecond_of_day.unwrap_or(0))
    }
}

/// How many digits a year may take: all that are there, without those that the fields right after it need.
fn available(text: &str, after: &[Part]) -> usize {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let numeric = after.iter().map_while(|part| match part {
        Part::Field(letter, width)
            if "DMLdHhKkmsSAn".contains(*letter) && !("ML".contains(*letter) && *width > 2) =>
        {
            Some(*width)
        }
        _ => None,
    });
    digits.saturating_sub(numeric.sum()).min(9)
}

/// A number of so many digits.
fn number(text: &str, least: usize, most: usize) -> Option<(i64, &str)> {
    let length = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if length < least {
        return None;
    }
    Some((text[..length].parse().ok()?, &text[length..]))
}

/// Which of the names the text starts with.
fn one_of(names: impl Iterator<Item = &'static str>, text: &str) -> Option<(usize, &str)> {
    names.enumerate().find_map(|(place, name)| Some((place, text.strip_prefix(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_times() {
        for (text, pattern, expected) in [
            ("2020-04-03 09:45:18 UTC+01:00", "yyyy-MM-dd HH:mm:ss VV", 1_585_903_518_000),
            ("18 December 2015", "dd MMMM yyyy", 1_450_396_800_000),
            ("2007-12-03 10:15:30.592 America/Los_Angeles", "yyyy-MM-dd HH:mm:ss.SSS z", 1_196_705_730_592),
            ("20151218T010203Z", "yyyyMMdd'T'HHmmssX", 1_450_400_523_000),
            ("2015-12-18T01:02:03+0100", "uuuu-MM-dd'T'HH:mm:ssZ", 1_450_396_923_000),
            ("2015-12-18T01:02:03+01:00", "uuuu-MM-dd'T'HH:mm:ssXXX", 1_450_396_923_000),
            ("Fri, 18 Dec 2015 1:02 PM", "EEE, d MMM yyyy h:mm a", 1_450_443_720_000),
            ("12:30 AM 18.12.15", "hh:mm a dd.MM.yy", 1_450_398_600_000),
            ("2015-352", "yyyy-DDD", 1_450_396_800_000),
            ("2015-12-18", "yyyy-MM-dd[ HH:mm]", 1_450_396_800_000),
            ("2015-12-18 01:00", "yyyy-MM-dd[ HH:mm]", 1_450_400_400_000),
            ("1970-01-01 +00", "yyyy-MM-dd x", 0),
        ] {
            assert_eq!(parse(text, pattern), Some(expected), "{text} {pattern}");
        }
    }

    #[test]
    fn texts_that_are_none() {
        for (text, pattern) in [
            ("nope", "yyyy-MM-dd"),
            ("2021-02-31", "yyyy-MM-dd"),
            ("2021-13-01", "yyyy-MM-dd"),
            ("2021-1-01", "yyyy-MM-dd"),
            ("2021-01-01 ", "yyyy-MM-dd"),
            ("2021", "yyyy"),
            ("01:02", "HH:mm"),
            ("2021-01-01 25", "yyyy-MM-dd HH"),
            ("Mon 2015-12-18", "EEE yyyy-MM-dd"),
            ("2015-12-18 1", "yyyy-MM-dd h"),
            ("2015-12-18 Nowhere/City", "yyyy-MM-dd VV"),
            ("99999999999999999999-01-01", "yyyy-MM-dd"),
            ("2015-12-18", "yyyy-MM-dd q"),
            ("2015-12-18 1234567890", "yyyy-MM-dd SSSSSSSSSS"),
        ] {
            assert_eq!(parse(text, pattern), None, "{text} {pattern}");
        }
    }
}
