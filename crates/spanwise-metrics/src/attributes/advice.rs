//! Sentences about a report.

use super::report::{AttributeKey, AttributePlace, AttributeReport, ratio};

impl AttributeReport {
    /// Sentences about what to change, the most useful first; at most 12. They have keys and numbers.
    pub fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        advice.extend(heaviest(self));
        advice.extend(unbounded_keys(self));
        let of_each = |sentence: fn(&Self, &AttributeKey) -> Option<String>| {
            self.keys.iter().filter_map(move |key| sentence(self, key)).take(MAX_OF_A_KIND)
        };
        advice.extend(of_each(one_value));
        advice.extend(of_each(near_unique));
        advice.extend(of_each(twice));
        advice.truncate(MAX);
        advice
    }
}

/// The keys that make most of the bytes.
fn heaviest(report: &AttributeReport) -> Option<String> {
    let of_spans = |key: &&AttributeKey| key.place != AttributePlace::Resource;
    let heaviest: Vec<&AttributeKey> = report.keys.iter().filter(of_spans).take(3).collect();
    let bytes = heaviest.iter().map(|key| key.bytes).sum();
    let share = ratio(bytes, report.bytes);
    if share < MIN_SHARE {
        return None;
    }
    let names: Vec<String> = heaviest.iter().map(|key| format!("`{}`", key.key)).collect();
    let (subject, verb) = match names.as_slice() {
        [one] => (format!("The attribute {one}"), "makes"),
        [one, other] => (format!("The attributes {one} and {other}"), "make"),
        [first @ .., last] => (format!("The attributes {} and {last}", first.join(", ")), "make"),
        [] => return None,
    };
    Some(format!("{subject} {verb} {} of the bytes", percent(share)))
}

/// Keys that are made of data.
fn unbounded_keys(report: &AttributeReport) -> Option<String> {
    let listed = report.keys.len() as u64;
    (report.replaced_keys > listed).then(|| {
        format!(
            "There are about {} keys: keys are made of data, such as an id; put the data into the value of one key",
            number(report.distinct_keys)
        )
    })
}

/// A key of spans that is the same everywhere.
fn one_value(report: &AttributeReport, key: &AttributeKey) -> Option<String> {
    if key.place != AttributePlace::Span || !key.has_one_value() {
        return None;
    }
    let (name, share) = (&key.key, percent(report.share(key)));
    let of_all = ratio(key.occurrences, report.spans);
    Some(match of_all >= NEARLY_ALL {
        true => format!(
            "`{name}` has one value in {} spans: make it a resource attribute, and save {share} of the bytes",
            number(key.occurrences)
        ),
        false => format!(
            "`{name}` has one value in the {} spans that have it: leave it out if it is known, and save {share} of the bytes",
            number(key.occurrences)
        ),
    })
}

/// A key whose values do not repeat.
fn near_unique(_: &AttributeReport, key: &AttributeKey) -> Option<String> {
    let is_of_spans = matches!(key.place, AttributePlace::Span | AttributePlace::Event);
    (is_of_spans && key.is_near_unique()).then(|| {
        let about = if key.is_exact { "" } else { "about " };
        format!(
            "`{}` has {about}{} values in {} {}s: do not index it, and do not group metrics by it",
            key.key,
            // An estimate may exceed what is possible.
            number(key.values.min(key.occurrences)),
            number(key.occurrences),
            key.place.name()
        )
    })
}

/// A key that the resource has, too.
fn twice(report: &AttributeReport, key: &AttributeKey) -> Option<String> {
    let is_on_resource =
        |other: &AttributeKey| other.place == AttributePlace::Resource && other.key == key.key;
    (key.place == AttributePlace::Span && report.keys.iter().any(is_on_resource)).then(|| {
        format!(
            "`{}` is an attribute of spans and of their resource: leave it out of spans",
            key.key
        )
    })
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// A number with commas between thousands.
fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

const MAX: usize = 12;
const MAX_OF_A_KIND: usize = 4;
/// Less is no concentration.
const MIN_SHARE: f64 = 0.2;
/// The share of spans from which on a key is one of all spans.
const NEARLY_ALL: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_and_shares_a_digit_when_small() {
        let numbers = [0, 999, 1000, 12_345, 1_234_567].map(number);
        assert_eq!(numbers, ["0", "999", "1,000", "12,345", "1,234,567"]);
        assert_eq!([0.0, 0.0321, 0.0996, 0.614].map(percent), ["0.0 %", "3.2 %", "10 %", "61 %"]);
        assert_eq!((ratio(1, 0), ratio(1, 4), ratio(5, 4)), (0.0, 0.25, 1.0));
    }
}
