//! The load: traces of a shop of four services, in virtual time.

use crate::peers::Request;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use spanwise_testkit::SplitMix64;
use spanwise_testkit::load::{Arrivals, Shape};
use std::collections::BTreeMap;

/// The traces of one seed, and their spans in requests.
pub(super) struct Load {
    pub(super) traces: Vec<Trace>,
    /// The index of each trace id.
    pub(super) index: BTreeMap<u128, usize>,
    /// The requests that arrive in each tenth of a second, one for each service.
    pub(super) tenths: Vec<Vec<Vec<u8>>>,
    pub(super) spans: u64,
}

/// A trace.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    pub(super) id: u128,
    /// Its start, in seconds.
    pub(super) start: f64,
    pub(super) route: usize,
    pub(super) is_error: bool,
    pub(super) is_slow: bool,
    pub(super) spans: u64,
}

/// A kind of traces by the name of its root: its share of all, the share of errors among them, and that of slow ones.
pub(super) struct Route {
    pub(super) name: &'static str,
    share: f64,
    errors: f64,
    slow: f64,
}

pub(super) const ROUTES: [Route; 5] = [
    Route { name: "GET /products", share: 0.7, errors: 0.004, slow: 0.002 },
    Route { name: "GET /cart", share: 0.2, errors: 0.008, slow: 0.005 },
    Route { name: "POST /checkout", share: 0.08, errors: 0.03, slow: 0.03 },
    Route { name: "GET /orders", share: 0.017, errors: 0.01, slow: 0.05 },
    // The rarest.
    Route { name: "POST /refund", share: 0.003, errors: 0.1, slow: 0.1 },
];

/// Seconds of arrivals.
pub(super) const SECONDS: f64 = 60.0;
/// Traces per second at the start and at the end; ten times as many in the middle.
const RATE: f64 = 40.0;
const SERVICES: [&str; 4] = ["frontend", "cart", "payment", "database"];
/// Unix time of the start, in nanoseconds.
pub(super) const EPOCH: u64 = 1_780_000_000_000_000_000;

impl Load {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = SplitMix64::new(seed);
        let mut traces: Vec<Trace> = Vec::new();
        let third = SECONDS / 3.0;
        for (number, rate) in [RATE, 10.0 * RATE, RATE].into_iter().enumerate() {
            let from = number as f64 * third;
            let arrivals = Arrivals::new(Shape::Steady(rate), third, seed + number as u64);
            traces.extend(arrivals.map(|arrival| Trace::new(&mut random, from + arrival.time)));
        }
        let mut buckets: Vec<[Vec<Span>; SERVICES.len()]> = Vec::new();
        for trace in &traces {
            trace.place(&mut random, &mut buckets);
        }
        let tenths = buckets.into_iter().map(requests).collect();
        let index = traces.iter().enumerate().map(|(index, trace)| (trace.id, index)).collect();
        let spans = traces.iter().map(|trace| trace.spans).sum();
        Self { traces, index, tenths, spans }
    }
}

impl Trace {
    fn new(random: &mut SplitMix64, start: f64) -> Self {
        let mut position = random.next_f64();
        let mut route = 0;
        while route + 1 < ROUTES.len() && position >= ROUTES[route].share {
            position -= ROUTES[route].share;
            route += 1;
        }
        let Route { errors, slow, .. } = ROUTES[route];
        Self {
            id: u128::from(random.next_u64()) << 64 | u128::from(random.next_u64() | 1),
            start,
            route,
            is_error: random.next_f64() < errors,
            is_slow: random.next_f64() < slow,
            spans: 4 + random.below(5),
        }
    }

    /// Adds each span to the tenth of a second in which it ends.
    fn place(&self, random: &mut SplitMix64, buckets: &mut Vec<[Vec<Span>; SERVICES.len()]>) {
        let duration = match self.is_slow {
            true => 1.2 + random.next_f64(),
            false => 0.02 + 0.3 * random.next_f64(),
        };
        let failing = 1 + random.below(self.spans - 1);
        for number in 0..self.spans {
            let part = if number == 0 { 1.0 } else { 0.2 + 0.7 * random.next_f64() };
            let (start, end) = (
                self.start + duration * (1.0 - part) / 2.0,
                self.start + duration * (1.0 + part) / 2.0,
            );
            let nanos = |seconds: f64| EPOCH + (seconds * 1e9) as u64;
            let tenth = (end * 10.0) as usize;
            if buckets.len() <= tenth {
                buckets.resize_with(tenth + 1, Default::default);
            }
            let code = if self.is_error && number == failing { 2 } else { 0 };
            buckets[tenth][number as usize % SERVICES.len()].push(Span {
                trace_id: self.id.to_be_bytes().to_vec(),
                span_id: (number + 1).to_be_bytes().to_vec(),
                parent_span_id: if number == 0 { Vec::new() } else { 1u64.to_be_bytes().to_vec() },
                name: if number == 0 {
                    ROUTES[self.route].name.to_owned()
                } else {
                    format!("call {number}")
                },
                kind: if number == 0 { 2 } else { 3 },
                start_time_unix_nano: nanos(start),
                end_time_unix_nano: nanos(end),
                attributes: vec![text("http.route", ROUTES[self.route].name)],
                status: Some(Status { message: String::new(), code }),
                ..Span::default()
            });
        }
    }
}

/// One request for each service.
fn requests(services: [Vec<Span>; SERVICES.len()]) -> Vec<Vec<u8>> {
    let services = SERVICES.into_iter().zip(services).filter(|(_, spans)| !spans.is_empty());
    let request = |(service, spans): (&str, Vec<Span>)| {
        let resource =
            Resource { attributes: vec![text("service.name", service)], ..Resource::default() };
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let resource_spans =
            ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
        Request { resource_spans: vec![resource_spans] }.encode_to_vec()
    };
    services.map(request).collect()
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}
