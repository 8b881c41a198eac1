//! The propagator of W3C Baggage.

use super::whitespace::trim_ows;
use opentelemetry::Context;
use opentelemetry::baggage::{Baggage, BaggageExt, BaggageMetadata, KeyValueMetadata};
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::sync::LazyLock;

/// A `TextMapPropagator` of [W3C Baggage](https://www.w3.org/TR/baggage/): the header `baggage`.
///
/// The limits hold in both directions: 64 members, and 8,192 bytes of header. The propagator drops whole
/// members beyond them, and members that the API's [`Baggage`] rejects because a key is no token.
///
/// Differences from the propagator of `opentelemetry_sdk`:
///
/// - The limit of bytes holds for the injected header, after percent-encoding. An extraction retains the
///   members that fit and does not discard all of them.
/// - A value may contain `=`, and the propagator encodes `%`, so that each value arrives unchanged.
/// - The propagator passes metadata through without decoding, and it cannot break the header.
/// - Several `baggage` headers are one list. Bytes that are not UTF-8 become U+FFFD.
/// - A header without a valid member does not change the baggage of the context.
/// - An injection orders members by their keys, so that equal baggage makes equal headers.
///
/// # Cost
/// Proportional to the header. Without baggage, an injection allocates nothing.
#[derive(Debug, Clone, Default)]
pub struct BaggagePropagator {
    _private: (),
}

impl BaggagePropagator {
    /// A propagator; all of them are equal.
    pub fn new() -> Self {
        Self::default()
    }
}

impl TextMapPropagator for BaggagePropagator {
    /// Sets `baggage`, unless that of `cx` is empty.
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        let baggage = cx.baggage();
        if !baggage.is_empty()
            && let Some(header) = write(baggage)
        {
            injector.set(BAGGAGE, header);
        }
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        let headers = extractor.get_all(BAGGAGE).unwrap_or_default();
        let baggage = parse(headers);
        if baggage.is_empty() { cx.clone() } else { cx.with_baggage(baggage) }
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&*FIELDS)
    }
}

fn write(baggage: &Baggage) -> Option<String> {
    let mut members: Vec<_> = baggage.iter().collect();
    members.sort_unstable_by_key(|(key, _)| key.as_str());
    let mut header = String::new();
    for (key, (value, metadata)) in members {
        let start = header.len();
        if start > 0 {
            header.push(',');
        }
        header.push_str(key.as_str());
        header.push('=');
        header.extend(utf8_percent_encode(value.as_str(), ENCODED_IN_VALUES));
        write_metadata(metadata, &mut header);
        if header.len() > MAX_BYTES {
            header.truncate(start);
        }
    }
    (!header.is_empty()).then_some(header)
}

/// Properties: `;key` or `;key=value`.
fn write_metadata(metadata: &BaggageMetadata, header: &mut String) {
    for property in metadata.as_str().split(';').map(str::trim).filter(|text| !text.is_empty()) {
        let (key, value) = match property.split_once('=') {
            Some((key, value)) => (key.trim(), Some(value.trim())),
            None => (property, None),
        };
        header.push(';');
        header.extend(utf8_percent_encode(key, ENCODED_IN_METADATA));
        if let Some(value) = value {
            header.push('=');
            header.extend(utf8_percent_encode(value, ENCODED_IN_METADATA));
        }
    }
}

fn parse<'a>(headers: impl IntoIterator<Item = &'a str>) -> Baggage {
    let mut left = MAX_BYTES + 1;
    headers
        .into_iter()
        .flat_map(|header| header.split(','))
        .take_while(|member| {
            // The length includes the comma.
            let fits = member.len() < left;
            left = left.saturating_sub(member.len() + 1);
            fits
        })
        .filter_map(parse_member)
        .take(MAX_MEMBERS)
        .collect()
}

fn parse_member(member: &str) -> Option<KeyValueMetadata> {
    let (pair, metadata) = member.split_once(';').unwrap_or((member, ""));
    let (key, value) = pair.split_once('=')?;
    let value = percent_decode_str(trim_ows(value)).decode_utf8_lossy().into_owned();
    let properties = metadata.split(';').map(trim_ows).filter(|property| !property.is_empty());
    let metadata = properties.collect::<Vec<_>>().join(";");
    Some(KeyValueMetadata::new(trim_ows(key).to_owned(), value, metadata))
}

const BAGGAGE: &str = "baggage";
static FIELDS: LazyLock<[String; 1]> = LazyLock::new(|| [BAGGAGE.to_owned()]);
/// Members of a header.
const MAX_MEMBERS: usize = 64;
/// Bytes of all members with the commas between them.
const MAX_BYTES: usize = 8192;
/// The encoded characters: each that is no `baggage-octet`; `%`, which begins an escape; and `=`, at which
/// other readers end a value.
const ENCODED_IN_VALUES: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b',').add(b';').add(b'\\').add(b'%').add(b'=');
/// [`ENCODED_IN_VALUES`] without `%` and `=`: the propagator passes metadata through, which may contain escapes.
const ENCODED_IN_METADATA: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b',').add(b';').add(b'\\');
