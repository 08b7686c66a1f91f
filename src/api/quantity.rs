//! Kubernetes quantities (`2Gi`, `300Mi`, `1500M`, `1.5Gi`, `1e9`) as bytes.

pub const MI: u64 = 1 << 20;
pub const GI: u64 = 1 << 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a quantity such as 300Mi or 2Gi")]
pub struct NotAQuantity;

/// Suffix, power of ten, power of two.
const SUFFIXES: [(&str, i32, u32); 16] = [
    ("n", -9, 0),
    ("u", -6, 0),
    ("m", -3, 0),
    ("", 0, 0),
    ("k", 3, 0),
    ("M", 6, 0),
    ("G", 9, 0),
    ("T", 12, 0),
    ("P", 15, 0),
    ("E", 18, 0),
    ("Ki", 0, 10),
    ("Mi", 0, 20),
    ("Gi", 0, 30),
    ("Ti", 0, 40),
    ("Pi", 0, 50),
    ("Ei", 0, 60),
];

/// Bytes, rounded up. Negative amounts and ones above 2⁶³ are refused: no memory is like that.
pub fn parse(text: &str) -> Result<u64, NotAQuantity> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (mantissa, decimals) = mantissa(number)?;
    let (ten, two) = suffix_powers(suffix)?;
    let scaled = mantissa.checked_mul(1 << two).ok_or(NotAQuantity)?;
    let ten = ten - decimals;
    let power = 10_u128.checked_pow(ten.unsigned_abs());
    let value = match (ten < 0, power) {
        (false, Some(power)) => scaled.checked_mul(power).ok_or(NotAQuantity)?,
        (true, Some(power)) => scaled.div_ceil(power),
        (false, None) if scaled > 0 => return Err(NotAQuantity),
        (false, None) => 0,
        // Smaller than any number that fits, yet more than nothing: rounded up.
        (true, None) => u128::from(scaled > 0),
    };
    if value > i64::MAX as u128 {
        return Err(NotAQuantity);
    }
    u64::try_from(value).map_err(|_| NotAQuantity)
}

/// In the largest binary unit that is exact; what is not exact in Mi is rounded to it.
pub fn format(bytes: u64) -> String {
    match bytes {
        0 => "0".to_owned(),
        b if b % GI == 0 => format!("{}Gi", b / GI),
        b if b >= MI => format!("{}Mi", (b + MI / 2) / MI),
        b if b % 1024 == 0 => format!("{}Ki", b / 1024),
        b => b.to_string(),
    }
}

/// All digits as one number, and how many of them stand after the point.
fn mantissa(number: &str) -> Result<(u128, i32), NotAQuantity> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || whole.len() + fraction.len() == 0 {
        return Err(NotAQuantity);
    }
    let mantissa = format!("{whole}{fraction}").parse().map_err(|_| NotAQuantity)?;
    Ok((mantissa, i32::try_from(fraction.len()).map_err(|_| NotAQuantity)?))
}

fn suffix_powers(suffix: &str) -> Result<(i32, u32), NotAQuantity> {
    if let Some((_, ten, two)) = SUFFIXES.into_iter().find(|(name, ..)| *name == suffix) {
        return Ok((ten, two));
    }
    let exponent = suffix.strip_prefix(['e', 'E']).ok_or(NotAQuantity)?;
    let exponent: i16 = exponent.parse().map_err(|_| NotAQuantity)?;
    Ok((i32::from(exponent), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_is_read() {
        for (text, bytes) in [
            ("2Gi", 2 * GI),
            ("300Mi", 300 * MI),
            ("1.5Gi", GI + GI / 2),
            (".5Ki", 512),
            ("5.", 5),
            ("1500M", 1_500_000_000),
            ("1k", 1000),
            ("12e6", 12_000_000),
            ("1E3", 1000),
            ("1E", 1_000_000_000_000_000_000),
            ("1e-3", 1),
            ("+7", 7),
            ("0", 0),
            ("0e999", 0),
            ("1e-999", 1),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn parts_of_a_byte_are_rounded_up() {
        assert_eq!(parse("1500m"), Ok(2));
        assert_eq!(parse("0.0001Ki"), Ok(1));
    }

    #[test]
    fn what_is_no_amount_of_memory_is_refused() {
        for text in
            ["", "lots", "-1Gi", "1 Gi", "1gi", "1GB", "1.2.3", ".", "Gi", "1e", "1e99", "16Ei", "1e40000", "0x10"]
        {
            assert_eq!(parse(text), Err(NotAQuantity), "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_short_and_reads_back() {
        for (bytes, text) in
            [(310 * MI, "310Mi"), (2 * GI, "2Gi"), (310 * MI + 7, "310Mi"), (2048, "2Ki"), (999, "999"), (0, "0")]
        {
            assert_eq!(format(bytes), text);
            assert!(parse(text).is_ok(), "{text}");
        }
    }
}
