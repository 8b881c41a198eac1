//! The provider gives the spans that the redactor makes of the requests of a provider without rules.

use crate::support::bench;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;
use spanwise_redact::{Action, Redacted, Redactor, Rule, Scratch};
use spanwise_sdk::sampling::Sampler;
use spanwise_testkit::generate::{Shape, span_specs};
use spanwise_testkit::{assert_same_spans, decode, forget_generated_ids, replay_on};
use std::sync::LazyLock;

/// Rules that change random keys and texts.
static RULES: LazyLock<Redactor> = LazyLock::new(|| {
    Redactor::builder()
        .with_rule(Rule::delete(["*q*"]))
        .with_rule(Rule::rename("a", "b"))
        .with_rule(Rule::new(Action::Truncate(12)).with_keys(["*e*"]))
        .with_rule(Rule::mask_values("[aeiou]+"))
        .with_rule(Rule::new(Action::Hash).with_value_pattern("[0-9]{2,}"))
        .with_hash_key(*b"0123456789abcdef")
        .build()
        .unwrap()
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    #[test]
    fn spans_equal_those_of_redacted_requests(specs in span_specs(&Shape::default(), 1..8)) {
        let [redacted, raw] = [true, false].map(|has_rules| {
            let bench = bench(|builder| {
                let builder = builder.with_sampler(Sampler::always_on());
                if has_rules { builder.with_redaction(RULES.clone()) } else { builder }
            });
            for spec in &specs {
                replay_on(&bench.spanwise, spec);
            }
            bench.finish();
            bench.collected.bodies()
        });
        let mut expected = ExportTraceServiceRequest::default();
        for body in raw {
            let mut scratch = Scratch::default();
            let Redacted::Changed(body) = RULES.redact_request(&body, &mut scratch) else {
                panic!("the resource has vowels");
            };
            expected.resource_spans.extend(decode(body).resource_spans);
        }
        let mut ours = ExportTraceServiceRequest::default();
        ours.resource_spans.extend(redacted.iter().flat_map(|body| decode(body).resource_spans));
        forget_generated_ids(&mut expected);
        forget_generated_ids(&mut ours);
        assert_same_spans(&ours, &expected);
    }
}
