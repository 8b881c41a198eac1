//! A receiver that refuses requests as too large: their spans are sent again in smaller requests.

use spanwise_export::{ExportEvent, Exporter, Observer};
use spanwise_ledger::{Counter, DropReason};
use spanwise_testkit::{decode, spans};
use spanwise_transport::{Failure, Outcome, Transport};
use spanwise_wire::write::{SpanHeader, SpanWriter, encode_scope};
use spanwise_wire::{SpanId, SpanLimits, SpanMeta, TraceId, Value};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

const LONG: Duration = Duration::from_secs(60);
/// A timeout that a flush here always reaches.
const SHORT: Duration = Duration::from_millis(100);
const KIB: usize = 1 << 10;

/// The requests that a receiver with a limit got: bytes, ids of the spans, whether it accepted them.
type Requests = Arc<Mutex<Vec<(usize, Vec<u64>, bool)>>>;

/// The events of splits: spans and the new limit.
#[derive(Default)]
struct Splits(Arc<Mutex<Vec<(u64, usize)>>>);

impl Observer for Splits {
    fn event(&mut self, event: ExportEvent) {
        if let ExportEvent::RequestSplit { spans, max_bytes, delivery, .. } = event {
            assert!(!delivery.is_accepted());
            self.0.lock().unwrap().push((spans, max_bytes));
        }
    }
}

struct World {
    exporter: Exporter,
    requests: Requests,
    splits: Arc<Mutex<Vec<(u64, usize)>>>,
    scopes: [u32; 2],
    writer: SpanWriter,
    next: u64,
    /// While this is false, requests wait for their answer.
    is_open: watch::Sender<bool>,
}

/// An exporter whose receiver reads requests of at most `limit` bytes.
fn world(limit: usize) -> World {
    let requests = Requests::default();
    let received = requests.clone();
    let is_open = watch::Sender::new(true);
    let gate = is_open.subscribe();
    let sink = move |body: bytes::Bytes| {
        let mut gate = gate.clone();
        let request = decode(&body);
        let ids = spans(&request)
            .map(|span| u64::from_be_bytes(span.span_id.as_slice().try_into().unwrap()));
        let is_accepted = body.len() <= limit;
        received.lock().unwrap().push((body.len(), ids.collect(), is_accepted));
        async move {
            gate.wait_for(|is_open| *is_open).await.unwrap();
            match is_accepted {
                true => Outcome::Accepted { rejected: 0, message: None },
                false => Outcome::Failed(Failure::TooLarge),
            }
        }
    };
    let splits = Splits::default();
    let observed = splits.0.clone();
    let exporter = Exporter::builder(Transport::builder().with_sink(sink).build().unwrap())
        .with_observer(splits)
        .with_scheduled_delay(LONG)
        .with_max_in_flight(1)
        .build()
        .unwrap();
    let header = |name| encode_scope(name, "", [] as [(&str, Value<'_>); 0], "");
    let scopes = ["first", "second"].map(|name| exporter.scopes().index(&header(name)).unwrap());
    let writer = SpanWriter::new();
    World { exporter, requests, splits: observed, scopes, writer, next: 0, is_open }
}

impl World {
    fn push(&mut self, bytes: usize) -> u64 {
        self.next += 1;
        let limits = SpanLimits::default().with_value_chars(1 << 20).with_span_bytes(1 << 20);
        self.writer.begin(&limits, "span");
        self.writer.attribute(&limits, "key", "v".repeat(bytes).as_str());
        let span_id = SpanId(self.next);
        let header = SpanHeader { trace_id: TraceId(1), span_id, ..SpanHeader::default() };
        let scope = self.scopes[(self.next % 2) as usize];
        let meta = SpanMeta { span_id, scope, ..SpanMeta::default() };
        self.exporter.push(&self.writer.finish(&header), meta);
        self.next
    }

    /// Pushes spans of these sizes while a request is in flight: the next requests are as large as their limit.
    fn fill(&mut self, sizes: impl IntoIterator<Item = usize>) -> Vec<u64> {
        self.is_open.send_replace(false);
        let first = self.push(100);
        let _in_flight = self.exporter.flush_timeout(SHORT);
        let ids = sizes.into_iter().map(|size| self.push(size)).collect::<Vec<_>>();
        // All chunks are drained, and none of them can be sent.
        let _drained = self.exporter.flush_timeout(SHORT);
        self.is_open.send_replace(true);
        [vec![first], ids].concat()
    }

    /// Sends all spans; each has one outcome, and was accepted once if it is not among those lost.
    fn flush(&self, lost: &[u64]) {
        self.exporter.flush_timeout(LONG).unwrap();
        let account = self.exporter.snapshot();
        account.check().unwrap();
        assert_eq!(account.in_flight, 0);
        assert_eq!(account.dropped(DropReason::TooLarge), lost.len() as u64);
        assert_eq!(account.exported, self.next - lost.len() as u64);
        let requests = self.requests.lock().unwrap();
        let accepted = requests.iter().filter(|(_, _, is_accepted)| *is_accepted);
        let ids: Vec<u64> = accepted.flat_map(|(_, ids, _)| ids.iter().copied()).collect();
        let distinct: BTreeSet<u64> = ids.iter().copied().collect();
        assert_eq!(ids.len(), distinct.len(), "no span twice");
        let expected = (1..=self.next).filter(|id| !lost.contains(id)).collect();
        assert_eq!(distinct, expected);
    }

    fn refused(&self) -> usize {
        self.requests.lock().unwrap().iter().filter(|(_, _, accepted)| !accepted).count()
    }
}

#[test]
fn every_span_arrives_whatever_the_limit() {
    for limit in [1 << 20, 500 * KIB, 100 * KIB, 64 * KIB, 10 * KIB, KIB] {
        let mut world = world(limit);
        world.fill([400; 5_000]);
        world.flush(&[]);
        let refused = world.refused();
        assert_eq!(refused > 0, limit < 896 * KIB, "{limit}: {refused} refused");
        let account = world.exporter.snapshot();
        assert_eq!(account.counter(Counter::RequestsSplit), refused as u64);
        assert_eq!(account.counter(Counter::RequestsFailed), refused as u64);
        assert_eq!(world.splits.lock().unwrap().len(), refused);
    }
}

#[test]
fn the_limit_is_halved_down_to_64_kib_and_remembered() {
    let mut world = world(100 * KIB);
    world.fill([400; 5_000]);
    world.flush(&[]);
    let limits: Vec<usize> = world.splits.lock().unwrap().iter().map(|(_, max)| *max).collect();
    assert!(limits.is_sorted_by(|a, b| a >= b), "{limits:?}");
    let last = *limits.last().unwrap();
    assert!((64 * KIB..=100 * KIB).contains(&last), "{limits:?}");
    let refused = world.refused();
    world.fill([400; 5_000]);
    world.flush(&[]);
    assert_eq!(world.refused(), refused, "no later request is refused");
    let requests = world.requests.lock().unwrap();
    assert!(requests[requests.len() - 10..].iter().all(|(bytes, _, _)| *bytes <= last));
}

#[test]
fn a_span_that_does_not_fit_alone_is_lost_alone() {
    for size in [150 * KIB, 20 * KIB] {
        let mut world = world(size - 1);
        let is_large = |index: &usize| index % 500 == 250;
        let sizes = (0..2_000).map(|index| if is_large(&index) { size } else { 100 });
        let ids = world.fill(sizes);
        let large = (0..2_000).filter(is_large).map(|index| ids[index + 1]).collect::<Vec<_>>();
        world.flush(&large);
    }
}

#[test]
fn a_receiver_that_refuses_everything_gets_a_bounded_number_of_requests() {
    let mut world = world(0);
    let first = world.fill([400; 4_000]);
    world.flush(&first);
    let refused = world.refused();
    assert!(refused < 400, "{refused} requests");
    let all = [first, world.fill([400; 4_000])].concat();
    world.flush(&all);
    let more = world.refused() - refused;
    // As many as requests of 64 KiB, each of which is lost whole.
    assert!(more < 40, "{more} requests");
}
