//! Durations and sizes as people write them for a worker.

use std::time::Duration;

/// `25m`, `1h30m`, `90s`, `500ms`: Kubernetes' form (GEP-2257), longest unit first.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration; write it like 25m, 1h30m or 90s");
    let mut total = Duration::ZERO;
    let mut smallest = 4;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|&n| (1..=5).contains(&n)).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let units = &rest[digits..];
        let unit = units.find(|c: char| c.is_ascii_digit()).map_or(units, |end| &units[..end]);
        let (rank, millis) = match unit {
            "h" => (3, 3_600_000),
            "m" => (2, 60_000),
            "s" => (1, 1_000),
            "ms" => (0, 1),
            _ => return Err(wrong()),
        };
        if rank >= smallest {
            return Err(wrong());
        }
        smallest = rank;
        total += Duration::from_millis(number * millis);
        rest = &units[unit.len()..];
    }
    if total.is_zero() { Err(wrong()) } else { Ok(total) }
}

/// `1Mi`, `512Ki`, `1M`, `1048576`: bytes, with Kubernetes' suffixes.
pub fn parse_bytes(text: &str) -> Result<usize, String> {
    let wrong = || format!("{text:?} is not a size; write it like 1Mi, 512Ki or 1048576");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: usize = text[..digits].parse().map_err(|_| wrong())?;
    let factor = match &text[digits..] {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).filter(|&bytes| bytes > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_kubernetes_writes_them() {
        let seconds = |text: &str| parse_duration(text).map(|duration| duration.as_secs_f64());
        assert_eq!(seconds("25m"), Ok(1500.0));
        assert_eq!(seconds("1h30m"), Ok(5400.0));
        assert_eq!(seconds("1m0s500ms"), Ok(60.5));
        for wrong in ["", "0s", "25", "m", "5 m", "-1s", "1.5h", "1m1h", "1s1s", "100000s", "1d", "1µs"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_read_as_kubernetes_writes_them() {
        assert_eq!(parse_bytes("1Mi"), Ok(1_048_576));
        assert_eq!(parse_bytes("2k"), Ok(2_000));
        assert_eq!(parse_bytes("77"), Ok(77));
        for wrong in ["", "Mi", "0", "1mb", "-1", "1.5Mi", "99999999999999999999", "18446744073709551615Gi"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }
}
