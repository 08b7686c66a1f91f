//! Durations as Kubernetes writes them (GEP-2257): `90s`, `25m`, `1h30m`, `500ms`.

/// What a duration must look like, as a regular expression for CEL. At most 28 characters.
pub const PATTERN: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";

/// The longest one accepted anywhere: a week.
pub const LONGEST: &str = "168h";

const UNITS: [(&str, f64); 4] = [("ms", 0.001), ("h", 3600.0), ("m", 60.0), ("s", 1.0)];

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a duration such as 90s, 25m or 1h30m")]
pub struct NotADuration;

/// Seconds.
pub fn parse(text: &str) -> Result<f64, NotADuration> {
    let mut rest = text;
    let mut seconds = 0.0;
    for _ in 0..4 {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if !(1..=5).contains(&digits) {
            return Err(NotADuration);
        }
        let (number, tail) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| NotADuration)?;
        // `ms` first: `m` is its prefix.
        let (unit, factor) = UNITS.into_iter().find(|(unit, _)| tail.starts_with(unit)).ok_or(NotADuration)?;
        seconds += number * factor;
        rest = &tail[unit.len()..];
        if rest.is_empty() {
            return Ok(seconds);
        }
    }
    Err(NotADuration)
}

/// The shortest exact form, to the millisecond below 10 s and to the second above; up to two
/// minutes in seconds, as people say it.
pub fn format(seconds: f64) -> String {
    let seconds = if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
    if seconds < 10.0 {
        let millis = (seconds * 1000.0).round() as u64;
        return match (millis / 1000, millis % 1000) {
            (whole, 0) => format!("{whole}s"),
            (0, millis) => format!("{millis}ms"),
            (whole, millis) => format!("{whole}s{millis}ms"),
        };
    }
    let whole = seconds.round() as u64;
    if whole < 120 && !whole.is_multiple_of(60) {
        return format!("{whole}s");
    }
    let mut text = String::new();
    for (number, unit) in [(whole / 3600, 'h'), (whole % 3600 / 60, 'm'), (whole % 60, 's')] {
        if number > 0 {
            text.push_str(&number.to_string());
            text.push(unit);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_and_combination_is_read() {
        for (text, seconds) in [
            ("90s", 90.0),
            ("25m", 1500.0),
            ("1h30m", 5400.0),
            ("500ms", 0.5),
            ("1h2m3s4ms", 3723.004),
            ("0s", 0.0),
            ("99999h", 359_996_400.0),
            ("1m1m", 120.0),
        ] {
            assert_eq!(parse(text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in
            ["", "90", "s", "1.5h", "-5s", "+5s", "1 h", "1d", "90S", "100000s", "1h1m1s1ms1s", "5m ", "1h3", "٣s"]
        {
            assert_eq!(parse(text), Err(NotADuration), "{text:?}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for (seconds, text) in [
            (74.2, "74s"),
            (6.0, "6s"),
            (1.5, "1s500ms"),
            (0.25, "250ms"),
            (0.0, "0s"),
            (60.0, "1m"),
            (90.0, "90s"),
            (120.0, "2m"),
            (754.0, "12m34s"),
            (5400.0, "1h30m"),
            (f64::NAN, "0s"),
            (-3.0, "0s"),
        ] {
            assert_eq!(format(seconds), text);
            assert!(parse(text).is_ok(), "{text}");
        }
    }
}
