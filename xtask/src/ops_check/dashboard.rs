//! The dashboard: its structure, and the expressions of its panels.

use serde_json::Value;
use std::collections::BTreeSet;

/// A panel that is no row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Panel {
    pub(super) title: String,
    /// Of its queries.
    pub(super) expressions: Vec<String>,
}

/// Reads all panels.
///
/// # Errors
/// The text is no JSON, or a panel has no title and id of its own, an unknown type, no query, a place beyond the grid or on another panel, or another data
/// source than the variable.
pub(super) fn read(text: &str) -> Result<Vec<Panel>, String> {
    let dashboard: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let (mut panels, mut ids, mut cells) = (Vec::<Panel>::new(), BTreeSet::new(), BTreeSet::new());
    for panel in array(&dashboard["panels"]) {
        let title = panel["title"].as_str().unwrap_or_default();
        let failed = |reason: &str| Err(format!("panel {title:?}: {reason}"));
        let is_taken = panels.iter().any(|other| other.title == title);
        if title.is_empty() || is_taken || !ids.insert(panel["id"].as_u64()) {
            return failed("a title and an id of its own are expected");
        }
        for cell in cells_of(&panel["gridPos"]) {
            if cell.0 >= WIDTH || !cells.insert(cell) {
                return failed("its place is beyond the grid or on another panel");
            }
        }
        match panel["type"].as_str() {
            Some("row") => continue,
            Some(kind) if TYPES.contains(&kind) => {}
            _ => return failed("its type is not one of the dashboard"),
        }
        let targets = array(&panel["targets"]);
        if targets.is_empty() {
            return failed("it has no query");
        }
        let mut expressions = Vec::new();
        for target in targets {
            let source = |of: &Value| of["datasource"]["uid"] == "${datasource}";
            let expression = target["expr"].as_str().unwrap_or_default().to_owned();
            if expression.is_empty() || !source(panel) || !source(target) {
                return failed("a query has no expression, or not the data source of the variable");
            }
            expressions.push(expression);
        }
        panels.push(Panel { title: title.to_owned(), expressions });
    }
    Ok(panels)
}

/// The queries of the variables: each a label, and the series that has it.
pub(super) fn variables(text: &str) -> Result<Vec<(String, String)>, String> {
    let dashboard: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let variables = array(&dashboard["templating"]["list"]);
    let mut found = Vec::new();
    for variable in variables.iter().filter(|variable| variable["type"] == "query") {
        let query = variable["query"]["query"].as_str().unwrap_or_default();
        let arguments = query.strip_prefix("label_values(").and_then(|q| q.strip_suffix(')'));
        let (series, label) = arguments
            .and_then(|arguments| arguments.rsplit_once(','))
            .ok_or_else(|| format!("label_values(series, label) is expected, not {query:?}"))?;
        found.push((label.trim().to_owned(), series.trim().to_owned()));
    }
    Ok(found)
}

/// The expression as Grafana sends it with all values of the variables selected.
pub(super) fn substituted(expression: &str, interval: &str) -> String {
    let all = [("$job", ".*"), ("$instance", ".*"), ("$__rate_interval", interval)];
    let all = all.into_iter().chain([("$__range", interval)]);
    all.fold(expression.to_owned(), |text, (variable, value)| text.replace(variable, value))
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn cells_of(place: &Value) -> impl Iterator<Item = (u64, u64)> + use<> {
    let of = |key: &str| place[key].as_u64().unwrap_or(WIDTH);
    let (x, y, w, h) = (of("x"), of("y"), of("w"), of("h"));
    (x..x + w).flat_map(move |column| (y..y + h).map(move |line| (column, line)))
}

/// The types of panels in the dashboard.
const TYPES: [&str; 4] = ["heatmap", "stat", "table", "timeseries"];
/// Columns of Grafana's grid.
const WIDTH: u64 = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn panel() -> Value {
        let source = json!({ "type": "prometheus", "uid": "${datasource}" });
        json!({
            "id": 1, "title": "CPU", "type": "stat", "datasource": source, "gridPos": { "x": 0, "y": 0, "w": 4, "h": 4 },
            "targets": [{ "expr": "a{job=~\"$job\"}", "datasource": source }],
        })
    }

    fn check(change: impl FnOnce(&mut Vec<Value>)) -> Result<Vec<Panel>, String> {
        let mut panels = vec![panel()];
        change(&mut panels);
        read(&json!({ "panels": panels }).to_string())
    }

    #[test]
    fn a_panel_has_its_expressions() {
        let panels = check(|_| {}).unwrap();
        let expressions = vec!["a{job=~\"$job\"}".to_owned()];
        assert_eq!(substituted(&expressions[0], "5s"), "a{job=~\".*\"}");
        assert_eq!(panels, [Panel { title: "CPU".to_owned(), expressions }]);
    }

    #[test]
    fn a_panel_with_a_mistake_is_an_error() {
        assert!(check(|panels| panels[0]["title"] = json!("")).is_err());
        assert!(check(|panels| panels[0]["type"] = json!("graph")).is_err());
        assert!(check(|panels| panels[0]["targets"] = json!([])).is_err());
        assert!(check(|panels| panels[0]["targets"][0]["expr"] = json!("")).is_err());
        assert!(check(|panels| panels[0]["datasource"]["uid"] = json!("prometheus")).is_err());
        assert!(check(|panels| panels[0]["gridPos"]["x"] = json!(21)).is_err());
        assert!(check(|panels| panels.push(panel())).is_err(), "the same id");
        let second = |y: u64| {
            let mut second = panel();
            second["id"] = json!(2);
            second["title"] = json!("Memory");
            second["gridPos"]["y"] = json!(y);
            second
        };
        assert!(check(|panels| panels.push(second(3))).is_err(), "overlaps");
        assert!(check(|panels| panels.push(second(4))).is_ok());
    }

    #[test]
    fn a_variable_has_a_label_and_a_series() {
        let of = |query: &str| {
            let variable = json!({ "type": "query", "query": { "query": query } });
            variables(&json!({ "templating": { "list": [variable] } }).to_string())
        };
        let expected = ("job".to_owned(), "a{b=\"c,d\"}".to_owned());
        assert_eq!(of("label_values(a{b=\"c,d\"}, job)"), Ok(vec![expected]));
        assert!(of("query_result(a)").is_err());
    }
}
