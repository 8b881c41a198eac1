//! Units of UCUM as Prometheus spells them.

use super::sanitize::put_sanitized;

/// The unit in Prometheus' words, empty if there is none: `ms` is `milliseconds`, `By/s` is `bytes_per_second`; what braces enclose is
/// left out (specification, *Prometheus and OpenMetrics Compatibility*, *Metric Metadata*).
///
/// The unit `1` is a ratio, but not of a sum: a number of things has no unit.
pub(super) fn prometheus_unit(unit: &str, is_gauge: bool) -> String {
    let bare = without_braces(unit);
    if bare == "1" {
        return if is_gauge { "ratio".to_owned() } else { String::new() };
    }
    let (base, per) = bare.split_once('/').unwrap_or((&bare, ""));
    let mut words = String::new();
    put_word(&mut words, base, BASE);
    // Only one division is spelled out; another one is a character that Prometheus does not accept.
    if !per.is_empty() {
        words.push_str(if words.is_empty() { "per_" } else { "_per_" });
        put_word(&mut words, per, PER);
    }
    words
}

fn put_word(out: &mut String, unit: &str, words: &[(&str, &str)]) {
    // The number one before a division is the absence of a unit.
    if unit == "1" {
        return;
    }
    match words.iter().find(|(short, _)| *short == unit) {
        Some((_, word)) => out.push_str(word),
        None => put_sanitized(out, unit),
    }
}

fn without_braces(unit: &str) -> String {
    let mut depth = 0_u32;
    let is_outside = |character: &char| {
        let was = depth;
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        was == 0 && depth == 0 && *character != '}'
    };
    let bare: String = unit.chars().filter(is_outside).collect();
    bare.trim().to_owned()
}

const BASE: &[(&str, &str)] = &[
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tebibytes"),
    ("KBy", "kilobytes"),
    ("kBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("g", "grams"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("%", "percent"),
];

const PER: &[(&str, &str)] = &[
    ("s", "second"),
    ("min", "minute"),
    ("m", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("wk", "week"),
    ("mo", "month"),
    ("y", "year"),
    ("a", "year"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_spelled_out() {
        let check = |unit, expected| assert_eq!(prometheus_unit(unit, false), expected, "{unit}");
        check("", "");
        check("s", "seconds");
        check("ms", "milliseconds");
        check("By", "bytes");
        check("{span}", "");
        check("{packets}V", "volts");
        check("By/s", "bytes_per_second");
        check("m/s", "meters_per_second");
        check("{request}/m", "per_minute");
        check("1/s", "per_second");
        check("By/{trace}", "bytes");
        check("%", "percent");
        check("foo/bar", "foo_per_bar");
        check("foo.bar/b z", "foo_bar_per_b_z");
        check("{unclosed", "");
        check("a}b", "ab");
        check("1", "");
        assert_eq!(prometheus_unit("1", true), "ratio");
    }
}
