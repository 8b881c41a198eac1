//! The processor and the exporter store spans on disk while the receiver accepts none.

use crate::support;

use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::trace::SdkTracerProvider;
use spanwise_opentelemetry::SpoolSettings;
use spanwise_receiver::Receiver;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::{LONG, exporter, processor};

/// A directory, whose drop removes it.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("stock-spool-{name}-{}", std::process::id())))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}

/// No listener has this port.
const AWAY: &str = "http://127.0.0.1:9";

#[test]
fn a_processor_stores_spans_that_the_next_one_sends() {
    let directory = Directory::new("processor");
    let path = directory.0.display().to_string();
    let of_variable = move |name: &str| (name == "SPANWISE_SPOOL_DIRECTORY").then(|| path.clone());
    let first = processor().with_environment(of_variable.clone()).with_endpoint(AWAY);
    let first = first.build().unwrap();
    let provider = SdkTracerProvider::builder().with_span_processor(first.clone()).build();
    provider.tracer("shop").start("checkout").end();
    provider.shutdown().unwrap();
    let ledger = first.ledger();
    assert_eq!((ledger.created, ledger.spooled, ledger.dropped_total()), (1, 1, 0), "{ledger}");

    let (receiver, collected) = Receiver::collecting().unwrap();
    let second = processor().with_endpoint(receiver.http_endpoint());
    let second = second.with_spool(SpoolSettings::new(&directory.0)).build().unwrap();
    let until = Instant::now() + LONG;
    while second.ledger().exported == 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    let ledger = second.ledger();
    assert_eq!((ledger.recovered, ledger.exported, ledger.spooled), (1, 1, 0), "{ledger}");
    assert_eq!(collected.spans(), 1);
}

#[test]
fn an_exporter_stores_the_spans_of_a_receiver_that_is_away() {
    let directory = Directory::new("exporter");
    let exporter = exporter().with_endpoint(AWAY).with_export_timeout(Duration::from_millis(200));
    let exporter = exporter.with_spool(SpoolSettings::new(&directory.0)).build().unwrap();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    provider.tracer("shop").start("checkout").end();
    provider.shutdown().unwrap();
    let ledger = exporter.ledger();
    assert_eq!((ledger.created, ledger.spooled, ledger.dropped_total()), (1, 1, 0), "{ledger}");
}
