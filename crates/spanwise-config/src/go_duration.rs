//! Durations in Go's form.

use std::time::Duration;

/// Parses a duration as Go's `time.ParseDuration`, without a sign: `10s`, `1m30s`, `1.5h`, `300ms`, `0`.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanos = 0f64;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, behind) = rest.split_at(end);
        let unit_end = behind
            .find(|letter: char| letter.is_ascii_digit() || letter == '.')
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_end);
        // Rust reads a single point as an error, as Go does.
        nanos += number.parse::<f64>().ok()? * nanos_of(unit)?;
        rest = behind;
    }
    // 0 here would be an empty text.
    (!text.is_empty() && nanos <= MAX_NANOS).then(|| Duration::from_nanos(nanos.round() as u64))
}

fn nanos_of(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3_600e9,
        _ => return None,
    })
}

/// 290 years, the longest duration in Go.
const MAX_NANOS: f64 = i64::MAX as f64;

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn durations_are_those_of_go() {
        let check = |text: &str, millis: Option<f64>| {
            let expected = millis.map(|millis| Duration::from_secs_f64(millis / 1e3));
            assert_eq!(parse(text), expected, "{text}");
        };
        check("10s", Some(10_000.0));
        check("1m30s", Some(90_000.0));
        check("1.5h", Some(5_400_000.0));
        check("300ms", Some(300.0));
        check("0", Some(0.0));
        check("0s", Some(0.0));
        check(".5s", Some(500.0));
        check("1us", Some(0.001));
        check("1µs2ns", Some(0.001_002));
        for text in ["", "10", "s", "10 s", "-1s", "1d", ".s", "1s2", "1e3s", "9999999h"] {
            check(text, None);
        }
    }
}
