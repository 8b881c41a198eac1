//! The checks of the doctor that only the process can make, each scenario in a process of its own: globals, the filter of `tracing`, forks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use opentelemetry::global;
use opentelemetry::trace::{Tracer as _, TracerProvider as _};
use spanwise_receiver::{Answer, Receiver};
use spanwise_sdk::{
    Bytes, CheckStatus, DoctorCheck, DoctorReport, Outcome, SpanKind, VisibleFrom, doctor,
};
use spanwise_testkit::{ClosedPort, in_own_process};
use std::time::{Duration, Instant};
use support::{LONG, builder};

fn check<'a>(report: &'a DoctorReport, name: &str) -> &'a DoctorCheck {
    let found = report.checks().iter().find(|check| check.name() == name);
    found.unwrap_or_else(|| panic!("no check {name}:\n{report}"))
}

/// Asserts the status, the beginning of the finding and a part of the fix of a check that only the process can make.
#[track_caller]
fn assert_found(report: &DoctorReport, name: &str, status: CheckStatus, finding: &str, fix: &str) {
    let found = check(report, name);
    assert_eq!((found.status(), found.visible_from()), (status, VisibleFrom::Process), "{report}");
    assert!(found.finding().starts_with(finding), "{report}");
    assert!(found.fix().unwrap_or_default().contains(fix), "{report}");
    if status != CheckStatus::Passed {
        let page = include_str!("../../../docs/troubleshooting.md");
        assert!(page.contains(finding), "docs/troubleshooting.md has no: {finding}");
        assert!(page.contains(found.fix().unwrap_or_default()), "the page has no: {found}");
    }
}

/// The version of the API in Cargo.toml, without its patch.
fn api() -> String {
    let manifest = include_str!("../../../Cargo.toml");
    let version = manifest.split_once("\nopentelemetry = { version = \"").unwrap().1;
    version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

#[test]
fn a_running_provider_sends_the_span_by_its_own_settings() {
    in_own_process("a_running_provider_sends_the_span_by_its_own_settings", || {
        let receiver = Receiver::builder().start().unwrap();
        let tracing = builder().with_endpoint(receiver.http_endpoint()).init().unwrap();
        global::tracer("shop").start("checkout");
        tracing.force_flush_timeout(LONG).unwrap();
        let before = tracing.ledger();
        let report = doctor();
        assert!(report.span_arrived(), "{report}");
        assert_found(
            &report,
            "provider",
            CheckStatus::Passed,
            "the provider of Spanwise is the global one",
            "",
        );
        assert_found(
            &report,
            "spans",
            CheckStatus::Passed,
            "spans so far: 1 created, 0 sampled out, 1 exported, 0 lost",
            "",
        );
        assert_eq!(receiver.stats().spans, 2, "the program's span and the doctor's");
        assert_eq!(tracing.ledger(), before, "the doctor's span is none of the program");
    });
}

/// The receiver is busy for the doctor alone; a pause that it asks for would last longer than the test.
#[test]
fn the_doctor_stops_no_exports_and_waits_for_no_pause() {
    let receiver = Receiver::builder()
        .with_handler(|export| match export.body.windows(15).any(|it| it == b"spanwise doctor") {
            true => Answer::Refuse {
                http_status: 503,
                grpc_code: 14,
                message: "busy".into(),
                retry_after: Some(LONG),
            },
            false => Answer::Accept,
        })
        .start()
        .unwrap();
    let spanwise = builder().with_endpoint(receiver.http_endpoint()).build().unwrap();
    for exported in 1..=2 {
        let report = spanwise.doctor();
        assert!(check(&report, "span").finding().contains("503"), "{report}");
        spanwise.tracer("shop").root("checkout", SpanKind::Server).finish();
        spanwise.force_flush_timeout(LONG / 2).unwrap();
        assert_eq!(spanwise.ledger().exported, exported);
    }
}

#[test]
fn a_provider_that_was_never_installed_is_named() {
    in_own_process("a_provider_that_was_never_installed_is_named", || {
        let spanwise = builder().with_sink(accept).build().unwrap();
        let report = doctor();
        assert_found(
            &report,
            "provider",
            CheckStatus::Failed,
            &format!("no provider of Spanwise is the global one of opentelemetry {}:", api()),
            "call spanwise::init() at the start of main and keep its guard",
        );
        assert!(!report.span_arrived());
        assert_eq!(spanwise.ledger().created, 0, "the search makes no span");
    });
}

/// The symptom in the process: the provider runs, and the spans of the other version do not reach it.
#[test]
fn spans_of_another_version_of_the_api_are_missed() {
    in_own_process("spans_of_another_version_of_the_api_are_missed", || {
        let tracing = builder().with_sink(accept).init().unwrap();
        let report = doctor();
        assert_found(
            &report,
            "spans",
            CheckStatus::Warning,
            &format!(
                "no span was started through opentelemetry {} since the start of the provider",
                api()
            ),
            "if the program makes spans by `tracing`, its subscriber needs the layer of Spanwise, which spanwise::tracing::init() \
             adds; if by opentelemetry, its crates use another version of it: `cargo tree -i opentelemetry` shows it",
        );
        assert!(report.span_arrived(), "the doctor's own: {report}");
        tracing.tracer("shop").root("checkout", SpanKind::Server).finish();
        assert_eq!(check(&doctor(), "spans").status(), CheckStatus::Passed);
    });
}

#[test]
fn a_guard_that_is_dropped_at_once_is_named() {
    in_own_process("a_guard_that_is_dropped_at_once_is_named", || {
        let _ = builder().with_sink(accept).init().unwrap();
        let report = doctor();
        assert_found(
            &report,
            "provider",
            CheckStatus::Failed,
            "the provider was shut down ",
            "keep the guard",
        );
        assert!(
            check(&report, "provider").finding().ends_with("after its start, before any span"),
            "{report}"
        );
        assert!(!report.span_arrived());
    });
}

#[cfg(unix)]
#[test]
fn a_fork_after_the_start_is_named() {
    in_own_process("a_fork_after_the_start_is_named", || {
        let receiver = Receiver::builder().start().unwrap();
        let tracing = builder().with_endpoint(receiver.http_endpoint()).init().unwrap();
        let child = spanwise_testkit::in_forked_child(|out| {
            out.write_all(doctor().to_string().as_bytes()).unwrap();
        });
        let child = String::from_utf8(child).unwrap();
        let named = "failed   provider: this process was forked after the provider had been started: the worker thread is \
                     in the parent [process]\n         fix: call spanwise::init() in the child, after the fork\n";
        assert!(child.starts_with(named), "{child}");
        assert!(tracing.doctor().span_arrived(), "the parent's are sent");
    });
}

#[cfg(feature = "tracing")]
#[test]
fn a_filter_of_tracing_that_lets_nothing_through_is_named() {
    use tracing_subscriber::filter::LevelFilter;
    use tracing_subscriber::prelude::*;
    in_own_process("a_filter_of_tracing_that_lets_nothing_through_is_named", || {
        let tracing = builder().with_sink(accept).init().unwrap();
        assert!(doctor().checks().iter().all(|check| check.name() != "tracing"), "no subscriber");
        let (filter, handle) = tracing_subscriber::reload::Layer::new(LevelFilter::OFF);
        tracing_subscriber::registry().with(filter).init();
        let report = doctor();
        let finding = "the filter of the `tracing` subscriber lets nothing through";
        assert_found(&report, "tracing", CheckStatus::Failed, finding, "RUST_LOG=info");
        assert!(!report.span_arrived());

        handle.reload(LevelFilter::WARN).unwrap();
        let finding = "the filter of the `tracing` subscriber lets only WARN through";
        assert_found(&doctor(), "tracing", CheckStatus::Warning, finding, "RUST_LOG=info");
        handle.reload(LevelFilter::INFO).unwrap();
        assert_eq!(check(&doctor(), "tracing").status(), CheckStatus::Passed);
        drop(tracing);
    });
}

#[test]
fn lost_spans_and_their_cause_are_shown() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let port = runtime.block_on(async { ClosedPort::new().unwrap() });
    let spanwise = builder()
        .with_endpoint(port.endpoint().unwrap())
        .with_export_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    spanwise.tracer("shop").root("checkout", SpanKind::Server).finish();
    let _refused = spanwise.force_flush_timeout(LONG);
    let report = spanwise.doctor();
    assert_found(
        &report,
        "spans",
        CheckStatus::Warning,
        "spans so far: 1 created, 0 sampled out, 0 exported, 1 lost",
        "",
    );
    let detail = &check(&report, "spans").details()[0];
    assert!(detail.contains("connection refused"), "{report}");
    assert_eq!(check(&report, "connection").finding(), "connection refused");
}

#[test]
fn each_further_destination_is_checked_also_that_of_a_running_provider() {
    let receivers = [(); 2].map(|()| Receiver::builder().start().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let closed = runtime.block_on(async { ClosedPort::new().unwrap() });
    let transport = |url: &str| {
        let endpoint = spanwise_transport::Endpoint::parse_base("test", url).unwrap();
        spanwise_transport::Transport::builder().with_endpoint(endpoint).build().unwrap()
    };
    let builder = builder()
        .with_endpoint(receivers[0].http_endpoint())
        .with_destination(transport(&receivers[1].http_endpoint()))
        .with_destination(transport(&closed.endpoint().unwrap()));
    let spanwise = builder.clone().build().unwrap();
    for report in [builder.doctor(), spanwise.doctor()] {
        let further = report.checks().iter().filter(|it| it.name() == "destination");
        let further: Vec<_> = further.collect();
        let statuses: Vec<_> = further.iter().map(|check| check.status()).collect();
        assert_eq!(statuses, [CheckStatus::Passed, CheckStatus::Warning], "{report}");
        assert!(further[1].finding().ends_with("/v1/traces: connection refused"), "{report}");
        assert!(further[1].fix().unwrap().starts_with("is a collector listening at "), "{report}");
        assert!(report.span_arrived(), "at the endpoint: {report}");
    }
    assert_eq!(receivers.map(|receiver| receiver.stats().spans), [2, 2]);
}

#[test]
fn a_doctor_in_a_task_disturbs_no_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = runtime.block_on(async { builder().with_sink(accept).doctor() });
    assert!(report.span_arrived(), "{report}");
}

#[test]
fn a_sink_that_panics_or_never_answers_is_a_failed_check() {
    let report = builder().with_sink(|_: Bytes| async { panic!("of the user") }).doctor();
    assert!(!report.span_arrived(), "{report}");
    let spanwise = builder()
        .with_sink(|_: Bytes| std::future::pending::<Outcome>())
        .with_attempt_timeout(Duration::from_millis(50));
    let started = Instant::now();
    let report = spanwise.doctor();
    assert_eq!(check(&report, "span").status(), CheckStatus::Failed, "{report}");
    assert!(started.elapsed() < LONG);
}

#[test]
fn a_doctor_within_another_is_refused() {
    let (reported, report) = std::sync::mpsc::channel();
    let sink = move |_: Bytes| {
        reported.send(builder().with_sink(accept).doctor()).unwrap();
        accept(Bytes::new())
    };
    assert!(builder().with_sink(sink).doctor().span_arrived());
    let inner = report.recv().unwrap();
    let called = "a sampler or a sink that the doctor uses called the doctor";
    assert_eq!(check(&inner, "doctor").finding(), called);
    assert!(include_str!("../../../docs/troubleshooting.md").contains(called));
}

#[test]
fn at_most_32_doctors_run_at_once() {
    in_own_process("at_most_32_doctors_run_at_once", || {
        let (open, opened) = std::sync::mpsc::channel::<()>();
        let (entered, entries) = std::sync::mpsc::channel();
        let opened = std::sync::Arc::new(std::sync::Mutex::new(opened));
        let doctors: Vec<_> = (0..32)
            .map(|_| {
                let (opened, entered) = (opened.clone(), entered.clone());
                let sink = move |_: Bytes| {
                    entered.send(()).unwrap();
                    let _blocks = opened.lock().map(|opened| opened.recv());
                    accept(Bytes::new())
                };
                std::thread::spawn(move || builder().with_sink(sink).doctor())
            })
            .collect();
        (0..32).for_each(|_| entries.recv().unwrap());
        let refused = builder().with_sink(accept).doctor();
        let finding = "32 doctors run already: try again when they end";
        assert_eq!(check(&refused, "doctor").finding(), finding);
        assert!(include_str!("../../../docs/troubleshooting.md").contains(finding));
        drop(open);
        assert!(doctors.into_iter().all(|it| it.join().unwrap().span_arrived()));
        assert!(builder().with_sink(accept).doctor().span_arrived());
    });
}

#[test]
fn spans_that_are_all_sampled_out_are_counted() {
    let spanwise = builder()
        .with_sink(accept)
        .with_sampler(spanwise_sdk::sampling::Sampler::always_off())
        .build()
        .unwrap();
    let tracer = spanwise.tracer("shop");
    (0..40).for_each(|_| tracer.root("checkout", SpanKind::Server).finish());
    let report = spanwise.doctor();
    let finding = "spans so far: 40 created, 40 sampled out, 0 exported, 0 lost";
    assert_found(&report, "spans", CheckStatus::Warning, finding, "OTEL_TRACES_SAMPLER");
    assert_eq!(check(&report, "sampling").status(), CheckStatus::Failed);
    assert_eq!(spanwise.ledger().created, 40, "the doctor asks the sampler and makes no span");
}

/// A tracer with the marker's name that the program asks for itself.
#[test]
fn the_name_of_the_marker_is_no_trap() {
    let spanwise = builder().with_sink(accept).build().unwrap();
    let tracer = spanwise.tracer_with_scope(
        opentelemetry::InstrumentationScope::builder("spanwise.doctor.marker").build(),
    );
    tracer.start("a span");
    assert_eq!(spanwise.shutdown_timeout(LONG).unwrap().exported, 1);
}

async fn accept(_: Bytes) -> Outcome {
    Outcome::Accepted { rejected: 0, message: None }
}
