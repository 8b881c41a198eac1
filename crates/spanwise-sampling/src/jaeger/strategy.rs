//! The answer of the sampling endpoint.

use crate::limits::{OPERATIONS, SHOWN_BYTES};
use serde_json::Value;
use spanwise_worker::sanitize;

/// What a service is asked to do (`SamplingStrategyResponse` of jaeger-idl's `sampling.proto`, in
/// its JSON form).
#[derive(Debug, Clone, PartialEq)]
pub enum Strategy {
    /// All operations with one probability.
    Probabilistic(f64),
    /// So many traces per second.
    RateLimiting(f64),
    /// A probability for each operation, which is a span's name.
    PerOperation {
        /// For operations that are not listed.
        default: f64,
        /// Traces per second that each operation gets at least; 0 for none.
        lower_bound: f64,
        /// Probabilities by operation.
        operations: Vec<(String, f64)>,
    },
}

/// An answer that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StrategyError {
    /// Not JSON, or nested too deeply.
    #[error("the sampling strategy is not JSON: {0}")]
    Json(String),
    /// A field is missing, or holds what it must not.
    #[error("the sampling strategy has no usable `{field}`: accepted is {accepted}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What it takes.
        accepted: &'static str,
    },
    /// More operations than are taken.
    #[error("the sampling strategy lists {0} operations: accepted are 2,000")]
    TooManyOperations(usize),
}

impl Strategy {
    /// Reads an answer. As the protocol wants, the fields that are there decide, those per
    /// operation first, and `strategyType` does not.
    ///
    /// # Errors
    /// See [`StrategyError`]. Nothing is taken from an answer that is wrong anywhere.
    pub fn parse(json: &[u8]) -> Result<Self, StrategyError> {
        let answer: Value = serde_json::from_slice(json)
            .map_err(|error| StrategyError::Json(sanitize(&error.to_string(), SHOWN_BYTES)))?;
        if let Some(operations) = present(&answer, "operationSampling") {
            return per_operation(operations);
        }
        if let Some(limit) = present(&answer, "rateLimitingSampling") {
            let rate = number(limit, "maxTracesPerSecond", "0 to 1e9", 0.0..=1e9)?;
            return Ok(Self::RateLimiting(rate));
        }
        match present(&answer, "probabilisticSampling") {
            Some(sampling) => Ok(Self::Probabilistic(probability(sampling, "samplingRate")?)),
            None => Err(StrategyError::Field {
                field: "probabilisticSampling",
                accepted: "operationSampling, rateLimitingSampling or probabilisticSampling",
            }),
        }
    }
}

fn per_operation(sampling: &Value) -> Result<Strategy, StrategyError> {
    let listed = match present(sampling, "perOperationStrategies") {
        None => &Vec::new(),
        Some(list) => list
            .as_array()
            .ok_or(StrategyError::Field { field: "perOperationStrategies", accepted: "a list" })?,
    };
    if listed.len() > OPERATIONS {
        return Err(StrategyError::TooManyOperations(listed.len()));
    }
    let operation = |entry: &Value| {
        let name = entry["operation"]
            .as_str()
            .ok_or(StrategyError::Field { field: "operation", accepted: "a string" })?;
        Ok((name.to_owned(), probability(&entry["probabilisticSampling"], "samplingRate")?))
    };
    Ok(Strategy::PerOperation {
        default: probability(sampling, "defaultSamplingProbability")?,
        lower_bound: match present(sampling, LOWER_BOUND) {
            None => 0.0,
            Some(_) => number(sampling, LOWER_BOUND, "0 to 1e9", 0.0..=1e9)?,
        },
        operations: listed.iter().map(operation).collect::<Result<_, _>>()?,
    })
}

/// A field that is there and not `null`.
fn present<'v>(value: &'v Value, field: &str) -> Option<&'v Value> {
    value.get(field).filter(|value| !value.is_null())
}

fn probability(value: &Value, field: &'static str) -> Result<f64, StrategyError> {
    number(value, field, "0 to 1", 0.0..=1.0)
}

fn number(
    value: &Value,
    field: &'static str,
    accepted: &'static str,
    range: std::ops::RangeInclusive<f64>,
) -> Result<f64, StrategyError> {
    let number = value[field].as_f64().filter(|number| range.contains(number));
    number.ok_or(StrategyError::Field { field, accepted })
}

const LOWER_BOUND: &str = "defaultLowerBoundTracesPerSecond";
