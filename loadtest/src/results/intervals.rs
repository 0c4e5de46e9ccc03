//! Interval logs: the histogram of each series and second, in the format that every HdrHistogram implementation reads.

use std::io::{self, Write};
use std::path::Path;

use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use crate::LoadError;
use crate::measured::{Interval, Measured, Metric, Second, SeriesName, Times};

/// The log's column of largest values is for people: milliseconds, where histograms have nanoseconds.
const US_PER_MS: f64 = 1e3;

/// The columns, as other implementations title them.
const LEGEND: &str =
    "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"";

/// Seconds that a log may have: a week. A line beyond is damaged.
const SECONDS_MAX: u64 = 7 * 24 * 3_600;

/// Every metric, to find one by its name.
const METRICS: [Metric; 8] = [
    Metric::Connect,
    Metric::Tcp,
    Metric::Tls,
    Metric::FirstByte,
    Metric::Upgrade,
    Metric::Response,
    Metric::Post,
    Metric::Push,
];

/// Writes the log of a run: as hdrhistogram's own writer would, which takes open histograms only.
pub(super) fn write(measured: &Measured, out: &mut dyn Write) -> io::Result<()> {
    let start = measured.run.started_unix_ms as f64 / 1e3;
    writeln!(out, "#[Histogram log format version 1.3]")?;
    writeln!(out, "#[Logged with dunlin-load {}]", measured.revision.version)?;
    writeln!(out, "#Values are nanoseconds, Interval_Max is in milliseconds.")?;
    writeln!(out, "#[StartTime: {start:.3} (seconds since epoch)]")?;
    writeln!(out, "#[BaseTime: {start:.3} (seconds since epoch)]")?;
    writeln!(out, "#[MaxValueDivisor: {:.3}]", US_PER_MS * 1e3)?;
    writeln!(out, "{LEGEND}")?;
    for second in &measured.seconds {
        for interval in &second.intervals {
            let (tag, max) = (tag(&interval.name), interval.max_us / US_PER_MS);
            writeln!(out, "Tag={tag},{}.000,1.000,{max:.3},{}", second.second, interval.packed())?;
        }
    }
    Ok(())
}

/// Puts the histograms of a log to their seconds; `file` is named in errors.
pub(super) fn parse(text: &str, file: &Path, seconds: &mut Vec<Second>) -> Result<(), LoadError> {
    let wrong = |what: String| LoadError::Usage(format!("{}: {what}", file.display()));
    for entry in IntervalLogIterator::new(text.as_bytes()) {
        let interval = match entry {
            Ok(LogEntry::Interval(interval)) => interval,
            Ok(_) => continue,
            Err(_) => return Err(wrong("this is no interval log of HdrHistogram".to_owned())),
        };
        let number = interval.start_timestamp().as_secs();
        let at = |what: &str| wrong(format!("the interval at {number} s {what}"));
        let tag = interval.tag().ok_or_else(|| at("has no tag"))?;
        let name =
            name(tag.as_str()).ok_or_else(|| at(&format!("has the tag `{}`, no series", tag.as_str())))?;
        let times =
            Times::decode(interval.encoded_histogram()).map_err(|reason| at(&format!("has {reason}")))?;
        let number = u32::try_from(number).ok().filter(|number| u64::from(*number) < SECONDS_MAX);
        let number = number.ok_or_else(|| at("is beyond a week"))?;
        while seconds.len() <= number as usize {
            seconds.push(Second { second: seconds.len() as u32, ..Second::default() });
        }
        seconds[number as usize].intervals.extend(Interval::new(name, &times));
    }
    Ok(())
}

/// A series as a tag: as thresholds name it; what a tag cannot hold is written as in a URL.
fn tag(name: &SeriesName) -> String {
    let mut tag = String::new();
    for byte in name.to_string().bytes() {
        match byte {
            b'%' | b',' | b' '..b'!' | 0..b' ' | 0x7f.. => tag.push_str(&format!("%{byte:02X}")),
            _ => tag.push(char::from(byte)),
        }
    }
    tag
}

/// The series of a tag.
fn name(tag: &str) -> Option<SeriesName> {
    let mut bytes = Vec::new();
    let mut rest = tag.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    let text = String::from_utf8(bytes).ok()?;
    let (metric, message) = text.split_once('.').unwrap_or((&text, ""));
    let metric = METRICS.into_iter().find(|known| known.to_string() == metric)?;
    Some(SeriesName { metric, message: message.to_owned() })
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::interval_log::Tag;

    use super::*;
    use crate::results::sample;

    #[test]
    fn a_log_reads_back_equal() {
        let measured = sample::measured(1);
        let mut bytes = Vec::new();
        write(&measured, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("#[Histogram log format version 1.3]\n"), "{text}");
        assert!(
            text.contains("#[StartTime: 1795000000.000 (seconds since epoch)]\n#[BaseTime: 1795000000.000")
        );
        assert!(text.contains("\nTag=push,12.000,1.000,"));
        let mut seconds: Vec<Second> = measured
            .seconds
            .iter()
            .map(|second| Second { intervals: Vec::new(), ..second.clone() })
            .collect();
        parse(&text, Path::new("x.hlog"), &mut seconds).unwrap();
        for (read, written) in seconds.iter().zip(&measured.seconds) {
            assert_eq!(read.intervals, written.intervals, "second {}", written.second);
        }
    }

    #[test]
    fn every_name_is_a_tag() {
        for message in ["", "echo", "a message, 100% \"long\"\n", "größer", "a.b"] {
            let series = SeriesName { metric: Metric::Response, message: message.to_owned() };
            let tag = tag(&series);
            assert!(Tag::new(&tag).is_some() && tag.is_ascii(), "{tag}");
            assert_eq!(name(&tag), Some(series));
        }
        for wrong in ["", "pushes", "push%2", "push%zz", "%ff"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_damaged_log_is_refused_with_its_place() {
        for (line, expected) in [
            ("1.0,1.0,2.0,HIST\n", "x.hlog: the interval at 1 s has no tag"),
            ("Tag=walk,1.0,1.0,2.0,HIST\n", "has the tag `walk`, no series"),
            ("Tag=push,7.0,1.0,2.0,HIST\n", "x.hlog: the interval at 7 s has no HdrHistogram"),
            ("Tag=push,once\n", "x.hlog: this is no interval log of HdrHistogram"),
        ] {
            let error = parse(line, Path::new("x.hlog"), &mut Vec::new()).unwrap_err();
            assert!(error.to_string().contains(expected), "{line:?}: {error}");
        }
    }

    /// What Python's implementation finds in the log.
    #[cfg(feature = "hdrhistogram")]
    fn read_by_python(measured: &Measured) -> serde_json::Value {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("intervals.hlog");
        write(measured, &mut std::fs::File::create(&log).unwrap()).unwrap();
        // `cargo xtask test` makes an environment with the package and names it.
        let python = std::env::var_os("DUNLIN_HDRHISTOGRAM_PYTHON").unwrap_or_else(|| "python3".into());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../xtask/python/read_intervals.py");
        let output = std::process::Command::new(python).arg(script).arg(&log).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    #[cfg(feature = "hdrhistogram")]
    #[test]
    fn another_implementation_reads_the_same() {
        let measured = sample::measured(1);
        let read = read_by_python(&measured);
        assert_eq!(read.as_object().unwrap().len(), 3);
        for (tag, first_second) in [("connect", 0), ("response.say", 10), ("push", 10)] {
            let mut times = Times::default();
            let all = measured.seconds.iter().flat_map(|second| &second.intervals);
            let mut intervals = 0;
            for interval in all.filter(|interval| interval.name.to_string() == tag) {
                times.add(&interval.times());
                intervals += 1;
            }
            assert_eq!(read[tag]["intervals"], intervals, "{tag}");
            assert_eq!(read[tag]["count"], times.0.len(), "{tag}");
            let first = (measured.run.started_unix_ms + first_second * 1_000) as f64;
            assert_eq!(read[tag]["first_unix_ms"], first, "{tag}");
            for (number, quantile) in [0.5, 0.99, 0.999, 1.0].into_iter().enumerate() {
                let theirs = read[tag]["quantiles"][number].as_f64().unwrap();
                let ours = times.0.value_at_quantile(quantile) as f64;
                assert!((theirs / ours - 1.0).abs() < 0.001, "{tag} {quantile}: {theirs} instead of {ours}");
            }
        }
    }
}
