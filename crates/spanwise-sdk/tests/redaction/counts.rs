//! The metrics of redaction, and their table in `docs/operations/metrics.md`.

use crate::support::{bench, builder};
use crate::{redacting, start};
use spanwise_metrics::{Metric, MetricData, NumberPoint};
use spanwise_redact::{Redactor, Rule};
use spanwise_sdk::OwnedValue;
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../../docs/operations/metrics.md");

fn points(metric: &Metric) -> Vec<(String, u64)> {
    let MetricData::Counter(points) = &metric.data else { panic!("{metric:?}") };
    let rule = |point: &NumberPoint| {
        point.attributes.iter().map(|it| format!("{}={:?}", it.key, it.value)).collect()
    };
    points.iter().map(|point| (rule(point), point.value.as_u64().unwrap())).collect()
}

/// The attribute of a point.
fn rule(name: &'static str) -> String {
    format!("rule={:?}", OwnedValue::from(name))
}

#[test]
fn a_snapshot_has_the_rows_of_the_table_with_redaction_alone() {
    let table = PAGE.split_once("<!-- redaction:begin -->").unwrap().1;
    let table = table.split_once("<!-- redaction:end -->").unwrap().0;
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let documented: BTreeSet<_> = rows.map(|(name, _)| name.to_owned()).collect();
    let names = |spanwise: &spanwise_sdk::Spanwise| -> BTreeSet<String> {
        let snapshot = spanwise.metrics();
        let metrics = snapshot.metrics().iter();
        metrics.map(|it| it.name.replace('.', "_") + "_total").collect()
    };
    let (plain, bench) = (builder().build().unwrap(), bench(redacting));
    let (without, with) = (names(&plain), names(&bench.spanwise));
    let added: BTreeSet<_> = with.difference(&without).cloned().collect();
    assert_eq!(added, documented);
    assert!(without.is_subset(&with));
}

#[test]
fn each_rule_has_its_count() {
    let bench = bench(redacting);
    for _ in 0..3 {
        start(&bench.spanwise).finish();
    }
    let snapshot = bench.spanwise.metrics();
    let values = points(snapshot.get("spanwise_redaction_values").unwrap());
    // Of each span two attributes and an event's name; the scope of each tracer; once the resource.
    let email = (rule("email"), 3 * 3 + 3 + 1);
    // A name, two attributes, one of an event and one of a link, a message: the header is masked before it is deleted.
    let canary = (rule("canary"), 3 * 6);
    let headers = (rule("headers"), 3);
    assert_eq!(values, [email, canary, headers]);
    assert_eq!(points(snapshot.get("spanwise_redaction_failures").unwrap())[0].1, 0);
    bench.finish();
}

/// Points of one metric need different attributes.
#[test]
fn rules_of_equal_names_share_a_count() {
    let redactor = Redactor::builder()
        .with_rule(Rule::mask(["first"]))
        .with_rule(Rule::mask(["second"]))
        .build()
        .unwrap();
    let bench = bench(|builder| builder.with_redaction(redactor));
    let mut span = bench.spanwise.tracer("shop").root("GET", spanwise_sdk::SpanKind::Server);
    span.attribute("first", 1).attribute("second", 2);
    span.finish();
    let snapshot = bench.spanwise.metrics();
    let values = points(snapshot.get("spanwise_redaction_values").unwrap());
    assert_eq!(values, [(rule("mask"), 2)]);
    bench.finish();
}
