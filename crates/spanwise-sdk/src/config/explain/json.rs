//! An explanation as JSON, written by hand: the crate needs no library for one object.

use super::effective::EffectiveSetting;
use super::origin::Origin;
use crate::diagnostics::Diagnostic;
use std::fmt::Write as _;

/// The object of an explanation.
pub(super) fn of(settings: &[EffectiveSetting], reports: &[Diagnostic]) -> String {
    let settings: Vec<_> = settings.iter().map(setting).collect();
    let reports: Vec<_> = reports.iter().map(|report| text(&report.to_string())).collect();
    format!("{{\"settings\":[{}],\"reports\":[{}]}}", settings.join(","), reports.join(","))
}

fn setting(effective: &EffectiveSetting) -> String {
    let EffectiveSetting { setting, value, origin } = effective;
    format!(
        "{{\"name\":{},\"value\":{},\"unit\":{},\"origin\":{}}}",
        text(setting.name()),
        text(value),
        text(setting.kind.unit()),
        of_origin(origin)
    )
}

fn of_origin(origin: &Origin) -> String {
    match origin {
        Origin::Code { method } => format!("{{\"kind\":\"code\",\"method\":{}}}", text(method)),
        Origin::Variable { name } => format!("{{\"kind\":\"variable\",\"name\":{}}}", text(name)),
        Origin::File { path, line, field, variables } => {
            let variables: Vec<_> = variables.iter().map(|name| text(name)).collect();
            format!(
                "{{\"kind\":\"file\",\"path\":{},\"line\":{line},\"field\":{},\"variables\":[{}]}}",
                text(path),
                text(field),
                variables.join(",")
            )
        }
        Origin::ContainerLimit => "{\"kind\":\"container limit\"}".to_owned(),
        Origin::Default => "{\"kind\":\"default\"}".to_owned(),
    }
}

/// A JSON string (RFC 8259, 7).
fn text(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => json.extend(['\\', letter]),
            control if control < ' ' => {
                let _infallible = write!(json, "\\u{:04x}", u32::from(control));
            }
            letter => json.push(letter),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn quotes_backslashes_and_control_characters_are_escaped() {
        assert_eq!(text("a\"b\\c\nd\u{1}é"), "\"a\\\"b\\\\c\\u000ad\\u0001é\"");
    }
}
