//! The line of JSON.

use serde_json::json;

/// One measurement.
pub struct Row<'a> {
    pub group: &'a str,
    pub name: &'a str,
    pub setup: &'a str,
    pub unit: &'a str,
    pub value: f64,
    /// The number in the source document.
    pub claim: Option<&'a str>,
    pub target: Option<Target>,
}

/// The target of a measurement.
pub enum Target {
    AtMost(f64),
    /// Lower by this factor than the value of another name, in the same group, setup and unit.
    TimesLessThan(f64, &'static str),
    /// At most this factor times the value of the same name in another setup.
    AtMostTimes(f64, &'static str),
}

impl Row<'_> {
    pub fn print(&self) {
        let Row { group, name, setup, unit, value, claim, target } = self;
        let mut line = json!({
            "group": group, "name": name, "setup": setup, "unit": unit, "value": value,
        });
        if let Some(claim) = claim {
            line["claim"] = json!(claim);
        }
        if let Some(target) = target {
            line["target"] = match target {
                Target::AtMost(limit) => json!({"at_most": limit}),
                Target::TimesLessThan(times, name) => json!({"times": times, "less_than": name}),
                Target::AtMostTimes(times, setup) => json!({"at_most_times": times, "of": setup}),
            };
        }
        println!("{line}");
    }
}
