//! Kubernetes quantities, as far as `resourceFieldRef` needs them: whole multiples of a divisor, rounded up.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

const THOUSANDTHS: f64 = 1000.0;

/// The quantity in thousandths of its unit, rounded up; nothing when it cannot be read.
fn thousandths(quantity: &Quantity) -> Option<i128> {
    let text = quantity.0.trim();
    let number_end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(number_end);
    let factor = match suffix {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => f64::from(1 << 20),
        "Gi" => f64::from(1 << 30),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        "Ei" => 1024f64.powi(6),
        exponent if exponent.starts_with(['e', 'E']) => 10f64.powi(exponent[1..].parse().ok()?),
        _ => return None,
    };
    let value = number.parse::<f64>().ok()? * factor * THOUSANDTHS;
    // A hair below, so that 0.1 + binary dust is not rounded up to the next thousandth.
    Some((value - 1e-6).ceil() as i128)
}

/// `quantity / divisor`, rounded up, as the downward API prints it.
pub fn in_units_of(quantity: &Quantity, divisor: &Quantity) -> Option<String> {
    let divisor = thousandths(divisor).filter(|divisor| *divisor > 0)?;
    let quantity = thousandths(quantity)?;
    Some((quantity.div_euclid(divisor) + i128::from(quantity.rem_euclid(divisor) > 0)).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_divided_and_rounded_up() {
        for (quantity, divisor, units) in [
            ("64Mi", "1", "67108864"),
            ("64Mi", "1Mi", "64"),
            ("100M", "1Mi", "96"),
            ("250m", "1", "1"),
            ("250m", "1m", "250"),
            ("1.5", "1m", "1500"),
            ("1e3", "1", "1000"),
            ("2", "1", "2"),
            ("1Ei", "1Pi", "1024"),
        ] {
            let answer = in_units_of(&Quantity(quantity.into()), &Quantity(divisor.into()));
            assert_eq!(answer.as_deref(), Some(units), "{quantity} / {divisor}");
        }
    }

    #[test]
    fn what_is_no_quantity_has_no_value() {
        for (quantity, divisor) in [("", "1"), ("lots", "1"), ("1x", "1"), ("1", "0")] {
            assert_eq!(in_units_of(&Quantity(quantity.into()), &Quantity(divisor.into())), None);
        }
    }
}
