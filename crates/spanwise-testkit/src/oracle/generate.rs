//! Proptest strategies for [`SpanSpec`]s: everything the API can express, with frequent edge cases.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, Key, KeyValue, StringValue, Value};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{Details, SpanSpec};

/// Sizes of the generated spans.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Allows keys to repeat within a span, event, link or scope, and makes repeats frequent. Without
    /// it keys are unique within each, and the start's and the later attributes share one set.
    pub duplicate_keys: bool,
    /// Every parent carries the sampled flag, so that a parent-based sampler records all spans.
    pub sampled_parents: bool,
    /// Maximum of attributes of one span, event or link.
    pub max_attributes: usize,
    /// Maximum of events of one span.
    pub max_events: usize,
    /// Maximum of links of one span.
    pub max_links: usize,
}

impl Default for Shape {
    /// Unique keys, any parent, up to 12 attributes, 4 events and 3 links.
    fn default() -> Self {
        Self {
            duplicate_keys: false,
            sampled_parents: false,
            max_attributes: 12,
            max_events: 4,
            max_links: 3,
        }
    }
}

/// A strategy for one span. The end is never before the start; times lie between 2001 and 2128.
pub fn span_spec(shape: &Shape) -> BoxedStrategy<SpanSpec> {
    let start = EPOCH..EPOCH + 4_000_000_000_000_000_000;
    let length = prop_oneof![Just(0), 0..1_000_u64, 0..3_600_000_000_000_u64];
    let sampled = shape.sampled_parents;
    let identity = (
        scope(shape),
        prop_oneof![1 => Just(None), 2 => span_context(sampled).prop_map(Some)],
        text(),
        kind(),
        (start, length),
        status(),
        prop_oneof![3 => Just(None), 1 => text().prop_map(Some)],
    );
    let body = (
        attributes(shape),
        vec(event(shape), 0..=shape.max_events),
        vec(link(shape), 0..=shape.max_links),
        any::<[prop::sample::Index; 3]>(),
    );
    (identity, body)
        .prop_map(|((scope, parent, name, kind, (start, length), status, new_name), body)| {
            let (mut attributes, mut events, mut links, cuts) = body;
            let [a, e, l] = cuts;
            let later = Details {
                attributes: attributes.split_off(a.index(attributes.len() + 1)),
                events: events.split_off(e.index(events.len() + 1)),
                links: links.split_off(l.index(links.len() + 1)),
            };
            let at_start = Details { attributes, events, links };
            let (start, end) = (time(start), time(start + length));
            SpanSpec { scope, parent, name, kind, start, end, at_start, later, status, new_name }
        })
        .boxed()
}

/// A strategy for several spans, some of which share scopes.
pub fn span_specs(shape: &Shape, count: Range<usize>) -> BoxedStrategy<Vec<SpanSpec>> {
    let scopes = vec(scope(shape), 1..4);
    let spans = vec((span_spec(shape), any::<prop::sample::Index>()), count);
    (scopes, spans)
        .prop_map(|(scopes, spans)| {
            let share = |(mut span, index): (SpanSpec, prop::sample::Index)| {
                span.scope = index.get(&scopes).clone();
                span
            };
            spans.into_iter().map(share).collect()
        })
        .boxed()
}

/// A strategy for attributes with unique or repeating keys, as `shape` requires.
pub fn attributes(shape: &Shape) -> BoxedStrategy<Vec<KeyValue>> {
    let repeats = shape.duplicate_keys;
    let key = if repeats {
        prop_oneof![prop::sample::select(&["a", "b", "c"][..]).prop_map(Key::from), key()].boxed()
    } else {
        key()
    };
    vec((key, value()).prop_map(|(key, value)| KeyValue::new(key, value)), 0..=shape.max_attributes)
        .prop_map(move |mut pairs| {
            let mut seen = HashSet::new();
            pairs.retain(|pair| repeats || seen.insert(pair.key.clone()));
            pairs
        })
        .boxed()
}

/// A strategy for a value of any kind of the API, with arrays of each, empty ones too.
pub fn value() -> BoxedStrategy<Value> {
    let float = || prop_oneof![prop::num::f64::ANY, prop::sample::select(&FLOATS[..])];
    let integer = || prop_oneof![any::<i64>(), prop::sample::select(&INTEGERS[..])];
    let string = || text().prop_map(StringValue::from);
    let shared = text().prop_map(|text| Value::from(Arc::<str>::from(text)));
    let scalar = prop_oneof![
        1 => any::<bool>().prop_map(Value::Bool),
        1 => integer().prop_map(Value::I64),
        1 => float().prop_map(Value::F64),
        2 => string().prop_map(Value::String),
        1 => shared,
        1 => prop::sample::select(&STATICS[..]).prop_map(Value::from),
    ];
    let array = prop_oneof![
        vec(any::<bool>(), 0..5).prop_map(Array::Bool),
        vec(integer(), 0..5).prop_map(Array::I64),
        vec(float(), 0..5).prop_map(Array::F64),
        vec(string(), 0..5).prop_map(Array::String),
    ];
    prop_oneof![
        3 => scalar,
        1 => array.prop_map(Value::Array),
    ]
    .boxed()
}

/// A strategy for text: empty, plain, any characters at all, or about 300 bytes, where a length takes two bytes.
pub fn text() -> BoxedStrategy<String> {
    prop_oneof![
        1 => Just(String::new()),
        4 => identifier(1..24),
        2 => vec(any::<char>(), 0..40).prop_map(String::from_iter),
        1 => prop::sample::select(&STATICS[..]).prop_map(str::to_owned),
        1 => identifier(296..304),
    ]
    .boxed()
}

/// A strategy for a valid context of another span, remote or not, with or without trace state;
/// `sampled` forces the sampled flag. The random flag (0x02) is set in some.
pub fn span_context(sampled: bool) -> BoxedStrategy<SpanContext> {
    (1_u128.., 1_u64.., 0..4_u8, any::<bool>(), trace_state())
        .prop_map(move |(trace, span, flags, remote, state)| {
            let flags = TraceFlags::new(flags | u8::from(sampled));
            SpanContext::new(TraceId::from(trace), SpanId::from(span), flags, remote, state)
        })
        .boxed()
}

fn key() -> BoxedStrategy<Key> {
    prop_oneof![
        4 => identifier(1..24).prop_map(Key::from),
        2 => prop::sample::select(&STATICS[1..]).prop_map(Key::from),
        1 => vec(any::<char>(), 1..20).prop_map(|key| Key::from(Arc::<str>::from(String::from_iter(key)))),
        1 => identifier(200..304).prop_map(Key::from),
    ]
    .boxed()
}

fn identifier(length: Range<usize>) -> BoxedStrategy<String> {
    let letter = prop::sample::select(&b"abcdefghijklmnopqrstuvwxyz_.0123456789"[..]);
    vec(letter.prop_map(char::from), length).prop_map(String::from_iter).boxed()
}

fn scope(shape: &Shape) -> BoxedStrategy<InstrumentationScope> {
    let shape = Shape { max_attributes: shape.max_attributes.min(3), ..shape.clone() };
    (
        text(),
        prop::option::of(identifier(1..9)),
        prop::option::of(identifier(1..30)),
        attributes(&shape),
    )
        .prop_map(|(name, version, schema_url, attributes)| {
            let mut scope = InstrumentationScope::builder(name).with_attributes(attributes);
            if let Some(version) = version {
                scope = scope.with_version(version);
            }
            if let Some(schema_url) = schema_url {
                scope = scope.with_schema_url(schema_url);
            }
            scope.build()
        })
        .boxed()
}

fn event(shape: &Shape) -> BoxedStrategy<Event> {
    (text(), EPOCH..2 * EPOCH, attributes(shape))
        .prop_map(|(name, at, attributes)| Event::new(name, time(at), attributes, 0))
        .boxed()
}

fn link(shape: &Shape) -> BoxedStrategy<Link> {
    (span_context(false), attributes(shape))
        .prop_map(|(context, attributes)| Link::new(context, attributes, 0))
        .boxed()
}

fn kind() -> impl Strategy<Value = SpanKind> {
    prop_oneof![
        Just(SpanKind::Internal),
        Just(SpanKind::Server),
        Just(SpanKind::Client),
        Just(SpanKind::Producer),
        Just(SpanKind::Consumer),
    ]
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        2 => Just(Status::Unset),
        1 => Just(Status::Ok),
        1 => text().prop_map(Status::error),
    ]
}

fn trace_state() -> impl Strategy<Value = TraceState> {
    let printable = prop::sample::select(&b"abcXYZ019:;-_/ ~"[..]).prop_map(char::from);
    let entry = (identifier(1..9), vec(printable, 0..12));
    let entries = vec(entry, 0..4);
    prop_oneof![Just(TraceState::NONE), entries.prop_map(state_of)]
}

fn state_of(entries: Vec<(String, Vec<char>)>) -> TraceState {
    let pairs = entries.into_iter().enumerate().map(|(index, (key, value))| {
        // The index makes keys distinct; a key has no dots, a value does not end in a blank.
        let key = format!("k{index}{}", key.replace('.', "-"));
        (key, String::from_iter(value).trim_end().to_owned())
    });
    TraceState::from_key_value(pairs).unwrap_or_default()
}

fn time(unix_nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(unix_nanos)
}

/// Earliest generated time: 2001-09-09, in nanoseconds since 1970.
const EPOCH: u64 = 1_000_000_000_000_000_000;

const FLOATS: [f64; 8] =
    [0.0, -0.0, 1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, f64::MAX];

const INTEGERS: [i64; 8] = [0, 1, -1, 127, 128, 16_384, i64::MIN, i64::MAX];

/// The first is empty and therefore no key.
const STATICS: [&str; 8] = [
    "",
    "http.request.method",
    "url.full",
    "error.type",
    "GET",
    "naïve café",
    "日本語のスパン",
    "🦀\u{200d}🔭 nul\0 newline\n quote\" \u{202e}rtl",
];
