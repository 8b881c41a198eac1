//! Durations as Go writes them: `5s`, `500ms`, `1m30s`.

use super::super::super::settings::SCHEDULE_DELAY;
use spanwise_config::Field;
use std::time::Duration;

/// A scheduled delay. A number without a unit is an error: it is nanoseconds in Go and milliseconds in
/// the variables of OpenTelemetry.
pub(super) fn read(field: &Field<'_>) -> Option<Duration> {
    if !field.has_value() {
        return None;
    }
    let (least, most) = SCHEDULE_DELAY.range().into_inner();
    let accepted = Duration::from_millis(least)..=Duration::from_millis(most);
    let text = match field.any_scalar()? {
        spanwise_config::Scalar::String(text) => &**text,
        _ => "",
    };
    parse(text).filter(|duration| accepted.contains(duration)).or_else(|| {
        let hours = most / 3_600_000;
        let range = format!("from {least}ms to {hours}h (such as 5s or 500ms)");
        field.expected(&format!("a duration with its unit, {range},"))
    })
}

/// Numbers, each with its unit, one after the other (Go, *time.ParseDuration*).
fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return None;
    }
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, unit) = rest.split_at_checked(digits)?;
        let end = unit.find(|letter: char| letter.is_ascii_digit() || letter == '.');
        let (unit, after) = unit.split_at_checked(end.unwrap_or(unit.len()))?;
        let (_, unit_nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
        nanos += number.parse::<f64>().ok()? * unit_nanos;
        rest = after;
    }
    Duration::try_from_secs_f64(nanos / 1e9).ok()
}

const UNITS: &[(&str, f64)] = &[
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("5s", 5_000),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("+2s", 2_000),
            ("250000us", 250),
            ("250000µs", 250),
            ("1h0m0.001s", 3_600_001),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "", "5", "5 s", "s", "-5s", "5S", "5sec", "1.2.3s", "1m30", "++1s", "+", "é", "5é",
            "1d", ".",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&format!("{}s", "9".repeat(400))), None);
        assert_eq!(parse(&"9h".repeat(100_000)), Some(Duration::from_secs(900_000 * 3600)));
    }
}
