//! What stands in the metadata of a committed offset: which offsets above it are done as well, so
//! that the next owner of the partition does not do them again.
//!
//! `awp1:POSITION:RUNS`. RUNS are lengths, in turn of offsets that are open and that are done, from
//! the committed offset on: `awp1:100:CBDB` = 100 and 101 open, 102 done, 103 to 105 open, 106 done. A
//! length is written in digits of five bits, the lowest first, a sixth bit saying that more follow:
//! one character for up to 31, two for up to 1023.
//!
//! Other programs write metadata too, and tools copy ours to other offsets (mirrors do): it counts
//! only where it names the very offset that it is found at.

/// A broker's default limit is 4,096 bytes (`offset.metadata.max.bytes`).
pub const LIMIT: usize = 4096;

const MAGIC: &str = "awp1:";
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Done offsets: `from <= offset < to`, ascending, apart from each other, all above the position.
pub type Ranges = Vec<(i64, i64)>;

/// The text, at most `limit` bytes of it, and whether all of `done` is in it. Empty where nothing is
/// done above the position: nobody needs to see ours then.
pub fn encode(position: i64, done: &[(i64, i64)], limit: usize) -> (String, bool) {
    if done.is_empty() {
        return (String::new(), true);
    }
    let mut text = format!("{MAGIC}{position}:");
    let mut at = position;
    for &(from, to) in done {
        let before = text.len();
        push(&mut text, from.abs_diff(at));
        push(&mut text, to.abs_diff(from));
        if text.len() > limit {
            text.truncate(before);
            return (if at == position { String::new() } else { text }, false);
        }
        at = to;
    }
    (text, true)
}

/// The done offsets above `position`; none where the text is not ours, damaged, or of another offset.
pub fn decode(text: &str, position: i64) -> Ranges {
    parse(text, position).unwrap_or_default()
}

fn parse(text: &str, position: i64) -> Option<Ranges> {
    if text.len() > LIMIT {
        return None;
    }
    let (of, runs) = text.strip_prefix(MAGIC)?.split_once(':')?;
    if of.parse() != Ok(position) {
        return None;
    }
    let mut digits = runs.bytes();
    let (mut done, mut at) = (Ranges::new(), position);
    while digits.len() > 0 {
        let from = at.checked_add(pull(&mut digits)?)?;
        let to = from.checked_add(pull(&mut digits)?)?;
        done.push((from, to));
        at = to;
    }
    Some(done)
}

fn push(text: &mut String, mut length: u64) {
    loop {
        let digit = (length & 31) as usize;
        length >>= 5;
        let more = if length > 0 { 32 } else { 0 };
        text.push(char::from(DIGITS[digit | more]));
        if length == 0 {
            return;
        }
    }
}

/// A length; 0 is none.
fn pull(digits: &mut impl Iterator<Item = u8>) -> Option<i64> {
    let mut length = 0i64;
    for shift in (0..60).step_by(5) {
        let byte = digits.next()?;
        let digit = i64::try_from(DIGITS.iter().position(|&digit| digit == byte)?).ok()?;
        length |= (digit & 31) << shift;
        if digit & 32 == 0 {
            return Some(length).filter(|&length| length > 0);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Ranges above a position.
    fn ranges() -> impl Strategy<Value = (i64, Ranges)> {
        let lengths = proptest::collection::vec((1..5_000i64, 1..100_000i64), 0..60);
        (0..1i64 << 50, lengths).prop_map(|(position, lengths)| {
            let mut at = position;
            let ranges = lengths.into_iter().map(|(open, done)| {
                let from = at + open;
                at = from + done;
                (from, at)
            });
            (position, ranges.collect())
        })
    }

    #[test]
    fn a_few_tasks_out_of_order_cost_a_few_bytes() {
        assert_eq!(encode(100, &[(102, 103), (106, 107)], LIMIT), ("awp1:100:CBDB".to_owned(), true));
        assert_eq!(decode("awp1:100:CBDB", 100), [(102, 103), (106, 107)]);
        assert_eq!(encode(100, &[], LIMIT), (String::new(), true));
    }

    #[test]
    fn a_thousand_tasks_out_of_order_fit() {
        let every_other: Ranges = (0..1000).map(|n| (1001 + 2 * n, 1002 + 2 * n)).collect();
        let (text, whole) = encode(1000, &every_other, LIMIT);
        assert!(whole && text.len() < 2100, "{}", text.len());
    }

    #[test]
    fn what_strangers_write_is_not_ours() {
        for text in [
            "",
            "x",
            "awp1",
            "awp1:",
            "awp1:7",
            "awp1:7:A",
            "awp1:7:BA",
            "awp1:7:B",
            "awp1:7:B!",
            "awp2:7:BB",
            "awp1:8:BB",
            "awp1:7:gggggggggggggggggggg",
            "awp1:-7:BB",
            "awp1::BB",
            "awp1:7:Bé",
            "{\"a\":1}",
        ] {
            assert_eq!(decode(text, 7), [], "{text}");
        }
        assert_eq!(decode(&format!("awp1:7:{}", "BB".repeat(5000)), 7), [], "longer than any of ours");
        assert_eq!(decode(&format!("awp1:{}:BB", i64::MAX), i64::MAX), [], "past the last offset");
    }

    proptest! {
        #[test]
        fn what_was_written_is_read((position, done) in ranges()) {
            let (text, whole) = encode(position, &done, LIMIT);
            prop_assert!(whole);
            prop_assert_eq!(decode(&text, position), done);
        }

        #[test]
        fn at_another_offset_it_says_nothing((position, done) in ranges(), other in 0..1i64 << 50) {
            prop_assume!(position != other);
            prop_assert_eq!(decode(&encode(position, &done, LIMIT).0, other), []);
        }

        #[test]
        fn what_does_not_fit_is_left_out_from_the_end((position, done) in ranges(), limit in 0usize..300) {
            let (text, whole) = encode(position, &done, limit);
            let read = decode(&text, position);
            prop_assert!(text.len() <= limit);
            prop_assert_eq!(whole, read.len() == done.len());
            prop_assert_eq!(&read[..], &done[..read.len()]);
        }

        #[test]
        fn no_text_makes_it_fail(text in "(awp1:[0-9]{1,3}:)?[A-Za-z0-9_-]{0,40}|.{0,80}", position in 0i64..1000) {
            let mut at = position;
            for (from, to) in decode(&text, position) {
                prop_assert!(at < from && from < to);
                at = to;
            }
        }
    }
}
