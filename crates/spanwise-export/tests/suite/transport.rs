//! The transport of the first destination is replaced while the exporter runs.

use crate::support;

use spanwise_export::sans_io::QueueAction;
use spanwise_export::{DynamicTransport, Exporter, ExporterBuilder, FlushError};
use spanwise_ledger::DropReason;
use spanwise_transport::{Compression, Outcome, Protocol, Transport};
use spanwise_wire::write::{SpanHeader, SpanWriter};
use spanwise_wire::{SpanId, SpanLimits, SpanMeta, TraceId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::destinations::{HOUR, World, plain, routed, to};

const LONG: Duration = Duration::from_secs(60);

fn soon() -> Instant {
    Instant::now() + LONG
}

/// Pushes spans with these ids.
fn push(exporter: &Exporter, ids: std::ops::Range<u64>) {
    let mut writer = SpanWriter::new();
    for id in ids {
        writer.begin(&SpanLimits::default(), "span");
        let header =
            SpanHeader { trace_id: TraceId(1), span_id: SpanId(id), ..SpanHeader::default() };
        exporter.push(&writer.finish(&header), SpanMeta::default());
    }
}

fn accepted() -> Outcome {
    Outcome::Accepted { rejected: 0, message: None }
}

/// The span ids that sinks received, each with the sinks' numbers.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<HashMap<u64, Vec<usize>>>>);

impl Received {
    fn add(&self, sink: usize, request: &[u8]) {
        let decoded = spanwise_testkit::decode(request);
        let mut all = self.0.lock().unwrap();
        for span in spanwise_testkit::spans(&decoded) {
            let id = u64::from_be_bytes(span.span_id[..].try_into().unwrap());
            all.entry(id).or_default().push(sink);
        }
    }

    fn wait_for(&self, sink: usize) {
        let patience = soon();
        while !self.0.lock().unwrap().values().any(|sinks| sinks.contains(&sink)) {
            assert!(Instant::now() < patience, "sink {sink} got nothing");
            std::thread::yield_now();
        }
    }
}

/// Counts the sinks that are not dropped.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// A sink that ends its requests once `open` is true.
fn gate(
    number: usize,
    received: &Received,
    open: &tokio::sync::watch::Sender<bool>,
    alive: Alive,
) -> Transport {
    let (received, open) = (received.clone(), open.subscribe());
    let sink = move |request: bytes::Bytes| {
        let _alive = &alive;
        received.add(number, &request);
        let mut open = open.clone();
        async move {
            let _closed = open.wait_for(|open| *open).await;
            accepted()
        }
    };
    Transport::builder().with_sink(sink).build().unwrap()
}

fn replace(exporter: &Exporter, transport: Transport) {
    let dynamic = exporter.transport();
    dynamic.set(dynamic.prepare(transport, &exporter.batching().load()).unwrap());
}

fn built(transport: Transport) -> ExporterBuilder {
    Exporter::builder(transport).with_scheduled_delay(Duration::from_millis(1))
}

#[test]
fn spans_on_their_way_keep_their_transport_and_the_earlier_one_is_dropped_after_them() {
    let (received, alive) = (Received::default(), Arc::new(AtomicUsize::new(0)));
    let open = tokio::sync::watch::Sender::new(false);
    let now_open = tokio::sync::watch::Sender::new(true);
    let exporter =
        built(gate(0, &received, &open, Alive::new(&alive))).with_max_in_flight(1).build().unwrap();
    push(&exporter, 1..11);
    received.wait_for(0);
    replace(&exporter, gate(1, &received, &now_open, Alive::new(&alive)));
    push(&exporter, 11..21);
    // The first request fills the only slot of the earlier transport, and holds back none of the next one.
    received.wait_for(1);
    assert_eq!(alive.load(SeqCst), 2);
    let until = Instant::now() + Duration::from_millis(20);
    assert_eq!(
        exporter.flush_until(until),
        Err(FlushError::Timeout),
        "the first request is missing"
    );
    open.send_replace(true);
    exporter.flush_until(soon()).unwrap();
    let patience = soon();
    while alive.load(SeqCst) > 1 {
        assert!(Instant::now() < patience, "the earlier sink is not dropped");
        std::thread::yield_now();
    }
    exporter.shutdown_until(soon()).unwrap();
    assert!(exporter.join_until(soon()));
    assert_eq!(alive.load(SeqCst), 0);
    let snapshot = exporter.snapshot();
    snapshot.check().unwrap();
    assert_eq!((snapshot.created, snapshot.exported), (20, 20));
    let received = received.0.lock().unwrap();
    assert_eq!(received.len(), 20);
    assert!(received.values().all(|sinks| sinks.len() == 1), "{received:?}");
    assert!((1..11).all(|id| received[&id] == [0]), "{received:?}");
}

#[test]
fn a_thousand_replacements_retain_few_transports_and_lose_no_span() {
    let (received, alive) = (Received::default(), Arc::new(AtomicUsize::new(0)));
    let open = tokio::sync::watch::Sender::new(false);
    let exporter = built(gate(0, &received, &open, Alive::new(&alive))).build().unwrap();
    let most = Arc::new(AtomicUsize::new(0));
    for number in 1..=1_000 {
        let first = number as u64 * 10;
        push(&exporter, first..first + 10);
        replace(&exporter, gate(number, &received, &open, Alive::new(&alive)));
        most.fetch_max(alive.load(SeqCst), SeqCst);
        if number % 100 == 0 {
            // The endpoints answer for a while.
            open.send_replace(true);
            exporter.flush_until(soon()).unwrap();
            open.send_replace(false);
        }
    }
    // The present one, the earlier ones, and one that waits; the last replaced one is being dropped.
    let most = most.load(SeqCst);
    assert!(most <= DynamicTransport::MAX_RETIRED + 3, "{most} transports at once");
    open.send_replace(true);
    exporter.shutdown_until(soon()).unwrap();
    assert!(exporter.join_until(soon()));
    assert_eq!(alive.load(SeqCst), 0);
    let snapshot = exporter.snapshot();
    snapshot.check().unwrap();
    assert_eq!((snapshot.created, snapshot.exported), (10_000, 10_000));
    let received = received.0.lock().unwrap();
    assert_eq!(received.len(), 10_000);
    assert!(received.values().all(|sinks| sinks.len() == 1));
}

#[test]
fn a_dead_endpoint_with_a_full_queue_is_left_by_a_replacement() {
    let (received, alive) = (Received::default(), Arc::new(AtomicUsize::new(0)));
    let never = tokio::sync::watch::Sender::new(false);
    let open = tokio::sync::watch::Sender::new(true);
    let exporter = built(gate(0, &received, &never, Alive::new(&alive)))
        .with_budget_bytes(1 << 20)
        .build()
        .unwrap();
    push(&exporter, 1..200_000);
    assert!(exporter.snapshot().dropped_total() > 0, "the queue is full");
    replace(&exporter, gate(1, &received, &open, Alive::new(&alive)));
    received.wait_for(1);
    let patience = soon();
    while exporter.snapshot().in_flight > 20_000 {
        assert!(Instant::now() < patience, "{}", exporter.snapshot());
        std::thread::yield_now();
    }
    let until = Instant::now() + Duration::from_millis(300);
    assert_eq!(exporter.shutdown_until(until), Err(FlushError::Timeout));
    assert!(exporter.join_until(soon()));
    let snapshot = exporter.snapshot();
    snapshot.check().unwrap();
    assert!(snapshot.is_idle());
    let received = received.0.lock().unwrap();
    let by = |sink: usize| received.values().filter(|sinks| **sinks == [sink]).count() as u64;
    assert_eq!((by(1), by(0)), (snapshot.exported, snapshot.ambiguous()));
}

#[test]
fn a_replacement_after_the_end_has_no_effect() {
    let (received, alive) = (Received::default(), Arc::new(AtomicUsize::new(0)));
    let open = tokio::sync::watch::Sender::new(true);
    let exporter = built(gate(0, &received, &open, Alive::new(&alive))).build().unwrap();
    let next = gate(1, &received, &open, Alive::new(&alive));
    let prepared = exporter.transport().prepare(next, &exporter.batching().load()).unwrap();
    exporter.shutdown_until(soon()).unwrap();
    assert!(exporter.join_until(soon()));
    exporter.transport().set(prepared);
    assert!(exporter.transport().load().is_none());
    assert!(exporter.transport().load_all().is_empty());
    let late = gate(2, &received, &open, Alive::new(&alive));
    assert!(exporter.transport().prepare(late, &exporter.batching().load()).is_err());
    assert_eq!(alive.load(SeqCst), 0);
}

#[test]
fn a_sink_whose_drop_panics_does_not_stop_the_export() {
    struct Panics(Arc<AtomicU64>);
    impl Drop for Panics {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
            panic!("on purpose");
        }
    }
    let dropped = Arc::new(AtomicU64::new(0));
    let sink = || {
        let panics = Panics(dropped.clone());
        let sink = move |_| {
            let _panics = &panics;
            std::future::ready(accepted())
        };
        Transport::builder().with_sink(sink).build().unwrap()
    };
    let exporter = built(sink()).build().unwrap();
    for round in 0..5 {
        push(&exporter, 1 + round * 10..11 + round * 10);
        exporter.flush_until(soon()).unwrap();
        replace(&exporter, sink());
    }
    exporter.shutdown_until(soon()).unwrap();
    assert!(exporter.join_until(soon()));
    assert_eq!((exporter.snapshot().exported, dropped.load(SeqCst)), (50, 6));
}

#[test]
fn the_budget_is_divided_for_the_copies_of_the_new_transport() {
    let json = || {
        let endpoint = "http://collector-2:4318/v1/traces".parse().unwrap();
        let builder = Transport::builder().with_endpoint(endpoint);
        builder
            .with_protocol(Protocol::HttpJson)
            .with_compression(Compression::Gzip)
            .build()
            .unwrap()
    };
    let builder = Exporter::builder(plain("collector-1:4318"))
        .with_budget_bytes(2 << 20)
        .with_scheduled_delay(HOUR);
    let (queue, prepared) = builder.prepare().unwrap();
    let dynamic = prepared.transport().clone();
    let batch = prepared.batching().load();
    let max_span_bytes = prepared.max_span_bytes();
    drop((queue, prepared));
    let next = dynamic.prepare(json(), &batch).unwrap();
    assert!(next.max_span_bytes() < max_span_bytes / 2, "{}", next.max_span_bytes());

    let builder = Exporter::builder(plain("collector-1:4318"))
        .with_budget_bytes(2 << 20)
        .with_max_in_flight(2)
        .with_scheduled_delay(Duration::from_millis(1));
    let mut world = World::new(builder);
    world.answers[0] = false;
    world.push(4_000, 100);
    // A span with more copies than the budget has memory for.
    world.push(1, max_span_bytes - 1_000);
    world.wait(Duration::from_millis(50));
    assert!(!world.in_flight.is_empty());
    let before = world.in_flight.len();
    assert!(world.in_flight.iter().all(|(id, _)| id.generation() == 0));
    let patience = world.now + HOUR;
    while !world.machine.set_transport(world.now, &next) {
        assert!(world.now < patience);
        world.wait(Duration::from_millis(50));
    }
    world.push(1_000, 100);
    world.wait(Duration::from_millis(50));
    assert_eq!(world.machine.retired_generations().collect::<Vec<_>>(), [0]);
    assert!(world.in_flight.iter().any(|(id, _)| id.generation() == 1), "{before}");
    world.answers[0] = true;
    world.wait(Duration::from_secs(2));
    let snapshot = world.ledgers[0].snapshot();
    snapshot.check().unwrap();
    assert_eq!(snapshot.in_flight, 0, "{snapshot}");
    assert_eq!(snapshot.exported + snapshot.dropped(DropReason::QueueBytes), snapshot.created);
    assert!(snapshot.exported >= 4_000, "{snapshot}");
    assert_eq!(world.machine.retired_generations().count(), 0);
    // The encoder of the new transport is charged as long as the machine has it.
    let World { machine, queue, .. } = world;
    assert!(queue.budget().charged() >= 384 << 10);
    drop(machine);
    let _freed = queue.apply(QueueAction::Trim { retain: 0 });
    assert!(queue.budget().charged() < 384 << 10, "{:?}", queue.budget());
}

#[test]
fn a_budget_without_memory_for_the_new_copies_refuses_it() {
    let first = to("collector-1:4318", Compression::None);
    let mut builder = Exporter::builder(first).with_budget_bytes(1 << 20);
    for number in 2..4 {
        builder =
            builder.with_destination(to(&format!("collector-{number}:4318"), Compression::None));
    }
    let (_queue, prepared) = builder.prepare().unwrap();
    let json = Transport::builder().with_protocol(Protocol::HttpJson).build().unwrap();
    let error = prepared.transport().prepare(json, &prepared.batching().load()).unwrap_err();
    assert!(error.to_string().contains("7 copies of a request"), "{error}");
    let same = to("collector-9:4318", Compression::None);
    assert!(prepared.transport().prepare(same, &prepared.batching().load()).is_ok());
}

#[test]
fn a_destination_that_is_routed_keeps_its_endpoints() {
    let builder = Exporter::builder(routed());
    let (_queue, prepared) = builder.prepare().unwrap();
    let error =
        prepared.transport().prepare(plain("a:1"), &prepared.batching().load()).unwrap_err();
    assert!(error.to_string().contains("routed by trace id"), "{error}");
}

/// Pushes a span with an attribute of `bytes` bytes.
fn push_large(world: &World, id: u128, bytes: usize) {
    let limits = SpanLimits::default().with_value_chars(bytes);
    let (mut writer, trace_id) = (SpanWriter::new(), TraceId(id));
    writer.begin(&limits, "large");
    writer.attribute(&limits, "key", "v".repeat(bytes).as_str());
    let header = SpanHeader { trace_id, span_id: SpanId(1), ..SpanHeader::default() };
    world.queue.ledger().started();
    world.queue.push(&writer.finish(&header), SpanMeta { trace_id, ..SpanMeta::default() });
}

#[test]
fn a_large_span_is_charged_for_the_copies_of_the_new_transport_or_lost_where_they_have_no_space() {
    let json = || {
        let endpoint = "http://collector-2:4318/v1/traces".parse().unwrap();
        let builder = Transport::builder().with_endpoint(endpoint);
        let builder = builder.with_protocol(Protocol::HttpJson);
        builder.with_compression(Compression::Gzip).build().unwrap()
    };
    for (budget, is_lost) in [(16 << 20, false), (2 << 20, true)] {
        let builder = Exporter::builder(plain("collector-1:4318"))
            .with_budget_bytes(budget)
            .with_scheduled_delay(HOUR);
        let mut world = World::new(builder);
        let (dynamic, batch) = (world.transport.clone(), world.batching.load());
        let bytes = 300 << 10;
        push_large(&world, 1, bytes);
        let next = dynamic.prepare(json(), &batch).unwrap();
        assert!(world.machine.set_transport(world.now, &next));
        assert!(!is_lost || next.max_span_bytes() < bytes);
        world.push(1, 10);
        world.machine.flush(world.now + HOUR);
        world.answers[0] = false;
        world.wait(Duration::from_millis(100));
        let sent = world.in_flight.iter().map(|(_, request)| request.message().len());
        let largest = sent.max().unwrap();
        assert_eq!(largest < bytes, is_lost, "{largest}");
        // Itself, its JSON of six times the length, and the same compressed.
        let charged = world.queue.budget().charged();
        assert!(is_lost || charged >= 13 * bytes, "{charged} bytes");
        world.answers[0] = true;
        world.wait(Duration::from_millis(100));
        let snapshot = world.ledgers[0].snapshot();
        snapshot.check().unwrap();
        let lost = u64::from(is_lost);
        let outcome = (snapshot.exported, snapshot.dropped(DropReason::QueueBytes));
        assert_eq!(outcome, (2 - lost, lost), "{snapshot}");
        assert_eq!(world.flushes, [true]);
    }
}
