//! Failures of further destinations: reports and results name the destination that failed.

use crate::support;

use opentelemetry::trace::Tracer as _;
use spanwise_receiver::Receiver;
use spanwise_sdk::{Destination, Exporter, FlushError, Spanwise};
use spanwise_testkit::ClosedPort;
use spanwise_transport::{Endpoint, RingVersion, Transport};
use std::time::{Duration, Instant};
use support::{DiagnosticLog, LONG, builder};

fn to(url: &str) -> Transport {
    let endpoint = Endpoint::parse_base("endpoint", url).unwrap();
    Transport::builder().with_endpoint(endpoint).build().unwrap()
}

/// A provider whose endpoint works, with this further destination, and its receiver.
fn start(destination: Destination, log: &DiagnosticLog) -> (Spanwise, Receiver) {
    let (receiver, _) = Receiver::collecting().unwrap();
    let spanwise = log
        .attach(builder())
        .with_endpoint(receiver.http_endpoint())
        .with_destination(destination)
        .with_scheduled_delay(Duration::from_millis(5))
        .build()
        .unwrap();
    (spanwise, receiver)
}

fn wait_for(log: &DiagnosticLog, is_expected: impl Fn(&str) -> bool) -> String {
    let patience = Instant::now() + LONG;
    loop {
        if let Some(line) = log.lines().into_iter().find(|line| is_expected(line)) {
            return line;
        }
        assert!(Instant::now() < patience, "{:?}", log.lines());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_dead_destination_is_reported_at_its_first_failed_attempt_and_blamed_by_name() {
    let closed = ClosedPort::new().unwrap();
    let url = closed.endpoint().unwrap();
    let log = DiagnosticLog::default();
    let archive = Destination::new(to(&url)).with_name("archive");
    let (spanwise, receiver) = start(archive, &log);
    let tracer = spanwise.tracer("archived");
    (0..10).for_each(|_| drop(tracer.start("span")));

    let line = wait_for(&log, |line| line.starts_with("cannot export"));
    let expected = format!("cannot export to archive ({url}/v1/traces): connection refused (");
    assert!(line.starts_with(&expected), "{line}");
    assert!(line.contains("; is a collector listening at"), "{line}");

    let flushed = spanwise.force_flush_timeout(Duration::from_millis(200));
    let text = flushed.as_ref().unwrap_err().to_string();
    let Err(FlushError::Timeout(report)) = flushed else { panic!("{text}") };
    assert_eq!((report.ledger.exported, report.ledger.in_flight), (10, 0), "{text}");
    assert_eq!(report.last_failure, None, "the provider's endpoint works: {text}");
    let [archive] = &report.destinations[..] else { panic!("{text}") };
    assert_eq!((archive.name.as_str(), archive.in_flight), ("archive", 10));
    let failure = archive.last_failure.as_deref().unwrap();
    assert_eq!(failure, format!("archive ({url}/v1/traces): connection refused"));
    assert!(!text.contains(&receiver.address().to_string()), "{text}");
    let expected =
        format!("at archive: 0 spans lost, 10 in flight, 0 exported; the last failure: {failure}");
    assert!(text.ends_with(&expected), "{text}");

    let shut_down = spanwise.shutdown_timeout(Duration::from_millis(200));
    let text = shut_down.unwrap_err().to_string();
    let expected =
        format!("at archive: 10 spans lost, 0 in flight, 0 exported; the last failure: {failure}");
    assert!(text.ends_with(&expected), "{text}");
}

#[test]
fn a_given_transport_replaces_the_settings_of_the_network() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let closed = ClosedPort::new().unwrap().endpoint().unwrap();
    let endpoints = [closed, receiver.http_endpoint()].map(|url| url.parse::<Endpoint>().unwrap());
    let transport = Transport::builder().with_endpoints(endpoints).build().unwrap();
    let log = DiagnosticLog::default();
    let spanwise = log
        .attach(builder())
        .with_endpoint("http://not.used:1")
        .with_export_timeout(LONG)
        .with_transport(transport.clone())
        .build()
        .unwrap();
    let tracer = spanwise.tracer("given");
    (0..10).for_each(|_| drop(tracer.start("span")));
    let report = spanwise.shutdown().unwrap();
    assert_eq!((report.ledger.exported, collected.spans()), (10, 10));
    let lines = log.lines();
    for setting in ["with_endpoint", "with_export_timeout"] {
        assert!(lines.iter().any(|line| line.contains(setting)), "{lines:?}");
    }
    assert!(lines.iter().any(|line| line.contains("connection refused")), "{lines:?}");

    let sink = |_| {
        std::future::ready(spanwise_transport::Outcome::Accepted { rejected: 0, message: None })
    };
    let both = builder().with_sink(sink).with_transport(transport).build().unwrap_err();
    assert!(both.to_string().ends_with("with_sink is set too; accepted is one of them"), "{both}");
}

#[test]
fn a_destination_without_an_exporter_is_reported() {
    let log = DiagnosticLog::default();
    let builder = log.attach(builder()).with_exporter(Exporter::None);
    let _spanwise = builder.with_destination(to("http://localhost:1")).build().unwrap();
    let lines = log.lines();
    assert!(lines.iter().any(|line| line.contains("with_destination")), "{lines:?}");
}

#[test]
fn the_recovery_of_a_destination_is_reported_unless_other_endpoints_of_it_answer() {
    let (good, _) = Receiver::collecting().unwrap();
    let closed = ClosedPort::new().unwrap();
    let dead = closed.endpoint().unwrap();
    let endpoints = [("good", to(&good.http_endpoint())), ("dead", to(&dead))];
    let routed = Destination::routed_by_trace_id(RingVersion::V1, endpoints).unwrap();
    let log = DiagnosticLog::default();
    let (spanwise, _receiver) = start(routed.with_name("ring"), &log);
    let tracer = spanwise.tracer("routed");
    let patience = Instant::now() + LONG;
    while good.stats().spans < 100 {
        (0..20).for_each(|_| drop(tracer.start("span")));
        std::thread::sleep(Duration::from_millis(5));
        assert!(Instant::now() < patience);
    }
    wait_for(&log, |line| line.starts_with(&format!("cannot export to ring ({dead}/v1/traces)")));
    let _lost = spanwise.shutdown_timeout(Duration::from_millis(50));
    let lines = log.lines();
    assert!(!lines.iter().any(|line| line.contains("again, after")), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("cannot")).count(), 1, "{lines:?}");
}
