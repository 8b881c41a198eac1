//! The reports on rules, and the targets in their responses.

use super::limits::Counts;
use super::rules::{XrayError, list, number, present, read};
use serde_json::json;

/// A report on one rule (`SamplingStatisticsDocument`).
pub(super) struct Statistics<'a> {
    pub(super) rule: &'a str,
    pub(super) counts: Counts,
}

/// The body of a request with reports.
pub(super) fn report<'a>(
    client: &str,
    unix_seconds: u64,
    statistics: impl Iterator<Item = Statistics<'a>>,
) -> String {
    let document = |Statistics { rule, counts }: Statistics<'_>| {
        json!({
            "RuleName": rule,
            "ClientID": client,
            "Timestamp": unix_seconds,
            "RequestCount": counts.matched,
            "SampledCount": counts.sampled,
            "BorrowCount": counts.borrowed,
        })
    };
    let documents: Vec<_> = statistics.map(document).collect();
    json!({ "SamplingStatisticsDocuments": documents }).to_string()
}

/// The response to reports.
#[derive(Debug, PartialEq)]
pub(super) struct Targets {
    pub(super) targets: Vec<Target>,
    /// The time of the last change of the rules, in seconds since 1970.
    pub(super) modified: Option<f64>,
    /// The number of reports that X-Ray did not process.
    pub(super) unprocessed: usize,
}

/// The target of one rule (`SamplingTargetDocument`).
#[derive(Debug, PartialEq)]
pub(super) struct Target {
    pub(super) rule: String,
    pub(super) rate: Option<f64>,
    /// The quota in traces per second, and the end of its validity in seconds since 1970.
    pub(super) quota: Option<(u64, f64)>,
    /// The seconds until the next report.
    pub(super) interval: Option<f64>,
}

impl Targets {
    /// # Errors
    /// See [`XrayError`]. A response that is malformed anywhere is rejected as a whole.
    pub(super) fn parse(json: &[u8]) -> Result<Self, XrayError> {
        let response = read(json)?;
        let target = |target: &serde_json::Value| {
            let optional = |field, accepted, max| {
                present(target, field).map(|value| number(value, field, accepted, max)).transpose()
            };
            let quota = optional("ReservoirQuota", "0 to 1e9", 1e9)?;
            let until = optional("ReservoirQuotaTTL", "seconds since 1970", 1e12)?;
            Ok(Target {
                rule: target["RuleName"]
                    .as_str()
                    .ok_or(XrayError::Field { field: "RuleName", accepted: "a string" })?
                    .to_owned(),
                rate: optional("FixedRate", "0 to 1", 1.0)?,
                quota: quota.zip(until).map(|(quota, until)| (quota as u64, until)),
                interval: optional("Interval", "seconds, 0 to 1e9", 1e9)?,
            })
        };
        let targets = list(&response, "SamplingTargetDocuments")?;
        Ok(Self {
            targets: targets.iter().map(target).collect::<Result<_, _>>()?,
            modified: response["LastRuleModification"].as_f64(),
            unprocessed: response["UnprocessedStatistics"].as_array().map_or(0, Vec::len),
        })
    }
}
