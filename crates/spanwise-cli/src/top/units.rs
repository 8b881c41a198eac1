//! Numbers with units, in few columns.

use std::time::Duration;

/// A count with a decimal prefix, such as `12.3 k`.
pub(super) fn count(value: f64) -> String {
    scaled(value, 1000.0, &["", " k", " M", " G", " T"])
}

/// Bytes with a binary prefix, such as `1.5 MiB`.
pub(super) fn bytes(value: u64) -> String {
    scaled(value as f64, 1024.0, &[" B", " KiB", " MiB", " GiB", " TiB"])
}

fn scaled(value: f64, step: f64, prefixes: &[&str]) -> String {
    if !value.is_finite() || value < 0.0 {
        return "-".to_owned();
    }
    let (mut scaled, mut prefixes) = (value, prefixes.iter().peekable());
    let mut prefix = prefixes.next().copied().unwrap_or_default();
    // A number that rounds up to the next prefix has it.
    while scaled >= step - 0.5 {
        let Some(next) = prefixes.next() else { break };
        (scaled, prefix) = (scaled / step, next);
    }
    // Whole units have no fraction, such as spans.
    match scaled < 100.0 && value >= step - 0.5 || value.fract() != 0.0 && value < 10.0 {
        true => format!("{scaled:.1}{prefix}"),
        false => format!("{scaled:.0}{prefix}"),
    }
}

/// A time with three digits, such as `1.25 ms`.
pub(super) fn time(value: Duration) -> String {
    let nanos = value.as_nanos() as f64;
    let (scaled, unit) = match nanos {
        ..1e3 => return format!("{nanos} ns"),
        ..1e6 => (nanos / 1e3, "µs"),
        ..1e9 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    match scaled {
        ..10.0 => format!("{scaled:.2} {unit}"),
        ..100.0 => format!("{scaled:.1} {unit}"),
        _ => format!("{scaled:.0} {unit}"),
    }
}

/// An age, such as `1:02:03` or `3 d 1:02:03`.
pub(super) fn age(value: Duration) -> String {
    let seconds = value.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let days = if days > 0 { format!("{days} d ") } else { String::new() };
    format!("{days}{hours}:{minutes:02}:{:02}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_a_prefix() {
        for (value, expected) in [
            (0.0, "0"),
            (0.4, "0.4"),
            (12.4, "12"),
            (999.0, "999"),
            (999.7, "1.0 k"),
            (12_345.0, "12.3 k"),
            (123_456.0, "123 k"),
            (9.99e6, "10.0 M"),
            (u64::MAX as f64, "18446744 T"),
            (f64::NAN, "-"),
            (-1.0, "-"),
        ] {
            assert_eq!(count(value), expected, "{value}");
        }
        assert_eq!(
            (bytes(0), bytes(1023), bytes(16 << 20)),
            ("0 B".into(), "1023 B".into(), "16.0 MiB".into())
        );
    }

    #[test]
    fn a_time_has_three_digits() {
        for (nanos, expected) in [
            (7, "7 ns"),
            (1_250, "1.25 µs"),
            (45_600_000, "45.6 ms"),
            (123_000_000, "123 ms"),
            (90_000_000_000, "90.0 s"),
        ] {
            assert_eq!(time(Duration::from_nanos(nanos)), expected);
        }
        assert_eq!(age(Duration::from_secs(3723)), "1:02:03");
        assert_eq!(age(Duration::from_secs(86_400 * 3 + 5)), "3 d 0:00:05");
    }
}
