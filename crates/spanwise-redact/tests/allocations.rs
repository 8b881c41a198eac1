//! Redaction allocates nothing after the first spans, and the presets take a bounded memory.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;
use spanwise_redact::{Redacted, Redactor, Rule, Scratch};
use spanwise_testkit::{CountingAllocator, allocator};
use support::{array, map, text};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// One test, so that no other allocates meanwhile.
#[test]
fn spans_cost_no_allocation_after_the_first_ones() {
    let before = allocator::heap().current;
    let builder = Redactor::builder().with_all_presets().with_hash_key("a key of sixteen bytes");
    let rules = [Rule::hash(["user.id"]), Rule::rename("old", "new"), Rule::delete(["drop*"])];
    let redactor = rules.into_iter().fold(builder, |it, rule| it.with_rule(rule)).build().unwrap();
    let built = allocator::heap().current - before;
    assert!(built < 1 << 20, "{built} bytes");

    let span = support::span([
        ("password", text("x")),
        ("user.id", text("ann")),
        ("old", text("x")),
        ("drop.it", text("x")),
        ("client.address", text("203.0.113.7")),
        ("url.full", text("https://ann:pw@e.com/a?b=c")),
        ("note", text("ann@example.com, Bearer abcdefgh1234, card 4111 1111 1111 1111")),
        ("db.query.text", text("SELECT * FROM t WHERE a = 'x'")),
        ("list", array([text("ann@example.com"), map([("password", text("x"))])])),
        ("card", Value::IntValue(4_111_111_111_111_111)),
        ("bytes", Value::BytesValue(b"ann@example.com".to_vec())),
    ]);
    let span = span.encode_to_vec();
    let mut scratch = Scratch::default();
    let mut round = || {
        assert_ne!(redactor.redact_span(&span, &mut scratch), Redacted::Unchanged);
    };
    (0..3).for_each(|_| round());
    let counts = allocator::allocations_on_this_thread(|| (0..100).for_each(|_| round()));
    assert_eq!(counts.allocations, 0, "{counts:?}");
    let used = allocator::heap().current - before;
    assert!(used < 2 << 20, "{used} bytes");
    println!("{built} bytes after the build, {used} in use");
}
