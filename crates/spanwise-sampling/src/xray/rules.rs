//! The rules: read, and matched.

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

/// A rule as X-Ray keeps it (`SamplingRule` of its API), as far as it can be matched here.
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
    /// Stay the same when the rule of this name is defined anew.
    pub(super) limits: Arc<Limits>,
}

/// One answer may be followed by more.
#[derive(Debug, PartialEq)]
pub(super) struct Page {
    pub(super) rules: Vec<Definition>,
    pub(super) next: Option<String>,
}

/// An answer of X-Ray that cannot be used.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum XrayError {
    /// Not JSON, or nested too deeply.
    Json(String),
    /// A field is missing, or holds what it must not.
    Field {
        /// The field's name.
        field: &'static str,
        /// What it takes.
        accepted: &'static str,
    },
    /// More rules than are taken, or more pages of them.
    TooManyRules,
    /// Statistics were not taken; what else the answer holds is in force.
    Unprocessed(usize),
}

impl fmt::Display for XrayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(problem) => write!(f, "X-Ray's answer is not JSON: {problem}"),
            Self::Field { field, accepted } => {
                write!(f, "X-Ray's answer has no usable `{field}`: accepted is {accepted}")
            }
            Self::TooManyRules => f.write_str(
                "X-Ray has more sampling rules than are taken: accepted are 1,000 on 100 pages",
            ),
            Self::Unprocessed(count) => {
                write!(f, "X-Ray did not take {count} reports on sampling rules")
            }
        }
    }
}

impl std::error::Error for XrayError {}

impl fmt::Debug for XrayError {
    /// As `Display`: it is what a `main` that returns an error prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Page {
    /// Reads the answer of `GetSamplingRules`. Rules of a version other than 1 are left out, as
    /// the protocol wants.
    ///
    /// # Errors
    /// See [`XrayError`]. Nothing is taken from an answer that is wrong anywhere.
    pub(super) fn parse(json: &[u8]) -> Result<Self, XrayError> {
        let answer = read(json)?;
        let records = list(&answer, "SamplingRuleRecords")?;
        if records.len() > RULES {
            return Err(XrayError::TooManyRules);
        }
        let rules = records.iter().map(|record| &record["SamplingRule"]);
        let rules =
            rules.filter(|rule| rule["Version"].as_i64().is_none_or(|version| version == 1));
        let next = answer["NextToken"].as_str().filter(|token| !token.is_empty());
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

    /// Whether it can match anything in the service of this name. What kind of service it is, and
    /// by which resource it runs, is not known.
    pub(super) fn concerns(&self, service: &str) -> bool {
        self.service.matches(Some(service))
            && self.service_type.matches(None)
            && self.resource.matches(None)
    }

    fn matches(&self, params: &SamplingParameters<'_>) -> bool {
        let attributes = params.attributes;
        // Not looked up if anything would do.
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

    /// The rule of this name as it is defined now, with the counts, the quota and the second's
    /// reservoir that it has.
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

/// A string, or a boolean as it is written; of others nothing is seen.
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

/// A field that is there and not `null`.
pub(super) fn present<'v>(value: &'v Json, field: &str) -> Option<&'v Json> {
    value.get(field).filter(|value| !value.is_null())
}

pub(super) fn list<'v>(value: &'v Json, field: &'static str) -> Result<&'v [Json], XrayError> {
    value[field].as_array().map(Vec::as_slice).ok_or(wrong(field, "a list"))
}

/// 0 to `most`.
pub(super) fn number(
    value: &Json,
    field: &'static str,
    accepted: &'static str,
    most: f64,
) -> Result<f64, XrayError> {
    let number = value.as_f64().filter(|number| (0.0..=most).contains(number));
    number.ok_or(wrong(field, accepted))
}

fn short(value: &Json) -> Option<&str> {
    value.as_str().filter(|text| text.len() <= PATTERN_BYTES)
}

fn wrong(field: &'static str, accepted: &'static str) -> XrayError {
    XrayError::Field { field, accepted }
}

/// Bytes of a pattern, a name or a key in one; X-Ray's own bounds are below. A pattern costs each
/// root up to its length times that of what it is compared with.
const PATTERN_BYTES: usize = 512;
const PATTERN_TEXT: &str = "a string of at most 512 bytes";
/// Attributes that a rule compares; X-Ray's own bound is below.
const RULE_ATTRIBUTES: usize = 64;
/// X-Ray's rules.
pub(super) const RULES: usize = 1_000;
