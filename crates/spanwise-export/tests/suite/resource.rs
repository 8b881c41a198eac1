//! A resource that is replaced while the exporter runs, and a flush that a task awaits.

use spanwise_export::{BuildError, Exporter, ExporterBuilder, FlushError};
use spanwise_receiver::{Answer, Receiver};
use spanwise_transport::{Endpoint, Transport};
use spanwise_wire::write::{SpanHeader, SpanWriter, encode_resource};
use spanwise_wire::{SpanId, SpanLimits, SpanMeta, TraceId};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(20);

fn builder(receiver: &Receiver) -> ExporterBuilder {
    let endpoint = Endpoint::parse_base("ENDPOINT", &receiver.http_endpoint()).unwrap();
    Exporter::builder(Transport::builder().with_endpoint(endpoint).build().unwrap())
}

fn push(exporter: &Exporter, id: u64) {
    let mut span = SpanWriter::new();
    span.begin(&SpanLimits::default(), "span");
    let header = SpanHeader { trace_id: TraceId(7), span_id: SpanId(id), ..SpanHeader::default() };
    exporter.push(&span.finish(&header), SpanMeta::default());
}

fn named(name: &str) -> Vec<u8> {
    encode_resource([("service.name", name)], "")
}

#[test]
fn requests_have_the_resource_that_was_set_last() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let exporter = builder(&receiver).with_max_resource_bytes(1 << 10).build().unwrap();
    let names = ["first", "second", "third"];
    for (index, name) in names.iter().enumerate() {
        exporter.set_resource(named(name)).unwrap();
        push(&exporter, index as u64 + 1);
        exporter.flush_timeout(LONG).unwrap();
    }
    let received: Vec<_> = collected
        .bodies()
        .iter()
        .map(|body| {
            let request = spanwise_testkit::decode(body);
            let resource = request.resource_spans[0].resource.clone().unwrap();
            format!("{:?}", resource.attributes)
        })
        .collect();
    assert_eq!(received.len(), 3);
    for (text, name) in received.iter().zip(names) {
        assert!(text.contains(name), "{text}");
    }
    exporter.shutdown_timeout(LONG).unwrap();
}

#[test]
fn a_resource_above_the_reserved_size_is_an_error_and_changes_nothing() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let exporter = builder(&receiver).with_resource(named("shop")).build().unwrap();
    let error = exporter.set_resource(named("a longer name")).unwrap_err();
    assert!(matches!(error, BuildError::OutOfRange { setting: "set_resource", .. }), "{error}");
    assert!(error.to_string().contains("bytes"), "{error}");
    push(&exporter, 1);
    exporter.shutdown_timeout(LONG).unwrap();
    let request = spanwise_testkit::decode(&collected.bodies()[0]);
    assert!(format!("{:?}", request.resource_spans[0].resource).contains("shop"));
    let most = builder(&receiver).max_resource_bytes();
    builder(&receiver).with_max_resource_bytes(most).build().unwrap();
    builder(&receiver).with_max_resource_bytes(most + 1).build().unwrap_err();
}

#[test]
fn a_task_awaits_a_flush_while_its_runtime_does_other_work() {
    let slow = |_| Answer::Accept.after(Duration::from_millis(50));
    let receiver = Receiver::builder().with_handler(slow).start().unwrap();
    let exporter = builder(&receiver).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    push(&exporter, 1);
    runtime.block_on(async {
        let flush = exporter.flush_async(Instant::now() + LONG);
        let other = async {
            tokio::task::yield_now().await;
            exporter.snapshot().exported
        };
        let (flushed, exported_meanwhile) = tokio::join!(flush, other);
        assert_eq!((flushed, exported_meanwhile), (Ok(()), 0));
    });
    assert_eq!(exporter.snapshot().exported, 1);
    exporter.shutdown_timeout(LONG).unwrap();
    let late = runtime.block_on(exporter.flush_async(Instant::now() + LONG));
    assert_eq!(late, Err(FlushError::AlreadyShutdown));
}

#[test]
fn an_awaited_flush_ends_at_its_deadline() {
    let hung = |_| Answer::Accept.after(LONG);
    let receiver = Receiver::builder().with_handler(hung).start().unwrap();
    let exporter = builder(&receiver).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    push(&exporter, 1);
    let deadline = Instant::now() + Duration::from_millis(50);
    assert_eq!(runtime.block_on(exporter.flush_async(deadline)), Err(FlushError::Timeout));
    assert!(Instant::now() >= deadline);
    exporter.shutdown_timeout(Duration::ZERO).unwrap_err();
}
