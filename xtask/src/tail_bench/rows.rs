//! The rows of the table, and their policies.

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// The measurement, as both programs name it.
    pub(super) kind: &'static str,
    /// The block of the processor.
    pub(super) policies: &'static str,
    pub(super) unit: Unit,
    pub(super) cpus: usize,
    /// Whether some traces are sampled.
    pub(super) samples: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    NanosPerSpan,
    NanosPerTrace,
    BytesPerSpan,
}

impl Unit {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NanosPerSpan => "ns/span",
            Self::NanosPerTrace => "ns/trace",
            Self::BytesPerSpan => "B/span",
        }
    }
}

const fn row(name: &'static str, kind: &'static str, policies: &'static str, unit: Unit) -> Row {
    Row { name, kind, policies, unit, cpus: 1, samples: false }
}

pub(super) const ROWS: &[Row] = &[
    row("tail-append", "append", SIMPLE, Unit::NanosPerSpan),
    row("tail-append-bytes", "append-bytes", SIMPLE, Unit::NanosPerSpan),
    Row { cpus: 2, ..row("tail-append-bytes-2", "append-bytes", SIMPLE_2, Unit::NanosPerSpan) },
    row("tail-decide-simple", "decide", SIMPLE, Unit::NanosPerTrace),
    row("tail-decide-ottl-1", "decide", OTTL_1, Unit::NanosPerSpan),
    row("tail-decide-ottl-5", "decide", OTTL_5, Unit::NanosPerSpan),
    Row { samples: true, ..row("tail-decide-sampling", "decide", SAMPLING, Unit::NanosPerSpan) },
    row("tail-late", "late", CACHED, Unit::NanosPerSpan),
    row("tail-memory", "memory", SIMPLE, Unit::BytesPerSpan),
    row("tail-resident", "resident", SIMPLE, Unit::BytesPerSpan),
];

macro_rules! block {
    ($settings:literal, $policies:expr) => {
        concat!("num_traces: 100000\n", $settings, "policies:\n", $policies)
    };
}

macro_rules! simple {
    () => {
        "  - {name: slow, type: latency, latency: {threshold_ms: 100}}\n  - {name: ok, type: status_code, status_code: {status_codes: [OK]}}\n"
    };
}

macro_rules! condition {
    ($name:literal, $condition:literal) => {
        concat!(
            "  - {name: ",
            $name,
            ", type: ottl_condition, ottl_condition: {error_mode: ignore, span: ['",
            $condition,
            "']}}\n"
        )
    };
}

/// Two policies that sample nothing.
const SIMPLE: &str = block!("decision_wait: 60s\n", simple!());
const SIMPLE_2: &str = block!("decision_wait: 60s\nnum_shards: 2\n", simple!());
const CACHED: &str = block!(
    "decision_wait: 1s\ndecision_cache: {sampled_cache_size: 100000, non_sampled_cache_size: 100000}\n",
    simple!()
);
const OTTL_1: &str = block!(
    "decision_wait: 60s\n",
    condition!("a", r#"attributes["http.request.method"] == "PUT""#)
);
const OTTL_5: &str = block!(
    "decision_wait: 60s\n",
    concat!(
        condition!("a", r#"attributes["http.request.method"] == "PUT""#),
        condition!("b", r#"attributes["attr_k_1"] == "attr_v_2""#),
        condition!("c", r#"attributes["http.response.status_code"] >= 500"#),
        condition!("d", r#"attributes["url.path"] == "/health""#),
        condition!("e", r#"name == "other""#)
    )
);
/// The policies of the Collector's own benchmark, without the one that samples everything.
pub(super) const SAMPLING: &str = block!(
    "decision_wait: 60s\n",
    concat!(
        "  - {name: latency, type: latency, latency: {threshold_ms: 1}}\n",
        condition!("ottl", r#"attributes["attr_k_1"] == "attr_v_1""#),
        "  - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}\n"
    )
);

/// The settings of a row, without a warning.
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
pub(super) fn config(policies: &str) -> spanwise_tail::TailSamplingConfig {
    use spanwise_config::Document;
    let document = Document::parse("row.yaml", policies.as_bytes(), |_| None).unwrap();
    let read = spanwise_tail::TailSamplingConfig::from_document(&document, None).unwrap();
    assert!(read.warnings.is_empty(), "{policies}");
    read.value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_row_has_policies_that_sample() {
        let names: Vec<&str> = ROWS.iter().filter(|row| row.samples).map(|row| row.name).collect();
        assert_eq!(names, ["tail-decide-sampling"]);
        ROWS.iter().for_each(|row| drop(config(row.policies)));
    }
}
