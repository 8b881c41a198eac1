//! Quantities as Kubernetes writes them: `500m` of a processor, `512Mi` of memory.

use spanwise_config::{Field, Scalar};

/// Processors: `2`, `0.5` or `500m`.
pub(super) fn cpus(field: &Field<'_>) -> Option<f64> {
    read(
        field,
        LEAST_CPUS..=MOST_CPUS,
        "a number of processors from 1m to 4096 (such as 2, 0.5 or 500m)",
    )
}

/// Bytes: `1Gi`, `200M` or a plain number.
pub(super) fn bytes(field: &Field<'_>) -> Option<u64> {
    let accepted = "a number of bytes from 1Mi to 1Pi (such as 512Mi, 200M or 1Gi)";
    // A float of this range is exact to a byte.
    read(field, MEBIBYTE..=PEBIBYTE, accepted).map(|bytes| bytes as u64)
}

fn read(field: &Field<'_>, range: std::ops::RangeInclusive<f64>, accepted: &str) -> Option<f64> {
    if !field.has_value() {
        return None;
    }
    let number = match field.any_scalar()? {
        Scalar::Integer(number) => Some(*number as f64),
        Scalar::Float(number) => Some(*number),
        Scalar::String(text) => parse(text),
        _ => None,
    };
    number.filter(|number| range.contains(number)).or_else(|| field.expected(accepted))
}

/// A number without a sign, and a suffix or an exponent (Kubernetes, *Quantity*).
fn parse(text: &str) -> Option<f64> {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (number, suffix) = text.split_at_checked(end.unwrap_or(text.len()))?;
    let number: f64 = number.parse().ok()?;
    let factor = SUFFIXES.iter().find(|(name, _)| *name == suffix).map(|(_, factor)| *factor);
    factor.or_else(|| exponent(suffix)).map(|factor| number * factor)
}

fn exponent(suffix: &str) -> Option<f64> {
    let digits = suffix.strip_prefix(['e', 'E'])?;
    digits.parse::<i8>().ok().map(|power| 10f64.powi(i32::from(power)))
}

const LEAST_CPUS: f64 = 1e-3;
const MOST_CPUS: f64 = 4096.0;
const MEBIBYTE: f64 = (1u64 << 20) as f64;
const PEBIBYTE: f64 = (1u64 << 50) as f64;
const SUFFIXES: &[(&str, f64)] = &[
    ("", 1.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("Ki", (1u64 << 10) as f64),
    ("Mi", MEBIBYTE),
    ("Gi", (1u64 << 30) as f64),
    ("Ti", (1u64 << 40) as f64),
    ("Pi", PEBIBYTE),
    ("Ei", (1u64 << 60) as f64),
];

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn quantities() {
        for (text, expected) in [
            ("2", 2.0),
            ("500m", 0.5),
            ("0.5", 0.5),
            ("1Gi", 1_073_741_824.0),
            ("512Mi", 536_870_912.0),
            ("200M", 200e6),
            ("1.5Gi", 1_610_612_736.0),
            ("129e6", 129e6),
            ("129E6", 129e6),
            ("1E", 1e18),
            ("128974848000m", 128_974_848.0),
            ("3e-1", 0.3),
        ] {
            let parsed = parse(text).unwrap_or(f64::NAN);
            assert!((parsed - expected).abs() <= expected * 1e-12, "{text}: {parsed}");
        }
        for text in
            ["", "Gi", "-1Gi", "1gi", "1 Gi", "1GiB", "1MB", "1e", "1e999", "1.2.3", ".", "é", "1é"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
