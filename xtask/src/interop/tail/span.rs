//! The spans of generated traces: values near the limits of the policies, and of all types.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use spanwise_testkit::SplitMix64;

/// The numbers of different resources and scopes.
pub(crate) const RESOURCES: u64 = 7;
pub(crate) const SCOPES: u64 = 3;

/// The properties that the spans of a trace share.
pub(crate) struct Shape {
    /// Number of spans.
    pub(crate) spans: u64,
    /// Whether a part of the spans arrives in later phases.
    pub(crate) may_be_late: bool,
    has_root: bool,
    has_error: bool,
    is_flagged: bool,
    /// The duration of the longest span in nanoseconds.
    longest: u64,
    /// The key and the value that select a few traces for limited policies.
    limited: Option<&'static str>,
    /// Bytes of an additional attribute of the first span.
    padding: usize,
    interesting: u64,
}

impl Shape {
    /// The shape of the trace at `index`. Few traces have an attribute `limited`: those that are large have more spans than
    /// [`LIMIT_SPANS`] each and 40,000 bytes, and those that are small have fewer of both in all of them together.
    pub(crate) fn new(seed: u64, index: usize) -> Self {
        let random = &mut SplitMix64::new(seed);
        let limited = match index {
            5 | 25 | 45 => Some("small"),
            10 | 30 => Some("large"),
            _ => None,
        };
        let spans = match limited {
            Some("small") => 5 + random.below(4),
            Some(_) => LIMIT_SPANS + 1 + random.below(8),
            None => pick(random, &[1, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 20, 48]),
        };
        let padding = match limited {
            Some("large") => 40_000,
            None if random.below(25) == 0 => 40_000,
            _ => 0,
        };
        Self {
            spans,
            // A late span of a trace that waits would be decided with it in one case, and behind it in another.
            may_be_late: limited.is_none() && padding == 0,
            has_root: random.below(6) > 0,
            has_error: random.below(6) == 0,
            is_flagged: random.below(3) == 0,
            longest: pick(random, DURATIONS),
            limited,
            padding,
            interesting: random.below(6),
        }
    }

    /// The span at `number`.
    pub(crate) fn span(&self, random: &mut SplitMix64, trace: u128, number: u64) -> Span {
        let is_root = number == 0 && self.has_root;
        let start = EPOCH + number * 1_000;
        let end = start + if number == 0 { self.longest } else { random.below(self.longest + 1) };
        let (start, end) = match random.below(60) {
            0 => (0, end),
            1 => (start, 0),
            2 => (end, start),
            _ => (start, end),
        };
        let status = match random.below(4) {
            _ if self.has_error && number + 1 == self.spans => 2,
            0 => 1,
            _ => 0,
        };
        let flag = u32::from(self.is_flagged && random.below(3) == 0);
        let mut span = Span {
            trace_id: trace.to_be_bytes().to_vec(),
            span_id: (number + 1).to_be_bytes().to_vec(),
            parent_span_id: if is_root {
                Vec::new()
            } else {
                (number / 2 + 1_000).to_be_bytes().to_vec()
            },
            trace_state: pick(random, TRACE_STATES).to_owned(),
            flags: flag | pick(random, &[0, 0x100, 0x300, 0xfe]),
            name: pick(random, &["GET /api", "GET /health", "query", "", "send"]).to_owned(),
            kind: random.below(6) as i32,
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            status: (status > 0 || random.below(2) == 0).then(|| Status {
                message: if status == 2 { "it failed".to_owned() } else { String::new() },
                code: status,
            }),
            dropped_attributes_count: random.below(3) as u32,
            ..Span::default()
        };
        span.attributes = self.attributes(random, number);
        for _ in 0..random.below(3) {
            span.events.push(event(random));
        }
        span
    }

    fn attributes(&self, random: &mut SplitMix64, number: u64) -> Vec<KeyValue> {
        let mut attributes = Vec::new();
        let mut add = |key: &str, value: Value| attributes.push(attribute(key, value));
        if let (0, Some(limited)) = (number, self.limited) {
            add("limited", text(limited));
        }
        if self.padding > 0 && number == 0 {
            add("padding", text(&"x".repeat(self.padding)));
        }
        if random.below(3) == 0 {
            add("http.request.method", text(pick(random, &["GET", "PUT", "POST", "get", ""])));
        }
        // In a part of the traces only, so that every policy samples some and leaves some.
        if self.interesting == 0 {
            add("http.response.status_code", status_code(random));
        }
        if self.interesting == 1 {
            add("retry.count", Value::IntValue(pick(random, &[0, 1, -1, 9, 10, 11, 19, 20, 21])));
            add("anything", any(random));
        }
        if self.interesting == 2 {
            add("cached", any_boolean(random));
            add("text", text(pick(random, &["Hello", "hello", "", "v1.HealthCheck", "17", "é"])));
        }
        if self.interesting == 3 {
            add("anything", any(random));
            add(
                "url.path",
                text(pick(random, &["/health", "/healthz", "/metrics", "/api/v1", ""])),
            );
        }
        if self.interesting == 4 && random.below(4) == 0 {
            add("list", list(vec![text("x"), Value::IntValue(3), Value::BoolValue(true)]));
            add("map", map(vec![("inner", text("deep")), ("n", Value::IntValue(7))]));
            add("ratio", Value::DoubleValue(pick(random, &[0.0, 0.5, 1.0, 2.5, -2.5, 42.0])));
        }
        attributes
    }
}

fn event(random: &mut SplitMix64) -> Event {
    let name = pick(random, &["exception", "retry", "message"]);
    let attributes = match random.below(3) {
        0 => vec![attribute("exception.type", text(pick(random, &["Timeout", "IoError"])))],
        1 => vec![attribute("attempt", Value::IntValue(random.below(4) as i64))],
        _ => Vec::new(),
    };
    let time_unix_nano = EPOCH + random.below(1_000);
    Event { time_unix_nano, name: name.to_owned(), attributes, ..Event::default() }
}

/// The resource of this number; the first one has no attributes, and another one is missing.
pub(crate) fn resource(number: u64) -> Option<Resource> {
    let attributes = match number {
        0 => Vec::new(),
        1 => return None,
        2 => vec![("service.name", text("payment-service")), ("replicas", Value::IntValue(15))],
        3 => vec![("service.name", text("auth-service")), ("cached", Value::BoolValue(true))],
        4 => vec![("service.name", text("shop")), ("replicas", text("15"))],
        5 => vec![
            ("service.name", text("")),
            ("url.path", text("")),
            ("replicas", Value::IntValue(0)),
        ],
        _ => vec![("service.name", Value::IntValue(7)), ("cached", text("true"))],
    };
    let attributes = attributes.into_iter().map(|(key, value)| attribute(key, value)).collect();
    Some(Resource { attributes, ..Resource::default() })
}

/// The scope of this number; the first one is missing.
pub(crate) fn scope(number: u64) -> Option<InstrumentationScope> {
    let name = match number {
        0 => return None,
        1 => "net/http",
        _ => "database/sql",
    };
    Some(InstrumentationScope {
        name: name.to_owned(),
        version: "1.2".to_owned(),
        attributes: vec![attribute("scope.key", text(name))],
        ..InstrumentationScope::default()
    })
}

fn status_code(random: &mut SplitMix64) -> Value {
    match random.below(6) {
        0 => text("500"),
        1 => Value::DoubleValue(500.0),
        _ => Value::IntValue(pick(random, &[200, 204, 301, 399, 400, 404, 499, 500, 599, 600])),
    }
}

fn any_boolean(random: &mut SplitMix64) -> Value {
    match random.below(5) {
        0 => text("true"),
        1 => Value::IntValue(1),
        number => Value::BoolValue(number == 2),
    }
}

/// A value of any type.
fn any(random: &mut SplitMix64) -> Value {
    match random.below(8) {
        0 => text("15"),
        1 => Value::IntValue(pick(random, &[i64::MIN, -5, 0, 15, i64::MAX])),
        2 => Value::DoubleValue(pick(
            random,
            &[f64::NAN, 15.0, 0.1, -0.0, f64::INFINITY, 1e-7, -2.5e21],
        )),
        3 => Value::BoolValue(random.below(2) == 0),
        4 => Value::BytesValue(vec![1, 255]),
        5 => list(vec![text("x"), text("y"), Value::IntValue(3)]),
        6 => match random.below(3) {
            0 => map(vec![("inner", text("deep"))]),
            1 => map(vec![("z", Value::BytesValue(vec![1, 255])), ("a", text("<&\u{8}"))]),
            _ => list(vec![Value::DoubleValue(f64::NAN)]),
        },
        _ => text(""),
    }
}

fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

fn list(values: Vec<Value>) -> Value {
    let values = values.into_iter().map(|value| AnyValue { value: Some(value) }).collect();
    Value::ArrayValue(ArrayValue { values })
}

fn map(values: Vec<(&str, Value)>) -> Value {
    let values = values.into_iter().map(|(key, value)| attribute(key, value)).collect();
    Value::KvlistValue(KeyValueList { values })
}

fn attribute(key: &str, value: Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn pick<T: Copy>(random: &mut SplitMix64, values: &[T]) -> T {
    values[random.below(values.len() as u64) as usize]
}

/// Small limited traces have 24 spans together at most, and large ones more each.
const LIMIT_SPANS: u64 = 30;
/// The start of the spans: an arbitrary time in 2026.
const EPOCH: u64 = 1_780_000_000_000_000_000;
const MILLI: u64 = 1_000_000;

/// Around the limits of 100 ms and of 200 ms.
const DURATIONS: &[u64] = &[
    0,
    500_000,
    99 * MILLI,
    100 * MILLI - 1,
    100 * MILLI,
    100 * MILLI + 1,
    101 * MILLI - 1,
    101 * MILLI,
    150 * MILLI,
    200 * MILLI,
    201 * MILLI - 1,
    201 * MILLI,
    5_000 * MILLI,
];

/// Valid ones, and many that a strict parser rejects as a whole.
const TRACE_STATES: &[&str] = &[
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "vendor=a",
    "vendor=b",
    "other=1,vendor=a",
    "other=1, vendor=a ",
    "vendor =a",
    "vendor=a,vendor=a",
    "vendor=a,,other=1",
    "vendor=a, ,other=1",
    "vendor=a,UPPER=1",
    "vendor=a,novalue",
    "vendor=a,empty=",
    "vendor=a;b",
    "vendor= a",
    "vendor=a=b",
    "1vendor@sys=1,vendor=a",
    "ot=th:8",
    "ot=rv:00000000000001",
    "ot=rv:ffffffffffffff;th:c",
    "ot=th:0,vendor=a",
    "ot=rv:xyz,vendor=a",
];
