//! Diagnostics when spans do not arrive: the provider reports the cause at once, the recovery once, and
//! the number of lost spans.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry::trace::Tracer as _;
use spanwise_receiver::{Answer, Receiver};
use spanwise_sdk::{Diagnostic, FlushError, Spanwise};
use spanwise_testkit::{ClosedPort, Fault, FaultProxy, Peer};
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{DiagnosticLog, LONG, builder};

fn make(spanwise: &Spanwise, count: usize) {
    let tracer = spanwise.tracer("diagnostics");
    for _ in 0..count {
        drop(tracer.start("span"));
    }
}

/// Waits until a line contains `part`, and returns it.
fn wait_for(log: &DiagnosticLog, part: &str) -> String {
    let patience = Instant::now() + LONG;
    loop {
        let lines = log.lines();
        if let Some(line) = lines.iter().find(|line| line.contains(part)) {
            return line.clone();
        }
        assert!(Instant::now() < patience, "no line with {part:?}: {lines:#?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn count(log: &DiagnosticLog, part: &str) -> usize {
    log.lines().iter().filter(|line| line.contains(part)).count()
}

#[test]
fn the_first_failed_attempt_is_reported_at_once_and_once() {
    let port = ClosedPort::new().unwrap();
    let endpoint = port.endpoint().unwrap();
    let log = DiagnosticLog::default();
    let spanwise = log.attach(builder()).with_endpoint(&endpoint).build().unwrap();
    make(&spanwise, 16);
    // The flush ends before a span is lost, and long before the worker drops the request.
    let error = spanwise.force_flush_timeout(Duration::from_millis(700)).unwrap_err();
    let lines = log.lines();
    let first = lines.first().unwrap();
    for part in [&endpoint, "connection refused", "attempt 1", "the next in"] {
        assert!(first.contains(part), "{first} lacks {part}");
    }
    assert_eq!(lines.len(), 1, "many attempts, one line: {lines:#?}");
    let text = error.to_string();
    for part in ["0 spans lost", "16 in flight", &endpoint, "connection refused"] {
        assert!(text.contains(part), "{text} lacks {part}");
    }
    drop(spanwise);
}

#[test]
fn a_shutdown_that_loses_spans_returns_their_number_and_the_cause() {
    let port = ClosedPort::new().unwrap();
    let log = DiagnosticLog::default();
    let builder = log.attach(builder()).with_endpoint(port.endpoint().unwrap());
    let spanwise = builder.build().unwrap();
    make(&spanwise, 3);
    let error = spanwise.shutdown_timeout(Duration::from_millis(300)).unwrap_err();
    assert!(matches!(&error, FlushError::Timeout(report) if report.ledger.dropped_total() == 3));
    let lost = wait_for(&log, "spans lost");
    for text in [error.to_string(), format!("{error:?}"), lost] {
        assert!(text.contains("3 spans lost"), "{text}");
        assert!(text.contains("connection refused"), "{text}");
    }
}

#[test]
fn a_dropped_guard_reports_the_lost_spans_and_the_cause() {
    let port = ClosedPort::new().unwrap();
    let log = DiagnosticLog::default();
    let builder = log.attach(builder()).with_endpoint(port.endpoint().unwrap());
    let spanwise = builder.with_shutdown_timeout(Duration::from_millis(200)).build().unwrap();
    make(&spanwise, 3);
    drop(spanwise);
    let lost = wait_for(&log, "3 spans lost");
    assert!(lost.contains("shutdown_deadline 3"), "{lost}");
    assert!(lost.contains("connection refused"), "{lost}");
}

#[test]
fn recovery_is_reported_once() {
    let (receiver, _collected) = Receiver::collecting().unwrap();
    let proxy = FaultProxy::start(receiver.address()).unwrap();
    proxy.set(Fault::Refuse);
    let log = DiagnosticLog::default();
    let spanwise = log.attach(builder()).with_endpoint(proxy.endpoint()).build().unwrap();
    let shown = || spanwise.live_view().snapshot().unwrap().destinations[0].last_failure.clone();
    make(&spanwise, 10);
    std::thread::scope(|scope| {
        scope.spawn(|| spanwise.force_flush_timeout(LONG).unwrap());
        wait_for(&log, "cannot export");
        assert!(shown().is_some());
        proxy.set(Fault::Pass);
    });
    assert_eq!(shown(), None, "the live page shows a failure that is over");
    for _ in 0..3 {
        make(&spanwise, 1);
        assert_eq!(spanwise.force_flush_timeout(LONG).unwrap().exported, 1);
    }
    assert_eq!(count(&log, "again, after"), 1, "{:#?}", log.lines());
    assert_eq!(count(&log, "cannot export"), 1, "{:#?}", log.lines());
    assert_eq!(spanwise.shutdown_timeout(LONG).unwrap().last_failure, None, "the failure is over");
}

/// OTLP 1.10, *Partial Success*: a message beside 0 rejected items is a warning or suggestion.
#[test]
fn a_warning_of_the_receiver_is_reported() {
    let answer = Answer::Partial { rejected: 0, message: "send\nless".into() };
    let receiver = Receiver::builder().with_handler(move |_| answer.clone()).start().unwrap();
    let log = DiagnosticLog::default();
    let spanwise = log.attach(builder()).with_endpoint(receiver.http_endpoint()).build().unwrap();
    make(&spanwise, 5);
    let report = spanwise.shutdown_timeout(LONG).unwrap();
    assert_eq!((report.ledger.exported, report.ledger.dropped_total()), (5, 0));
    let line = wait_for(&log, "warned");
    assert!(line.ends_with("send less"), "{line}");
}

/// OTLP 1.10, *Partial Success*: the message may be of any length. `with_max_response_bytes` limits how
/// much of a response the transport reads.
#[test]
fn a_response_above_the_configured_length_is_not_read() {
    for (max, exported) in [(1 << 10, 0), (1 << 20, 5)] {
        let answer = Answer::Partial { rejected: 0, message: "a".repeat(2_000) };
        let receiver = Receiver::builder().with_handler(move |_| answer.clone()).start().unwrap();
        let builder = builder().with_endpoint(receiver.http_endpoint());
        let spanwise = builder.with_max_response_bytes(max).build().unwrap();
        make(&spanwise, 5);
        let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
        assert_eq!(ledger.exported, exported, "{max}: {ledger:?}");
        assert_eq!(ledger.dropped(spanwise_sdk::DropReason::ResponseTooLarge), 5 - exported);
    }
    for bad in [0, usize::MAX] {
        let error = builder().with_max_response_bytes(bad).build().unwrap_err().to_string();
        assert!(error.contains("with_max_response_bytes") && error.contains("accepted"), "{error}");
    }
}

/// OTLP 1.10, *OTLP/HTTP Response*: the body of a success is an `ExportTraceServiceResponse`.
#[test]
fn a_success_that_is_not_otlp_is_reported() {
    let peer = Peer::start(|mut stream| {
        let _request = stream.read(&mut [0; 4096]).unwrap();
        let page = "<html>welcome</html>";
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n",
            page.len()
        );
        stream.write_all((head + page).as_bytes()).unwrap();
        let _closed = stream.read(&mut [0; 4096]);
    })
    .unwrap();
    let log = DiagnosticLog::default();
    let spanwise = log.attach(builder()).with_endpoint(peer.endpoint()).build().unwrap();
    make(&spanwise, 1);
    let report = spanwise.shutdown_timeout(LONG).unwrap();
    assert_eq!(report.ledger.exported, 1, "the status is a success");
    let line = wait_for(&log, "is it an OTLP receiver");
    assert!(line.contains("text/html"), "{line}");
}

#[test]
fn debug_prints_the_same_line_as_display() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let receiver = Receiver::builder()
        .with_handler(|_| Answer::Partial { rejected: 1, message: "bad\u{1b}[31m".into() })
        .start()
        .unwrap();
    let sink = seen.clone();
    let spanwise = builder()
        .with_endpoint(receiver.http_endpoint())
        .with_diagnostics(move |diagnostic: &Diagnostic| {
            sink.lock().unwrap().push(diagnostic.clone())
        })
        .build()
        .unwrap();
    make(&spanwise, 2);
    let report = spanwise.shutdown_timeout(LONG).unwrap();
    assert_eq!(format!("{report:?}"), report.to_string());
    let seen = seen.lock().unwrap();
    assert!(!seen.is_empty());
    for diagnostic in seen.iter() {
        let line = format!("{diagnostic:?}");
        assert_eq!(line, diagnostic.to_string());
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}

#[test]
fn a_guard_that_is_dropped_at_once_is_reported_when_a_span_is_started() {
    let log = DiagnosticLog::default();
    let install = || drop(log.attach(builder()).init().unwrap());
    install();
    assert_eq!(log.lines(), [""; 0], "a program without spans gets no report");
    let tracer = opentelemetry::global::tracer("late");
    for _ in 0..3 {
        drop(tracer.start("lost"));
    }
    let line = wait_for(&log, "keep the guard");
    assert!(line.contains("before any span"), "{line}");
    assert_eq!(log.lines().len(), 1);
}

/// Errors name the endpoint of a peer that accepts connections and never answers.
#[test]
fn a_peer_that_never_answers_is_named() {
    let peer = Peer::start(|mut stream| drop(stream.read_to_end(&mut Vec::new()))).unwrap();
    let endpoint = peer.endpoint();
    let log = DiagnosticLog::default();
    let spanwise = log.attach(builder()).with_endpoint(&endpoint).build().unwrap();
    make(&spanwise, 4);
    for error in [
        spanwise.force_flush_timeout(Duration::from_millis(200)).unwrap_err().to_string(),
        spanwise.shutdown_timeout(Duration::from_millis(200)).unwrap_err().to_string(),
        wait_for(&log, "4 spans lost"),
    ] {
        assert!(error.contains(&endpoint) && error.contains("no answer for"), "{error}");
    }
}

/// A shutdown drops and counts the spans of threads that wait for space.
#[test]
fn a_shutdown_counts_every_span_that_it_drops() {
    let log = DiagnosticLog::default();
    let sink = |_: spanwise_sdk::Bytes| std::future::pending::<spanwise_sdk::Outcome>();
    let spanwise = log
        .attach(builder())
        .with_sink(sink)
        .with_max_queue_size(16)
        .with_on_full(spanwise_sdk::OnFull::Wait(LONG))
        .build()
        .unwrap();
    let report = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..20).map(|_| scope.spawn(|| make(&spanwise, 2))).collect();
        while spanwise.ledger().created < 20 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let error = spanwise.shutdown_timeout(Duration::from_secs(2)).unwrap_err();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        match error {
            FlushError::Timeout(report) => report,
            other => panic!("{other}"),
        }
    });
    // All threads have ended, so no thread starts spans any more.
    let ledger = spanwise.ledger();
    assert_eq!((ledger.exported, ledger.in_flight), (0, 0), "{ledger:?}");
    assert_eq!(report.ledger.dropped_total(), ledger.dropped_total(), "{report} {ledger}");
}

/// The provider reports each of three outages within half a minute, and each recovery.
#[test]
fn each_outage_and_recovery_is_reported() {
    let (receiver, _collected) = Receiver::collecting().unwrap();
    let proxy = FaultProxy::start(receiver.address()).unwrap();
    let log = DiagnosticLog::default();
    let spanwise = log.attach(builder()).with_endpoint(proxy.endpoint()).build().unwrap();
    for outage in 1..=3 {
        proxy.set(Fault::Refuse);
        make(&spanwise, 1);
        std::thread::scope(|scope| {
            scope.spawn(|| spanwise.force_flush_timeout(LONG).unwrap());
            let patience = Instant::now() + LONG;
            while count(&log, "cannot export") < outage {
                assert!(Instant::now() < patience, "{outage}: {:#?}", log.lines());
                std::thread::sleep(Duration::from_millis(2));
            }
            proxy.set(Fault::Pass);
        });
    }
    assert_eq!(spanwise.shutdown_timeout(LONG).unwrap().ledger.exported, 3);
    assert_eq!(count(&log, "again, after"), 3, "{:#?}", log.lines());
}

/// A refused size is no outage: the spans are sent again, and nothing is given up.
#[test]
fn a_request_that_is_split_is_reported_as_that_and_as_nothing_else() {
    let refuse = || Answer::Refuse {
        http_status: 413,
        grpc_code: 8,
        message: "too many spans".into(),
        retry_after: None,
    };
    for max in [10, 0] {
        let answer = move |spans: u64| if spans > max { refuse() } else { Answer::Accept };
        let receiver =
            Receiver::builder().with_handler(move |it| answer(it.spans)).start().unwrap();
        let log = DiagnosticLog::default();
        let spanwise =
            log.attach(builder()).with_endpoint(receiver.http_endpoint()).build().unwrap();
        make(&spanwise, 64);
        let report = spanwise.shutdown_timeout(LONG).unwrap();
        let split = wait_for(&log, "too large: they are sent again");
        assert!(split.contains("too many spans"), "{split}");
        for outage in ["cannot export", "again, after"] {
            assert_eq!(count(&log, outage), 0, "{:#?}", log.lines());
        }
        // A span that is refused alone is given up, and that is reported.
        assert_eq!(
            (report.ledger.exported, report.ledger.dropped_total()),
            if max > 0 { (64, 0) } else { (0, 64) }
        );
        if max == 0 {
            assert!(wait_for(&log, " lost: ").contains("too many spans"));
        }
        assert_eq!(count(&log, "was given up"), usize::from(max == 0), "{:#?}", log.lines());
    }
}
