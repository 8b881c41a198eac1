//! Redaction among the settings of a provider.

use crate::support::{bench, builder};
use crate::{CANARY, redacting, start};
use spanwise_redact::{Redactor, Rule};
use spanwise_sdk::SpanwiseBuilder;

/// A builder with a redactor of its own.
fn with_rule(builder: SpanwiseBuilder, pattern: &'static str) -> SpanwiseBuilder {
    let redactor = Redactor::builder().with_rule(Rule::mask_values(pattern)).build().unwrap();
    builder.with_redaction(redactor)
}

#[test]
fn a_reload_reports_other_rules_and_leaves_those_of_the_build() {
    let bench = bench(|builder| with_rule(builder, "canary-[0-9]+"));
    let next = || builder().with_endpoint(bench.receiver.http_endpoint());
    let same = bench.spanwise.reload(with_rule(next(), "canary-[0-9]+")).unwrap();
    assert!(same.needs_restart.is_empty(), "{same}");
    for other in [next(), with_rule(next(), "other")] {
        let reloaded = bench.spanwise.reload(other).unwrap();
        let settings: Vec<_> = reloaded.needs_restart.iter().map(|it| it.setting).collect();
        assert_eq!(settings, ["with_redaction"]);
    }
    start(&bench.spanwise).finish();
    bench.finish();
    let has_canary = |body: &[u8]| body.windows(CANARY.len()).any(|it| it == CANARY.as_bytes());
    assert!(!bench.collected.bodies().iter().any(|body| has_canary(body)));
}

#[test]
fn the_settings_show_the_number_of_rules_alone() {
    let explained = redacting(builder()).explain().unwrap();
    let row = explained.iter().find(|row| row.to_string().contains("with_redaction"));
    let row = row.unwrap().to_string();
    assert!(row.contains("3 rules") && !row.contains("canary"), "{row}");
}

#[test]
fn a_disabled_provider_ignores_rules() {
    let disabled = |name: &str| (name == "OTEL_SDK_DISABLED").then(|| "true".to_owned());
    let spanwise = redacting(builder()).with_environment(disabled).build().unwrap();
    start(&spanwise).finish();
    assert_eq!(spanwise.live_view().snapshot().unwrap().redaction, None);
}
