//! The rules: their JSON form, and how they match spans.

use super::limits::Limits;
use super::wildcard::Wildcard;
use crate::attributes::Attributes;
use crate::limits::SHOWN_BYTES;
use crate::parameters::SamplingParameters;
use serde_json::Value as Json;
use spanwise_wire::Value;
use spanwise_worker::sanitize;
use std::fmt;
use std::sync::Arc;

/// The definition of a rule (`SamplingRule` of X-Ray's API), as far as the sampler can match it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Definition {
    pub(super) priority: i64,
    pub(super) name: String,
    pub(super) rate: f64,
    pub(super) reservoir: u64,
    service: Wildcard,
    service_type: Wildcard,
    resource: Wildcard,
    host: Wildcard,
    method: Wildcard,
    path: Wildcard,
    attributes: Vec<(String, Wildcard)>,
}

/// A rule in force.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) definition: Definition,
    /// Shared by all definitions of the rule of this name.
    pub(super) limits: Arc<Limits>,
}

/// A page of rules; another page may follow.
#[derive(Debug, PartialEq)]
pub(super) struct Page {
    pub(super) rules: Vec<Definition>,
    pub(super) next: Option<String>,
}

/// A response of X-Ray is malformed, or X-Ray rejected a report.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum XrayError {
    /// Not JSON, or nested too deeply.
    Json(String),
    /// A field is absent, or its value is out of range.
    Field {
        /// The field's name.
        field: &'static str,
        /// The accepted range.
        accepted: &'static str,
    },
    /// X-Ray has more than 1,000 rules, or more than 100 pages of them.
    TooManyRules,
    /// X-Ray rejected this number of statistics; the targets of the response are applied.
    Unprocessed(usize),
}

impl fmt::Display for XrayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(problem) => write!(f, "X-Ray's answer is not JSON: {problem}"),
            Self::Field { field, accepted } => {
                write!(f, "X-Ray's answer has no usable `{field}`: accepted is {accepted}")
            }
            Self::TooManyRules => {
                f.write_str("X-Ray has too many sampling rules: accepted are 1,000 on 100 pages")
            }
            Self::Unprocessed(count) => {
                write!(f, "X-Ray did not process {count} reports on sampling rules")
            }
        }
    }
}

impl std::error::Error for XrayError {}

impl fmt::Debug for XrayError {
    /// Equals `Display`: a `main` that returns an error prints its `Debug`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Page {
    /// Parses the response of `GetSamplingRules`. Rules of a version other than 1 are ignored, as the
    /// protocol requires.
    ///
    /// # Errors
    /// See [`XrayError`]. A response that is malformed anywhere is rejected as a whole.
    pub(super) fn parse(json: &[u8]) -> Result<Self, XrayError> {
        let response = read(json)?;
        let records = list(&response, "SamplingRuleRecords")?;
        if records.len() > RULES {
            return Err(XrayError::TooManyRules);
        }
        let rules = records.iter().map(|record| &record["SamplingRule"]);
        let rules =
            rules.filter(|rule| rule["Version"].as_i64().is_none_or(|version| version == 1));
        let next = response["NextToken"].as_str().filter(|token| !token.is_empty());
        Ok(Self {
            rules: rules.map(Definition::parse).collect::<Result<_, _>>()?,
            next: next.map(str::to_owned),
        })
    }
}

impl Definition {
    fn parse(rule: &Json) -> Result<Self, XrayError> {
        let pattern = |field| match present(rule, field) {
            None => Ok(Wildcard::new("*")),
            Some(value) => short(value).map(Wildcard::new).ok_or(wrong(field, PATTERN_TEXT)),
        };
        let attributes = match present(rule, "Attributes") {
            None => Vec::new(),
            Some(map) => map
                .as_object()
                .filter(|map| map.len() <= RULE_ATTRIBUTES)
                .and_then(|map| {
                    let pair = |(key, value): (&String, &Json)| {
                        let fits = key.len() <= PATTERN_BYTES;
                        Some((key.clone(), Wildcard::new(short(value).filter(|_| fits)?)))
                    };
                    map.iter().map(pair).collect()
                })
                .ok_or(wrong("Attributes", "at most 64 strings of at most 512 bytes"))?,
        };
        Ok(Self {
            priority: rule["Priority"].as_i64().ok_or(wrong("Priority", "a whole number"))?,
            name: short(&rule["RuleName"])
                .filter(|name| !name.is_empty())
                .ok_or(wrong("RuleName", PATTERN_TEXT))?
                .to_owned(),
            rate: number(&rule["FixedRate"], "FixedRate", "0 to 1", 1.0)?,
            reservoir: number(&rule["ReservoirSize"], "ReservoirSize", "0 to 1e9", 1e9)? as u64,
            service: pattern("ServiceName")?,
            service_type: pattern("ServiceType")?,
            resource: pattern("ResourceARN")?,
            host: pattern("Host")?,
            method: pattern("HTTPMethod")?,
            path: pattern("URLPath")?,
            attributes,
        })
    }

    /// Whether the rule can match spans of the service of this name. The type of the service and its
    /// resource are unknown.
    pub(super) fn concerns(&self, service: &str) -> bool {
        self.service.matches(Some(service))
            && self.service_type.matches(None)
            && self.resource.matches(None)
    }

    fn matches(&self, params: &SamplingParameters<'_>) -> bool {
        let attributes = params.attributes;
        // A pattern that matches all text needs no look-up.
        let like = |pattern: &Wildcard, keys: &[&str]| {
            pattern.is_any() || pattern.matches(keys.iter().find_map(|key| text(attributes, key)))
        };
        like(&self.method, &["http.request.method", "http.method"])
            && like(&self.host, &["server.address", "http.host", "net.host.name"])
            && (self.path.is_any() || self.path.matches(path(attributes)))
            && self.attributes.iter().all(|(key, pattern)| like(pattern, &[key]))
    }
}

impl Rule {
    pub(super) fn new(definition: Definition) -> Self {
        let limits = Limits::new(definition.rate, definition.reservoir > 0);
        Self { definition, limits: Arc::new(limits) }
    }

    /// The rule with a new definition, and the counts, the quota and the reservoir of this one.
    pub(super) fn redefined(&self, definition: Definition) -> Self {
        let limits = self.limits.clone();
        if definition.rate != self.definition.rate {
            limits.set_rate(definition.rate);
        }
        limits.set_may_borrow(definition.reservoir > 0);
        Self { definition, limits }
    }

    pub(super) fn matches(&self, params: &SamplingParameters<'_>) -> bool {
        self.definition.matches(params)
    }
}

fn path(attributes: &dyn Attributes) -> Option<&str> {
    text(attributes, "url.path").or_else(|| text(attributes, "http.target")?.split('?').next())
}

/// The text of a string or boolean; `None` for other values.
fn text<'a>(attributes: &'a dyn Attributes, key: &str) -> Option<&'a str> {
    match attributes.get(key)? {
        Value::Str(text) => Some(text),
        Value::Bool(bool) => Some(if bool { "true" } else { "false" }),
        _ => None,
    }
}

pub(super) fn read(json: &[u8]) -> Result<Json, XrayError> {
    serde_json::from_slice(json)
        .map_err(|error| XrayError::Json(sanitize(&error.to_string(), SHOWN_BYTES)))
}

/// The value of a field; `None` if it is absent or `null`.
pub(super) fn present<'v>(value: &'v Json, field: &str) -> Option<&'v Json> {
    value.get(field).filter(|value| !value.is_null())
}

pub(super) fn list<'v>(value: &'v Json, field: &'static str) -> Result<&'v [Json], XrayError> {
    value[field].as_array().map(Vec::as_slice).ok_or(wrong(field, "a list"))
}

/// A number, 0 to `max`.
pub(super) fn number(
    value: &Json,
    field: &'static str,
    accepted: &'static str,
    max: f64,
) -> Result<f64, XrayError> {
    let number = value.as_f64().filter(|number| (0.0..=max).contains(number));
    number.ok_or(wrong(field, accepted))
}

fn short(value: &Json) -> Option<&str> {
    value.as_str().filter(|text| text.len() <= PATTERN_BYTES)
}

fn wrong(field: &'static str, accepted: &'static str) -> XrayError {
    XrayError::Field { field, accepted }
}

/// The maximum length of a pattern, a name or a key, in bytes; X-Ray's own limits are lower. A
/// pattern costs each root up to its length times that of the text it is compared with.
const PATTERN_BYTES: usize = 512;
const PATTERN_TEXT: &str = "a string of at most 512 bytes";
/// The maximum number of attributes in a rule; X-Ray's own limit is lower.
const RULE_ATTRIBUTES: usize = 64;
/// The maximum number of rules.
pub(super) const RULES: usize = 1_000;
