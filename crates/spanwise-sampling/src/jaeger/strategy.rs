//! The response of the sampling endpoint.

use crate::limits::SHOWN_BYTES;
use serde_json::Value;
use spanwise_worker::sanitize;
use std::fmt;
use std::ops::RangeInclusive;

/// A sampling strategy (`SamplingStrategyResponse` of jaeger-idl's `sampling.proto`, in its JSON
/// form).
#[derive(Debug, Clone, PartialEq)]
pub enum JaegerStrategy {
    /// One probability for all operations.
    Probabilistic(f64),
    /// A limit in traces per second.
    RateLimiting(f64),
    /// A probability for each operation, which is a span's name.
    PerOperation {
        /// The probability of operations that are not listed.
        default: f64,
        /// The minimum of traces per second of each operation; 0 for none.
        lower_bound: f64,
        /// Probabilities by operation.
        operations: Vec<(String, f64)>,
    },
}

/// A response of the sampling endpoint is malformed.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum JaegerStrategyError {
    /// Not JSON, or nested too deeply.
    Json(String),
    /// There is no strategy, or the value of a field is out of range.
    Field {
        /// The field's name.
        field: &'static str,
        /// The accepted range.
        accepted: &'static str,
    },
    /// The strategy lists more than 2,000 operations.
    TooManyOperations(usize),
}

impl fmt::Display for JaegerStrategyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(problem) => write!(f, "the sampling strategy is not JSON: {problem}"),
            Self::Field { field, accepted } => {
                write!(f, "the sampling strategy has no usable `{field}`: accepted is {accepted}")
            }
            Self::TooManyOperations(count) => {
                write!(f, "the sampling strategy lists {count} operations: accepted are 2,000")
            }
        }
    }
}

impl std::error::Error for JaegerStrategyError {}

impl fmt::Debug for JaegerStrategyError {
    /// Equals `Display`: a `main` that returns an error prints its `Debug`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl JaegerStrategy {
    /// Parses a response in proto3's JSON form: an absent or `null` scalar is 0 or empty, numbers may
    /// be quoted, names may be those of the `.proto` file (`sampling_rate`), and unknown fields are
    /// ignored. As the protocol requires, the present fields determine the kind of the strategy,
    /// those per operation first, and not `strategyType`.
    ///
    /// # Errors
    /// See [`JaegerStrategyError`]. A response that is malformed anywhere is rejected as a whole.
    pub fn parse(json: &[u8]) -> Result<Self, JaegerStrategyError> {
        let answer: Value = serde_json::from_slice(json).map_err(|error| {
            JaegerStrategyError::Json(sanitize(&error.to_string(), SHOWN_BYTES))
        })?;
        if let Some(kind) = TYPE.of(&answer)
            && !kind.is_string()
            && !kind.is_i64()
        {
            return Err(TYPE.wrong("a name or a whole number"));
        }
        if let Some(operations) = OPERATION_SAMPLING.message(&answer)? {
            return per_operation(operations);
        }
        if let Some(limit) = RATE_LIMITING.message(&answer)? {
            return Ok(Self::RateLimiting(MAX_TRACES.integer(limit)?));
        }
        match PROBABILISTIC.message(&answer)? {
            Some(sampling) => Ok(Self::Probabilistic(SAMPLING_RATE.probability(sampling)?)),
            None => Err(PROBABILISTIC
                .wrong("operationSampling, rateLimitingSampling or probabilisticSampling")),
        }
    }
}

fn per_operation(sampling: &Value) -> Result<JaegerStrategy, JaegerStrategyError> {
    let listed = match STRATEGIES.of(sampling) {
        None => &[][..],
        Some(list) => list.as_array().ok_or(STRATEGIES.wrong("a list of objects"))?,
    };
    if listed.len() > OPERATIONS {
        return Err(JaegerStrategyError::TooManyOperations(listed.len()));
    }
    let operation = |entry: &Value| {
        if !entry.is_object() {
            return Err(STRATEGIES.wrong("a list of objects"));
        }
        let name = match OPERATION.of(entry) {
            None => "",
            Some(name) => name.as_str().ok_or(OPERATION.wrong("a string"))?,
        };
        let sampling = PROBABILISTIC.message(entry)?;
        let rate = sampling.map_or(Ok(0.0), |sampling| SAMPLING_RATE.probability(sampling))?;
        Ok((name.to_owned(), rate))
    };
    Ok(JaegerStrategy::PerOperation {
        default: DEFAULT.probability(sampling)?,
        lower_bound: LOWER_BOUND.number(sampling, 0.0..=1e9, "0 to 1e9")?,
        operations: listed.iter().map(operation).collect::<Result<_, _>>()?,
    })
}

/// A field, by its names in JSON and in the `.proto` file: parsers accept both.
struct Field(&'static str, &'static str);

impl Field {
    /// The value of the field; `None` if it is absent or `null`.
    fn of<'v>(&self, message: &'v Value) -> Option<&'v Value> {
        let value = |name| message.get(name).filter(|value: &&Value| !value.is_null());
        value(self.0).or_else(|| value(self.1))
    }

    /// The message in the field.
    fn message<'v>(&self, message: &'v Value) -> Result<Option<&'v Value>, JaegerStrategyError> {
        match self.of(message) {
            Some(value) if !value.is_object() => Err(self.wrong("an object")),
            value => Ok(value),
        }
    }

    fn probability(&self, message: &Value) -> Result<f64, JaegerStrategyError> {
        self.number(message, 0.0..=1.0, "0 to 1")
    }

    /// An `int32` of at least 0; fractions are accepted too.
    fn integer(&self, message: &Value) -> Result<f64, JaegerStrategyError> {
        self.number(message, 0.0..=f64::from(i32::MAX), "0 to 2147483647")
    }

    fn number(
        &self,
        message: &Value,
        range: RangeInclusive<f64>,
        accepted: &'static str,
    ) -> Result<f64, JaegerStrategyError> {
        let number = match self.of(message) {
            None => Some(0.0),
            Some(Value::String(text)) => quoted(text),
            Some(value) => value.as_f64(),
        };
        // Replaces −0 by 0, since strategies are compared.
        let number = number.filter(|number| range.contains(number)).map(|number| number + 0.0);
        number.ok_or(self.wrong(accepted))
    }

    fn wrong(&self, accepted: &'static str) -> JaegerStrategyError {
        JaegerStrategyError::Field { field: self.0, accepted }
    }
}

/// Parses a quoted number in JSON syntax.
fn quoted(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if plain { serde_json::from_str(text).ok() } else { None }
}

const TYPE: Field = Field("strategyType", "strategy_type");
const OPERATION_SAMPLING: Field = Field("operationSampling", "operation_sampling");
const RATE_LIMITING: Field = Field("rateLimitingSampling", "rate_limiting_sampling");
const PROBABILISTIC: Field = Field("probabilisticSampling", "probabilistic_sampling");
const STRATEGIES: Field = Field("perOperationStrategies", "per_operation_strategies");
const OPERATION: Field = Field("operation", "operation");
const SAMPLING_RATE: Field = Field("samplingRate", "sampling_rate");
const MAX_TRACES: Field = Field("maxTracesPerSecond", "max_traces_per_second");
const DEFAULT: Field = Field("defaultSamplingProbability", "default_sampling_probability");
const LOWER_BOUND: Field =
    Field("defaultLowerBoundTracesPerSecond", "default_lower_bound_traces_per_second");

/// Jaeger's own limit of operations per service.
pub(super) const OPERATIONS: usize = 2_000;
