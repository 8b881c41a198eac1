//! Fields by their names: of any length, several of one name, and of another callsite.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod harness;

use harness::{attribute, bench, text};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use tracing::span::Attributes;

/// More than those of a callsite that wait for their start.
const ROUNDS: usize = 40;

#[test]
fn each_field_has_its_name_and_its_value() {
    let bench = bench(|it| it);
    let long = "long ".repeat(100);
    bench.within(|| {
        for _ in 0..ROUNDS {
            let _span = tracing::info_span!(
                "fields",
                a = 1,
                http.method = "GET",
                otel.kind = "client",
                name.of.twenty.nine.byte.long = true,
                name.of.thirty.bytes.or.longer = -2.5,
                twice = 1,
                empty = "",
                long,
                debug = ?[1, 2],
                twice = "last",
            );
        }
    });
    let spans = bench.finish();
    assert_eq!(spans.len(), ROUNDS);
    for span in &spans {
        let of = |key| attribute(span, key);
        assert_eq!(of("a"), Some(Value::IntValue(1)));
        assert_eq!(of("http.method"), text("GET"));
        assert_eq!(of("name.of.twenty.nine.byte.long"), Some(Value::BoolValue(true)));
        assert_eq!(of("name.of.thirty.bytes.or.longer"), Some(Value::DoubleValue(-2.5)));
        assert_eq!(of("twice"), text("last"));
        assert_eq!(of("empty"), text(""));
        assert_eq!(of("long"), text(&long));
        assert_eq!(of("debug"), text("[1, 2]"));
        assert_eq!((span.attributes.len(), span.kind), (8, 3));
    }
}

/// A program can call a subscriber with the metadata of one callsite and the values of another one.
#[test]
fn values_of_another_callsite_have_the_names_of_that_one() {
    let bench = bench(|it| it);
    bench.within(|| {
        for _ in 0..ROUNDS {
            let own = tracing::info_span!("own", first = 1);
            let other = tracing::info_span!("other", second = 2);
            let (own, other) = (own.metadata().unwrap(), other.metadata().unwrap());
            let field = other.fields().field("second").unwrap();
            let values = [(&field, Some(&3 as &dyn tracing::field::Value))];
            let values = other.fields().value_set(&values);
            tracing::dispatcher::get_default(|dispatch| {
                let id = dispatch.new_span(&Attributes::new_root(own, &values));
                dispatch.try_close(id);
            });
        }
    });
    let spans = bench.finish();
    let mixed = spans.iter().filter(|span| attribute(span, "second") == Some(Value::IntValue(3)));
    assert_eq!(mixed.filter(|span| span.name == "own").count(), ROUNDS);
    assert!(spans.iter().filter(|span| span.name == "own").all(|span| span.attributes.len() == 1));
}
