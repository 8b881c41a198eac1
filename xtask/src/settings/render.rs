//! The table of settings as Markdown.

use spanwise::config::{Setting, Support, settings};
use std::fmt::Write as _;

/// The table of the README: variables that have an effect.
pub fn summary() -> String {
    let mut text =
        String::from("| variable | purpose and accepted values | default |\n|---|---|---|\n");
    let rows = supported().filter(|setting| !setting.variables.is_empty());
    for setting in rows {
        let (variables, default) = (variables(setting), default(setting));
        let _infallible = writeln!(text, "| {variables} | {} | {default} |", purpose(setting));
    }
    text
}

/// The tables of the page: all settings.
pub fn reference() -> String {
    let mut text = String::from("### Settings with a variable\n\n");
    text += &places(supported().filter(|setting| !setting.variables.is_empty()));
    text += "\n### Settings of the code and of the file alone\n\n";
    text += &places(supported().filter(|setting| setting.variables.is_empty()));
    text += "\n### Settings of the export of metrics\n\n`with_metrics_export` switches it on. Without that call the variables have no \
             effect on Spanwise, and are not reported.\n\n";
    let opted_in = settings().iter().filter(|it| matches!(it.support, Support::OptIn(_)));
    text += &places(opted_in);
    text += "\n### Variables without effect\n\nEach that is set is reported once, without its value.\n\n";
    text += "| variable | purpose | the report |\n|---|---|---|\n";
    for setting in settings() {
        if let Support::WithoutEffect(reason) = setting.support {
            let variables = variables(setting);
            let _infallible =
                writeln!(text, "| {variables} | {} | {} |", setting.purpose, cell(reason));
        }
    }
    text += "\n### Variables of other signals\n\nThey have no effect on traces, and are not reported.\n\n";
    let others = settings().iter().filter(|it| it.support == Support::OtherSignal);
    let names: Vec<_> = others.map(variables).collect();
    text += &names.join(", ");
    text + "\n"
}

fn supported() -> impl Iterator<Item = &'static Setting> {
    settings().iter().filter(|setting| setting.support == Support::Supported)
}

fn places(rows: impl Iterator<Item = &'static Setting>) -> String {
    let mut text = String::from(
        "| variable, method, path in the file | type | purpose and accepted values | default | since |\n\
         |---|---|---|---|---|\n",
    );
    for setting in rows {
        let methods = setting.methods.iter().map(|name| format!("`{name}`"));
        let paths = setting.paths.iter().map(|path| format!("`{path}`"));
        let names = (!setting.variables.is_empty()).then(|| variables(setting));
        let names: Vec<_> = names.into_iter().chain(methods).chain(paths).collect();
        let _infallible = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            names.join("<br>"),
            setting.kind.name(),
            purpose(setting),
            default(setting),
            setting.since
        );
    }
    text
}

fn purpose(setting: &Setting) -> String {
    let mut text = setting.purpose.to_owned();
    let accepted = setting.kind.accepted();
    if !accepted.is_empty() {
        let _infallible = write!(text, " Accepted: {accepted}.");
    }
    let mut remark = setting.remark.chars();
    if let Some(first) = remark.next() {
        let _infallible = write!(text, " {}{}.", first.to_uppercase(), remark.as_str());
    }
    cell(&text)
}

fn default(setting: &Setting) -> String {
    match (setting.default, setting.kind.unit()) {
        ("none", _) => "none".to_owned(),
        (default, "") => format!("`{default}`"),
        (default, unit) => format!("{} {unit}", grouped(default)),
    }
}

/// A number with commas between groups of three digits.
fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The variables: `A_[B_]C` for that of the signal and the generic one.
fn variables(setting: &Setting) -> String {
    match setting.variables {
        [of_signal, generic] => match inserted(of_signal, generic) {
            Some(name) => format!("`{name}`"),
            None => format!("`{of_signal}`, else `{generic}`"),
        },
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", else "),
    }
}

/// `long` with the part in brackets that `short` lacks, if it lacks one word alone.
fn inserted(long: &str, short: &str) -> Option<String> {
    let extra = long.len().checked_sub(short.len()).filter(|extra| *extra > 0)?;
    let start = (0..=short.len()).rev().find(|&start| {
        long.get(..start) == short.get(..start)
            && long.get(start + extra..) == short.get(start..)
            && (start == 0 || long.get(..start).is_some_and(|before| before.ends_with('_')))
    })?;
    let (before, rest) = long.split_at_checked(start)?;
    let (word, after) = rest.split_at_checked(extra)?;
    Some(format!("{before}[{word}]{after}"))
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_variables_that_differ_by_a_word_are_one_name() {
        let name = inserted("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT");
        assert_eq!(name.as_deref(), Some("OTEL_EXPORTER_OTLP_[TRACES_]TIMEOUT"));
        assert_eq!(inserted("OTEL_EVENT_LIMIT", "OTEL_ATTRIBUTE_LIMIT"), None);
        assert_eq!(inserted("HTTP_PROXY", "http_proxy"), None);
    }

    #[test]
    fn numbers_have_groups() {
        assert_eq!(
            [grouped("8192"), grouped("128"), grouped("16777216")],
            ["8,192", "128", "16,777,216"]
        );
    }
}
