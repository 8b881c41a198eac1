//! The doctor of a provider shows the settings of that provider, with their origins: while it runs, after a reload, and
//! after its end.

use crate::support;

use spanwise_receiver::Receiver;
use spanwise_sdk::sampling::Sampler;
use spanwise_sdk::{
    Bytes, CheckStatus, DoctorCheck, DoctorReport, Exporter, Outcome, SpanwiseBuilder,
};
use support::{LONG, builder};

fn check<'r>(report: &'r DoctorReport, name: &str) -> Option<&'r DoctorCheck> {
    report.checks().iter().find(|check| check.name() == name)
}

/// The check `configuration`, its status and its details.
#[track_caller]
fn configuration(report: &DoctorReport) -> (CheckStatus, &[String]) {
    let check = check(report, "configuration").unwrap();
    (check.status(), check.details())
}

/// Whether one of the lines begins with the first part and ends with the second.
fn has(lines: &[String], begin: &str, end: &str) -> bool {
    lines.iter().any(|line| line.starts_with(begin) && line.ends_with(end))
}

/// A builder with settings in code and in the environment, and one that is invalid.
fn shop() -> SpanwiseBuilder {
    let variable = |name: &str| match name {
        "OTEL_SERVICE_NAME" => Some("shop".to_owned()),
        "OTEL_BSP_SCHEDULE_DELAY" => Some("soon".to_owned()),
        _ => None,
    };
    builder().with_environment(variable).with_max_export_batch_size(77)
}

#[test]
fn a_running_provider_shows_its_settings_their_origins_and_the_warnings_of_its_build() {
    let receiver = Receiver::builder().start().unwrap();
    let shop = shop().with_endpoint(receiver.http_endpoint()).with_header("api-key", "s3cret");
    let spanwise = shop.build().unwrap();
    let report = spanwise.doctor();
    let (status, lines) = configuration(&report);
    assert_eq!(status, CheckStatus::Warning, "{report}");
    assert!(has(lines, "OTEL_SERVICE_NAME=shop", "(variable: OTEL_SERVICE_NAME)"), "{report}");
    let code = "(code: with_max_export_batch_size)";
    assert!(has(lines, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=77", code), "{report}");
    assert!(has(lines, "OTEL_BSP_SCHEDULE_DELAY=`soon` is ignored", ""), "{report}");
    assert!(lines.iter().all(|line| !line.ends_with("(default)")), "{report}");
    assert!(!report.to_string().contains("s3cret"), "{report}");
    assert!(report.span_arrived(), "{report}");
}

#[test]
fn a_reload_changes_the_settings_that_the_doctor_shows_and_not_those_that_stay() {
    let receiver = Receiver::builder().start().unwrap();
    let endpoint = receiver.http_endpoint();
    let spanwise =
        shop().with_budget_bytes(64 << 20).with_endpoint(endpoint.clone()).build().unwrap();
    let next = builder().with_max_export_batch_size(99).with_budget_bytes(32 << 20);
    let reloaded = spanwise.reload(next.with_endpoint(endpoint)).unwrap();
    assert!(!reloaded.needs_restart.is_empty(), "the budget");
    let report = spanwise.doctor();
    let (status, lines) = configuration(&report);
    assert_eq!(status, CheckStatus::Passed, "the warning was of the build: {report}");
    assert!(has(lines, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=99", ""), "{report}");
    assert!(has(lines, "SPANWISE_BUDGET_BYTES=67108864 bytes", ""), "{report}");
    let _refused = spanwise.reload(builder().with_endpoint("no URL")).unwrap_err();
    assert_eq!(configuration(&spanwise.doctor()).1, lines, "a reload that fails changes nothing");
}

#[test]
fn a_sampler_that_the_program_has_replaced_is_no_setting() {
    let spanwise = builder().with_sink(accept).with_sampler(Sampler::always_off()).build().unwrap();
    assert!(has(configuration(&spanwise.doctor()).1, "OTEL_TRACES_SAMPLER=AlwaysOff", ""));
    spanwise.set_sampler(Sampler::always_on());
    let report = spanwise.doctor();
    assert!(!has(configuration(&report).1, "OTEL_TRACES_SAMPLER=", ""), "{report}");
}

#[test]
fn a_provider_that_was_shut_down_sends_the_span_to_its_own_endpoint() {
    let receiver = Receiver::builder().start().unwrap();
    let spanwise = shop().with_endpoint(receiver.http_endpoint()).build().unwrap();
    spanwise.shutdown_timeout(LONG).unwrap();
    let report = spanwise.doctor();
    let found = check(&report, "configuration").unwrap().finding();
    assert!(found.starts_with(&format!("spans go to {}", receiver.http_endpoint())), "{report}");
    assert!(has(configuration(&report).1, "OTEL_SERVICE_NAME=shop", ""), "{report}");
    assert_eq!(check(&report, "span").map(DoctorCheck::status), Some(CheckStatus::Passed));
    assert_eq!(receiver.stats().spans, 1, "{report}");
    assert!(check(&report, "sampling").is_none(), "the sampler ended: {report}");
    assert!(!report.span_arrived(), "the provider is shut down: {report}");
}

#[test]
fn the_sink_of_a_provider_that_was_shut_down_is_named() {
    let spanwise = builder().with_sink(accept).build().unwrap();
    spanwise.shutdown_timeout(LONG).unwrap();
    let report = spanwise.doctor();
    let found = check(&report, "configuration").unwrap().finding();
    assert!(found.starts_with("spans went to "), "{report}");
    assert_eq!(check(&report, "span").unwrap().finding(), "the sink ended with the provider");
}

#[test]
fn a_provider_that_exports_nothing_is_not_tested_by_the_settings_of_the_environment() {
    let spanwise = shop().with_exporter(Exporter::None).build().unwrap();
    let report = spanwise.doctor();
    let found = check(&report, "configuration").unwrap();
    assert_eq!(found.finding(), "the exporter is none: spans have ids and are not exported");
    assert!(has(found.details(), "OTEL_TRACES_EXPORTER=none", "(code: with_exporter)"), "{report}");
    assert!(check(&report, "span").is_none(), "{report}");
}

async fn accept(_: Bytes) -> Outcome {
    Outcome::Accepted { rejected: 0, message: None }
}
