//! The configurations under test, in the Collector's YAML.

use spanwise_config::Document;
use spanwise_tail::TailSamplingConfig;
use std::fmt::Write as _;

/// One processor `tail_sampling/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Configuration {
    pub(crate) name: String,
    /// The block with its key, indented as an entry of `processors`.
    text: String,
}

impl Configuration {
    /// All of them: those of the file, then two for each condition.
    pub(crate) fn all() -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for line in CONFIGURATIONS.lines().skip_while(|line| *line != "processors:").skip(1) {
            if let Some(name) = line.strip_prefix(KEY) {
                let name = name.trim_end_matches(':').to_owned();
                all.push(Self { name, text: String::new() });
            }
            if let Some(last) = all.last_mut() {
                last.text += line;
                last.text.push('\n');
            }
        }
        for (number, condition) in conditions().enumerate() {
            for error_mode in ["ignore", "propagate"] {
                all.push(Self::of_condition(number + 1, condition, error_mode));
            }
        }
        all
    }

    fn of_condition(number: usize, (key, condition): (&str, &str), error_mode: &str) -> Self {
        let name = format!("condition_{number}_{error_mode}");
        // A string of JSON is one of YAML.
        let condition = serde_json::Value::from(condition);
        let text = format!(
            "{KEY}{name}:\n    decision_wait: 5s\n    policies:\n      - {{name: p, type: ottl_condition, ottl_condition: \
             {{error_mode: {error_mode}, {key}: [{condition}]}}}}\n"
        );
        Self { name, text }
    }

    /// The key of the processor.
    pub(crate) fn processor(&self) -> String {
        format!("tail_sampling/{}", self.name)
    }

    /// The condition of one that has nothing else.
    pub(crate) fn condition(&self) -> Option<&str> {
        let (_, rest) = self.name.split_once("condition_")?;
        let number: usize = rest.split_once('_')?.0.parse().ok()?;
        conditions().nth(number - 1).map(|(_, condition)| condition)
    }

    /// Whether the decisions depend on the order in which traces are decided, and on the time.
    pub(crate) fn is_statistical(&self) -> bool {
        self.name.contains("statistical")
    }

    /// Whether the Collector runs with its gate `usetracestate`, for which we have a key of our own.
    pub(crate) fn has_gate(&self) -> bool {
        self.name.starts_with("gate_")
    }

    /// The settings, read from the whole file of a Collector.
    ///
    /// # Errors
    /// The block has a mistake.
    pub(crate) fn read(&self, file: &str) -> Result<TailSamplingConfig, String> {
        let document = Document::parse("collector.yaml", file.as_bytes(), |_| None)
            .map_err(|problems| problems.to_string())?;
        let read = TailSamplingConfig::from_document(&document, Some(&self.processor()));
        Ok(read
            .map_err(|problems| problems.to_string())?
            .value
            .with_use_trace_state(self.has_gate()))
    }
}

/// The section of the processors in a file of the Collector.
pub(crate) fn processors(configurations: &[Configuration]) -> String {
    let mut text = "processors:\n".to_owned();
    for configuration in configurations {
        let _infallible = write!(text, "{}", configuration.text);
    }
    text
}

/// The conditions with the key that they stand at.
fn conditions() -> impl Iterator<Item = (&'static str, &'static str)> {
    CONDITIONS.lines().filter_map(|line| match line.split_once(": ")? {
        ("event", condition) => Some(("spanevent", condition)),
        ("span", condition) => Some(("span", condition)),
        _ => None,
    })
}

const CONFIGURATIONS: &str = include_str!("configurations.yaml");
const CONDITIONS: &str = include_str!("conditions.txt");
const KEY: &str = "  tail_sampling/";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_type_of_policy_is_covered_and_every_configuration_can_be_read() {
        let all = Configuration::all();
        let text = processors(&all);
        for configuration in &all {
            let alone = processors(std::slice::from_ref(configuration));
            configuration.read(&alone).unwrap_or_else(|problem| panic!("{problem}"));
        }
        assert!(all.last().unwrap().read(&text).is_ok());
        let names: BTreeSet<&str> = all.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        for kind in [
            "always_sample",
            "latency",
            "numeric_attribute",
            "probabilistic",
            "status_code",
            "string_attribute",
            "rate_limiting",
            "bytes_limiting",
            "span_count",
            "trace_state",
            "trace_flags",
            "boolean_attribute",
            "ottl_condition",
            "and",
            "not",
            "drop",
            "composite",
        ] {
            assert!(text.contains(&format!("type: {kind}")), "{kind}");
        }
        let last = all.last().unwrap();
        assert!(last.condition().is_some_and(|text| text.contains("attempt")), "{last:?}");
        assert_eq!(all.first().unwrap().condition(), None);
    }
}
