//! The headers of the OTLP exporter: `OTEL_EXPORTER_OTLP_HEADERS`.

use super::super::builder::SpanwiseBuilder;
use super::super::environment::Environment;
use super::super::error::BuildError;
use super::super::explain::Origin;
use super::super::redaction::REDACTED;
use super::super::settings::{HEADERS, Setting};
use spanwise_transport::{Headers, HeadersError};
use std::collections::HashSet;

impl SpanwiseBuilder {
    /// The headers of the signal's variable, or of the generic one, and those in code: each name once, with
    /// the value in code where both have one.
    pub(super) fn resolve_headers(&self, environment: &Environment) -> Result<Headers, BuildError> {
        let headers = merge_headers(environment, &HEADERS, HEADERS.method(), &self.headers)?;
        for (origin, part) in environment.recorder().parts(&HEADERS, &self.headers, |it| it.headers)
        {
            let names =
                part.iter().map(|(name, _)| match environment.recorder().is_hidden_header(name) {
                    true => REDACTED,
                    false => name,
                });
            let names = || redacted(names);
            environment.recorder().effective_from(&HEADERS, origin, names);
        }
        Ok(headers)
    }
}

/// The headers of the first variable of `setting` that is set, and those in code, `given` by `method`: each name once,
/// with the value in code where both have one.
pub(super) fn merge_headers(
    environment: &Environment,
    setting: &'static Setting,
    method: &'static str,
    given: &[(String, String)],
) -> Result<Headers, BuildError> {
    let bytes: usize = given.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_HEADER_BYTES {
        let accepted = "accepted is up to 16384 (16 KiB) bytes";
        return Err(BuildError::setting(method, bytes, accepted));
    }
    let mut taken = HashSet::new();
    let mut ours: Vec<_> = given.iter().rev().collect();
    ours.retain(|(name, _)| taken.insert(name.trim().to_ascii_lowercase()));

    let mut headers = match environment.required_text(setting)? {
        None => Headers::new(),
        Some((variable, list)) => {
            let headers = parse_headers(variable, &list, &mut taken)?;
            let origin = Origin::Variable { name: variable };
            let names = || redacted(headers.names());
            environment.recorder().effective_from(setting, origin, names);
            headers
        }
    };
    for (name, value) in ours.into_iter().rev() {
        headers = headers.with(name, value).map_err(|error| {
            let problem = match error {
                // The text after a colon is a value in the wrong place.
                HeadersError::Name { name } => {
                    let name = name.split(':').next().unwrap_or_default();
                    format!("`{name}` is not a header name")
                }
                error => error.to_string(),
            };
            BuildError::setting(method, REDACTED, problem)
        })?;
    }
    Ok(headers)
}

/// A list of headers without their values.
fn redacted<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let name = |name: &'n str| match Headers::new().with(name.trim(), "") {
        // Text that is no name may have a value in it.
        Err(HeadersError::Name { .. }) => REDACTED,
        _ => name,
    };
    names.map(|it| format!("{}={REDACTED}", name(it))).collect::<Vec<_>>().join(",")
}

/// The headers in `list` whose names are not `taken`: the last of each name, as in W3C Baggage, whose form
/// the list has. Adds their names to `taken`.
fn parse_headers(
    setting: &'static str,
    list: &str,
    taken: &mut HashSet<String>,
) -> Result<Headers, BuildError> {
    let refused = |error: String| BuildError::setting(setting, REDACTED, error);
    if list.len() > MAX_HEADER_BYTES {
        return Err(refused(format!("accepted is up to {MAX_HEADER_BYTES} bytes")));
    }
    let mut entries: Vec<&str> = list.split(',').collect();
    for entry in entries.iter_mut().rev() {
        if let Some((name, _)) = entry.split_once('=')
            && !taken.insert(name.trim().to_ascii_lowercase())
        {
            // The entry stays in the count, because errors print its number.
            *entry = "";
        }
    }
    Headers::parse(&entries.join(",")).map_err(|error| match error {
        // The text before the first `=` may contain a value: `authorization: Basic c2VjcmV0=`.
        HeadersError::Name { .. } => {
            let is_wrong = |entry: &&str| {
                matches!(Headers::parse(entry), Err(HeadersError::Name { .. }))
            };
            let place = 1 + entries.iter().position(is_wrong).unwrap_or_default();
            refused(format!(
                "the text before the `=` of entry {place} is not a header name; accepted is name=value,name2=value2"
            ))
        }
        error => refused(error.to_string()),
    })
}

/// Bytes of a list, and of all names and values in code together: every request repeats them.
const MAX_HEADER_BYTES: usize = 16 << 10;
