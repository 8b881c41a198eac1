//! The resource: the service name, the SDK, and attributes of detectors, environment and code.

use super::builder::SpanwiseBuilder;
use super::environment::Environment;
use super::error::BuildError;
use super::explain::Origin;
use super::redaction::shown;
use super::{resource_detectors, settings};
use opentelemetry::{KeyValue, Value};
use spanwise_wire::write::encode_resource;

use crate::value::pairs;

/// The encoded resource, and its service name.
pub(crate) struct Resource {
    pub(crate) encoded: Vec<u8>,
    pub(crate) service_name: String,
}

impl Resource {
    /// Merges defaults, detected attributes, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SERVICE_NAME` and the
    /// attributes in code; later ones replace earlier ones.
    ///
    /// Every request repeats the resource, so it takes at most `max_bytes`: attributes of detectors and of
    /// the environment beyond that are dropped and reported.
    ///
    /// # Errors
    /// The attributes in code take more than `max_bytes`.
    pub(super) fn of_builder(
        builder: &mut SpanwiseBuilder,
        environment: &Environment,
        max_bytes: usize,
    ) -> Result<Self, BuildError> {
        let service_name = builder.service_name.take();
        let attributes = std::mem::take(&mut builder.resource);
        let schema_url = &*builder.schema_url;
        let max_bytes = max_bytes.min(MAX_RESOURCE_BYTES);
        for (origin, part) in
            environment.recorder().parts(&settings::RESOURCE_ATTRIBUTES, &attributes, |given| {
                given.resource_attributes
            })
        {
            let list = || listed(part);
            environment.recorder().effective_from(&settings::RESOURCE_ATTRIBUTES, origin, list);
        }
        let code = from_code(service_name.clone(), attributes);
        let accepted = format!("at most {max_bytes} bytes with the rest of the resource, encoded");
        let mut all = defaults();
        let fits = |more: &[KeyValue], all: &[KeyValue]| {
            let all = pairs(all).chain(pairs(more)).chain(pairs(&code));
            encode_resource(all, schema_url).len() <= max_bytes
        };
        if !fits(&[], &all) {
            let len = encode_resource(pairs(&all).chain(pairs(&code)), schema_url).len();
            let problem =
                format!("the resource takes {len} bytes, encoded; accepted is up to {max_bytes}");
            let name = service_name.map_or(0, |name| name.len());
            let (setting, bytes) = [
                ("with_resource", len.saturating_sub(name + schema_url.len())),
                ("with_service_name", name),
                ("with_schema_url", schema_url.len()),
            ]
            .into_iter()
            .max_by_key(|(_, bytes)| *bytes)
            .unwrap_or(("with_resource", len));
            return Err(BuildError::setting(setting, format!("{bytes} bytes"), problem));
        }
        let detectors = builder.detectors.take();
        for attribute in resource_detectors::detected(detectors, &builder.detected, environment) {
            let key = attribute.key.clone();
            match fits(std::slice::from_ref(&attribute), &all) {
                true => all.push(attribute),
                false => environment.not_detected(key, format!("accepted is {accepted}")),
            }
        }
        if let Some((setting, list)) = environment.text(&settings::RESOURCE_ATTRIBUTES) {
            match parse_list(&list) {
                Some(entries) if fits(&entries, &all) => {
                    let attributes = &settings::RESOURCE_ATTRIBUTES;
                    let origin = Origin::Variable { name: setting };
                    environment.recorder().effective_from(attributes, origin, || listed(&entries));
                    if entries.iter().any(|it| it.key.as_str() == SERVICE_NAME) {
                        environment.recorder().used(&settings::SERVICE_NAME, setting);
                    }
                    all.extend(entries);
                }
                Some(_) => {
                    environment.ignore(setting, &format!("[{} bytes]", list.len()), &accepted);
                }
                None => environment.ignore(
                    setting,
                    &format!("[entry {}]", broken_entry(&list)),
                    "a list of key=value, percent-encoded",
                ),
            }
        }
        if let Some((setting, name)) = environment.text(&settings::SERVICE_NAME) {
            let named = [KeyValue::new(SERVICE_NAME, name.clone())];
            match fits(&named, &all) {
                true => {
                    environment.recorder().used(&settings::SERVICE_NAME, setting);
                    all.extend(named);
                }
                false => environment.ignore(setting, &shown(&name), &accepted),
            }
        }
        all.extend(code);
        let named = all.iter().rev().find(|attribute| attribute.key.as_str() == SERVICE_NAME);
        let service_name = named.map(|name| name.value.as_str().into_owned()).unwrap_or_default();
        let names = all.iter().filter(|attribute| attribute.key.as_str() == SERVICE_NAME).count();
        let recorder = environment.recorder();
        match names {
            // A file may have attributes without a name.
            1 => recorder
                .effective_from(&settings::SERVICE_NAME, Origin::Default, || shown(&service_name)),
            _ => recorder.effective(&settings::SERVICE_NAME, || shown(&service_name)),
        }
        environment.effective(&settings::SCHEMA_URL, || shown(schema_url));
        let encoded = encode_resource(pairs(&all), schema_url);
        Ok(Self { encoded: builder.redacted_resource(encoded), service_name })
    }
}

/// The attributes in the form of the variable.
fn listed(attributes: &[KeyValue]) -> String {
    let entry = |it: &KeyValue| format!("{}={}", it.key.as_str(), shown(&it.value.as_str()));
    attributes.iter().map(entry).collect::<Vec<_>>().join(",")
}

fn defaults() -> Vec<KeyValue> {
    vec![
        KeyValue::new(SERVICE_NAME, unknown_service()),
        KeyValue::new("telemetry.sdk.name", "spanwise"),
        KeyValue::new("telemetry.sdk.language", "rust"),
        KeyValue::new("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ]
}

fn from_code(service_name: Option<String>, attributes: Vec<KeyValue>) -> Vec<KeyValue> {
    let name = service_name.map(|name| KeyValue::new(SERVICE_NAME, name));
    attributes.into_iter().chain(name).filter(is_something).collect()
}

/// Filters an empty service name (specification, *service.name*: `unknown_service` where it is not
/// specified).
fn is_something(attribute: &KeyValue) -> bool {
    attribute.key.as_str() != SERVICE_NAME
        || !matches!(&attribute.value, Value::String(name) if name.as_str().trim().is_empty())
}

/// Parses `key=value,key2=value2`; an error discards the whole list (specification, *Specifying resource
/// information via an environment variable*).
pub(super) fn parse_list(list: &str) -> Option<Vec<KeyValue>> {
    list.split(',')
        .filter(|pair| !pair.trim().is_empty())
        .map(parse_pair)
        .filter(|attribute| attribute.as_ref().is_none_or(is_something))
        .collect()
}

fn parse_pair(pair: &str) -> Option<KeyValue> {
    let (key, value) = pair.split_once('=')?;
    let (key, value) = (decode(key.trim())?, decode(value.trim())?);
    (!key.is_empty()).then(|| KeyValue::new(key, value))
}

/// The number of the first invalid entry of `list`, from 1. The report prints it instead of the entry,
/// which may contain a secret.
fn broken_entry(list: &str) -> usize {
    let is_broken = |pair: &str| !pair.trim().is_empty() && parse_pair(pair).is_none();
    1 + list.split(',').position(is_broken).unwrap_or_default()
}

/// Percent-decodes a value; `None` for an invalid escape or a result that is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The specification's fallback name.
fn unknown_service() -> String {
    let executable = std::env::current_exe().ok();
    let name = executable.as_deref().and_then(|path| path.file_name()).and_then(|n| n.to_str());
    match name {
        Some(name) => format!("unknown_service:{name}"),
        None => "unknown_service".to_owned(),
    }
}

const SERVICE_NAME: &str = "service.name";
/// The largest size of a resource, with each budget: some hundred attributes take a tenth.
pub(super) const MAX_RESOURCE_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let parsed = parse_list("a=b, c=%20d%2C ,,e=").unwrap();
        let parsed: Vec<_> =
            parsed.iter().map(|kv| (kv.key.as_str(), kv.value.as_str().into_owned())).collect();
        let expected = [("a", "b"), ("c", " d,"), ("e", "")];
        assert_eq!(parsed, expected.map(|(k, v)| (k, v.to_owned())));
        for broken in ["a", "a=%2", "a=%zz", "=b", "a=%ff"] {
            assert!(parse_list(broken).is_none(), "{broken}");
        }
    }
}
