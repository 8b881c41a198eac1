//! The numbers on the page, against the JSON that it drew.

use super::page::Page;
use serde_json::Value;

/// Reads the texts of the paused page, and compares each with its field.
pub(super) fn check(page: &mut Page<'_>) -> Result<String, String> {
    let json = page.pause()?;
    let texts = page.tab().evaluate(TEXTS)?;
    let pairs = pairs(&json, &texts)?;
    let wrong: Vec<String> = pairs.iter().filter_map(Pair::problem).collect();
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    match texts["odd"].as_str() {
        Some(odd) => Err(format!("no number: {odd:?}")),
        None => Ok(format!("{} numbers and texts are those of the JSON", pairs.len())),
    }
}

/// A text of the page and the value that it stands for.
struct Pair {
    name: String,
    shown: String,
    expected: Expected,
}

enum Expected {
    Number(f64),
    Text(String),
}

impl Pair {
    fn number(name: impl Into<String>, shown: &Value, expected: &Value) -> Result<Self, String> {
        let name = name.into();
        let number = expected.as_f64().ok_or_else(|| format!("the JSON has no number: {name}"))?;
        Ok(Self { shown: text(shown), expected: Expected::Number(number), name })
    }

    fn text(name: &str, shown: &Value, expected: &Value) -> Self {
        Self { name: name.to_owned(), shown: text(shown), expected: Expected::Text(text(expected)) }
    }

    fn problem(&self) -> Option<String> {
        let Self { name, shown, .. } = self;
        match &self.expected {
            Expected::Text(expected) if expected == shown => None,
            Expected::Text(expected) => Some(format!("{name}: {shown:?}, JSON {expected:?}")),
            Expected::Number(expected) if is_shown_as(*expected, shown) => None,
            Expected::Number(expected) => Some(format!("{name}: {shown:?}, JSON {expected}")),
        }
    }
}

fn pairs(json: &Value, texts: &Value) -> Result<Vec<Pair>, String> {
    let mut pairs = vec![
        Pair::text("service", &texts["service"], &json["service_name"]),
        Pair::text("state", &texts["state"], &json["state"]),
        Pair::text("sampler", &texts["sampler"], &json["sampler"]["description"]),
        Pair::number("created", &texts["nodes"]["Application"], &json["spans"]["created"])?,
        Pair::number("exported", &texts["nodes"]["Receiver"], &json["spans"]["exported"])?,
    ];
    for (at, field) in ["used_bytes", "limit_bytes", "peak_bytes"].iter().enumerate() {
        pairs.push(Pair::number(*field, &texts["budget"][at], &json["budget"][*field])?);
    }
    let reasons = json["spans"]["dropped_by_reason"].as_object().into_iter().flatten();
    for (reason, spans) in reasons {
        pairs.push(Pair::number(reason, &texts["reasons"][reason], spans)?);
    }
    let destinations = json["destinations"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (at, destination) in destinations.iter().enumerate() {
        let row = &texts["destinations"][at];
        for (column, field) in ["exported", "dropped", "in_flight"].iter().enumerate() {
            pairs.push(Pair::number(*field, &row[column + 1], &destination[*field])?);
        }
    }
    let reports = json["diagnostics"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (at, report) in reports.iter().rev().enumerate() {
        pairs.push(Pair::text("diagnostic", &texts["diagnostics"][at], &report["message"]));
    }
    Ok(pairs)
}

/// Whether `shown`, such as `12.3 k` or `1.5 MiB`, is `value` within the digits that it has.
fn is_shown_as(value: f64, shown: &str) -> bool {
    let (digits, unit) = shown.split_once(' ').unwrap_or((shown, ""));
    let digits = digits.replace(',', "");
    let Ok(number) = digits.parse::<f64>() else { return false };
    let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else { return false };
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len() as i32);
    // Half a unit of the last digit, and what the division loses.
    let tolerance = scale * 0.5 * 10_f64.powi(-decimals) * 1.001;
    (number * scale - value).abs() <= tolerance
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

const UNITS: &[(&str, f64)] = &[
    ("", 1.0),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("B", 1.0),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
];

/// The texts of the page.
const TEXTS: &str = r"(() => {
  const text = (id) => document.getElementById(id).textContent;
  const nodes = {};
  for (const name of document.querySelectorAll('.node-name')) nodes[name.textContent] = name.nextSibling.textContent;
  const reasons = {};
  for (const row of document.querySelectorAll('#drops-legend li')) reasons[row.childNodes[1].textContent.trim()] = row.querySelector('b').textContent;
  const rows = (selector, cell) => [...document.querySelectorAll(selector)].map((row) => cell(row));
  return {
    service: text('service'), state: text('state'), sampler: text('sampler-text'), nodes, reasons,
    budget: text('budget-numbers').split(/ of | · peak /),
    destinations: rows('#destinations tr', (row) => [...row.cells].map((it) => it.textContent)),
    diagnostics: rows('#diagnostics .text', (it) => it.textContent),
    odd: (document.body.innerText.match(/.*(NaN|undefined|Infinity|\[object ).*/) || [null])[0],
  };
})()";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_number_is_shown_within_its_digits() {
        for (value, shown) in [
            (0.0, "0"),
            (1234.0, "1,234"),
            (12_345.0, "12.3 k"),
            (12_349.9, "12.3 k"),
            (1_572_864.0, "1.5 MiB"),
            (5e6, "5 M"),
        ] {
            assert!(is_shown_as(value, shown), "{value} {shown}");
        }
        for (value, shown) in
            [(12_451.0, "12.3 k"), (1.0, "–"), (1.0, ""), (1.0, "2"), (5e6, "5 k"), (5.0, "5 x")]
        {
            assert!(!is_shown_as(value, shown), "{value} {shown}");
        }
    }

    #[test]
    fn a_text_that_differs_from_its_field_is_reported() {
        let json = json!({
            "service_name": "shop", "state": "running", "sampler": { "description": "AlwaysOn" },
            "spans": { "created": 12_345, "exported": 5, "dropped_by_reason": { "tls": 3 } },
            "budget": { "used_bytes": 0, "limit_bytes": 16_777_216, "peak_bytes": 1024 },
            "destinations": [{ "exported": 5, "dropped": 3, "in_flight": 0 }],
            "diagnostics": [{ "message": "old" }, { "message": "new" }],
        });
        let texts = json!({
            "service": "shop", "state": "running", "sampler": "AlwaysOn",
            "nodes": { "Application": "12.3 k", "Receiver": "5" }, "reasons": { "tls": "3" },
            "budget": ["0 B", "16 MiB", "1 KiB"], "destinations": [["http://a", "5", "3", "0", "none"]],
            "diagnostics": ["new", "old"],
        });
        let problems = |texts: &Value| -> Vec<String> {
            pairs(&json, texts).unwrap().iter().filter_map(Pair::problem).collect()
        };
        assert_eq!(problems(&texts), Vec::<String>::new());
        for pointer in [
            "/nodes/Receiver",
            "/reasons/tls",
            "/budget/1",
            "/destinations/0/2",
            "/diagnostics/1",
            "/state",
        ] {
            let mut wrong = texts.clone();
            *wrong.pointer_mut(pointer).unwrap() = json!("7");
            assert_eq!(problems(&wrong).len(), 1, "{pointer}");
        }
    }
}
