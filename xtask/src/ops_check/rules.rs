//! The alert rules, and a copy of them in which minutes are seconds.

use spanwise_config::{Document, Field};

/// An alert of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Alert {
    pub(super) name: String,
    pub(super) expression: String,
}

/// Reads the rules.
///
/// # Errors
/// The file is not of the form of Prometheus, or an alert lacks a part, `severity`, or an annotation that states its fix.
pub(super) fn read(text: &str) -> Result<Vec<Alert>, String> {
    let document = Document::parse("spanwise-alerts.yml", text.as_bytes(), |_| None);
    let document = document.map_err(|problems| problems.to_string())?;
    let read = document.read(|root| {
        let groups = root.mapping(&["groups"]).get("groups").required().sequence();
        let rules = groups.into_iter().flat_map(|group| {
            let group = group.mapping(&["name", "rules"]);
            group.get("name").required().string();
            group.get("rules").required().sequence()
        });
        rules.filter_map(|rule| alert(&rule)).collect()
    });
    read.map(|read| read.value).map_err(|problems| problems.to_string())
}

fn alert(rule: &Field<'_>) -> Option<Alert> {
    let rule = rule.mapping(&["alert", "expr", "for", "labels", "annotations"]);
    rule.get("for").required().string();
    let labels = rule.get("labels").required().mapping(&["severity"]);
    labels.get("severity").required().choice(&[("warning", ()), ("critical", ())]);
    let annotations = rule.get("annotations").required().mapping(ANNOTATIONS);
    for annotation in ANNOTATIONS {
        annotations.get(annotation).required().string();
    }
    let (name, expression) = (rule.get("alert").required(), rule.get("expr").required());
    Some(Alert { name: name.string()?.to_owned(), expression: expression.string()?.to_owned() })
}

/// The rules with seconds for minutes, so that an alert fires while a check waits.
pub(super) fn scaled(text: &str) -> String {
    text.replace("[5m]", "[5s]").replace("for: 5m", "for: 3s").replace("for: 1m", "for: 1s")
}

/// Every alert has them.
const ANNOTATIONS: &[&str] = &["summary", "description", "fix"];

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: rate(a[5m]) > 1\n        for: 5m\n        \
                        labels: {severity: warning}\n        annotations: {summary: s, description: d, fix: f}\n";

    #[test]
    fn an_alert_has_a_name_and_an_expression() {
        let expected = Alert { name: "A".to_owned(), expression: "rate(a[5m]) > 1".to_owned() };
        assert_eq!(read(RULE), Ok(vec![expected]));
    }

    #[test]
    fn an_alert_that_lacks_a_part_is_an_error() {
        for (part, other) in [
            (", fix: f", ""),
            ("alert: A", "alert:"),
            ("severity: warning", "severity: mild"),
            ("        for: 5m\n", ""),
            ("expr", "expression"),
        ] {
            assert!(RULE.contains(part), "{part}");
            assert!(read(&RULE.replace(part, other)).is_err(), "{part}");
        }
    }

    #[test]
    fn the_copy_waits_for_seconds() {
        assert_eq!(scaled(RULE), RULE.replace("[5m]", "[5s]").replace("for: 5m", "for: 3s"));
    }
}
