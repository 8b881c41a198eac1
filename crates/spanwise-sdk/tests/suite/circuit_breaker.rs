//! The circuit breaker of a provider: it is reported when it opens.

use crate::support;

use opentelemetry::trace::Tracer as _;
use spanwise_sdk::{CircuitBreaker, Counter};
use spanwise_testkit::ClosedPort;
use std::time::{Duration, Instant};
use support::{DiagnosticLog, LONG, builder};

#[test]
fn a_circuit_breaker_that_opens_is_reported_once() {
    let closed = ClosedPort::new().unwrap();
    let log = DiagnosticLog::default();
    let breaker =
        CircuitBreaker::default().with_failures(2).with_open_time(Duration::from_secs(60));
    let spanwise = log
        .attach(builder())
        .with_endpoint(closed.endpoint().unwrap())
        .with_circuit_breaker(breaker)
        .with_scheduled_delay(Duration::from_millis(5))
        .build()
        .unwrap();
    drop(spanwise.tracer("x").start("span"));
    let opened = || log.lines().into_iter().filter(|line| line.contains("circuit breaker"));
    let patience = Instant::now() + LONG;
    while opened().count() == 0 {
        assert!(Instant::now() < patience, "{:?}", log.lines());
        std::thread::sleep(Duration::from_millis(1));
    }
    let _timed_out = spanwise.shutdown_timeout(Duration::from_millis(50));
    let opened: Vec<_> = opened().collect();
    let start = format!("the circuit breaker of {}", closed.endpoint().unwrap());
    assert!(opened.len() == 1 && opened[0].starts_with(&start), "{opened:?}");
    // The open time is drawn from its upper half, up to what a server can ask for.
    let wait = opened[0].rsplit_once("the next attempt in ").unwrap().1.strip_suffix('s').unwrap();
    assert!((25.0..=50.0).contains(&wait.parse::<f64>().unwrap()), "{opened:?}");
    assert_eq!(spanwise.ledger().counter(Counter::BreakerOpenings), 1);
}
