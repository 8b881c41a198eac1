//! Numbers and escaped text.

use std::fmt::Write as _;

use super::format::TextFormat;
use crate::model::Number;

/// Appends a value: `1`, `0.5`, `1e+300` without the plus, `+Inf`, `-Inf`, `NaN`.
pub(super) fn put_number(out: &mut String, value: Number) {
    let _infallible = match value {
        Number::I64(value) => write!(out, "{value}"),
        Number::F64(value) if value.is_nan() => write!(out, "NaN"),
        Number::F64(value) if value.is_infinite() => {
            write!(out, "{}", if value > 0.0 { "+Inf" } else { "-Inf" })
        }
        Number::F64(value) => {
            // `Display` writes all digits of 1e300.
            let start = out.len();
            let written = write!(out, "{value:?}");
            if out.get(start..).is_some_and(|text| text.ends_with(".0")) {
                out.truncate(out.len() - 2);
            }
            written
        }
    };
}

/// Appends the value of a label `le`. OpenMetrics requires a point or an exponent in it.
pub(super) fn put_bound(out: &mut String, bound: f64, format: TextFormat) {
    if format == TextFormat::OpenMetrics && bound.is_finite() {
        let _infallible = write!(out, "{bound:?}");
    } else {
        put_number(out, Number::F64(bound));
    }
}

/// Appends a time in seconds since the Unix epoch, with milliseconds.
pub(super) fn put_time(out: &mut String, unix_nanos: u64) {
    let millis = unix_nanos / 1_000_000;
    let _infallible = write!(out, "{}.{:03}", millis / 1_000, millis % 1_000);
}

/// Appends text with escapes of the backslash, the end of a line, and the quotation mark if `quotes`.
pub(super) fn put_escaped(out: &mut String, text: &str, quotes: bool) {
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_readable_by_go() {
        let check = |value: Number, expected: &str| {
            let mut out = String::new();
            put_number(&mut out, value);
            assert_eq!(out, expected);
        };
        check(Number::I64(-7), "-7");
        check(Number::F64(5.0), "5");
        check(Number::F64(0.25), "0.25");
        check(Number::F64(-0.0), "-0");
        check(Number::F64(1e300), "1e300");
        check(Number::F64(1e-9), "1e-9");
        check(Number::F64(f64::NAN), "NaN");
        check(Number::F64(f64::INFINITY), "+Inf");
        check(Number::F64(f64::NEG_INFINITY), "-Inf");
        let (mut open, mut plain) = (String::new(), String::new());
        put_bound(&mut open, 5.0, TextFormat::OpenMetrics);
        put_bound(&mut plain, 5.0, TextFormat::Prometheus);
        assert_eq!((&*open, &*plain), ("5.0", "5"));
        let mut time = String::new();
        put_time(&mut time, 1_700_000_000_012_999_999);
        assert_eq!(time, "1700000000.012");
    }
}
