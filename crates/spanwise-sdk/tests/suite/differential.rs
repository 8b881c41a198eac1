//! The stock SDK and Spanwise export equal spans for equal calls.

use crate::support;

use opentelemetry::trace::TraceFlags;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_sdk::Resource;
use proptest::prelude::*;
use spanwise_sdk::sampling::Sampler;
use spanwise_testkit::generate::{Shape, span_specs};
use spanwise_testkit::{
    SpanSpec, assert_same_spans, forget_generated_ids, replay_on, stock_request,
};
use support::bench;

/// Removes the fields in which both sides may differ.
fn normalize(request: &mut ExportTraceServiceRequest) {
    forget_generated_ids(request);
    for resource_spans in &mut request.resource_spans {
        // Our resource names our SDK.
        resource_spans.resource = None;
        for span in resource_spans.scope_spans.iter_mut().flat_map(|scope| &mut scope.spans) {
            // Our trace ids have the random flag; the stock SDK does not set it.
            span.flags &= !u32::from(RANDOM.to_u8());
            // The stock SDK writes an empty status, protobuf's default.
            span.status = Some(span.status.take().unwrap_or_default());
        }
    }
}

const RANDOM: TraceFlags = TraceFlags::new(0x02);

fn check(specs: &[SpanSpec]) {
    let bench = bench(|builder| builder.with_sampler(Sampler::always_on()));
    for spec in specs {
        replay_on(&bench.spanwise, spec);
    }
    let mut ours = bench.finish();
    let mut theirs = stock_request(&Resource::builder_empty().build(), specs);
    normalize(&mut ours);
    normalize(&mut theirs);
    assert_same_spans(&ours, &theirs);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn exported_spans_equal_those_of_the_stock_sdk(specs in span_specs(&Shape::default(), 1..12)) {
        check(&specs);
    }
}
