//! The state of a process, read from its JSON.

use super::fields::{MAX_NAME, duration, number, text};
use super::traces::{self, Trace};
use crate::plain::plain;
use serde_json::Value;
use std::time::Duration;

/// One answer of the endpoint. All texts are without letters that a terminal follows, and all lists are bounded.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Model {
    pub(super) service: String,
    pub(super) state: String,
    pub(super) uptime: Duration,
    pub(super) spans: Spans,
    pub(super) budget: Fill,
    pub(super) peak_bytes: Option<u64>,
    pub(super) queue: Fill,
    pub(super) queue_spans: Option<u64>,
    /// Of a core, in percent.
    pub(super) sdk_cpu: Option<f64>,
    pub(super) exporter_cpu: Option<f64>,
    pub(super) exporter: Exporter,
    pub(super) sampler: String,
    /// `None` for a process without rules.
    pub(super) redaction: Option<Redaction>,
    pub(super) destinations: Vec<Destination>,
    /// Warnings and errors of the provider, the newest first.
    pub(super) problems: Vec<Problem>,
    /// The newest first.
    pub(super) traces: Vec<Trace>,
}

/// Counts since the provider was built.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Spans {
    pub(super) created: u64,
    pub(super) sampled_out: u64,
    pub(super) exported: u64,
    pub(super) dropped: u64,
    pub(super) in_flight: u64,
    /// Spans on disk now.
    pub(super) spooled: u64,
    /// Spans of earlier processes.
    pub(super) recovered: u64,
    /// Spans that tail sampling left out, dropped ones included.
    pub(super) tail_not_sampled: u64,
    /// The largest first.
    pub(super) reasons: Vec<(String, u64)>,
}

/// Bytes of a limit; a process without the metric reports none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Fill {
    pub(super) used: Option<u64>,
    pub(super) limit: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Exporter {
    pub(super) connections: Option<u64>,
    pub(super) inflight_spans: Option<u64>,
    pub(super) requests: Option<u64>,
    pub(super) retries: Option<u64>,
    pub(super) p50: Option<Duration>,
    pub(super) p99: Option<Duration>,
}

/// The values that rules changed or deleted, and those that none could read.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Redaction {
    pub(super) values: u64,
    pub(super) failures: u64,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Destination {
    pub(super) endpoint: String,
    pub(super) exported: u64,
    pub(super) dropped: u64,
    pub(super) last_failure: Option<String>,
}

/// A report of the provider.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Problem {
    /// The time since the report.
    pub(super) age: Duration,
    pub(super) level: String,
    pub(super) message: String,
}

impl Model {
    /// Reads an answer. Fields that are missing or have another type are left out: the process may have another version.
    ///
    /// # Errors
    /// It is no JSON, or not of Spanwise.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let document: Value = serde_json::from_slice(body)
            .map_err(|error| format!("the answer is no JSON: {error}"))?;
        match (&document["schema"], &document["spans"]) {
            (schema, Value::Object(_)) if *schema == SCHEMA => Ok(Self::read(&document)),
            (Value::Number(schema), Value::Object(_)) => {
                Err(format!("the answer has the schema {schema}; this command reads {SCHEMA}"))
            }
            _ => Err("the answer is JSON, but not of a Spanwise process".to_owned()),
        }
    }

    fn read(document: &Value) -> Self {
        let (budget, queue, cpu) = (&document["budget"], &document["queue"], &document["cpu"]);
        let destinations = document["destinations"].as_array().into_iter().flatten();
        Self {
            service: text(&document["service_name"], MAX_NAME),
            state: text(&document["state"], MAX_NAME),
            uptime: duration(&document["uptime_seconds"]).unwrap_or_default(),
            spans: Spans::read(&document["spans"]),
            budget: Fill::read(budget),
            peak_bytes: number(&budget["peak_bytes"]),
            queue: Fill::read(queue),
            queue_spans: number(&queue["spans"]),
            sdk_cpu: cpu["sdk_percent"].as_f64(),
            exporter_cpu: cpu["exporter_percent"].as_f64(),
            exporter: Exporter::read(&document["exporter"], &document["durations"]["export"]),
            sampler: text(&document["sampler"]["description"], MAX_TEXT),
            redaction: Redaction::read(&document["redaction"]),
            destinations: destinations.take(MAX_DESTINATIONS).map(Destination::read).collect(),
            problems: problems(document),
            traces: traces::read(&document["recent_spans"]["spans"]),
        }
    }
}

impl Spans {
    /// Rows of outcomes that occur only with tail sampling or a spool.
    pub(super) fn further_rows(&self) -> u16 {
        let rows =
            [self.tail_not_sampled, self.spooled, self.recovered].map(|spans| u16::from(spans > 0));
        rows.iter().sum()
    }

    fn read(spans: &Value) -> Self {
        let count = |name: &str| number(&spans[name]).unwrap_or_default();
        let reasons = spans["dropped_by_reason"].as_object().into_iter().flatten();
        let reason =
            |(name, spans): (&String, &Value)| Some((plain(name, MAX_NAME), number(spans)?));
        let mut reasons: Vec<_> = reasons.take(MAX_REASONS).filter_map(reason).collect();
        reasons.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Self {
            created: count("created"),
            sampled_out: count("sampled_out"),
            exported: count("exported"),
            dropped: count("dropped"),
            in_flight: count("in_flight"),
            spooled: count("spooled"),
            recovered: count("recovered"),
            tail_not_sampled: count("tail_not_sampled").saturating_add(count("tail_dropped")),
            reasons,
        }
    }
}

impl Fill {
    fn read(value: &Value) -> Self {
        Self { used: number(&value["used_bytes"]), limit: number(&value["limit_bytes"]) }
    }

    /// The filled part, in 0..=1.
    pub(super) fn ratio(self) -> Option<f64> {
        let (used, limit) = (self.used?, self.limit.filter(|&limit| limit > 0)?);
        Some((used as f64 / limit as f64).min(1.0))
    }
}

impl Exporter {
    fn read(exporter: &Value, export: &Value) -> Self {
        Self {
            connections: number(&exporter["connections"]),
            inflight_spans: number(&exporter["inflight_spans"]),
            requests: number(&exporter["requests"]),
            retries: number(&exporter["retries"]),
            p50: duration(&export["p50_seconds"]),
            p99: duration(&export["p99_seconds"]),
        }
    }
}

impl Redaction {
    fn read(value: &Value) -> Option<Self> {
        let rules = value.as_object()?.get("rules")?.as_array()?;
        let values = rules.iter().filter_map(|rule| number(&rule["values"]));
        let failures = number(&value["failures"]).unwrap_or_default();
        Some(Self { values: values.fold(0, u64::saturating_add), failures })
    }
}

impl Destination {
    fn read(value: &Value) -> Self {
        Self {
            endpoint: text(&value["endpoint"], MAX_TEXT),
            exported: number(&value["exported"]).unwrap_or_default(),
            dropped: number(&value["dropped"]).unwrap_or_default(),
            last_failure: value["last_failure"].as_str().map(|failure| plain(failure, MAX_TEXT)),
        }
    }
}

fn problems(document: &Value) -> Vec<Problem> {
    let now = document["time_unix_seconds"].as_f64().unwrap_or_default();
    let reports = document["diagnostics"].as_array().into_iter().flatten().rev();
    let problem = |report: &Value| Problem {
        age: duration(&(now - report["time_unix_seconds"].as_f64().unwrap_or(now)).into())
            .unwrap_or_default(),
        level: text(&report["level"], MAX_NAME),
        message: text(&report["message"], MAX_TEXT),
    };
    reports.filter(|report| report["level"] != "info").take(MAX_PROBLEMS).map(problem).collect()
}

const SCHEMA: u64 = 1;
/// Letters of a longer text.
const MAX_TEXT: usize = 200;
const MAX_DESTINATIONS: usize = 8;
const MAX_PROBLEMS: usize = 32;
const MAX_REASONS: usize = 64;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;

    #[test]
    fn an_answer_of_another_server_is_named() {
        for (body, problem) in [
            ("<html>", "no JSON"),
            ("{}", "not of a Spanwise process"),
            ("[1]", "not of a Spanwise process"),
            (r#"{"schema":2,"spans":{}}"#, "has the schema 2; this command reads 1"),
            (r#"{"schema":1,"spans":7}"#, "not of a Spanwise process"),
            (&"[".repeat(10_000), "no JSON"),
        ] {
            let error = Model::parse(body.as_bytes()).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_field_that_is_missing_or_has_another_type_is_left_out() {
        let model = Model::parse(br#"{"schema":1,"spans":{}}"#).unwrap();
        assert_eq!(model, Model::default());
        let model = Model::parse(
            br#"{"schema":1,"service_name":7,"uptime_seconds":-1e300,"spans":{"created":-4,"dropped":1e300,
            "dropped_by_reason":{"tls":"many","rejected":3}},"queue":[],"budget":{"used_bytes":2,"limit_bytes":0},
            "destinations":[7,{"endpoint":null}],"durations":{"export":{"p99_seconds":1e300}},"cpu":null}"#,
        )
        .unwrap();
        assert_eq!((model.spans.created, model.spans.dropped), (0, u64::MAX));
        assert_eq!(model.spans.reasons, [("rejected".to_owned(), 3)]);
        assert_eq!(
            (model.budget.ratio(), model.exporter.p99, model.uptime),
            (None, None, Duration::ZERO)
        );
        assert_eq!(model.destinations, [Destination::default(), Destination::default()]);
    }

    #[test]
    fn reports_are_the_newest_first_and_information_is_left_out() {
        let report = |time: f64, level: &str| serde_json::json!({ "time_unix_seconds": time, "level": level, "message": level });
        let document = serde_json::json!({
            "schema": 1, "spans": {}, "time_unix_seconds": 100.0,
            "diagnostics": [report(90.0, "warn"), report(91.0, "info"), report(101.0, "error")],
        });
        let model = Model::parse(document.to_string().as_bytes()).unwrap();
        let shown: Vec<_> =
            model.problems.iter().map(|it| (it.age.as_secs(), it.message.as_str())).collect();
        assert_eq!(shown, [(0, "error"), (10, "warn")]);
    }

    #[test]
    fn names_of_the_process_are_harmless_and_lists_are_bounded() {
        let reasons: Vec<String> = (0..999).map(|index| format!("\"r{index}\":1")).collect();
        let destination =
            r#"{"endpoint":"http://a\u001b[2J","last_failure":"\u009b2Jbroken\u202e"}"#;
        let body = format!(
            r#"{{"schema":1,"service_name":"shop\u001b]0;x\u0007{}","spans":{{"dropped_by_reason":{{"\u001bx":2,{}}}}},
            "destinations":[{}]}}"#,
            "y".repeat(999),
            reasons.join(","),
            [destination; 99].join(",")
        );
        let model = Model::parse(body.as_bytes()).unwrap();
        assert!(
            model.service.starts_with("shop]0;xyyy") && model.service.chars().count() == MAX_NAME
        );
        assert_eq!(model.destinations.len(), MAX_DESTINATIONS);
        assert_eq!(model.destinations[0].endpoint, "http://a[2J");
        assert_eq!(model.destinations[0].last_failure.as_deref(), Some("2Jbroken"));
        assert_eq!(model.spans.reasons.len(), MAX_REASONS);
        assert_eq!(model.spans.reasons[0], ("x".to_owned(), 2));
    }
}
